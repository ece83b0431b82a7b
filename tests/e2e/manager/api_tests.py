# SPDX-License-Identifier: BSD-2-Clause
"""tier-manager with servers that load models themselves: against stand-ins for their APIs.
router_tests.py has a real llama-server."""
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.request

from rig import in_parallel, main, wait_for

STAND_IN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "api_server.py")
KINDS = ("llama-server", "llama-swap", "ollama")
MODELS = {"small": "s", "medium": "m/x", "large": "l"}


def call(rig, path, **body):
    request = urllib.request.Request(f"http://127.0.0.1:{rig.gate_port}{path}",
                                     json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


@contextlib.contextmanager
def server(rig, kind, *arguments, tiers="", initial=None):
    process = subprocess.Popen([sys.executable, STAND_IN, kind, str(rig.gate_port), *arguments])
    try:
        wait_for(lambda: rig.get(rig.gate_port, "/calls")[0] == 200, "the stand-in answers")
        if initial:
            path, body = {"llama-server": ("/models/load", {"model": initial}),
                          "ollama": ("/api/generate", {"model": initial, "keep_alive": -1}),
                          "llama-swap": (None, None)}[kind]
            call(rig, path, **body)
            time.sleep(0.8)
        rig.open_agent()
        rig.config(backend=kind, manager=f"[api]\nurl = http://127.0.0.1:{rig.gate_port}",
                   tiers={name: f"model = {model}\n{tiers}" for name, model in MODELS.items()})
        rig.start()
        rig.need("^hello")
        yield process
    finally:
        process.kill()
        process.wait()


def order(rig, seq, to, origin, last="done", **more):
    rig.switch(seq, to, origin=origin, **more)
    rig.need(f"^ack seq={seq} state={last}")
    return rig.acks(seq)


def for_each_kind(test):
    def run(rig):
        def run_kind(kind):
            other = type(rig)()
            try:
                test(other, kind)
            except BaseException:
                print(f"{kind}:\n{other.log()}")
                raise
            finally:
                other.close()
        in_parallel(run_kind, KINDS)
    run.__name__ = test.__name__
    return run


@for_each_kind
def test_switches_are_done_when_the_server_says_so(rig, kind):
    with server(rig, kind):
        assert order(rig, 1, "large", "off") == ["loading", "done"], rig.lines
        begun = time.monotonic()
        acks = order(rig, 2, "medium", "large")
        # The old one takes half a second to go, the new one as long to come.
        assert time.monotonic() - begun >= 0.9
        assert acks[-2:] == ["loading", "done"], acks
        log = rig.log()
        assert log.index("large: down") < log.index("medium: asking for m/x")
        assert order(rig, 3, "off", "medium")[-1] == "done"
        calls = call(rig, "/calls")
        if kind == "llama-swap":
            assert [json.loads(each.split(" ", 2)[2])["name"] for each in calls
                    if each.startswith("PUT /api/profiles/active")] == ["large", "medium"], calls


@for_each_kind
def test_overlap_loads_the_new_one_first(rig, kind):
    with server(rig, kind):
        order(rig, 1, "small", "off")
        order(rig, 2, "large", "small", overlap=1)
        log = rig.log()
        assert log.index("large: up") < log.index("small: down")


@for_each_kind
def test_a_model_that_cannot_be_loaded_fails_and_the_old_one_comes_back(rig, kind):
    with server(rig, kind, "--broken", "l"):
        order(rig, 1, "small", "off")
        order(rig, 2, "large", "small", last="failed")
        wait_for(lambda: rig.log().count("small: up") == 2, "small is back")


@for_each_kind
def test_a_load_that_takes_too_long_fails(rig, kind):
    with server(rig, kind, "--load", "30", tiers="load_timeout = 1s\n"):
        order(rig, 1, "small", "off", last="failed")


@for_each_kind
def test_a_model_that_is_lost_is_loaded_again(rig, kind):
    with server(rig, kind, tiers="restart_delay = 100ms\n"):
        order(rig, 1, "small", "off")
        call(rig, "/lose", model="s")
        wait_for(lambda: rig.log().count("small: up") == 2, "it is loaded again")
        assert "no longer loaded" in rig.log()


@for_each_kind
def test_the_server_may_come_later_and_go(rig, kind):
    rig.open_agent()
    rig.config(backend=kind, manager=f"[api]\nurl = http://127.0.0.1:{rig.gate_port}",
               tiers={name: f"model = {model}\n" for name, model in MODELS.items()})
    rig.start()
    rig.need_log("not the answer that was expected")
    assert rig.said("^hello") == []
    process = subprocess.Popen([sys.executable, STAND_IN, kind, str(rig.gate_port)])
    try:
        rig.need("^hello")
        order(rig, 1, "small", "off")
        begun = time.monotonic()
        assert rig.stop() == 0 and time.monotonic() - begun < 2
        # The models are the server's, not ours.
        assert not any("unload" in each or '"keep_alive": 0' in each
                       for each in call(rig, "/calls"))
    finally:
        process.kill()
        process.wait()


@for_each_kind
def test_a_server_that_is_gone_has_nothing_loaded(rig, kind):
    with server(rig, kind, tiers="load_timeout = 1s\nrestart_limit = 0\n") as process:
        order(rig, 1, "small", "off")
        process.kill()
        process.wait()
        rig.need("^hello tier=off")
        order(rig, 2, "large", "off", last="failed")


def drain(kind):
    def run(rig):
        with server(rig, kind):
            order(rig, 1, "large", "off")
            call(rig, "/busy", model="l", count=2)
            rig.switch(2, "small")
            rig.need("^ack seq=2 state=draining")
            time.sleep(2)
            assert rig.acks(2) == ["draining"], rig.acks(2)
            call(rig, "/busy", model="l", count=0)
            call(rig, "/busy", model="s", count=1)
            rig.need("^ack seq=2 state=done")
    return run


def test_llama_server_drains_by_its_slots(rig):
    drain("llama-server")(rig)


def test_llama_swap_drains_by_its_events(rig):
    drain("llama-swap")(rig)


def test_what_is_loaded_already_is_taken_over(rig):
    for kind in ("llama-server", "ollama"):
        other = type(rig)()
        try:
            with server(other, kind, initial="m/x"):
                other.need("^hello tier=medium ")
                assert "asking" not in other.log()
        finally:
            other.close()


main([value for name, value in sorted(globals().items()) if name.startswith("test_")], 2)
