# SPDX-License-Identifier: BSD-2-Clause
"""tier-manager with the haproxy backend: a real HAProxy in front of real processes, with requests
in flight all the time."""
import contextlib
import os
import pwd
import re
import signal
import subprocess
import time

from rig import MANAGER, SERVER, Load, is_alive, main, wait_for


def begin(rig, tier, **config):
    rig.open_agent()
    config["manager"] = f"initial_tier = {tier}\n" + config.get("manager", "")
    rig.config(backend="haproxy", **config)
    rig.start()
    if tier != "off":
        rig.need(f"^hello tier={tier} ")
        rig.state(tier, tier)


def need_all_ok(results, least):
    bad = [each for each in results if each[0] != 200]
    assert not bad, f"{len(bad)} of {len(results)} lost: {bad[:5]}"
    assert len(results) >= least, len(results)


def tiers_of(results):
    return [tier for tier in ("small", "medium", "large") if any(tier in each[1] for each in results)]


def need_whole_streams(results):
    for status, text in results:
        assert status == 200 and text.endswith("[DONE]\n"), (status, text[-200:])
        assert len(set(re.findall(r"data: (\w+)", text))) == 1, text


def timed(function):
    """Seconds that it takes."""
    begun = time.monotonic()
    function()
    return time.monotonic() - begun


def test_planned_switches_lose_nothing(rig):
    """Down and up, one tier at a time: requests wait in the gate; streams end on their tier."""
    begin(rig, "large")
    plain, streams = Load(rig, 4, ms=50), Load(rig, 3, ms=700, stream=True)
    wait_for(lambda: len(plain.results) > 10, "requests")
    for seq, tier in enumerate(("small", "medium", "large"), 1):
        rig.switch(seq, tier)
        rig.need(f"^ack seq={seq} state=done")
        assert rig.acks(seq)[-2:] == ["loading", "done"], rig.lines
        time.sleep(0.3)
    results, whole = plain.end(), streams.end()
    need_all_ok(results, 40)
    need_whole_streams(whole)
    assert tiers_of(results) == ["small", "medium", "large"]
    log = rig.log()
    assert log.index("large: down") < log.index("small: started")


def test_overlap_lets_the_new_tier_in_first_and_nobody_waits(rig):
    begin(rig, "large", server=f"start = exec python3 {SERVER} $TIER $TIER_PORT --load 1.5\n")
    plain, streams = Load(rig, 4, ms=30), Load(rig, 2, ms=900, stream=True)
    wait_for(lambda: len(plain.results) > 10, "requests")
    rig.switch(1, "small", overlap=1)
    rig.need("^ack seq=1 state=draining")
    count = len(plain.results)
    rig.need("^ack seq=1 state=done")
    assert len(plain.results) - count > 20
    need_all_ok(plain.end(), 40)
    need_whole_streams(streams.end())
    log = rig.log()
    assert log.index("small: up") < log.index("large: down")
    assert rig.acks(1) == ["draining", "loading", "done"]


def test_draining_waits_for_the_last_request(rig):
    begin(rig, "large")
    stream = Load(rig, 1, ms=2500, stream=True)
    time.sleep(0.5)
    rig.switch(1, "small")
    rig.need("^ack seq=1 state=draining")
    stream.is_ending = True
    time.sleep(0.7)
    assert rig.acks(1) == ["draining"] and is_alive(rig.server_pid("large"))
    rig.need("^ack seq=1 state=done")
    need_whole_streams(stream.end())


def test_cancel_while_draining_opens_the_old_tier_again(rig):
    begin(rig, "large")
    stream = Load(rig, 1, ms=2000, stream=True)
    time.sleep(0.4)
    rig.switch(1, "small")
    rig.need("^ack seq=1 state=draining")
    plain = Load(rig, 2, ms=10)
    time.sleep(0.5)
    assert plain.results == []
    rig.tell("cancel seq=1")
    wait_for(lambda: len(plain.results) > 5, "the old tier answers again")
    need_all_ok(plain.end(), 5)
    stream.is_ending = True
    need_whole_streams(stream.end())
    assert "small: started" not in rig.log()
    assert rig.acks(1) == ["draining"]


def test_immediate_switch_cuts_streams_only(rig):
    begin(rig, "large")
    plain, stream = Load(rig, 4, ms=200), Load(rig, 1, ms=60000, stream=True)
    wait_for(lambda: len(plain.results) > 10, "requests")
    old = rig.server_pid("large")
    rig.switch(1, "small", mode="immediate")
    rig.need("^ack seq=1 state=done")
    assert not is_alive(old) and rig.acks(1) == ["loading", "done"]
    time.sleep(0.3)
    stream.is_ending = True
    need_all_ok(plain.end(), 12)
    assert not stream.results[0][1].endswith("[DONE]\n")


