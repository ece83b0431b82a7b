# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of tier-manager share: a run directory with real FIFOs and the agent's end of
them, a real manager with a config of its own, real servers, and clients."""
import concurrent.futures
import json
import os
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
MANAGER = os.path.join(BUILD, "tier-manager")
SERVER = os.path.join(ROOT, "tests/tools/model_server.py")
ports_lock = threading.Lock()
ports_given = set()


def free_ports(count):
    """Each is given once: tests run beside each other."""
    ports = []
    with ports_lock:
        while len(ports) < count:
            with socket.socket() as each:
                each.bind(("127.0.0.1", 0))
                port = each.getsockname()[1]
            if port not in ports_given:
                ports_given.add(port)
                ports.append(port)
    return ports


def wait_for(condition, what, seconds=15):
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Rig:
    """One manager and its surroundings. The three tiers are small, medium and large."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tier-manager-test-")
        self.run_dir = os.path.join(self.dir, "run")
        self.manager = None
        self.manager_fd = -1
        self.control_fd = -1
        self.lines = []
        self.rest = b""
        self.gate_port, *self.ports = free_ports(4)
        self.log_path = os.path.join(self.dir, "log")

    # ---- the agent's end -------------------------------------------------------------------------

    def open_agent(self):
        os.mkdir(self.run_dir)
        for name in ("manager.fifo", "control.fifo"):
            os.mkfifo(os.path.join(self.run_dir, name))
        with open(os.path.join(self.run_dir, "manager.fifo.lock"), "w"):
            pass
        self.control_fd = os.open(self.run_dir + "/control.fifo", os.O_RDWR | os.O_NONBLOCK)
        self.manager_fd = os.open(self.run_dir + "/manager.fifo", os.O_RDWR | os.O_NONBLOCK)

    def close_agent(self):
        for fd in (self.control_fd, self.manager_fd):
            if fd >= 0:
                os.close(fd)
        self.control_fd = self.manager_fd = -1
        shutil.rmtree(self.run_dir, ignore_errors=True)

    def tell(self, line):
        os.write(self.manager_fd, line.encode() + b"\n")

    def switch(self, seq, to, mode="planned", overlap=0, origin="large", deadline=120000):
        self.tell(f"switch seq={seq} from={origin} to={to} mode={mode} overlap={overlap} "
                  f"deadline_ms={deadline} reason=calm culprit=-")

    def state(self, wanted, actual, seq=0, phase="steady"):
        self.tell(f"state seq={seq} wanted={wanted} actual={actual} phase={phase} paused=0")

    def read_lines(self):
        while self.control_fd >= 0 and select.select([self.control_fd], [], [], 0)[0]:
            self.rest += os.read(self.control_fd, 65536)
        *whole, self.rest = self.rest.split(b"\n")
        self.lines += [line.decode() for line in whole]

    def said(self, pattern):
        """Lines of the manager that match, in their order."""
        self.read_lines()
        return [line for line in self.lines if re.search(pattern, line)]

    def need(self, pattern, seconds=15):
        return wait_for(lambda: self.said(pattern), f"{pattern!r} in {self.lines}", seconds)[0]

    def acks(self, seq):
        """The states acknowledged for an order, repetitions left out."""
        states = [line.split("state=")[1].split()[0] for line in self.said(rf"^ack seq={seq} ")]
        return [state for i, state in enumerate(states) if i == 0 or states[i - 1] != state]

    # ---- the manager -----------------------------------------------------------------------------

    def config(self, backend="exec", manager="", gate="", server="", tiers=None):
        """tiers: lines for each tier by its name; None: all three, with a server each."""
        text = (f"[manager]\nrun_dir = {self.run_dir}\nwork_dir = {self.dir}/w\nuser = root\n"
                f"backend = {backend}\nshutdown_drain = 1s\n{manager}\n"
                f"[gate]\nlisten = 127.0.0.1:{self.gate_port}\n{gate}\n"
                f"[server]\nload_timeout = 10s\nstop_timeout = 2s\n"
                f"{server}\n")
        if "start = " not in server:
            text += f"start = exec python3 {SERVER} $TIER $TIER_PORT\n"
        for i, name in enumerate(("large", "medium", "small")):
            text += f"[tier {name}]\nmemory = {3 - i}G\naddress = 127.0.0.1:{self.ports[i]}\n"
            text += (tiers or {}).get(name, "") + "\n"
        self.config_path = os.path.join(self.dir, "tier-manager.conf")
        with open(self.config_path, "w") as file:
            file.write(text)
        return self.config_path

    def start(self, *arguments, cwd=None):
        with open(self.log_path, "ab") as log:
            self.manager = subprocess.Popen([MANAGER, "--config", self.config_path, *arguments],
                                            stdout=log, stderr=log, cwd=cwd)

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def size(self, name):
        try:
            return os.path.getsize(os.path.join(self.dir, name))
        except FileNotFoundError:
            return 0

    def need_log(self, pattern, seconds=15):
        wait_for(lambda: re.search(pattern, self.log()), f"{pattern!r} in the log", seconds)

    def server_pid(self, tier):
        """Of the last one of that tier that the log names."""
        found = re.findall(rf"{tier}: started, process (\d+)", self.log())
        return int(found[-1]) if found else 0

    def stop(self):
        """SIGTERM; returns the exit status."""
        self.manager.terminate()
        return self.manager.wait(15)

    def close(self):
        pids = [int(pid) for pid in re.findall(r"process (\d+)", self.log())] \
            if os.path.exists(self.log_path) else []
        if self.manager and self.manager.poll() is None:
            self.manager.kill()
            self.manager.wait()
        self.close_agent()
        shutil.rmtree(self.dir)
        wait_for(lambda: not any(is_alive(pid) for pid in pids), f"of {pids} none is left", 5)

    # ---- clients ---------------------------------------------------------------------------------

    def get(self, port, path="/", timeout=5):
        """(status, JSON) of a GET; (0, None) where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=timeout) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, None
        except (OSError, ValueError):
            return 0, None

    def post(self, port, timeout=60, **wanted):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions",
                                         json.dumps(wanted).encode())
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, ""
        except Exception as error:  # whatever it is, the request was lost
            return 0, str(error)


class Load(threading.Thread):
    """Clients that ask again and again; results are (status, text)."""

    def __init__(self, rig, clients=4, **wanted):
        super().__init__(daemon=True)
        self.rig, self.clients, self.wanted = rig, clients, wanted
        self.results = []
        self.is_ending = False
        self.start()

    def ask(self):
        while not self.is_ending:
            self.results.append(self.rig.post(self.rig.gate_port, **self.wanted))

    def run(self):
        threads = [threading.Thread(target=self.ask, daemon=True) for _ in range(self.clients)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()

    def end(self):
        self.is_ending = True
        self.join(60)
        return self.results


def in_parallel(function, values):
    """function(value) for each at once: most of the time they wait."""
    with concurrent.futures.ThreadPoolExecutor(len(values)) as pool:
        futures = [pool.submit(function, value) for value in values]
    for future in futures:
        future.result()


def run_test(test):
    """Prints `ok NAME`, or what the manager said, the reason and `not ok NAME`. Whether it is ok."""
    rig = Rig()
    said = "(no log)"
    try:
        try:
            test(rig)
        finally:
            if os.path.exists(rig.log_path):
                said = rig.log()
            rig.close()
    except Exception as error:
        print(f"{said}{type(error).__name__}: {error}\nnot ok {test.__name__}\n", end="", flush=True)
        return False
    print(f"ok {test.__name__}\n", end="", flush=True)
    return True


def main(tests, at_once=1):
    """Runs every test with a rig of its own, or those that are named, some beside each other: most
    of the time they wait."""
    wanted = [test for test in tests if len(sys.argv) == 1 or test.__name__ in sys.argv[1:]]
    with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
        results = list(pool.map(run_test, wanted))
    sys.exit(not all(results))
