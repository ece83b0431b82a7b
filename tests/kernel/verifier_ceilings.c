// SPDX-License-Identifier: BSD-2-Clause
#include "verifier_ceilings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"

/* The programs with preallocated tables take locks in loops, which the verifier unrolls. */
static const struct ceiling {
	const char *name;
	uint32_t storage;
	uint32_t preallocated;
} CEILINGS[] = {
	{"lifecycle_newtask", 200, 400},      {"lifecycle_exec", 200, 200},
	{"lifecycle_exit", 20000, 40000},     {"lifecycle_free", 0, 100},
	{"stall_sched_switch", 30000, 90000}, {"direct_reclaim_begin", 6000, 12000},
	{"direct_reclaim_end", 12000, 30000}, {"memcg_reclaim_begin", 8000, 14000},
	{"memcg_reclaim_end", 12000, 30000},  {"node_reclaim_begin", 6000, 12000},
	{"node_reclaim_end", 12000, 30000},   {"compaction_begin", 6000, 12000},
	{"compaction_end", 12000, 30000},     {"kswapd_wake", 200, 200},
	{"kswapd_sleep", 200, 200},           {"oom_mark_victim_task", 6000, 12000},
	{"oom_mark_victim_pid", 1000, 1000},  {"walk_thread", 40000, 150000},
};

static uint32_t ceiling_find(const struct probes *probes, const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(CEILINGS); i++)
		if (strcmp(CEILINGS[i].name, name) == 0)
			return probes_has_task_storage(probes) ? CEILINGS[i].storage
							       : CEILINGS[i].preallocated;
	fail_msg("%s has no ceiling", name);
	return 0;
}

void verifier_check(const struct probes *probes)
{
	struct probes_program program;

	for (unsigned int i = 0; probes_get_program(probes, i, &program); i++) {
		uint32_t ceiling = ceiling_find(probes, program.name);

		if (!program.is_loaded)
			continue;
		print_message("    %-24s %6u of %6u\n", program.name, program.verified_insns,
			      ceiling);
		assert_in_range(program.verified_insns, 1, ceiling);
	}
}