def test_immediate_overrides_a_drain(rig):
    begin(rig, "large")
    stream = Load(rig, 1, ms=60000, stream=True)
    time.sleep(0.4)
    stream.is_ending = True
    rig.switch(1, "small")
    rig.need("^ack seq=1 state=draining")
    rig.switch(2, "small", mode="immediate")
    rig.need("^ack seq=2 state=done")
    assert rig.acks(1) == ["draining"]


def test_a_server_that_dies_loses_no_request_that_had_no_answer(rig):
    begin(rig, "large", server="restart_delay = 200ms\n")
    plain = Load(rig, 4, ms=100)
    wait_for(lambda: len(plain.results) > 10, "requests")
    for i in range(3):
        os.kill(rig.server_pid("large"), signal.SIGKILL)
        wait_for(lambda: rig.log().count("large: up") == i + 2, "it is up again")
        count = len(plain.results)
        wait_for(lambda: len(plain.results) > count + 8, "requests")
    need_all_ok(plain.end(), 30)


WATCHED = "health_period = 200ms\nhealth_timeout = 500ms\nhealth_limit = 3\nrestart_delay = 200ms\n"


def test_a_server_that_hangs_loses_no_request_that_had_no_answer(rig):
    """Started again where it serves, left behind where it drains."""
    begin(rig, "large", server=WATCHED)
    plain = Load(rig, 4, ms=100)
    wait_for(lambda: len(plain.results) > 10, "requests")
    old = rig.server_pid("large")
    os.kill(old, signal.SIGSTOP)
    rig.need_log("large: died: it did not answer")
    wait_for(lambda: rig.log().count("large: up") >= 2, "it is up again")
    assert not is_alive(old)
    count = len(plain.results)
    wait_for(lambda: len(plain.results) > count + 8, "requests")
    os.kill(rig.server_pid("large"), signal.SIGSTOP)
    time.sleep(0.2)
    rig.switch(1, "small")
    rig.need("^ack seq=1 state=done")
    assert rig.acks(1)[0] == "draining", rig.lines
    count = len(plain.results)
    wait_for(lambda: len(plain.results) > count + 8, "requests")
    need_all_ok(plain.end(), 30)


def test_a_server_that_answers_requests_does_not_hang(rig):
    """It has no time for questions about its health."""
    begin(rig, "small", server=WATCHED + "restart_limit = 0\n",
          tiers={"small": f"start = exec python3 {SERVER} $TIER $TIER_PORT --then 0\n"})
    plain = Load(rig, 2, ms=50)
    time.sleep(4)
    assert is_alive(rig.server_pid("small"))
    assert "small: no health: " in rig.log()
    need_all_ok(plain.end(), 10)
    rig.need("^hello tier=off")
    rig.need_log("small: failed: it did not answer")


def test_off_answers_at_once_that_nobody_is_there(rig):
    begin(rig, "small")
    assert rig.post(rig.gate_port)[0] == 200
    rig.switch(1, "off")
    rig.need("^ack seq=1 state=done")
    wait_for(lambda: rig.post(rig.gate_port)[0] == 503, "503")
    begun = time.monotonic()
    assert rig.post(rig.gate_port)[0] == 503
    assert time.monotonic() - begun < 1


def test_waiting_has_limits(rig):
    """In number (429) and in time (503)."""
    begin(rig, "small", gate="wait = 2s\nmax_requests = 3\n",
          tiers={"large": f"start = exec python3 {SERVER} $TIER $TIER_PORT --load 30\n"
                          "load_timeout = 4s\n"})
    rig.switch(1, "large", origin="small")
    rig.need("^ack seq=1 state=loading")
    waiting = Load(rig, 3)
    time.sleep(0.5)
    waiting.is_ending = True
    assert rig.post(rig.gate_port)[0] == 429
    assert [each[0] for each in waiting.end()] == [503] * 3
    rig.need("^ack seq=1 state=failed")
    wait_for(lambda: rig.post(rig.gate_port)[0] == 200, "small is back")


def test_slots_bound_what_a_server_gets_at_once(rig):
    begin(rig, "small", tiers={"small": "slots = 1\n"})
    begun = time.monotonic()
    load = Load(rig, 4, ms=300)
    time.sleep(0.1)
    need_all_ok((setattr(load, "is_ending", True), load.end())[1], 4)
    assert time.monotonic() - begun > 1.2


