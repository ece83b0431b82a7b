# SPDX-License-Identifier: BSD-2-Clause
"""tier-manager with the exec backend: real processes, real FIFOs."""
import contextlib
import os
import re
import signal
import subprocess
import threading
import time

from rig import MANAGER, SERVER, Rig, in_parallel, is_alive, main, wait_for


def begin(rig, *arguments, **config):
    rig.open_agent()
    rig.config(**config)
    rig.start(*arguments)


def begin_with(rig, tier, **config):
    """A manager that has a tier loaded, and an agent that knows it."""
    config["manager"] = f"initial_tier = {tier}\n" + config.get("manager", "")
    begin(rig, **config)
    rig.need(rf"^hello tier={tier} ")
    rig.state(tier, tier)


def test_nothing_runs_until_the_agent_says_what(rig):
    begin(rig)
    assert rig.need("^hello").startswith(f"hello pid={rig.manager.pid}"), rig.lines
    rig.state("large", "?")
    rig.need("^hello tier=off")
    assert rig.server_pid("large") == 0
    rig.switch(1, "large", origin="off")
    rig.need("^ack seq=1 state=done")
    assert rig.acks(1) == ["loading", "done"], rig.lines
    assert rig.get(rig.ports[0], "/health")[0] == 200
    assert rig.stop() == 0
    assert not is_alive(rig.server_pid("large"))


def test_planned_switch_stops_the_old_before_it_starts_the_new(rig):
    begin_with(rig, "large")
    old = rig.server_pid("large")
    rig.switch(1, "small")
    rig.need("^ack seq=1 state=done")
    assert rig.acks(1) == ["loading", "done"], rig.lines
    log = rig.log()
    assert log.index("large: down") < log.index("small: started")
    assert not is_alive(old)
    assert rig.get(rig.ports[2])[1] == {"tier": "small"}
    assert not rig.said("^hello tier=small"), rig.lines


def test_both_at_once_where_the_agent_allows_it(rig):
    begin_with(rig, "small")
    rig.switch(1, "large", overlap=1, origin="small")
    rig.need("^ack seq=1 state=done")
    log = rig.log()
    assert log.index("large: up") < log.index("small: down")
    assert rig.acks(1) == ["draining", "loading", "done"], rig.lines


def test_not_both_where_another_tier_was_meant_to_go(rig):
    begin_with(rig, "small")
    rig.switch(1, "large", overlap=1, origin="medium")
    rig.need("^ack seq=1 state=done")
    log = rig.log()
    assert log.index("small: down") < log.index("large: started")


def test_immediate_switch_kills_a_larger_tier_that_ignores_sigterm(rig):
    begin_with(rig, "large",
               tiers={"large": f"start = exec python3 {SERVER} $TIER $TIER_PORT --ignore-term\n"
                               "stop_timeout = 60s\n"})
    begun = time.monotonic()
    rig.switch(1, "small", mode="immediate")
    rig.need("^ack seq=1 state=done")
    assert time.monotonic() - begun < 20
    assert rig.acks(1) == ["loading", "done"], rig.lines


def test_immediate_switch_to_a_larger_tier_cuts_nothing(rig):
    begin_with(rig, "small", tiers={"small": "drain = sleep 1\n"})
    rig.switch(1, "large", mode="immediate", origin="small")
    rig.need("^ack seq=1 state=draining")
    rig.need("^ack seq=1 state=done")


def test_a_server_that_ignores_sigterm_is_killed_after_stop_timeout(rig):
    begin_with(rig, "large",
               tiers={"large": f"start = exec python3 {SERVER} $TIER $TIER_PORT --ignore-term\n"
                               "stop_timeout = 500ms\n"})
    rig.switch(1, "off")
    rig.need("^ack seq=1 state=done")
    rig.need_log("large: still there after stop_timeout: killed")


def test_stop_command_is_used_with_the_tier_in_its_environment(rig):
    begin_with(rig, "large", server="stop = echo \"$TIER $TIER_ADDRESS $TIER_HOST $TIER_PORT "
               f"$TIER_MODEL\" >{rig.dir}/stopped && pkill -TERM -f \"large $TIER_PORT\"\n",
               tiers={"large": "model = a b\n"})
    rig.switch(1, "small")
    rig.need("^ack seq=1 state=done")
    port = rig.ports[0]
    with open(rig.dir + "/stopped") as file:
        assert file.read() == f"large 127.0.0.1:{port} 127.0.0.1 {port} a b\n"


