# SPDX-License-Identifier: BSD-2-Clause
"""What is done in each run: sizes, storms and their times, and the requests, all from one seed."""
import dataclasses
import random

MIB = 1 << 20
SEED = 5
TIERS = ("large", "medium", "small")
QUALITY = {"large": 1.0, "medium": 0.7, "small": 0.4}
TOKENS = (8, 12, 16, 24)  # of a request, each as often
PROMPTS = ("Once upon a time", "One day Lily found a red ball", "Tom lived by the river",
           "There was a little mouse named Sam")
BURST_REQUESTS = 3
BURST_SHARE = 0.3  # of all requests


@dataclasses.dataclass(frozen=True)
class Size:
    """A small host and its ladder: what tiers take is said as tierd.conf needs it."""
    capacity: int
    memory: dict
    first_calm_s: int  # before all storms
    lead_s: int  # before a storm
    calm_s: tuple  # after it: the least and the most
    last_calm_s: int  # after the last one
    tail_s: int  # of it, for those whose tier never changes


SIZES = {
    "full": Size(1536 * MIB, {"large": 1010 * MIB, "medium": 290 * MIB, "small": 80 * MIB},
                 20, 3, (85, 115), 85, 85),
    "short": Size(700 * MIB, {"large": 330 * MIB, "medium": 110 * MIB, "small": 60 * MIB},
                  0, 3, (7, 7), 45, 5),
}


@dataclasses.dataclass(frozen=True)
class Storm:
    """Hogs (arguments of build/tests/tools/hog, sizes as shares of the capacity)."""
    name: str
    seconds: int
    hogs: tuple
    title: str


def _memory(share, grow_s, *more):
    return ("--memory", share, "--grow-seconds", str(grow_s), *more)


# How fast memory is really taken is the host's matter: 2 to 4 seconds for a gigabyte on bare metal
# with two CPUs, far longer in a virtual machine whose memory is given to it page by page.
STORMS = (
    Storm("leak", 18, (_memory(0.5, 12),), "slow leak: 50 % of the capacity in 12 s"),
    Storm("ramp", 12, (_memory(0.3, 1), _memory(0.3, 1)), "fast ramp: 60 % as fast as it goes"),
    Storm("cpu", 12, (("--spin", "--threads", "4"),), "CPU contention: 4 threads"),
    Storm("thrash", 12, (("--file", "FILE", "--read"),),
          "page-cache thrash: a file of 75 % read again and again"),
    Storm("spike", 5, (_memory(0.25, 1), _memory(0.25, 1)), "spike of 5 s: 50 %"),
    Storm("burst", 14, (_memory(0.26, 1, "--touch"),) * 5, "OOM-sized burst: 5 x 26 %"),
)
FILE_SHARE = 0.75


def hog_command(hog, arguments, seconds, capacity, data_file):
    """The command line of one hog of a storm."""
    words = [str(hog), "--die-with-parent", "--comm", "hog", "--seconds", str(seconds)]
    for word in arguments:
        if isinstance(word, float):
            word = str(int(word * capacity))
        words.append(str(data_file) if word == "FILE" else word)
    return words


@dataclasses.dataclass(frozen=True)
class Phase:
    """One storm and the calm around it, in seconds from the first request."""
    storm: Storm
    begin_s: float
    storm_begin_s: float
    storm_end_s: float
    end_s: float


def timeline(seed, storms, size, can_switch):
    """The phases of a run, one after the other; no two calms are as long, as on a real host."""
    rng = random.Random(seed + 3)
    phases, now = [], float(size.first_calm_s)
    for storm in storms:
        begin = now + size.lead_s
        end = begin + storm.seconds
        calm = rng.randint(*size.calm_s) if storm is not storms[-1] else (
            size.last_calm_s if can_switch else size.tail_s)
        phases.append(Phase(storm, now if phases else 0.0, begin, end, end + calm))
        now = end + calm
    return phases


@dataclasses.dataclass(frozen=True)
class Planned:
    """A request as it will be sent, whatever becomes of those before it."""
    at_s: float
    tokens: int
    prompt: str
    is_stream: bool


def requests(seed, rate, end_s):
    """Arrivals at this mean rate: single ones (Poisson) and bursts, every second one a stream."""
    times = []
    rng = random.Random(seed)
    now = rng.expovariate(rate * (1 - BURST_SHARE))
    while now < end_s:
        times.append(now)
        now += rng.expovariate(rate * (1 - BURST_SHARE))
    rng = random.Random(seed + 1)
    now = rng.expovariate(rate * BURST_SHARE / BURST_REQUESTS)
    while now < end_s:
        times += [now + 0.1 * i for i in range(BURST_REQUESTS)]
        now += rng.expovariate(rate * BURST_SHARE / BURST_REQUESTS)
    rng = random.Random(seed + 2)
    return [Planned(at_s, rng.choice(TOKENS), rng.choice(PROMPTS), i % 2 == 0)
            for i, at_s in enumerate(sorted(times))]