def test_what_became_of_requests_is_told(rig):
    begin(rig, "small")
    stream = Load(rig, 1, ms=2500, stream=True)
    time.sleep(0.2)
    stream.is_ending = True
    rig.need("^task-begin id=gate-1 tier=small$")
    rig.post(rig.gate_port, ms=200)
    rig.post(rig.gate_port, ms=0, status=500)
    rig.post(rig.gate_port, ms=0, status=404)
    stream.end()
    wait_for(lambda: len(rig.said("^task-end ")) == 4, "four ends")
    ends = [dict(word.split("=") for word in line.split()[1:]) for line in rig.said("^task-end ")]
    assert [end["ok"] for end in ends] == ["1", "0", "1", "1"], ends
    assert 200 <= int(ends[0]["ms"]) < 1500 and int(ends[0]["ttft_ms"]) >= 200, ends
    assert int(ends[3]["ms"]) >= 2500 and int(ends[3].get("ttft_ms", 0)) < 1000, ends
    assert "gate-1" in [end["id"] for end in ends]


def test_requests_that_run_are_told_to_an_agent_that_comes_back(rig):
    begin(rig, "small")
    load = Load(rig, 1, ms=6000, stream=True)
    rig.need("^task-begin id=gate-1 tier=small$")
    rig.close_agent()
    rig.need_log("the agent is gone")
    rig.lines = []
    rig.open_agent()
    rig.need("^hello tier=small ")
    rig.need("^task-begin id=gate-2 tier=small$", 4)
    load.end()
    rig.need("^task-end id=gate-2 ")


def test_reports_are_bounded(rig):
    begin(rig, "small", manager="report_rate = 3\n")
    load = Load(rig, 4)
    time.sleep(2.5)
    results = load.end()
    time.sleep(0.3)
    ends = len(rig.said("^task-end "))
    begun = len(rig.said("^task-begin "))
    assert len(results) > 40 and 3 <= ends <= begun + 12, (len(results), ends, begun)


def test_a_gate_that_dies_is_started_again_with_the_tier_open(rig):
    begin(rig, "small")
    gate = int(re.search(r"gate: started, process (\d+)", rig.log()).group(1))
    os.kill(gate, signal.SIGKILL)
    wait_for(lambda: rig.log().count("gate: started") == 2, "another gate")
    wait_for(lambda: rig.post(rig.gate_port)[0] == 200, "it serves")
    # What somebody else changes is put right.
    subprocess.run(["python3", "-c", "import socket; s = socket.socket(socket.AF_UNIX); "
                    f"s.connect('{rig.dir}/w/gate.sock'); "
                    "s.sendall(b'set server llm/small state maint\\n'); s.recv(100)"], check=True)
    wait_for(lambda: rig.post(rig.gate_port)[0] == 200, "it serves again")


def test_a_gate_that_cannot_start_ends_the_manager(rig):
    rig.config(backend="haproxy", gate="command = false\n")
    rig.start()
    assert rig.manager.wait(20) == 1


def config_of_nobody(rig):
    os.chmod(rig.dir, 0o755)
    rig.config(backend="haproxy")
    with open(rig.config_path) as file:
        text = file.read()
    with open(rig.config_path, "w") as file:
        file.write(text.replace("user = root", "user = nobody"))


def test_a_manager_of_root_makes_its_users_work_dir(rig):
    config_of_nobody(rig)
    # Where the user cannot come back to.
    os.mkdir(rig.dir + "/home", 0o700)
    os.mkdir(rig.dir + "/home/checkout", 0o755)
    rig.start(cwd=rig.dir + "/home/checkout")
    rig.need_log("the gate answers")
    status = os.stat(rig.dir + "/w")
    assert status.st_uid == pwd.getpwnam("nobody").pw_uid and status.st_mode & 0o7777 == 0o700


def test_a_work_dir_of_somebody_else_is_left_alone_and_named(rig):
    config_of_nobody(rig)
    os.mkdir(rig.dir + "/w", 0o755)
    rig.start()
    assert rig.manager.wait(20) == 1
    rig.need_log(f"manager.work_dir: {rig.dir}/w belongs to user 0, and the manager runs as user "
                 rf"{pwd.getpwnam('nobody').pw_uid}\n")
    assert os.stat(rig.dir + "/w").st_uid == 0 and not os.listdir(rig.dir + "/w")


def test_a_second_gate_on_the_same_port_is_noticed(rig):
    begin(rig, "small")
    path = rig.dir + "/second.conf"
    with open(rig.config_path) as file:
        text = file.read()
    for port in rig.ports:
        text = text.replace(f":{port}", f":{port + 1 if port < 65000 else port - 1000}")
    os.mkdir(rig.dir + "/second")
    with open(path, "w") as file:
        file.write(text.replace(f"{rig.dir}/w", f"{rig.dir}/second").replace(
            "initial_tier = small", ""))
    result = subprocess.run([MANAGER, "--config", path, "--run-dir", rig.dir + "/nowhere"],
                            capture_output=True, text=True, timeout=30)
    assert result.returncode == 1, result