def test_drain_command_is_waited_for_and_a_cancel_ends_it(rig):
    begin_with(rig, "large", tiers={"large": f"drain = until [ -e {rig.dir}/drained ]; do "
                                             "sleep 0.05; done\n"})
    old = rig.server_pid("large")
    rig.switch(1, "small")
    rig.need("^ack seq=1 state=draining")
    rig.tell("cancel seq=1")
    rig.need_log("cancelled, back to large")
    rig.switch(2, "small")
    rig.need("^ack seq=2 state=draining")
    time.sleep(0.5)
    assert rig.acks(2) == ["draining"] and is_alive(old)
    with open(rig.dir + "/drained", "w"):
        pass
    rig.need("^ack seq=2 state=done")
    assert rig.acks(1) == ["draining"], rig.lines


def test_health_command_and_a_tier_that_is_never_healthy(rig):
    begin_with(rig, "small",
               tiers={"large": "health = test -e /nowhere\nload_timeout = 1s\n",
                      "small": "health = test -d /\n"})
    rig.switch(1, "large", origin="small")
    rig.need("^ack seq=1 state=failed")
    assert not is_alive(rig.server_pid("large"))
    # What was there before is brought back, and the agent takes it to be there.
    wait_for(lambda: rig.log().count("small: up") == 2, "small is back")
    assert rig.acks(1) == ["loading", "failed"], rig.lines
    assert rig.said("^hello tier=")[1:] == [], rig.lines


def test_load_failure_of_an_immediate_switch_leaves_nothing_loaded_and_says_so(rig):
    begin_with(rig, "large", tiers={"small": "start = exit 4\n"})
    rig.switch(1, "small", mode="immediate")
    rig.need("^ack seq=1 state=failed")
    rig.need("^hello tier=off")
    rig.need_log("small: failed: exit status 4")
    assert not is_alive(rig.server_pid("large"))


def test_what_was_cut_is_not_loaded_again_after_a_repeated_order(rig):
    """Also when the order was repeated, by an agent that came back, when it was gone already."""
    begin_with(rig, "large", tiers={
        "small": f"start = exec python3 {SERVER} $TIER $TIER_PORT --never-healthy\nload_timeout = 2s\n"})
    rig.switch(1, "small", mode="immediate")
    wait_for(lambda: rig.server_pid("small"), "small is being loaded")
    rig.switch(2, "small", mode="immediate")
    rig.need("^ack seq=2 state=failed")
    rig.need("^hello tier=off")
    assert rig.log().count("large: started") == 1, rig.log()


def test_a_server_that_dies_is_started_again_and_given_up_in_the_end(rig):
    begin_with(rig, "small", server="restart_delay = 50ms\nrestart_limit = 2\n",
               tiers={"small": f"start = exec python3 {SERVER} $TIER $TIER_PORT --die-after 1.2\n"})
    rig.need("^hello tier=off", 30)
    log = rig.log()
    assert "small: died: exit status 3: restart 1 of 2 in 50 ms" in log.replace(";", ":"), log
    assert "restart 2 of 2 in 100 ms" in log
    assert log.count("small: started") == 3
    # And the next order gets an honest answer.
    rig.switch(5, "medium", origin="off")
    rig.need("^ack seq=5 state=done")


def begin_hanging(period, timeout, limit):
    """A rig whose server has stopped to answer."""
    rig = Rig()
    begin_with(rig, "small", server=f"health_period = {period}\nhealth_timeout = {timeout}\n"
                                    f"health_limit = {limit}\nrestart_delay = 50ms\n")
    os.kill(rig.server_pid("small"), signal.SIGSTOP)
    return rig


