# SPDX-License-Identifier: BSD-2-Clause
"""tier-manager and a real llama-server as router, started as the README says, with real models: what
it loads, unloads and answers. The first arguments are the folders of the engine and of the models."""
import concurrent.futures
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time

from rig import ROOT, is_alive, main, wait_for

README = os.path.join(ROOT, "user/manager/README.md")
ENGINE, MODELS = sys.argv[1:3]
del sys.argv[1:3]
PROGRAM = os.path.join(ENGINE, "llama-server")
# The models' weights, which are in memory where they are loaded: 20 MB and 280 MB.
LARGE_BYTES = os.path.getsize(os.path.join(MODELS, "short-large.gguf"))
SMALL_BYTES = os.path.getsize(os.path.join(MODELS, "short-small.gguf"))
LOAD_S = 60  # other tests run beside these
SHORT_TOKENS = 8
LONG_TOKENS = 120
SAMPLE_S = 0.02


def readme_options(models, at_once):
    """What the README tells to start the router with, for that folder and that many models at once."""
    with open(README) as file:
        options = re.search(r"`llama-server (--models-dir [^`]+)`", file.read())[1]
    assert "/srv/models " in options and options.endswith("--models-max 1"), options
    return options.replace("/srv/models", models).replace("max 1", f"max {at_once}").split()


