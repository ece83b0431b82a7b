/* SPDX-License-Identifier: BSD-2-Clause */
#include "pressure.h"

#include <string.h>

#include "base/units.h"

enum {
	/* Whoever wants less than a tenth of one core is not made to suffer by waiting for it. */
	WANTED_MIN_PERMYRIAD = 1000,
	/* A wait counts if it lasts: the least of the window and of each of its parts. */
	CPU_PARTS = 5,
	/* Others wait because of the model only where the CPUs are taken: while one is idle, a wait
	 * is for a quota of their own or for one CPU that they are bound to. A tenth is left for
	 * what the records leave out: interrupts, idling for an instant, processes too small. */
	CPU_BUSY_MIN_PERMYRIAD = 9000,
};

void pressure_init(struct pressure *pressure)
{
	memset(pressure, 0, sizeof(*pressure));
}

void pressure_restart(struct pressure *pressure)
{
	pressure_init(pressure);
}

static void add_cpu(struct pressure *pressure, enum cpu_series series, uint64_t amount_ns)
{
	pressure->open_cpu_ns[series] = units_plus(pressure->open_cpu_ns[series], amount_ns);
}

void pressure_add(struct pressure *pressure, const struct process_delta *delta)
{
	uint64_t time_ns = units_minus(delta->cpu_time_ns, delta->background_cpu_time_ns);
	uint64_t wait_ns = units_minus(delta->cpu_wait_ns, delta->background_cpu_wait_ns);
	uint64_t *open_ns;

	add_cpu(pressure, CPU_ALL_TIME, delta->cpu_time_ns);
	if (delta->party >= PRESSURE_PARTIES || delta->is_kernel_thread)
		return;
	add_cpu(pressure, delta->party == PARTY_MODEL ? CPU_MODEL_TIME : CPU_OTHERS_TIME, time_ns);
	add_cpu(pressure, delta->party == PARTY_MODEL ? CPU_MODEL_WAIT : CPU_OTHERS_WAIT, wait_ns);
	if (delta->stall_ns == 0)
		return;
	open_ns = &pressure->open_stall_ns[delta->party][delta->stall_class];
	*open_ns = units_max(*open_ns, delta->open_stall_ns);
}

void pressure_close_window(struct pressure *pressure, uint64_t now_ns,
			   const struct event_window *window, struct attribution *attribution)
{
	uint64_t stall_ns[PARTY_COUNT][STALL_CLASS_COUNT];
	uint64_t length_ns = units_minus(window->end_ns, window->begin_ns);
	uint64_t span_ns;

	/* Where the end of an earlier walk was lost, its records are in this window too. */
	if (pressure->is_walked)
		length_ns = units_minus(window->end_ns, pressure->walk_end_ns);
	if (!pressure->is_walked)
		pressure->cpu_since_ns = units_minus(now_ns, length_ns);
	pressure->is_walked = true;
	pressure->walk_end_ns = units_max(pressure->walk_end_ns, window->end_ns);

	span_ns = attribution_close_window(attribution, length_ns, stall_ns);
	for (int party = 0; party < PRESSURE_PARTIES; party++) {
		for (int kind = 0; kind < STALL_CLASS_COUNT; kind++)
			window_add(&pressure->stall[party][kind], units_minus(now_ns, span_ns),
				   now_ns, stall_ns[party][kind], WINDOW_BUCKET_NS);
	}
	for (int series = 0; series < CPU_SERIES_COUNT; series++)
		window_add(&pressure->cpu[series], units_minus(now_ns, length_ns), now_ns,
			   pressure->open_cpu_ns[series], UINT64_MAX);
	memset(pressure->open_cpu_ns, 0, sizeof(pressure->open_cpu_ns));
	memset(pressure->open_stall_ns, 0, sizeof(pressure->open_stall_ns));
}

void pressure_add_total_stall(struct pressure *pressure, uint64_t begin_ns, uint64_t end_ns,
			      enum stall_class stall_class, uint64_t stall_ns)
{
	window_add(&pressure->stall[PARTY_OTHERS][stall_class], begin_ns, end_ns, stall_ns,
		   WINDOW_BUCKET_NS);
}

uint32_t pressure_stall_permyriad(const struct pressure *pressure, uint64_t now_ns, uint32_t party,
				  uint32_t stall_class, uint64_t length_ns)
{
	return window_share_permyriad(&pressure->stall[party][stall_class], now_ns, length_ns,
				      pressure->open_stall_ns[party][stall_class]);
}

