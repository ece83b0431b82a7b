// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which programs each kernel takes, exactly, and what its verifier makes of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "guest.h"

/* Every program but these is loaded on every kernel. */
static const struct {
	const char *kernel;
	const char *left_out;
} EXPECTED[] = {
	{"5.10", "oom_mark_victim_task"},      {"6.1", "oom_mark_victim_task"},
	{"6.1-arm64", "oom_mark_victim_task"}, {"6.12", "oom_mark_victim_pid"},
	{"6.12-arm64", "oom_mark_victim_pid"}, {"6.18", "oom_mark_victim_pid"},
};

static const char *left_out_here(void)
{
	const char *kernel = getenv("TIERD_VM_KERNEL");

	for (unsigned int i = 0; kernel && i < ARRAY_SIZE(EXPECTED); i++)
		if (strcmp(EXPECTED[i].kernel, kernel) == 0)
			return EXPECTED[i].left_out;
	fail_msg("nothing is known of kernel %s", kernel ? kernel : "(none)");
	return NULL;
}

static void programs_are_loaded_as_documented(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	const char *left_out = left_out_here();
	struct probes_program program;

	for (unsigned int i = 0; probes_get_program(collector->probes, i, &program); i++) {
		bool is_expected = strcmp(program.name, left_out) != 0;

		print_message("    %-24s %-8s %6u instructions verified\n", program.name,
			      program.is_loaded ? "loaded" : "left out", program.verified_insns);
		if (program.is_loaded != is_expected)
			fail_msg("%s is %sloaded", program.name, program.is_loaded ? "" : "not ");
	}
	collector_close(collector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_loaded_as_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
