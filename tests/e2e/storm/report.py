# SPDX-License-Identifier: BSD-2-Clause
"""Makes tables of what storm.py left, judges the goals, and fails if one is missed."""
import argparse
import json
import math
import pathlib
import platform
import sys

import plan
from tierd_setup import STABILIZATION_S

SETUPS = ("large", "small", "earlyoom", "tierd")
P95_SHARE = 5  # tierd's p95 in storms, as often, is not over that of the large tier alone
WEIGHT_TIMES = 1.5  # as much as the small tier alone
REACTION_S = 5  # a storm may still be answered so long after its end
FORESIGHT_S = 20  # and so long before it begins, by a step that was planned because one was due
COMMANDS = {"full": "make e2e", "short": "make e2e-short"}
COLUMNS = ("set-up", "sent", "ok", "failed", "cut off", "p50", "p95", "p99", "weighted tokens",
           "OOM kills (model, others)", "memory stall", "switches")


def percentile(values, share):
    """Nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


def latency(request):
    """Until its end, good or bad: one that failed at once was not fast."""
    return request["end_s"] - request["at_s"] if request["ok"] else math.inf


def is_cut(request):
    """A stream that had begun, so that nobody could send the request again, and did not end."""
    return request["is_stream"] and request["status"] == 200 and not request["ok"]


def latencies(requests):
    """Streams that were cut are counted by themselves."""
    return [latency(request) for request in requests if not is_cut(request)]


def show_s(value):
    """Seconds, or that there was no answer."""
    return "never" if math.isinf(value) else f"{value:.1f} s"


def within(requests, begin_s, end_s):
    """Sent in this time."""
    return [request for request in requests if begin_s <= request["at_s"] < end_s]


def weight(requests):
    """Tokens that were served, each worth the quality of its tier."""
    return sum(request["tokens"] * plan.QUALITY[request["tier"]]
               for request in requests if request["ok"])


def row(title, requests, judged, phases, switches):
    """judged: those whose latency counts."""
    times = latencies(judged)
    cut = sum(map(is_cut, requests))
    ok = sum(request["ok"] for request in requests)
    return [title, len(requests), ok, len(requests) - ok - cut, cut,
            *(show_s(percentile(times, share)) for share in (0.5, 0.95, 0.99)),
            f"{weight(requests):.0f}",
            f"{sum(p['oom_model'] for p in phases)}, {sum(p['oom_others'] for p in phases)}",
            f"{sum(p['stall_s'] for p in phases):.1f} s", len(switches)]


def phase_row(result, phase):
    """One storm with the calm around it."""
    return row(result["title"], within(result["requests"], phase["begin_s"], phase["end_s"]),
               within(result["requests"], phase["storm_begin_s"], phase["storm_end_s"]), [phase],
               [s for s in result["switches"] if phase["begin_s"] <= s["s"] < phase["end_s"]])


def in_storms(result):
    """Requests sent while a storm raged."""
    return [request for phase in result["phases"] for request in
            within(result["requests"], phase["storm_begin_s"], phase["storm_end_s"])]


def whole_row(result):
    """All of it; latency in storms only."""
    return row(result["title"], result["requests"], in_storms(result), result["phases"],
               result["switches"])


def table(rows):
    """In Markdown."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def tables(results):
    """One for the whole run, and one for each storm."""
    parts = ["### All storms\n\n" + table([whole_row(result) for result in results])]
    titles = {storm.name: storm.title for storm in plan.STORMS}
    for name, title in titles.items():
        rows = [phase_row(result, phase) for result in results for phase in result["phases"]
                if phase["storm"] == name]
        if rows:
            parts.append(f"### {title[0].upper() + title[1:]}\n\n" + table(rows))
    return "\n\n".join(parts)


def is_down(switch):
    """Towards a smaller tier."""
    order = [*plan.TIERS, "off"]
    return order.index(switch["to"]) > order.index(switch["from"])


def cut_without_immediate(result):
    """Cut streams that no immediate switch explains."""
    times = [s["s"] for s in result["switches"] if s["mode"] == "immediate"]
    return [r for r in result["requests"] if is_cut(r) and
            not any(r["at_s"] <= time <= r["end_s"] + 1 for time in times)]


def flaps(result):
    """Steps down that no storm explains, and more than one way up and down for a storm."""
    found = []
    begins = [phase["storm_begin_s"] - FORESIGHT_S for phase in result["phases"]]
    for phase, begin, end in zip(result["phases"], begins, [*begins[1:], math.inf]):
        own = [s for s in result["switches"] if begin <= s["s"] < end]
        found += [f"{phase['storm']}: {s['from']} -> {s['to']} in calm" for s in own
                  if is_down(s) and s["s"] > phase["storm_end_s"] + REACTION_S]
        directions = [is_down(s) for s in own]
        turns = sum(a != b for a, b in zip(directions, directions[1:]))
        if turns > 1:
            found.append(f"{phase['storm']}: {turns} turns")
    return found


