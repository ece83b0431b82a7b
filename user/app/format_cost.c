// SPDX-License-Identifier: BSD-2-Clause
/* What the agent costs, for a status. */
#include <inttypes.h>
#include <string.h>

#include "base/units.h"
#include "format.h"

#define PPM UINT64_C(1000000)

/* Every switch runs this program once. */
static const char switch_tracepoint[] = "sched_switch";

static uint64_t sum_run_ns(const struct bpf_cost *bpf)
{
	uint64_t sum_ns = 0;

	for (uint32_t i = 0; i < bpf->count; i++)
		sum_ns += bpf->programs[i].run_ns;
	return sum_ns;
}

static uint64_t count_switches(const struct bpf_cost *bpf)
{
	for (uint32_t i = 0; i < bpf->count; i++) {
		if (strcmp(bpf->programs[i].tracepoint, switch_tracepoint) == 0)
			return bpf->programs[i].runs;
	}
	return 0;
}

/* ---- JSON ---- */

static void add_program(struct json *json, const struct bpf_cost_program *program)
{
	json_begin_object(json, NULL);
	json_add_string(json, "program", program->name);
	json_add_string(json, "tracepoint", program->tracepoint);
	json_add_u64(json, "runs", program->runs);
	json_add_u64(json, "run_ns", program->run_ns);
	json_add_u64(json, "ns_per_run", units_scale(program->run_ns, 1, program->runs));
	json_end_object(json);
}

void format_add_cost(struct json *json, const struct status_cost *cost, uint64_t rss_bytes)
{
	uint64_t run_ns = sum_run_ns(&cost->bpf);
	uint64_t switches = count_switches(&cost->bpf);

	json_begin_object(json, "cost");
	json_add_u64(json, "span_ns", cost->span_ns);
	json_add_u64(json, "user_ns", cost->user_ns);
	json_add_u64(json, "system_ns", cost->system_ns);
	json_add_u64(json, "life_ns", cost->life_ns);
	json_add_u64(json, "life_cpu_ns", cost->life_cpu_ns);
	json_add_u64(json, "rss_bytes", rss_bytes);
	json_add_u64(json, "map_bytes", cost->bpf.map_bytes);
	if (cost->problem) {
		json_add_string(json, "problem", cost->problem);
		json_end_object(json);
		return;
	}
	json_add_null(json, "problem");
	json_add_u64(json, "bpf_ns", run_ns);
	json_add_u64(json, "switches", switches);
	json_add_u64(json, "bpf_ns_per_switch", units_scale(run_ns, 1, switches));
	json_begin_array(json, "programs");
	for (uint32_t i = 0; i < cost->bpf.count; i++)
		add_program(json, &cost->bpf.programs[i]);
	json_end_array(json);
	json_end_object(json);
}

/* ---- text ---- */

/* Percent of one CPU, to a thousandth. */
static void text_share(struct text *text, const char *before, uint64_t part_ns, uint64_t whole_ns)
{
	uint64_t ppm = units_scale(part_ns, PPM, whole_ns);

	text_add(text, "%s%" PRIu64 ".%03" PRIu64 " %%", before, ppm / 10000, ppm % 10000 / 10);
}

static void text_programs(struct text *text, const struct status_cost *cost)
{
	uint64_t run_ns = sum_run_ns(&cost->bpf);
	uint64_t switches = count_switches(&cost->bpf);

	if (cost->problem) {
		text_add(text, "cost        of the programs in the kernel is not known: %s\n",
			 cost->problem);
		return;
	}
	text_share(text, "cost        of the programs in the kernel ", run_ns, cost->span_ns);
	text_add(text, " of a CPU, %" PRIu64 " switches, %" PRIu64 " ns per switch; runs, ns each:",
		 switches, units_scale(run_ns, 1, switches));
	for (uint32_t i = 0; i < cost->bpf.count; i++) {
		const struct bpf_cost_program *program = &cost->bpf.programs[i];

		if (program->runs > 0)
			text_add(text, "\n            %-28s %10" PRIu64 " %8" PRIu64, program->name,
				 program->runs, program->run_ns / program->runs);
	}
	text_add(text, "\n");
}

void format_cost_text(struct text *text, const struct status_cost *cost, uint64_t rss_bytes)
{
	char rss[UNITS_TEXT_LEN];
	char maps[UNITS_TEXT_LEN];

	text_share(text, "cost        of the agent ", cost->user_ns + cost->system_ns,
		   cost->span_ns);
	text_share(text, " of a CPU (user ", cost->user_ns, cost->span_ns);
	text_share(text, ", system ", cost->system_ns, cost->span_ns);
	text_add(text, ") in %" PRIu64 " ms", cost->span_ns / NS_PER_MS);
	text_share(text, ", since its start ", cost->life_cpu_ns, cost->life_ns);
	text_add(text, "; memory %s, maps in the kernel %s\n",
		 units_format_bytes_rounded(rss_bytes, rss),
		 units_format_bytes_rounded(cost->bpf.map_bytes, maps));
	text_programs(text, cost);
}
