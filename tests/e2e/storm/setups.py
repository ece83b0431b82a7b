# SPDX-License-Identifier: BSD-2-Clause
"""The set-ups that are compared: one server as systemd would keep it, with and without earlyoom."""
import asyncio
import os
import time

import aiohttp

from host import end_process, lead_session

RESTART_DELAY_S = 1.0  # as Restart=always, RestartSec=1
READY_TIMEOUT_S = 120
MEMINFO_PERIOD_S = 0.1
SLOTS = 4


def server_command(context, tier, address):
    """One llama-server. One thread computes: spinning ones collapse when they are preempted."""
    host, port = address.split(":")
    return [str(context.engine / "llama-server"), "-m", str(context.model(tier)), "--alias", tier,
            "--host", host, "--port", port, "-t", "1", "-c", str(256 * SLOTS), "-np", str(SLOTS),
            "--threads-http", "4", "--cache-ram", "0", "--offline"]


async def wait_until_ready(url):
    """Until /health says 200."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            try:
                async with session.get(url + "/health") as reply:
                    if reply.status == 200:
                        return
            except (aiohttp.ClientError, OSError):
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError(f"nothing answers at {url}")


class OneServer:
    """No agent: one tier, started again whenever it ends."""

    can_switch = False
    warmup_s = 2

    def __init__(self, context, tier):
        self.context = context
        self.tier = tier
        self.name = f"no agent, {tier}"
        self.url = f"http://127.0.0.1:{context.port}"
        self.restarts = 0
        self.keeper = None
        self.process = None

    def wrap(self, command):
        """How a process of the small host is started."""
        return command

    async def spawn(self, command, part, log, is_service=False):
        """Starts a process of the small host, in its part; a service has a session of its own."""
        enter = self.context.host.enter(part)
        with open(self.context.out / log, "ab") as output:
            return await asyncio.create_subprocess_exec(
                *self.wrap(command), stdin=asyncio.subprocess.DEVNULL, stdout=output,
                stderr=output, preexec_fn=lambda: (enter(), is_service and lead_session()))

    async def keep(self):
        """Starts the server, again and again."""
        command = server_command(self.context, self.tier, f"127.0.0.1:{self.context.port}")
        while True:
            self.process = await self.spawn(command, "model", f"{self.key()}-server.log",
                                            is_service=True)
            await self.process.wait()
            self.restarts += 1
            await asyncio.sleep(RESTART_DELAY_S)

    def key(self):
        """Its name in file names."""
        return self.name.replace(", ", "-").replace(" ", "-")

    async def start(self):
        """Returns when it answers."""
        self.keeper = asyncio.create_task(self.keep())
        await wait_until_ready(self.url)

    async def stop(self):
        """Ends what was started."""
        if self.keeper:
            self.keeper.cancel()
        await end_process(self.process, 5)

    def served_tier(self):
        """The tier that serves now."""
        return self.tier

    def switches(self):
        """What was decided, as [(seconds of CLOCK_MONOTONIC, from, to, mode, reason)]."""
        return []


class EarlyOom(OneServer):
    """
    earlyoom acts on the whole machine. Here it gets the small host for one: a PID namespace in
    which nothing else is seen or can be killed, and a /proc/meminfo with the group's numbers, as
    LXCFS shows them.
    """

    def __init__(self, context):
        super().__init__(context, "large")
        self.name = "earlyoom, large"
        self.meminfo = context.out / "earlyoom-meminfo"
        self.init = None
        self.init_pid = 0
        self.earlyoom = None
        self.mirror = None

    def wrap(self, command):
        return ["nsenter", "-t", str(self.init_pid), "-p", "-m", *command]

    def write_meminfo(self):
        """In place and always as long, because earlyoom keeps the file open."""
        stat = self.context.host.stat()
        capacity = self.context.host.capacity
        free = max(0, capacity - stat["usage"])
        fields = {"MemTotal": capacity, "MemFree": free, "MemAvailable": free + stat["file"],
                  "Buffers": 0, "Cached": stat["file"], "SwapCached": 0, "SwapTotal": 0,
                  "SwapFree": 0, "AnonPages": max(0, stat["usage"] - stat["file"])}
        text = "".join(f"{name + ':':<16}{value // 1024:>12} kB\n"
                       for name, value in fields.items())
        fd = os.open(self.meminfo, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(fd, text.encode(), 0)
        finally:
            os.close(fd)

    async def keep_meminfo(self):
        """The kernel's file changes by itself; this one does not."""
        while True:
            self.write_meminfo()
            await asyncio.sleep(MEMINFO_PERIOD_S)

    async def make_namespace(self):
        """Its init does nothing; when it is killed, all in it are."""
        script = f"mount --bind {self.meminfo} /proc/meminfo && exec sleep 86400"
        self.init = await asyncio.create_subprocess_exec(
            "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", script,
            stdin=asyncio.subprocess.DEVNULL, preexec_fn=self.context.host.enter("others"))
        children = f"/proc/{self.init.pid}/task/{self.init.pid}/children"
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with open(children, encoding="ascii") as file:
                pids = file.read().split()
            if pids:
                with open(f"/proc/{pids[0]}/comm", encoding="ascii") as file:
                    if file.read().strip() == "sleep":
                        self.init_pid = int(pids[0])
                        return
            await asyncio.sleep(0.05)
        raise RuntimeError("no PID namespace can be made here")

    async def start(self):
        self.write_meminfo()
        self.mirror = asyncio.create_task(self.keep_meminfo())
        await self.make_namespace()
        self.earlyoom = await self.spawn(["earlyoom", "-r", "10"], "others", "earlyoom.log")
        await super().start()

    async def stop(self):
        if self.keeper:
            self.keeper.cancel()
        if self.init_pid:
            os.kill(self.init_pid, 9)
        await end_process(self.init, 5)
        for process in (self.process, self.earlyoom):
            await end_process(process, 5)
        if self.mirror:
            self.mirror.cancel()