def test_a_server_that_hangs_is_started_again_as_the_options_say(rig):
    """But not where one of them says that there is time."""
    patient = [begin_hanging(*each) for each in (("100ms", "200ms", 0), ("1h", "200ms", 2),
                                                 ("100ms", "1h", 2), ("100ms", "200ms", 900))]
    hasty = begin_hanging("100ms", "200ms", 2)
    try:
        pids = [each.server_pid("small") for each in patient]
        old = hasty.server_pid("small")
        wait_for(lambda: hasty.log().count("small: up") >= 2, "it is up again")
        assert not is_alive(old)
        assert "small: died: it did not answer when it was asked for its health; restart 1 of 5" \
            in hasty.log()
        assert len(re.findall("small: no health: .*, [12] of 2", hasty.log())) >= 2
        time.sleep(0.5)
        for each, pid in zip(patient, pids):
            assert is_alive(pid) and "died" not in each.log(), each.log()
            os.kill(pid, signal.SIGCONT)
        assert "of 900" in patient[3].log()
        wait_for(lambda: patient[3].get(patient[3].ports[2])[0] == 200, "it serves again")
    finally:
        for each in [*patient, hasty]:
            each.close()


def test_a_server_that_hangs_again_and_again_is_given_up(rig):
    """What counts is how long each served, not how long it took to see that it hangs."""
    file = rig.dir + "/healthy"
    common = "restart_delay = 50ms\nrestart_limit = 1\nrestart_reset = 300ms\n"
    # Healthy once; that it hangs is clear after twice restart_reset.
    begin_with(rig, "small",
               server=f"health_period = 200ms\nhealth_limit = 3\nhealth = rm {file}\n{common}",
               tiers={"small": f"start = touch {file} && exec sleep 60\n"})
    lasting = Rig()
    file = lasting.dir + "/healthy"
    try:
        # Healthy for two seconds each time.
        begin_with(lasting, "small",
                   server=f"health_period = 100ms\nhealth_limit = 1\nhealth = test -e {file}\n"
                          + common,
                   tiers={"small": f"start = touch {file} && sleep 2 && rm {file} && exec sleep 60\n"})
        rig.need("^hello tier=off")
        assert rig.log().count("small: started") == 2, rig.log()
        wait_for(lambda: lasting.log().count("; restart 1 of 1 in") >= 2, "it is not given up")
    finally:
        lasting.close()


def test_a_server_that_dies_now_and_then_is_not_given_up(rig):
    begin_with(rig, "small",
               server="restart_delay = 50ms\nrestart_limit = 1\nrestart_reset = 300ms\n",
               tiers={"small": "health = true\nstart = exec sleep 1.5\n"})
    wait_for(lambda: rig.log().count("; restart 1 of 1 in") >= 3, "it is started again")


def test_a_server_that_says_that_it_is_busy_does_not_hang(rig):
    begin_with(rig, "small", server="health_period = 100ms\nhealth_limit = 1\nrestart_limit = 0\n",
               tiers={"small": f"start = exec python3 {SERVER} $TIER $TIER_PORT --then 503\n",
                      "large": f"start = exec python3 {SERVER} $TIER $TIER_PORT --then 500\n"})
    time.sleep(1)
    assert is_alive(rig.server_pid("small")) and "no health" not in rig.log()
    rig.switch(1, "large", origin="small")
    rig.need("^ack seq=1 state=done")
    rig.need("^hello tier=off")
    rig.need_log("large: no health: HTTP status 500, 1 of 1")


def test_a_health_command_is_asked_again_and_has_a_limit(rig):
    """Also while the drain command runs."""
    file = rig.dir + "/healthy"
    with open(file, "w"):
        pass
    begin_with(rig, "large", server="health_period = 100ms\nhealth_timeout = 300ms\n",
               tiers={"large": f"health = if [ -e {file} ]; then true; else sleep 60; fi\n"
                               "drain = sleep 60\n"})
    rig.switch(1, "small")
    rig.need("^ack seq=1 state=draining")
    os.unlink(file)
    # What hangs will not end its requests.
    rig.need("^ack seq=1 state=done")
    rig.need_log("large: no health: killed by signal 9 .*, 3 of 3")


def test_no_server_outlives_a_killed_manager(rig):
    """Also not one behind a shell, which the death signal of the kernel does not reach."""
    command = f"python3 {SERVER} $TIER $TIER_PORT & wait"
    begin_with(rig, "large", tiers={"large": f"start = {command}\n"})
    out = subprocess.run(["pgrep", "-f", f"{SERVER} large {rig.ports[0]}"], capture_output=True,
                         text=True, check=True).stdout.split()
    rig.manager.send_signal(signal.SIGKILL)
    rig.manager.wait()
    wait_for(lambda: not any(is_alive(pid) for pid in out), "the servers are gone")


