/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every option there is, once. To add one: a field in struct app_config or engine_config, and a
 * row here; file, command line, help, example and the table-driven test follow.
 */
#include "option_table.h"

#include <stddef.h>
#include <string.h>

#include "base/units.h"

#define APP(field) offsetof(struct app_config, field)
#define ENGINE(field) offsetof(struct app_config, engine.field)
#define TIER(field) offsetof(struct tier, field)

#define COST_MAX 1000000
#define TASKS_MIN_MAX 1000000
#define SLO_MAX_MS 3600000
#define HISTORY_MAX_NS (60 * NS_PER_S) /* the engine keeps this much history of stalls */

/* In the order of enum pressure_source, with auto for SOURCE_NONE. */
static const char *const SOURCE_WORDS[] = {"auto", "poll", "psi", "bpf", NULL};
static const char *const LOG_WORDS[] = {"quiet", "normal", "debug", NULL};
/* In the order of enum switch_overlap. */
static const char *const OVERLAP_WORDS[] = {"never", "auto", NULL};
static const char *const POLICY_WORDS[] = {"threshold", "adaptive", NULL};

/* One row per option, read as a table. */
/* clang-format off */
const struct option_row OPTION_TABLE[] = {
	/* section, key, flag, type, flags, offset, default, min, max, words, help */
	{"agent", "run_dir", "run-dir", OPTION_PATH, OPTION_NOT_EMPTY, APP(run_dir),
	 CONFIG_DEFAULT_RUN_DIR, 0, 0, NULL,
	 "Folder of control.fifo and manager.fifo; made if missing"},
	{"agent", "control_group", "control-group", OPTION_PATH, OPTION_NAME, APP(control_group),
	 CONFIG_DEFAULT_CONTROL_GROUP, 0, 0, NULL,
	 "Group that may write control.fifo and read manager.fifo; empty, or if no tierd: root alone"},
	{"agent", "source", "source", OPTION_WORD, 0, APP(source), "auto", 0, 0, SOURCE_WORDS,
	 "Where pressure is read from; auto takes the best that works"},
	{"agent", "window", "window", OPTION_DURATION, 0, APP(window_ns), "100ms",
	 10 * NS_PER_MS, 10 * NS_PER_S, NULL,
	 "Time between two reports of one process while something presses"},
	{"agent", "window_calm", "window-calm", OPTION_DURATION, 0, APP(window_calm_ns), "500ms",
	 10 * NS_PER_MS, 10 * NS_PER_S, NULL, "The same while nothing presses"},
	{"agent", "urgent_stall", "urgent-stall", OPTION_DURATION, 0, APP(urgent_stall_ns),
	 "50ms", NS_PER_MS, 10 * NS_PER_S, NULL,
	 "A process that has stalled this long for memory is reported at once"},
	{"agent", "report_floor", "report-floor", OPTION_DURATION, 0, APP(report_floor_ns), "1ms",
	 0, NS_PER_S, NULL, "A process with less CPU time and stall in a window is not reported"},
	{"agent", "ring_bulk", "ring-bulk", OPTION_BYTES, OPTION_POWER_OF_TWO,
	 APP(ring_bulk_bytes), "512K", 4 * KIB, GIB, NULL, "Ring buffer for ordinary records"},
	{"agent", "ring_urgent", "ring-urgent", OPTION_BYTES, OPTION_POWER_OF_TWO,
	 APP(ring_urgent_bytes), "64K", 4 * KIB, GIB, NULL, "Ring buffer for urgent records"},
	{"agent", "ignore_nice", "ignore-nice", OPTION_U32, 0, APP(ignore_nice), "10", 0, 19, NULL,
	 "CPU use of processes nicer than this does not count as others' demand"},
	{"agent", "decisions", "decisions", OPTION_PATH, 0, APP(decisions), "", 0, 0, NULL,
	 "File that decisions are appended to as NDJSON; - is standard output, empty is nowhere"},
	{"agent", "decisions_max", "decisions-max", OPTION_BYTES, 0, APP(decisions_max_bytes),
	 "64M", 64 * KIB, 1024 * GIB, NULL, "The decisions file stops growing at this size"},
	{"agent", "record", "record", OPTION_PATH, 0, APP(record), "", 0, 0, NULL,
	 "File that everything the engine is fed is recorded in, for replay; empty is nowhere"},
	{"agent", "record_max", "record-max", OPTION_BYTES, 0, APP(record_max_bytes), "64M",
	 4 * MIB, 1024 * GIB, NULL, "A recording goes on in a new file at this size"},
	{"agent", "record_keep", "record-keep", OPTION_U32, 0, APP(record_keep), "8", 1, 1000,
	 NULL, "So many files of a recording are kept; the oldest is removed"},
	{"agent", "record_dir", "record-dir", OPTION_PATH, OPTION_NOT_EMPTY, APP(record_dir),
	 CONFIG_DEFAULT_RECORD_DIR, 0, 0, NULL,
	 "Directory of recordings that `tierctl record` asks for; made if missing"},
	{"agent", "state_file", "state-file", OPTION_PATH, 0, APP(state_file),
	 CONFIG_DEFAULT_STATE_FILE, 0, 0, NULL,
	 "File that keeps tier, timers and what was learned over a restart; empty is nowhere"},
	{"agent", "dry_run", "dry-run", OPTION_BOOL, 0, APP(is_dry_run), "no", 0, 0, NULL,
	 "Decide and log, but signal nothing to the manager"},
	{"agent", "log", "log", OPTION_WORD, 0, APP(log_level), "normal", 0, 0, LOG_WORDS,
	 "How much is written to the log"},

	{"model", "cgroup", "model-cgroup", OPTION_PATH, 0, APP(model_cgroup), "", 0, 0, NULL,
	 "Control group that holds the model's processes"},
	{"model", "exe", "model-exe", OPTION_PATH, 0, APP(model_exe), "", 0, 0, NULL,
	 "Executable that runs the model: its file name, or its whole path with a /"},
	{"model", "pid_file", "model-pid-file", OPTION_PATH, 0, APP(model_pid_file), "", 0, 0,
	 NULL, "File that holds the process id of the model"},

	{"policy", "policy", "policy", OPTION_WORD, 0, ENGINE(policy), "adaptive", 0, 0,
	 POLICY_WORDS, "How steps are decided: learned from what happens, or by fixed levels"},
	{"policy", "min_tier", "min-tier", OPTION_TIER, 0, APP(min_tier), "off", 0, 0, NULL,
	 "No step goes below this tier"},
	{"policy", "degrade_above", "degrade-above", OPTION_PERMYRIAD, 0,
	 ENGINE(degrade_above_permyriad), "90%", 1, PERMYRIAD, NULL,
	 "Immediate step down when use of a resource is over this"},
	{"policy", "upgrade_below", "upgrade-below", OPTION_PERMYRIAD, 0,
	 ENGINE(upgrade_below_permyriad), "80%", 1, PERMYRIAD, NULL,
	 "Planned step down over this use, steps up only below it"},
	{"policy", "margin", "margin", OPTION_PERMYRIAD, 0, ENGINE(margin_permyriad), "5%", 0,
	 PERMYRIAD, NULL, "A step up must stay this far under degrade_above"},
	{"policy", "stabilization", "stabilization", OPTION_DURATION, 0,
	 ENGINE(stabilization_ns), "300s", 100 * NS_PER_MS, 24 * NS_PER_HOUR, NULL,
	 "Calm time before a step up, from the last pressure or switch"},
	{"policy", "stabilization_min", "stabilization-min", OPTION_DURATION, 0,
	 ENGINE(stabilization_min_ns), "30s", 100 * NS_PER_MS, 24 * NS_PER_HOUR, NULL,
	 "adaptive: the least of it, where calm is known to last; the same pins it"},
	{"policy", "warmup", "warmup", OPTION_DURATION, 0, ENGINE(warmup_ns), "10s", 0, NS_PER_HOUR,
	 NULL, "At start nothing is switched before this long of samples"},
	{"policy", "confirm", "confirm", OPTION_DURATION, 0, ENGINE(confirm_ns), "100ms",
	 10 * NS_PER_MS, 10 * NS_PER_S, NULL,
	 "A sample over degrade_above is confirmed by another after this"},
	{"policy", "trend", "trend", OPTION_DURATION, 0, ENGINE(trend_ns), "60s", NS_PER_S,
	 HISTORY_MAX_NS, NULL, "The slope of others' use is taken over this long"},
	{"policy", "trend_horizon", "trend-horizon", OPTION_DURATION, 0, ENGINE(trend_horizon_ns),
	 "60s", 0, NS_PER_HOUR, NULL, "No step up when that slope reaches the limit within this"},
	{"policy", "stall_above", "stall-above", OPTION_PERMYRIAD, 0,
	 ENGINE(stall_above_permyriad), "10%", 1, PERMYRIAD, NULL,
	 "Memory stall over this counts like use over upgrade_below"},
	{"policy", "stall_above_window", "stall-above-window", OPTION_DURATION, 0,
	 ENGINE(stall_above_window_ns), "5s", NS_PER_S, HISTORY_MAX_NS, NULL,
	 "Time that stall_above is taken over"},
	{"policy", "stall_urgent", "stall-urgent", OPTION_PERMYRIAD, 0,
	 ENGINE(stall_urgent_permyriad), "40%", 1, PERMYRIAD, NULL,
	 "Memory stall over this counts like use over degrade_above"},
	{"policy", "stall_urgent_window", "stall-urgent-window", OPTION_DURATION, 0,
	 ENGINE(stall_urgent_window_ns), "2s", NS_PER_S, HISTORY_MAX_NS, NULL,
	 "Time that stall_urgent is taken over"},
	{"policy", "calm_stall", "calm-stall", OPTION_PERMYRIAD, 0, ENGINE(calm_stall_permyriad),
	 "2%", 1, PERMYRIAD, NULL, "Memory stall from this on is not calm"},
	{"policy", "calm_stall_window", "calm-stall-window", OPTION_DURATION, 0,
	 ENGINE(calm_stall_window_ns), "10s", NS_PER_S, HISTORY_MAX_NS, NULL,
	 "Time that calm_stall is taken over"},
	{"policy", "share_min", "share-min", OPTION_PERMYRIAD, 0, ENGINE(share_min_permyriad),
	 "20%", 0, PERMYRIAD, NULL,
	 "Stall leads to a step only if our share of the resource is at least this"},
	{"policy", "cpu_wait_above", "cpu-wait-above", OPTION_PERMYRIAD, 0,
	 ENGINE(cpu_wait_above_permyriad), "25%", 1, PERMYRIAD, NULL,
	 "Planned step down when this share of the wanted CPU time is spent waiting"},
	{"policy", "cpu_wait_window", "cpu-wait-window", OPTION_DURATION, 0,
	 ENGINE(cpu_wait_window_ns), "5s", NS_PER_S, HISTORY_MAX_NS, NULL,
	 "Time that cpu_wait_above is taken over"},

	{"performance", "window", "performance-window", OPTION_DURATION, 0,
	 ENGINE(performance_window_ns), "5m", NS_PER_S, NS_PER_HOUR, NULL,
	 "A tier is judged by the tasks that ended on it in this time"},
	{"performance", "min_tasks", "performance-min-tasks", OPTION_U32, 0,
	 ENGINE(performance_tasks_min), "20", 1, TASKS_MIN_MAX, NULL,
	 "Fewer tasks than this in that time say nothing of a tier"},
	{"performance", "failure_above", "failure-above", OPTION_PERMYRIAD, 0,
	 ENGINE(failure_above_permyriad), "50%", 1, PERMYRIAD, NULL,
	 "A tier is stepped down from when this share of its tasks fails"},
	{"performance", "retry", "performance-retry", OPTION_DURATION, 0,
	 ENGINE(performance_retry_ns), "5m", NS_PER_S, 24 * NS_PER_HOUR, NULL,
	 "A tier that did badly is tried again after this, then after twice as long, and so on"},
	{"performance", "task_timeout", "task-timeout", OPTION_DURATION, 0,
	 ENGINE(task_timeout_ns), "1h", NS_PER_S, 24 * NS_PER_HOUR, NULL,
	 "A task whose end has not been told for this long is given up"},

	{"switch", "drain_deadline", "drain-deadline", OPTION_DURATION, 0,
	 ENGINE(drain_deadline_ns), "120s", 0, 24 * NS_PER_HOUR, NULL,
	 "Running requests get this long to end before a planned step"},
	{"switch", "ack_timeout", "ack-timeout", OPTION_DURATION, 0, ENGINE(ack_timeout_ns),
	 "60s", NS_PER_S, NS_PER_HOUR, NULL, "A manager that stays silent this long is asked again"},
	{"switch", "settle", "settle", OPTION_DURATION, 0, ENGINE(settle_ns), "10s", 0, NS_PER_HOUR,
	 NULL, "After a switch its own effects are not held against the tier for this long"},
	{"switch", "heartbeat", "heartbeat", OPTION_DURATION, 0, ENGINE(heartbeat_ns), "10s",
	 NS_PER_S, NS_PER_HOUR, NULL, "The wanted tier is repeated at least this often"},
	{"switch", "overlap", "overlap", OPTION_WORD, 0, ENGINE(overlap), "never", 0, 0,
	 OVERLAP_WORDS,
	 "auto: a planned step may load the new tier beside the old one where both fit"},

	{"preflight", "reservation", "reservation", OPTION_DURATION, 0, ENGINE(reservation_ns),
	 "30s", 0, NS_PER_HOUR, NULL,
	 "What a preflight was answered yes for is kept this long, if it is not taken before"},

	{"cost", "drain", "cost-drain", OPTION_DURATION, 0, ENGINE(cost_drain_ns), "15s", 0,
	 NS_PER_HOUR, NULL, "How long running requests take to end, until it has been measured"},
	{"cost", "drain_quality", "cost-drain-quality", OPTION_PERMYRIAD, 0,
	 ENGINE(cost_drain_quality_permyriad), "50%", 0, PERMYRIAD, NULL,
	 "What a tier is worth while it drains, as a share of its quality"},
	{"cost", "abort", "cost-abort", OPTION_DURATION, 0, ENGINE(cost_abort_ns), "30s", 0,
	 NS_PER_HOUR, NULL, "Cutting requests off is as bad as this long without the tier"},
	{"cost", "over", "cost-over", OPTION_PERMILLE, 0, ENGINE(cost_over_permille), "2", 0,
	 COST_MAX, NULL, "Qualities lost each second over degrade_above"},
	{"cost", "full", "cost-full", OPTION_PERMILLE, 0, ENGINE(cost_full_permille), "20", 0,
	 COST_MAX, NULL, "As many more lost each second over the whole capacity"},

	{"sampling", "period", "sample-period", OPTION_DURATION, 0, ENGINE(sample_period_ns),
	 "1s", 50 * NS_PER_MS, HISTORY_MAX_NS, NULL, "Time between two samples of a calm host"},
	{"sampling", "period_min", "sample-period-min", OPTION_DURATION, 0,
	 ENGINE(sample_period_min_ns), "50ms", 10 * NS_PER_MS, HISTORY_MAX_NS, NULL,
	 "Least time between two samples when there is little headroom"},
	{"sampling", "fill_rate", "fill-rate", OPTION_BYTES, 0, ENGINE(fill_bytes_per_s),
	 "6000000000", MIB, 1024 * GIB, NULL,
	 "Bytes per second that memory can fill up with: headroom / this is the next sample"},
};
const size_t OPTION_COUNT = ARRAY_SIZE(OPTION_TABLE);
_Static_assert(ARRAY_SIZE(OPTION_TABLE) <= CONFIG_OPTIONS_MAX, "config_overrides is too small");