@contextlib.contextmanager
def other_gate(rig):
    """HAProxy as somebody else runs it, with the configuration that the manager prints."""
    text = subprocess.run([MANAGER, "--config", rig.config_path, "--print-gate"],
                          capture_output=True, text=True, check=True).stdout
    with open(rig.dir + "/other.cfg", "w") as file:
        file.write(text)
    other = subprocess.Popen(["haproxy", "-db", "-f", rig.dir + "/other.cfg"],
                             stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        other.kill()
        other.wait()


def test_a_gate_of_somebody_else_is_used(rig):
    rig.open_agent()
    rig.config(backend="haproxy", manager="initial_tier = small\n",
               gate=f"socket = {rig.dir}/other.sock\n")
    with other_gate(rig):
        rig.start()
        rig.need("^hello tier=small ")
        assert rig.post(rig.gate_port)[0] == 200
        wait_for(lambda: rig.said("^task-end "), "its log is read")
        # A manager that is killed leaves requests waiting; the next one serves them.
        rig.manager.kill()
        rig.manager.wait()
        plain = Load(rig, 2, ms=10)
        time.sleep(0.5)
        rig.start()
        wait_for(lambda: rig.log().count("small: up") == 2, "it is up again")
        wait_for(lambda: len(plain.results) > 5, "requests")
        plain.end()
        # So does one that is told to stop, for those that come while it ends and after.
        running = Load(rig, 2, ms=100)
        wait_for(lambda: len(running.results) > 5, "requests")
        rig.manager.terminate()
        assert rig.manager.wait(10) == 0
        time.sleep(0.5)
        rig.start()
        wait_for(lambda: rig.log().count("small: up") == 3, "it is up again")
        need_all_ok(running.end(), 6)


def test_a_kept_gate_lets_requests_wait_for_the_first_order(rig):
    """A manager that was started with nothing to load, and an agent that takes its time."""
    rig.open_agent()
    rig.config(backend="haproxy", gate=f"socket = {rig.dir}/other.sock\nwait = 4s\n")
    with other_gate(rig):
        rig.start()
        rig.need_log("the gate answers")
        load = Load(rig, 2, ms=10)
        time.sleep(1)
        assert not load.results, load.results[:5]
        rig.switch(1, "small", origin="off")
        wait_for(lambda: len(load.results) > 5, "requests")
        need_all_ok(load.end(), 6)
        # From the first order on nobody waits where nothing is to be loaded, ...
        rig.switch(2, "off", origin="small")
        rig.need("^ack seq=2 state=done")
        wait_for(lambda: rig.post(rig.gate_port)[0] == 503 and
                 timed(lambda: rig.post(rig.gate_port)) < 1, "answers at once")
        assert rig.stop() == 0
        # ... and without one not for longer than `wait`.
        rig.start()
        wait_for(lambda: rig.log().count("the gate answers") == 2, "the gate answers")
        time.sleep(4.5)
        assert timed(lambda: rig.post(rig.gate_port)) < 1


def test_a_second_manager_in_the_same_work_dir_is_refused(rig):
    begin(rig, "small")
    wait_for(lambda: rig.post(rig.gate_port)[0] == 200, "it answers")
    result = subprocess.run([MANAGER, "--config", rig.config_path, "--run-dir", rig.dir + "/nowhere"],
                            capture_output=True, text=True, timeout=10)
    assert result.returncode == 1, result
    assert "another tier-manager uses it" in result.stderr, result
    rig.lines.clear()
    assert rig.post(rig.gate_port)[0] == 200
    wait_for(lambda: rig.said("^task-end "), "its log is still read")


def test_the_gate_dies_with_a_killed_manager(rig):
    begin(rig, "small")
    gate = int(re.search(r"gate: started, process (\d+)", rig.log()).group(1))
    rig.manager.kill()
    rig.manager.wait()
    wait_for(lambda: not is_alive(gate) and not is_alive(rig.server_pid("small")), "both are gone")


def test_large_bodies_are_sent_again_too(rig):
    begin(rig, "large")
    load = Load(rig, 3, ms=300, text="x" * 60000)
    wait_for(lambda: len(load.results) > 3, "requests")
    rig.switch(1, "small", mode="immediate")
    rig.need("^ack seq=1 state=done")
    time.sleep(0.3)
    need_all_ok(load.end(), 6)


def test_two_tiers_with_one_address_are_refused(rig):
    rig.config(backend="haproxy")
    with open(rig.config_path) as file:
        text = file.read()
    with open(rig.config_path, "w") as file:
        file.write(text.replace(str(rig.ports[1]), str(rig.ports[0])))
    result = subprocess.run([MANAGER, "--config", rig.config_path, "--check-config"],
                            capture_output=True, text=True)
    assert result.returncode == 2 and "has the same" in result.stderr, result


main([value for name, value in sorted(globals().items()) if name.startswith("test_")], 2)