/* Share of the wanted time, or 0 where too little was wanted. */
static uint32_t wait_share_permyriad(uint64_t wait_ns, uint64_t counted_ns, uint64_t time_ns,
				     uint64_t length_ns)
{
	uint64_t wanted_ns = units_plus(wait_ns, time_ns);

	if (wanted_ns < units_scale(length_ns, WANTED_MIN_PERMYRIAD, PERMYRIAD))
		return 0;
	return units_permyriad(counted_ns, wanted_ns);
}

static bool are_cpus_busy(const uint64_t sum_ns[CPU_SERIES_COUNT], uint64_t length_ns,
			  uint32_t cpu_count)
{
	uint64_t whole_ns = units_scale(length_ns, cpu_count, 1);

	return sum_ns[CPU_ALL_TIME] >= units_scale(whole_ns, CPU_BUSY_MIN_PERMYRIAD, PERMYRIAD);
}

static void get_sums(const struct pressure *pressure, uint64_t now_ns, uint64_t length_ns,
		     uint64_t ret_sum_ns[CPU_SERIES_COUNT])
{
	for (int series = 0; series < CPU_SERIES_COUNT; series++)
		ret_sum_ns[series] = window_sum(&pressure->cpu[series], now_ns, length_ns);
}

/* Others wait for whoever runs; the model's part of that is its part of what ran. */
static void get_waits(const uint64_t sum_ns[CPU_SERIES_COUNT], uint64_t length_ns,
		      struct cpu_pressure *ret_cpu)
{
	uint64_t overlap_ns =
		units_scale(sum_ns[CPU_OTHERS_WAIT], sum_ns[CPU_MODEL_TIME], sum_ns[CPU_ALL_TIME]);

	ret_cpu->model_wait_permyriad = wait_share_permyriad(
		sum_ns[CPU_MODEL_WAIT], sum_ns[CPU_MODEL_WAIT], sum_ns[CPU_MODEL_TIME], length_ns);
	ret_cpu->others_wait_permyriad = wait_share_permyriad(sum_ns[CPU_OTHERS_WAIT], overlap_ns,
							      sum_ns[CPU_OTHERS_TIME], length_ns);
}

/* Lowers the waits to the least of any fifth of the time. */
static void take_least_part(const struct pressure *pressure, uint64_t now_ns, uint64_t length_ns,
			    struct cpu_pressure *cpu)
{
	uint64_t newer_ns[CPU_SERIES_COUNT] = {0};

	for (uint64_t i = 1; i <= CPU_PARTS; i++) {
		uint64_t sum_ns[CPU_SERIES_COUNT];
		uint64_t part_ns[CPU_SERIES_COUNT];
		struct cpu_pressure part;

		get_sums(pressure, now_ns, length_ns * i, sum_ns);
		for (int series = 0; series < CPU_SERIES_COUNT; series++)
			part_ns[series] = units_minus(sum_ns[series], newer_ns[series]);
		memcpy(newer_ns, sum_ns, sizeof(newer_ns));
		get_waits(part_ns, length_ns, &part);
		cpu->model_wait_permyriad =
			(uint32_t)units_min(cpu->model_wait_permyriad, part.model_wait_permyriad);
		cpu->others_wait_permyriad =
			(uint32_t)units_min(cpu->others_wait_permyriad, part.others_wait_permyriad);
	}
}

void pressure_get_cpu(const struct pressure *pressure, uint64_t now_ns, uint64_t length_ns,
		      uint32_t cpu_count, struct cpu_pressure *ret_cpu)
{
	uint64_t sum_ns[CPU_SERIES_COUNT];

	memset(ret_cpu, 0, sizeof(*ret_cpu));
	length_ns = units_min(length_ns, WINDOW_MAX_NS);
	if (!pressure->is_walked || units_minus(now_ns, pressure->cpu_since_ns) < length_ns)
		return;
	get_sums(pressure, now_ns, length_ns, sum_ns);
	get_waits(sum_ns, length_ns, ret_cpu);
	ret_cpu->others_demand_permyriad =
		units_permyriad(units_plus(sum_ns[CPU_OTHERS_WAIT], sum_ns[CPU_OTHERS_TIME]),
				units_scale(length_ns, cpu_count, 1));
	if (!are_cpus_busy(sum_ns, length_ns, cpu_count))
		ret_cpu->others_wait_permyriad = 0;
	if (ret_cpu->model_wait_permyriad > 0 || ret_cpu->others_wait_permyriad > 0)
		take_least_part(pressure, now_ns, length_ns / CPU_PARTS, ret_cpu);
}
