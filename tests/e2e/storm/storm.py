# SPDX-License-Identifier: BSD-2-Clause
"""
Runs the set-ups through the storms, one after the other, and keeps what became of every request.
To be started by run.sh, which makes the small host and removes it.
"""
import argparse
import asyncio
import dataclasses
import json
import os
import pathlib
import signal
import socket
import sys
import time

import plan
from host import SmallHost, end_process, forget_pages, go_first
from load import Load, as_rows, measure_capacity
from setups import SLOTS, EarlyOom, OneServer
from tierd_setup import Tierd

CAPACITY_REQUESTS = 24
RATE_MIN = 0.2
SAMPLE_S = 0.5
SETUPS = {
    "large": lambda context: OneServer(context, "large"),
    "small": lambda context: OneServer(context, "small"),
    "earlyoom": EarlyOom,
    "tierd": Tierd,
}


@dataclasses.dataclass
class Context:
    """What every set-up needs to know."""
    host: SmallHost
    engine: pathlib.Path
    models: pathlib.Path
    size_name: str
    build: pathlib.Path
    out: pathlib.Path
    port: int

    @property
    def size(self):
        """Of the host and its models."""
        return plan.SIZES[self.size_name]

    def model(self, tier):
        """The file of a tier."""
        return self.models / f"{self.size_name}-{tier}.gguf"


def free_port():
    """The first of several free ports in a row, as far as one can know."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def play_storm(context, setup, storm, data_file):
    """Its hogs, until they have ended."""
    hogs = [await setup.spawn(
        plan.hog_command(context.build / "tests/tools/hog", arguments, storm.seconds,
                         context.host.capacity, data_file), "others", "hogs.log")
            for arguments in storm.hogs]
    deadline = time.monotonic() + storm.seconds
    for hog in hogs:
        try:
            await asyncio.wait_for(hog.wait(), max(0.1, deadline - time.monotonic()))
        except asyncio.TimeoutError:
            await end_process(hog, 1)


async def sample(context, setup, load, rows):
    """How it went, for people who want to know why."""
    while True:
        rows.append({"s": round(load.now(), 2), "available": context.host.available(),
                     "usage": context.host.stat()["usage"], "tier": setup.served_tier(), **context.host.counters()})
        await asyncio.sleep(SAMPLE_S)


async def play(context, setup, phases, load, data_file):
    """All storms, at their times. Returns for each what grew in it and the tier at its end."""
    results = []
    for phase in phases:
        before = context.host.counters()
        await asyncio.sleep(max(0.0, phase.storm_begin_s - load.now()))
        print(f"  {load.now():6.1f} s  {phase.storm.title}", flush=True)
        await play_storm(context, setup, phase.storm, data_file)
        await asyncio.sleep(max(0.0, phase.end_s - load.now()))
        after = context.host.counters()
        results.append({"storm": phase.storm.name, "tier_at_end": setup.served_tier(),
                        "begin_s": phase.begin_s, "storm_begin_s": phase.storm_begin_s,
                        "storm_end_s": phase.storm_end_s, "end_s": phase.end_s,
                        **{key: after[key] - before[key] for key in after}})
    return results


async def run_setup(context, name, storms, rate, data_file):
    """One set-up through all storms."""
    setup = SETUPS[name](context)
    phases = plan.timeline(plan.SEED, storms, context.size, setup.can_switch)
    load = Load(setup.url, plan.requests(plan.SEED, rate, phases[-1].end_s))
    samples = []
    for tier in plan.TIERS:
        forget_pages(context.model(tier))
    forget_pages(data_file)
    print(f"{setup.name}: {len(load.planned)} requests in {phases[-1].end_s:.0f} s", flush=True)
    try:
        await setup.start()
        await asyncio.sleep(setup.warmup_s)
        running = asyncio.create_task(load.run())
        await asyncio.sleep(0)
        sampler = asyncio.create_task(sample(context, setup, load, samples))
        parts = await play(context, setup, phases, load, data_file)
        await running
        sampler.cancel()
    finally:
        await setup.stop()
    switches = [{"s": row[0] - load.origin, "from": row[1], "to": row[2], "mode": row[3],
                 "reason": row[4]} for row in setup.switches()]
    return {"setup": name, "title": setup.name, "phases": parts, "requests": as_rows(load.outcomes),
            "switches": switches, "restarts": getattr(setup, "restarts", 0), "samples": samples}


async def find_rate(context):
    """Half of what the large tier can do in calm."""
    setup = OneServer(context, "large")
    try:
        await setup.start()
        capacity = await measure_capacity(setup.url, CAPACITY_REQUESTS, SLOTS)
    finally:
        await setup.stop()
    print(f"calm capacity of the large tier: {capacity:.2f} requests a second", flush=True)
    return max(RATE_MIN, capacity / 2)


def make_data_file(context):
    """For the page-cache thrash; left uncached."""
    path = context.out / "data"
    size = int(plan.FILE_SHARE * context.host.capacity)
    with open(path, "wb") as file:
        chunk = os.urandom(1 << 20)
        for _ in range(size >> 20):
            file.write(chunk)
    forget_pages(path)
    return path


async def run(arguments):
    """The set-ups asked for; results go into one file each."""
    context = Context(SmallHost(arguments.group, arguments.pressure), arguments.engine,
                      arguments.models, arguments.size, arguments.build, arguments.out,
                      free_port())
    storms = [storm for storm in plan.STORMS
              if not arguments.storms or storm.name in arguments.storms.split(",")]
    data_file = make_data_file(context)
    try:
        rate = arguments.rate or await find_rate(context)
        for name in arguments.setups.split(","):
            result = await run_setup(context, name, storms, rate, data_file)
            result["rate"] = rate
            result["size"] = arguments.size
            (context.out / f"result-{name}.json").write_text(json.dumps(result), encoding="utf-8")
    finally:
        data_file.unlink()


def parse_arguments():
    """Of run.sh."""
    parser = argparse.ArgumentParser()
    for name in ("engine", "models", "build", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--group", required=True)
    parser.add_argument("--pressure", required=True)
    parser.add_argument("--size", choices=sorted(plan.SIZES), required=True)
    parser.add_argument("--setups", default=",".join(SETUPS))
    parser.add_argument("--storms", default="")
    parser.add_argument("--rate", type=float, default=0)
    return parser.parse_args()


async def main():
    """Ends what it started also when it is told to end."""
    go_first()
    task = asyncio.create_task(run(parse_arguments()))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        sys.exit(130)


asyncio.run(main())
