# SPDX-License-Identifier: BSD-2-Clause
"""The small host: a memory cgroup (v1 or v2) with a model and an others group, and its numbers."""
import asyncio
import ctypes
import os
import pathlib
import signal

PR_SET_PDEATHSIG = 1
NICE = -10
_libc = ctypes.CDLL(None, use_errno=True)


class SmallHost:
    """Folders made by run.sh: group, and for its pressure the same in the unified hierarchy."""

    def __init__(self, group, pressure):
        self.group = pathlib.Path(group)
        self.pressure = pathlib.Path(pressure)
        self.is_v1 = (self.group / "memory.limit_in_bytes").exists()
        name = "memory.limit_in_bytes" if self.is_v1 else "memory.max"
        self.capacity = int((self.group / name).read_text(encoding="ascii"))

    def part(self, name):
        """Path of a group for tierd."""
        return self.group / name

    def enter(self, part):
        """For preexec_fn: moves the new process in, and lets it die with us."""
        files = {str(base / part / "cgroup.procs") for base in (self.group, self.pressure)}

        def enter():
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            for file in files:
                with open(file, "w", encoding="ascii") as procs:
                    procs.write(str(os.getpid()))
        return enter

    def stat(self):
        """Usage, and what of it is file pages."""
        prefix = "total_" if self.is_v1 else ""
        usage = "memory.usage_in_bytes" if self.is_v1 else "memory.current"
        fields = dict(line.split() for line in
                      (self.group / "memory.stat").read_text(encoding="ascii").splitlines())
        return {"usage": int((self.group / usage).read_text(encoding="ascii")),
                "file": int(fields[prefix + "active_file"]) + int(fields[prefix + "inactive_file"])}

    def available(self):
        """As the kernel estimates MemAvailable: file pages can be had."""
        stat = self.stat()
        return max(0, self.capacity - stat["usage"] + stat["file"])

    def oom_kills(self, part):
        """Of processes of this part, since it was made."""
        name = "memory.oom_control" if self.is_v1 else "memory.events"
        fields = dict(line.split() for line in
                      (self.group / part / name).read_text(encoding="ascii").splitlines())
        return int(fields["oom_kill"])

    def stall_s(self, part=""):
        """Seconds in which at least one thread of it was stalled for memory (PSI, some)."""
        some = (self.pressure / part / "memory.pressure").read_text(encoding="ascii").split()
        return int(some[some.index("full") - 1].split("=")[1]) / 1e6

    def counters(self):
        """All that only grows."""
        return {"stall_s": self.stall_s(), "model_stall_s": self.stall_s("model"),
                "oom_model": self.oom_kills("model"), "oom_others": self.oom_kills("others")}


def forget_pages(path):
    """Drops a file from the page cache, so that who reads it next is charged for it."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(fd)


def lead_session():
    """A session of its own, which the scheduler may treat as one (man 7 sched, autogroup): it gets a
    priority, too."""
    os.setsid()
    try:
        pathlib.Path("/proc/self/autogroup").write_text(str(NICE), encoding="ascii")
    except OSError:
        pass  # it does not


def go_first():
    """What else this machine does should not count."""
    os.nice(NICE)
    lead_session()


async def end_process(process, grace_s):
    """SIGTERM, and SIGKILL if that does not end it."""
    if process is None or process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), grace_s)
    except asyncio.TimeoutError:
        process.kill()
        await process.wait()
