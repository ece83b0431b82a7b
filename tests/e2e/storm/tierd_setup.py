# SPDX-License-Identifier: BSD-2-Clause
"""tierd and tier-manager: the ladder behind HAProxy, with the settings of the comparison."""
import asyncio
import json
import shlex
import shutil

import plan
from host import NICE, end_process
from setups import SLOTS, OneServer, server_command, wait_until_ready

STABILIZATION_S = 20
AGENT_START_S = 20
# What others do on this machine at nice 10 and more is not the small host's business.
IGNORE_NICE = 9


class Tierd(OneServer):
    """Starts on the large tier, too; who serves then is tierd's decision."""

    can_switch = True
    warmup_s = 12  # it decides nothing in its first 10 s

    def __init__(self, context):
        super().__init__(context, "large")
        self.name = "tierd"
        self.run_dir = context.out / "run"
        self.decisions = context.out / "decisions.ndjson"
        self.agent = None
        self.manager = None
        self.rows = []
        self.partial = ""
        self.reader = None

    def write_agent_config(self):
        """tierd.conf"""
        lines = ["[agent]", f"run_dir = {self.run_dir}", f"decisions = {self.decisions}",
                 "state_file =",  # each run begins as on the first day
                 f"record = {self.context.out / 'tierd.trace'}", "source = bpf",
                 f"ignore_nice = {IGNORE_NICE}",
                 "[model]", f"cgroup = {self.context.host.part('model')}",
                 # Clients want an answer, so no step goes to `off`.
                 "[policy]", f"min_tier = {plan.TIERS[-1]}", f"stabilization = {STABILIZATION_S}s",
                 f"stabilization_min = {STABILIZATION_S}s", "[switch]", "drain_deadline = 10s",
                 # As long as such requests take.
                 "[cost]", "drain = 3s", "abort = 3s"]
        for tier in plan.TIERS:
            lines += [f"[tier {tier}]", f"memory = {self.context.size.memory[tier]}",
                      f"quality = {plan.QUALITY[tier]}", "load = 2s", "cores = 1"]
        path = self.context.out / "tierd.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    def write_manager_config(self):
        """tier-manager.conf: every server moves itself into the model's group."""
        port = self.context.port
        host = self.context.host
        files = sorted({str(base / "model/cgroup.procs") for base in (host.group, host.pressure)})
        enter = " ".join(f"echo $$ >{shlex.quote(file)};" for file in files)
        # The manager gives each server a session of its own, and so a priority of its own.
        enter += f" echo {NICE} 2>/dev/null >/proc/self/autogroup;"
        lines = ["[manager]", f"run_dir = {self.run_dir}", "backend = haproxy", "user = root",
                 f"work_dir = {self.run_dir / 'manager'}", "initial_tier = large",
                 "[gate]", f"listen = 127.0.0.1:{port}", "wait = 60s", "max_requests = 256",
                 "[server]", f"slots = {SLOTS}"]
        for number, tier in enumerate(plan.TIERS, 1):
            address = f"127.0.0.1:{port + number}"
            command = shlex.join(server_command(self.context, tier, address))
            lines += [f"[tier {tier}]", f"memory = {self.context.size.memory[tier]}",
                      f"address = {address}", f"start = {enter} exec {command}"]
        path = self.context.out / "tier-manager.conf"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    async def start(self):
        shutil.rmtree(self.run_dir, ignore_errors=True)
        self.decisions.unlink(missing_ok=True)
        # The agent is not of the small host; its manager is.
        with open(self.context.out / "tierd.log", "ab") as log:
            self.agent = await asyncio.create_subprocess_exec(
                str(self.context.build / "tierd"), "--config", str(self.write_agent_config()),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)
        for _ in range(AGENT_START_S * 10):
            if (self.run_dir / "control.fifo").exists():
                break
            await asyncio.sleep(0.1)
        self.manager = await self.spawn([str(self.context.build / "tier-manager"), "--config",
                                         str(self.write_manager_config())], "others",
                                        "tier-manager.log")
        await wait_until_ready(self.url)
        self.reader = asyncio.create_task(self.read_decisions())

    async def stop(self):
        if self.reader:
            self.reader.cancel()
        await end_process(self.manager, 20)
        await end_process(self.agent, 10)

    async def read_decisions(self):
        """Follows what tierd decides."""
        with open(self.decisions, encoding="utf-8") as file:
            while True:
                self.partial += file.read()
                *lines, self.partial = self.partial.split("\n")
                self.rows += [json.loads(line) for line in lines if line]
                self.check_alive()
                await asyncio.sleep(0.2)

    def check_alive(self):
        """A set-up that has ended would measure nothing."""
        for name, process in (("tierd", self.agent), ("tier-manager", self.manager)):
            if process.returncode is not None:
                print(f"  {name} has ended with {process.returncode}", flush=True)
                raise RuntimeError(f"{name} has ended")

    def served_tier(self):
        for row in reversed(self.rows):
            if row["action"] in ("done", "start"):
                return row["to"]
        return self.tier

    def switches(self):
        return [(row["time_ns"] / 1e9, row["from"], row["to"], row["mode"], row["reason"])
                for row in self.rows if row["action"] == "switch"]