def back_after_s(result, phase):
    """From the end of a storm until the largest tier is ordered again, or 0; None: not before the
    next one."""
    tier = plan.TIERS[0]
    for switch in result["switches"]:
        if switch["s"] > phase["storm_end_s"] + REACTION_S:
            break
        tier = switch["to"]
    if tier == plan.TIERS[0]:
        return 0
    return next((s["s"] - phase["storm_end_s"] for s in result["switches"] if s["to"] == plan.TIERS[0]
                 and phase["storm_end_s"] < s["s"] < phase["end_s"]), None)


def common_end_s(results):
    """Until then all of them ran."""
    return min(result["phases"][-1]["end_s"] for result in results)


def until(results, end_s):
    """The same, without what was sent later."""
    return [{**result, "requests": within(result["requests"], 0, end_s)} for result in results]


def goals(results):
    """(name, is it met, what was found), for each."""
    by_name = {result["setup"]: result for result in results}
    tierd = by_name.get("tierd")
    if not tierd:
        return
    failed = [r for r in tierd["requests"] if not r["ok"] and not is_cut(r)]
    yield "no request failed", not failed, (
        f"{len(failed)} failed" + (f": {failed[0]['status']} {failed[0]['error']}" if failed else ""))
    cut = [r for r in tierd["requests"] if is_cut(r)]
    unexplained = cut_without_immediate(tierd)
    yield "streams were cut only by immediate switches", not unexplained, (
        f"{len(cut)} cut, {len(unexplained)} of them without an immediate switch")
    killed = sum(phase["oom_model"] for phase in tierd["phases"])
    yield "the model was never OOM-killed", killed == 0, f"{killed} kills"
    calm = [p for p in tierd["phases"] if p["end_s"] - p["storm_end_s"] > STABILIZATION_S]
    times = [back_after_s(tierd, phase) for phase in calm]
    late = [phase["storm"] for phase, time in zip(calm, times) if time is None]
    yield "back on the large tier after calm", not late, (
        f"not after: {', '.join(late)}" if late else f"each time, {max(times):.0f} s after a storm at most")
    found = flaps(tierd)
    yield "nothing flaps", not found, "; ".join(found) or f"{len(tierd['switches'])} switches"
    if "large" in by_name:
        alone = percentile(latencies(in_storms(by_name["large"])), 0.95)
        own = percentile(latencies(in_storms(tierd)), 0.95)
        yield f"p95 in storms at most 1/{P95_SHARE} of the large tier's alone", (
            own * P95_SHARE <= alone), f"{show_s(own)} and {show_s(alone)}"
    if "small" in by_name:
        both = until([by_name["small"], tierd], common_end_s([by_name["small"], tierd]))
        small, own = (weight(result["requests"]) for result in both)
        yield f"weighted tokens at least {WEIGHT_TIMES} x the small tier's", (
            own >= WEIGHT_TIMES * small), f"{own:.0f} and {small:.0f}: {own / max(small, 1):.2f} x"


def conditions(results):
    """What the numbers were measured on."""
    size = plan.SIZES[results[0]["size"]]
    memory = ", ".join(f"{tier} {size.memory[tier] >> 20} MiB" for tier in plan.TIERS)
    quality = " / ".join(str(plan.QUALITY[tier]) for tier in plan.TIERS)
    return (f"Linux {platform.release()}, {platform.machine()}; a small host of "
            f"{size.capacity >> 20} MiB; tiers: {memory}; quality {quality}; stabilization "
            f"{STABILIZATION_S} s; {results[0]['rate']:.2f} requests a second, half of what the "
            f"large tier can do in calm, seed {plan.SEED}.")


def write(path, command, text):
    """Between its marks in a file."""
    begin, end = f"<!-- results: written by {command} -->", "<!-- /results -->"
    whole = path.read_text(encoding="utf-8")
    head, rest = whole.split(begin)
    tail = rest.split(end, 1)[1]
    path.write_text(f"{head}{begin}\n{text}\n{end}{tail}", encoding="utf-8")


def main():
    """Exit status 1: a goal was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()
    results = [json.loads(path.read_text(encoding="utf-8")) for path in
               (arguments.folder / f"result-{name}.json" for name in SETUPS) if path.exists()]
    if not results:
        sys.exit("report: no results")
    judged = list(goals(results))
    text = conditions(results) + "\n\n" + tables(until(results, common_end_s(results)))
    print(text + "\n")
    for name, is_met, found in judged:
        print(f"{'ok' if is_met else 'not ok'} {name} ({found})")
    if arguments.write:
        lines = [f"| {name} | {'yes' if is_met else '**no**'} | {found} |"
                 for name, is_met, found in judged]
        goal_table = "\n".join(["| goal | met | found |", "| --- | --- | --- |", *lines])
        write(arguments.write, COMMANDS[results[0]["size"]], f"{text}\n\n### Goals\n\n{goal_table}")
    sys.exit(0 if all(is_met for _, is_met, _ in judged) else 1)


main()