/* The keys of [tier NAME]; offsets are into struct tier. */
const struct option_row TIER_OPTION_TABLE[] = {
	{"tier", "memory", NULL, OPTION_BYTES, OPTION_REQUIRED, TIER(memory_bytes), "", 1,
	 UINT64_MAX / 4, NULL, "Memory that the tier takes, with its mapped weights"},
	{"tier", "vram", NULL, OPTION_VRAM, 0, TIER(vram_bytes), "0", 0, UINT64_MAX / 4, NULL,
	 "GPU memory that it takes: one size for GPU 0, or a comma list, one per GPU"},
	{"tier", "cores", NULL, OPTION_PERMILLE, 0, TIER(cores_permille), "0", 0, UINT64_C(4096) * 1000,
	 NULL, "CPU cores that it uses while it answers; 0 is not said"},
	{"tier", "quality", NULL, OPTION_PERMYRIAD, 0, TIER(quality_permyriad), "0%", 0,
	 PERMYRIAD, NULL, "How good its answers are, as a share of the best; if no tier says: even steps"},
	{"tier", "load", NULL, OPTION_DURATION, 0, TIER(load_ns), "10s", 0, NS_PER_HOUR, NULL,
	 "How long it takes from the order to its first answer, until it has been measured"},
	{"tier", "slo_ms", NULL, OPTION_U32, 0, TIER(slo_ms), "0", 0, SLO_MAX_MS, NULL,
	 "Latency target: 95% of its tasks take no longer, in milliseconds; 0 is none"},
	{"tier", "fixed", NULL, OPTION_BOOL, 0, TIER(is_fixed), "no", 0, 0, NULL,
	 "What is said of the tier counts, whatever is measured"},
};
const size_t TIER_OPTION_COUNT = ARRAY_SIZE(TIER_OPTION_TABLE);
/* clang-format on */

const struct option_row *option_find(const char *section, const char *key)
{
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (strcmp(OPTION_TABLE[i].section, section) == 0 &&
		    strcmp(OPTION_TABLE[i].key, key) == 0)
			return &OPTION_TABLE[i];
	}
	return NULL;
}

const struct option_row *tier_option_find(const char *key)
{
	for (size_t i = 0; i < TIER_OPTION_COUNT; i++) {
		if (strcmp(TIER_OPTION_TABLE[i].key, key) == 0)
			return &TIER_OPTION_TABLE[i];
	}
	return NULL;
}
