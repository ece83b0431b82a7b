# SPDX-License-Identifier: BSD-2-Clause
"""An open-loop load generator: requests are sent when their time has come, answered or not."""
import asyncio
import dataclasses
import json
import time

import aiohttp

from plan import PROMPTS, TOKENS, Planned

REQUEST_TIMEOUT_S = 120
PATH = "/v1/completions"


@dataclasses.dataclass
class Outcome:
    """What became of one request; times in seconds from the first one's plan."""
    at_s: float
    is_stream: bool
    wanted: int
    first_byte_s: float = 0.0
    end_s: float = 0.0
    status: int = 0  # 0: no answer
    tier: str = ""  # as the answer says
    tokens: int = 0
    ok: bool = False
    error: str = ""


def open_session():
    """A connection for each request, and as many as come."""
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
                                 connector=aiohttp.TCPConnector(limit=0, force_close=True))


class Load:
    """Sends what is planned to one URL and keeps what became of it."""

    def __init__(self, url, planned):
        self.url = url
        self.planned = planned
        self.outcomes = []
        self.origin = 0.0

    def now(self):
        """Seconds since the origin of the run."""
        return time.monotonic() - self.origin

    async def run(self):
        """Returns when all requests have ended, which their timeout bounds."""
        self.origin = time.monotonic()
        tasks = []
        async with open_session() as session:
            for planned in self.planned:
                await asyncio.sleep(max(0.0, planned.at_s - self.now()))
                tasks.append(asyncio.create_task(self.send(session, planned)))
            await asyncio.gather(*tasks)

    async def send(self, session, planned):
        """One request, from its being sent to its end."""
        outcome = Outcome(self.now(), planned.is_stream, planned.tokens)
        self.outcomes.append(outcome)
        body = {"prompt": planned.prompt, "max_tokens": planned.tokens, "ignore_eos": True,
                "temperature": 0, "stream": planned.is_stream}
        try:
            async with session.post(self.url + PATH, json=body) as reply:
                outcome.status = reply.status
                if reply.status != 200:
                    outcome.error = (await reply.text())[:200]
                elif planned.is_stream:
                    await self.read_stream(reply, outcome)
                else:
                    await self.read_plain(reply, outcome)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            outcome.error = f"{type(error).__name__}: {error}"[:200]
        outcome.end_s = self.now()

    async def read_plain(self, reply, outcome):
        """The whole answer is one JSON object."""
        answer = json.loads(await reply.read())
        outcome.first_byte_s = self.now()
        outcome.tier = answer["model"]
        outcome.tokens = answer["usage"]["completion_tokens"]
        outcome.ok = outcome.tokens == outcome.wanted

    async def read_stream(self, reply, outcome):
        """Server-sent events: one for each token, one that says why it ended, and [DONE]."""
        async for line in reply.content:
            if not line.startswith(b"data: "):
                continue
            outcome.first_byte_s = outcome.first_byte_s or self.now()
            if line.strip() == b"data: [DONE]":
                outcome.ok = outcome.tokens > 0
                continue
            event = json.loads(line[6:])
            if "error" in event:
                outcome.error = str(event["error"])[:200]
                return
            outcome.tier = event["model"]
            if event["choices"][0]["finish_reason"] is None:
                outcome.tokens += 1


async def measure_capacity(url, count, at_once):
    """Requests per second with so many at once: a closed loop over the plan's mix."""
    waiting = [Planned(0, TOKENS[i % len(TOKENS)], PROMPTS[i % len(PROMPTS)], i % 2 == 0)
               for i in range(count)]
    load = Load(url, [])
    load.origin = time.monotonic()

    async def client(session):
        while waiting:
            await load.send(session, waiting.pop())

    async with open_session() as session:
        await asyncio.gather(*(client(session) for _ in range(at_once)))
    bad = [outcome.error for outcome in load.outcomes if not outcome.ok]
    if bad:
        raise RuntimeError(f"a calm server failed {len(bad)} requests: {bad[0]}")
    return count / load.now()


def as_rows(outcomes):
    """For JSON."""
    return [dataclasses.asdict(outcome) for outcome in outcomes]