class Router:
    """llama-server with its models; its processes are those of its session."""

    def __init__(self, rig, at_once):
        self.rig = rig
        self.models = os.path.join(rig.dir, "models")
        os.mkdir(self.models)
        for name in ("small", "large"):
            os.symlink(os.path.join(MODELS, f"short-{name}.gguf"),
                       os.path.join(self.models, f"{name}.gguf"))
        with open(os.path.join(self.models, "medium.gguf"), "w") as file:
            file.write("not a model")
        self.log_path = os.path.join(rig.dir, "router")
        self.most_children = 0
        self.is_ending = threading.Event()
        with open(self.log_path, "wb") as log:
            # One thread computes, and weights are read into memory of the process, not mapped.
            self.process = subprocess.Popen(
                [PROGRAM, *readme_options(self.models, at_once), "--port", str(rig.gate_port),
                 "--offline", "-t", "1", "-c", "1024", "--load-mode", "none"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def pids(self):
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(ProcessLookupError):
                if os.getsid(int(pid)) == self.process.pid and is_alive(int(pid)):
                    found.append(int(pid))
        return found

    def children(self):
        return [pid for pid in self.pids() if pid != self.process.pid]

    def memory(self):
        """Bytes that are resident in all of its processes."""
        pages = 0
        for pid in self.pids():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/statm") as file:
                    pages += int(file.read().split()[1])
        return pages * resource.getpagesize()

    def watch(self):
        while not self.is_ending.wait(SAMPLE_S):
            self.most_children = max(self.most_children, len(self.children()))

    def status(self, model):
        _, answer = self.rig.get(self.rig.gate_port, "/models")
        return {each["id"]: each["status"]["value"] for each in answer["data"]}[model]

    def is_busy(self, model):
        _, slots = self.rig.get(self.rig.gate_port, f"/slots?autoload=false&model={model}")
        return any(each["is_processing"] for each in slots or [])

    def ask(self, model, tokens=SHORT_TOKENS):
        """(status, answering model, tokens)"""
        status, text = self.rig.post(self.rig.gate_port, model=model, prompt="Once upon a time",
                                     max_tokens=tokens, ignore_eos=True)
        if status != 200:
            return status, text, 0
        answer = json.loads(text)
        return status, answer["model"], answer["usage"]["completion_tokens"]

    def need_answer(self, model):
        answer = self.ask(model)
        assert answer == (200, model, SHORT_TOKENS), answer

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return "".join(file.readlines()[-40:])

    def end(self):
        self.is_ending.set()
        self.watcher.join()
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_for(lambda: not self.pids(), "the router's processes are gone")


def start_manager(rig):
    rig.config(backend="llama-server", manager=f"[api]\nurl = http://127.0.0.1:{rig.gate_port}",
               tiers={name: f"model = {name}\nload_timeout = {LOAD_S}s\nrestart_delay = 100ms\n"
                      for name in ("small", "medium", "large")})
    rig.start()


@contextlib.contextmanager
def router(rig, at_once=1):
    server = Router(rig, at_once)
    try:
        wait_for(lambda: rig.get(rig.gate_port, "/health")[0] == 200, "the router answers", LOAD_S)
        rig.open_agent()
        start_manager(rig)
        rig.need("^hello")
        yield server
    except BaseException:
        print(server.log(), rig.lines)
        raise
    finally:
        server.end()


def finish(rig, seq, last="done"):
    rig.need(f"^ack seq={seq} state={last}", LOAD_S)
    return rig.acks(seq)


def order(rig, seq, origin, to, last="done", **more):
    rig.switch(seq, to, origin=origin, **more)
    return finish(rig, seq, last)


def test_switches_are_done_when_the_model_answers_and_the_other_is_gone(rig):
    with router(rig) as server:
        idle = server.memory()
        assert order(rig, 1, "off", "small") == ["loading", "done"], rig.lines
        assert server.status("small") == "loaded"
        server.need_answer("small")
        assert server.ask("large")[0] == 400, "the router loads what nobody ordered"
        at_small = server.memory()
        assert order(rig, 2, "small", "large")[-2:] == ["loading", "done"], rig.lines
        assert server.status("large") == "loaded" and server.status("small") == "unloaded"
        server.need_answer("large")
        assert server.memory() > idle + LARGE_BYTES * 0.9, (idle, server.memory())
        assert order(rig, 3, "large", "small")[-2:] == ["loading", "done"], rig.lines
        assert server.memory() < at_small + LARGE_BYTES / 4, (at_small, server.memory())
        server.need_answer("small")
        assert order(rig, 4, "small", "off")[-1] == "done", rig.lines
        assert server.children() == [], "a model is left"
        assert server.memory() < idle + SMALL_BYTES / 2, (idle, server.memory())
        assert server.most_children == 1, "two models were in memory at once"


def test_a_request_that_runs_is_waited_for(rig):
    with router(rig) as server, concurrent.futures.ThreadPoolExecutor(1) as pool:
        order(rig, 1, "off", "large")
        request = pool.submit(server.ask, "large", LONG_TOKENS)
        wait_for(lambda: server.is_busy("large"), "the request runs")
        rig.switch(2, "small", origin="large")
        rig.need("^ack seq=2 state=draining")
        assert not request.done(), "the request is too short for this test"
        while not request.done():
            acks = rig.acks(2)
            assert acks == ["draining"] or request.done(), rig.lines
            time.sleep(SAMPLE_S)
        assert request.result() == (200, "large", LONG_TOKENS), request.result()
        assert finish(rig, 2) == ["draining", "loading", "done"], rig.lines
        server.need_answer("small")


def test_overlap_has_both_in_memory(rig):
    with router(rig, at_once=2) as server:
        order(rig, 1, "off", "small")
        order(rig, 2, "small", "large", overlap=1)
        assert server.most_children == 2
        assert len(server.children()) == 1, "the old model is left"
        server.need_answer("large")
        log = rig.log()
        assert log.index("large: up") < log.index("small: down")


def test_what_cannot_be_loaded_fails_and_the_old_one_comes_back(rig):
    with router(rig) as server:
        order(rig, 1, "off", "small")
        assert order(rig, 2, "small", "medium", last="failed")[-1] == "failed", rig.lines
        wait_for(lambda: rig.log().count("small: up") == 2, "small is back", LOAD_S)
        server.need_answer("small")


def test_a_model_that_dies_comes_back_and_outlives_the_manager(rig):
    with router(rig) as server:
        order(rig, 1, "off", "small")
        killed = server.children()
        assert len(killed) == 1, killed
        os.kill(killed[0], signal.SIGKILL)
        wait_for(lambda: rig.log().count("small: up") == 2, "it is loaded again", LOAD_S)
        server.need_answer("small")
        loaded = server.children()
        assert len(loaded) == 1 and loaded != killed, (killed, loaded)
        assert rig.stop() == 0
        rig.read_lines()
        rig.lines.clear()
        start_manager(rig)
        rig.need("^hello tier=small ")
        assert server.children() == loaded, "it was loaded anew"
        server.need_answer("small")


main([value for name, value in sorted(globals().items()) if name.startswith("test_")])
