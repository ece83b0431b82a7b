#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
#
# For test_systemd.sh, under its systemd: what the README tells people to do, and what units are for.
set -u
cd /checkout || exit 1
gate=http://127.0.0.1:8080

check() {
	local name=$1
	shift

	if "$@" >/tmp/log 2>&1; then
		echo "ok $name"
	else
		echo "not ok $name"
		sed 's/^/    /' /tmp/log
		systemctl status --no-pager tierd tier-manager tier-gate 2>&1 | sed 's/^/    /'
	fi
}

within() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))

	until "${@:2}"; do
		((SECONDS <= end)) || return 1
		sleep 0.1
	done
}

install_all() {
	local models=0

	make -s install
	groupadd -f tierd
	useradd -r -G tierd tierd-manager
	mkdir -p /etc/tierd
	tierctl detect --write=/etc/tierd/tierd.conf
	sed -n '/^    # .etc.tierd.tier-manager.conf: two servers/,/^$/ s/^    //p' user/manager/README.md \
		>/etc/tierd/tier-manager.conf
	# The two tiers of that example, as small as the stand-ins.
	awk '/^\[tier / { skip = 1 } /^\[[^t]/ { skip = 0 } !skip' /etc/tierd/tierd.conf >/tmp/tierd.conf
	cat /tmp/tierd.conf - >/etc/tierd/tierd.conf <<-'EOF'
		[tier small]
		memory = 10M
		[tier large]
		memory = 20M
	EOF
	for models in 10M 20M; do
		sed -i "0,/memory = .G/s//memory = $models/" /etc/tierd/tier-manager.conf
	done
	sed -e 's/^source = .*//' -i /etc/tierd/tierd.conf
	cat >>/etc/tierd/tierd.conf <<-'EOF'
		[agent]
		source = psi
		[policy]
		warmup = 500ms
		stabilization = 1s
		stabilization_min = 1s
		degrade_above = 99%
		upgrade_below = 98%
		[switch]
		settle = 500ms
	EOF
	cat >/usr/local/bin/llama-server <<-'EOF'
		#!/bin/sh
		exec /usr/bin/python3 /checkout/tests/tools/model_server.py "$TIER" "$TIER_PORT"
	EOF
	chmod 755 /usr/local/bin/llama-server
	tierctl check-config /etc/tierd/tierd.conf && tier-manager --check-config
}

is_at() {
	tierctl status 2>&1 | tee /tmp/status | grep -q "wanted $1, actual $1, steady"
}

answers() {
	curl -sf "$gate/v1/completions" -d "{\"ms\": ${2:-0}}" | grep "\"tier\": \"$1\""
}

is_active() {
	systemctl is-active --quiet "$@"
}

property() {
	systemctl show --value -p "$2" "$1"
}

# The commands of the README, the gate's first.
start_all() {
	local commands

	commands=$(sed -n 's/^    \(systemctl .*\)/\1/p' user/manager/README.md | tac)
	(($(wc -l <<<"$commands") == 3)) && eval "${commands//$'\n'/ && }" && within 20 is_at large
}

steps_down() {
	tierctl pin small
	within 10 is_at small && answers small
}

# Without CAP_SYS_RESOURCE (bit 24) nobody can lower it, not even systemd.
oom_score() {
	local wanted=-900

	(((0x$(awk '/^CapEff/ { print $2 }' /proc/1/status) >> 24) & 1)) || wanted=0
	[[ $(property tierd OOMScoreAdjust) == -900 && $(property tier-manager OOMScoreAdjust) == 0 ]] &&
		[[ $(cat "/proc/$(property tierd MainPID)/oom_score_adj") == "$wanted" ]] &&
		[[ $(cat "/proc/$(property tier-manager MainPID)/oom_score_adj") == 0 ]]
}

# On cgroup v2 systemd would stop the whole unit when one server of it is killed for memory.
oom_policy() {
	[[ $(property tier-manager OOMPolicy) == continue && $(property tier-gate OOMPolicy) == continue ]]
}

# Agent and manager start anew together, and the agent takes its time to the first order.
requests_wait_for_the_agent() {
	sed -i 's/^warmup = .*/warmup = 2s/' /etc/tierd/tierd.conf
	systemctl restart tierd tier-manager
	answers small && within 10 is_at small
}

reloads() {
	local pid

	pid=$(property tierd MainPID)
	sed -i 's/^warmup = .*/warmup = 600ms/' /etc/tierd/tierd.conf
	systemctl reload tierd
	within 5 has_reloaded && [[ $(property tierd MainPID) == "$pid" ]]
}

has_reloaded() {
	journalctl -o cat -u tierd | grep "configuration read again"
}

# Pinned before, so a restart that had forgotten would step up.
comes_back_when_killed() {
	local pid

	pid=$(property tierd MainPID)
	systemctl kill -s KILL tierd
	within 10 has_other_pid "$pid" && within 10 is_at small && sleep 2 && is_at small
}

has_other_pid() {
	local now

	now=$(property tierd MainPID)
	[[ $now != 0 && $now != "$1" ]]
}

# The gate is a unit of its own.
requests_wait_for_the_manager() {
	local pid

	pid=$(property tier-gate MainPID)
	systemctl stop tier-manager
	(sleep 1 && systemctl start tier-manager) &
	answers small && [[ $(property tier-gate MainPID) == "$pid" ]] && within 10 is_at small
}

stop_lets_requests_end() {
	local request

	answers small 3000 >/tmp/answer &
	request=$!
	sleep 0.5
	systemctl stop tier-manager && wait $request && grep small /tmp/answer
}

stops_clean() {
	systemctl stop tierd tier-gate
	[[ $(property tierd Result) == success && $(property tier-manager Result) == success ]] &&
		[[ ! -e /run/tierd/control.fifo ]] && ! pgrep -f model_server.py
}

# As in the quick start: no unit for the gate, and no socket of one.
runs_its_own_gate() {
	sed -i '/^socket = /d' /etc/tierd/tier-manager.conf
	systemctl start tierd tier-manager
	within 20 is_at small && answers small && ! is_active tier-gate &&
		systemctl stop tier-manager tierd && [[ $(property tier-manager Result) == success ]]
}

bad_config_is_not_tried_again() {
	echo nonsense >>/etc/tierd/tierd.conf
	systemctl start tierd
	within 5 is_failed && sleep 2 && is_failed && [[ $(property tierd NRestarts) == 0 ]]
}

is_failed() {
	[[ $(systemctl is-failed tierd) == failed ]]
}

check "install as the README says" install_all
check "all units start, and the largest tier is there" start_all
check "a step down" steps_down
check "the agent is the last to be killed for memory, servers are not" oom_score
check "a server that is killed for memory stops nothing else" oom_policy
check "reload without a restart" reloads
check "the agent comes back and has forgotten nothing" comes_back_when_killed
check "requests wait in the gate for the manager" requests_wait_for_the_manager
check "requests wait for the agent's first order" requests_wait_for_the_agent
check "a stop of the manager lets requests end" stop_lets_requests_end
check "all of it stops, and leaves nothing" stops_clean
check "the manager runs a gate of its own without that unit" runs_its_own_gate
check "a bad configuration is not tried again and again" bad_config_is_not_tried_again
echo end