def test_a_group_is_gone_before_its_tier_is(rig):
    """The first process ends at once on SIGTERM, another of the group does not."""
    begin_with(rig, "large", tiers={
        "large": f"start = python3 {SERVER} $TIER $TIER_PORT --ignore-term & wait\n"})
    out = subprocess.run(["pgrep", "-f", f"{SERVER} large {rig.ports[0]}"], capture_output=True,
                         text=True, check=True).stdout.split()
    rig.switch(1, "off")
    rig.need("^ack seq=1 state=done")
    assert not any(is_alive(pid) for pid in out)


MEMORY = 100  # MiB of the old tier


@contextlib.contextmanager
def memory_group():
    """(path, function that tells its use in bytes) of a new memory cgroup."""
    is_v1 = os.path.isdir("/sys/fs/cgroup/memory")
    base = "/sys/fs/cgroup/memory" if is_v1 else "/sys/fs/cgroup"
    if not is_v1:
        with open(base + "/cgroup.subtree_control", "w") as file:
            file.write("+memory")
    path = f"{base}/tierd-manager-{os.getpid()}-{threading.get_ident()}"
    os.mkdir(path)

    def read_members():
        with open(path + "/cgroup.procs") as file:
            return [int(pid) for pid in file.read().split()]

    def read_use():
        with open(path + ("/memory.usage_in_bytes" if is_v1 else "/memory.current")) as file:
            return int(file.read())
    try:
        yield path, read_use
    finally:
        for pid in read_members():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not read_members(), "the group is empty")
        os.rmdir(path)


def test_done_means_that_the_memory_is_back(rig):
    """Also where the first process of the server is gone long before the one that has the memory."""
    def switch(case):
        backend, mode = case
        with memory_group() as (group, read_use):
            other = Rig()
            try:
                large = (f"start = echo $$ >{group}/cgroup.procs; python3 {SERVER} $TIER $TIER_PORT "
                         f"--memory {MEMORY} --ignore-term & wait\n")
                begin_with(other, "large", backend=backend, tiers={"large": large})
                assert read_use() > MEMORY << 20
                other.switch(1, "small", mode=mode)
                other.need("^ack seq=1 state=done")
                assert read_use() < MEMORY << 17, read_use()  # an eighth
                assert other.get(other.ports[2])[0] == 200
            finally:
                other.close()
    in_parallel(switch, [(backend, mode) for backend in ("exec", "haproxy")
                         for mode in ("planned", "immediate")])


def test_an_agent_that_comes_later_and_one_that_goes(rig):
    rig.config(manager="initial_tier = small\nheartbeat = 200ms\n")
    rig.start()
    rig.need_log("small: up")
    rig.open_agent()
    rig.need("^hello tier=small ")
    rig.need_log("no heartbeat of the agent: small stays as it is")
    rig.state("small", "small")
    rig.need_log("the agent is heard again")
    rig.close_agent()
    rig.need_log("the agent is gone: small stays as it is")
    assert rig.get(rig.ports[2], "/health")[0] == 200
    rig.lines.clear()
    rig.open_agent()
    rig.need("^hello tier=small ")


def test_an_agent_that_is_wrong_is_corrected(rig):
    begin_with(rig, "small")
    rig.lines.clear()
    rig.state("large", "large")
    rig.need("^hello tier=small ")


def test_repeated_orders_are_answered_again_and_not_done_again(rig):
    begin_with(rig, "small")
    rig.switch(1, "large", origin="small")
    rig.switch(1, "large", origin="small")
    rig.need("^ack seq=1 state=done")
    count = len(rig.said("^ack seq=1 state=done"))
    rig.switch(1, "large", origin="small")
    wait_for(lambda: len(rig.said("^ack seq=1 state=done")) > count, "the ack again")
    assert rig.log().count("large: started") == 1


def test_an_order_said_without_end_is_not_answered_without_end(rig):
    """And everything else goes on meanwhile."""
    begin_with(rig, "small", tiers={"large": f"start = exec python3 {SERVER} $TIER $TIER_PORT "
                                             "--load 1\n"})
    end = time.monotonic() + 20
    while not rig.said("^ack seq=1 state=done") and time.monotonic() < end:
        try:
            rig.switch(1, "large", origin="small")
        except BlockingIOError:
            pass
    assert rig.said("^ack seq=1 state=done")
    assert len(rig.said("^ack seq=1 state=loading")) < 60, len(rig.lines)


