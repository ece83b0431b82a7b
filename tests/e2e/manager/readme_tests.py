# SPDX-License-Identifier: BSD-2-Clause
"""What the README of tier-manager tells people to do, done: its commands and configurations as
they stand there, with the real agent, in file systems and a network of their own. Only the models are
stand-ins, and small. (Units: test_systemd.sh.)"""
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile

from rig import ROOT, SERVER, in_parallel, main

HERE = os.path.dirname(os.path.abspath(__file__))
README = os.path.join(ROOT, "user/manager/README.md")
EXAMPLE = os.path.join(ROOT, "user/manager/tier-manager.conf.example")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# /usr/local as it is after an install on a fresh machine, and what else the commands write to.
PRELUDE = """
set -e
mount --make-rprivate /
cp -a /etc {dir}/etc
rm -rf {dir}/etc/tierd
sed -i '/^tierd/d' {dir}/etc/passwd {dir}/etc/shadow {dir}/etc/group {dir}/etc/gshadow
mkdir -p {dir}/lib
mount --bind {dir}/etc /etc
mount --bind {dir}/local /usr/local
mount --bind {dir}/log /var/log
mount --bind {dir}/lib /var/lib
mount -t tmpfs -o mode=755 tmpfs /run
ip link set lo up
export PATH={dir}/local/shims:{path} BUILD={build}
cd {root}
wait_for() {{  # SECONDS COMMAND...
    for _ in $(seq $(($1 * 20))); do
        ! "${{@:2}}" >/dev/null 2>&1 || return 0
        sleep 0.05
    done
    echo "not within $1 s: ${{*:2}}"; tierctl status; cat /var/log/*.log; exit 1
}}
is_at() {{ tierctl status | grep -q "wanted $1, actual $1, steady"; }}
need_not() {{
    if "$@"; then exit 1; fi
}}
need_tier() {{ wait_for 20 is_at "$1"; }}
# The stand-ins take next to nothing.
put_in_models() {{
    for file; do
        awk '/^memory = / {{ $0 = "memory = " (n += 10) "M" }} {{ print }}' "$file" >/run/models
        cat /run/models >"$file"
    done
}}
"""
# What takes time and is not the matter here.
SHIMS = {
    "apt-get": "exit 0",
    # It looks at memory alone, and has room: other tests make pressure.
    "tierd": "exec /usr/local/sbin/tierd --source poll --warmup 500ms --settle 500ms "
             "--stabilization 1s --stabilization-min 1s --degrade-above 99% --upgrade-below 98% "
             "\"$@\"",
    "llama-server": "exec /usr/bin/python3 /usr/local/shims/model_server.py"
                    " \"${TIER:-none}\" \"$(echo \" $*\" | sed -n 's/.*--port \\([0-9]*\\).*/\\1/p')\"",
}


def blocks(path=README):
    """The indented blocks of a file."""
    with open(path) as file:
        text = file.read()
    found = re.findall(r"(?m)(?:^    .*\n|^\n(?=    ))+", text)
    return [re.sub(r"(?m)^    ", "", each).strip("\n") + "\n" for each in found]


def block(*wanted):
    """The one that has all of that in it."""
    found = [each for each in blocks() if all(word in each for word in wanted)]
    assert len(found) == 1, (wanted, found)
    return found[0]


def run(script):
    """In mount and network namespaces of its own; what it has started ends with it."""
    folder = tempfile.mkdtemp(prefix="tier-manager-readme-")
    os.chmod(folder, 0o755)
    try:
        shims = os.path.join(folder, "local/shims")
        for each in (shims, folder + "/log"):
            os.makedirs(each)
        for name, text in SHIMS.items():
            with open(os.path.join(shims, name), "w") as file:
                file.write(f"#!/bin/sh\n{text}\n")
            os.chmod(file.name, 0o755)
        for source in (SERVER, HERE + "/api_server.py"):
            shutil.copy(source, shims)
            os.chmod(os.path.join(shims, os.path.basename(source)), 0o755)
        text = PRELUDE.format(dir=folder, path=SYSTEM_PATH, build=os.environ.get("BUILD", "build"), root=ROOT) + script
        with open(folder + "/output", "w+") as output:
            process = subprocess.Popen(["unshare", "--mount", "--net", "bash", "-c", text],
                                       stdout=output, stderr=output, start_new_session=True)
            try:
                status = process.wait(60)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            output.seek(0)
            result = output.read()
        assert status == 0, f"exit status {status}:\n{result}"
        return result
    finally:
        shutil.rmtree(folder)


def install():
    return block("apt-get install") + "put_in_models /etc/tierd/*.conf\n"


def step_down():
    """With a look at what each tier of the README's is waited for."""
    at_large, at_small = block("tierctl pin small").split("tierctl pin small")
    assert at_large.count("tierctl status") == at_small.count("tierctl status") == 1
    return (at_large.replace("tierctl status", "need_tier large\ntierctl status") +
            "tierctl pin small" + at_small.replace("tierctl status", "need_tier small\ntierctl status"))


def put(path, text):
    assert "EOF" not in text
    return f"cat >{path} <<'EOF'\n{text}EOF\n"


def manager_config(text):
    return put("/etc/tierd/tier-manager.conf", text) + "put_in_models /etc/tierd/tier-manager.conf\n"


def without_curl(commands):
    return re.sub("(?m)^curl .*", "", commands)


def test_the_quick_start_with_the_gate(rig):
    output = run(install() + step_down() + "wait_for 5 curl -s http://127.0.0.1:8080/\n"
                 "curl -s http://127.0.0.1:8080/v1/completions -d '{}'\n")
    assert output.index('{"tier": "large"}') < output.index('{"tier": "small"}'), output


def test_the_quick_start_without_a_gate(rig):
    output = run(install() + manager_config(block("backend = exec")) + without_curl(step_down()) +
                 "curl -s http://127.0.0.1:8091/health\nneed_not curl -s http://127.0.0.1:8093/\n")
    assert '"status": "ok"' in output, output


def test_the_quick_start_with_servers_that_load_models_themselves(rig):
    config = block("backend = llama-server")
    assert re.search(r"The same with `backend = llama-swap` or `ollama`", open(README).read())

    def start(kind):
        text = config.replace("backend = llama-server", f"backend = {kind}")
        for name, model in (("small", "s"), ("medium", "m/x"), ("large", "l")):
            text = text.replace(f"model = {name}", f"model = {model}")
        output = run(install() + manager_config(text) +
                     f"python3 /usr/local/shims/api_server.py {kind} 8080 &\n" +
                     without_curl(step_down()) + "curl -s http://127.0.0.1:8080/calls\n")
        assert "POST" in output or "PUT" in output, output
    in_parallel(start, ("llama-server", "llama-swap", "ollama"))


main([value for name, value in sorted(globals().items()) if name.startswith("test_")], 2)