def test_a_newer_order_takes_over_while_a_tier_is_loading(rig):
    begin_with(rig, "small", tiers={
        "large": f"start = exec python3 {SERVER} $TIER $TIER_PORT --load 30\nload_timeout = 60s\n"})
    rig.switch(1, "large", origin="small")
    rig.need("^ack seq=1 state=loading")
    wait_for(lambda: rig.server_pid("large"), "large is being loaded")
    rig.switch(2, "medium", mode="immediate", origin="small")
    rig.need("^ack seq=2 state=done")
    assert not is_alive(rig.server_pid("large"))
    assert "done" not in rig.acks(1)


def test_an_unknown_tier_fails_and_bad_lines_change_nothing(rig):
    begin_with(rig, "small")
    rig.tell("switch seq=7 from=small")
    rig.tell("nonsense \x01\x02")
    rig.switch(1, "huge", origin="small")
    rig.need("^ack seq=1 state=failed")
    assert rig.get(rig.ports[2], "/health")[0] == 200


def test_logs_go_to_bounded_files(rig):
    os.mkdir(rig.dir + "/logs")
    begin(rig, manager=f"log_dir = {rig.dir}/logs\nlog_max = 8K\n",
          server="health = true\n", tiers={"small": "start = yes 0123456789\n"})
    rig.switch(1, "small", origin="off")
    rig.need("^ack seq=1 state=done")
    wait_for(lambda: os.path.exists(rig.dir + "/logs/small.log.old"), "a second file")
    for _ in range(20):
        assert rig.size("logs/small.log") <= 64 * 1024 + 8192
        time.sleep(0.02)


def test_stopping_lets_the_drain_end_and_has_a_limit(rig):
    begin_with(rig, "large", tiers={"large": "drain = sleep 60\n"})
    begun = time.monotonic()
    assert rig.stop() == 0
    assert 0.9 < time.monotonic() - begun < 10
    assert not is_alive(rig.server_pid("large"))


def run_manager(*arguments):
    return subprocess.run([MANAGER, *arguments], capture_output=True, text=True, timeout=10)


def test_bad_configs_are_refused_with_file_line_and_key(rig):
    cases = [
        ("[manager]\nbackend = x\n", ":2: manager.backend: \"x\" is not allowed: exec, haproxy"),
        ("[manager]\nbackand = exec\n", ":2: manager.backand: no such key"),
        ("[tier a]\nstart = x\nhealth = x\n", ":1: tier a.memory: missing"),
        ("[tier a]\nmemory = 1G\nstart = a ; b\n", ":3: \" ;\" in a value"),
        ("[tier off]\n", ":1: [tier off]: not a name"),
        ("", ": no [tier NAME]"),
    ]
    for text, wanted in cases:
        path = rig.dir + "/bad.conf"
        with open(path, "w") as file:
            file.write(text)
        result = run_manager("--check-config", "--config", path)
        assert result.returncode == 2 and result.stderr.count("\n") == 1, result
        assert f"tier-manager: {path}{wanted}" in result.stderr, result.stderr


def test_root_has_to_say_which_user_it_becomes(rig):
    rig.config()
    with open(rig.config_path) as file:
        text = file.read()
    with open(rig.config_path, "w") as file:
        file.write(text.replace("user = root", ""))
    result = run_manager("--config", rig.config_path)
    assert result.returncode == 3 and "manager.user" in result.stderr, result


def test_a_manager_of_root_becomes_its_user(rig):
    os.chmod(rig.dir, 0o755)
    rig.config(server="", tiers={"small": "start = id -un && sleep 60\nhealth = true\n"})
    with open(rig.config_path) as file:
        text = file.read()
    with open(rig.config_path, "w") as file:
        file.write(text.replace("user = root", "user = nobody\ninitial_tier = small"))
    rig.start()
    rig.need_log("(?m)^nobody$")
    assert not os.path.exists(rig.dir + "/w")  # only the gate needs it


main([value for name, value in sorted(globals().items()) if name.startswith("test_")], 3)
