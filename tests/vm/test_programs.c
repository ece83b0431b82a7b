// SPDX-License-Identifier: BSD-2-Clause
/*
 * Which programs each kernel takes, exactly, where state lives there, and what the verifier makes
 * of them. A choice that the kernel's BTF does not ask for shows here; a wrong signature shows in
 * the counts that test_oracles.c compares.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/units.h"
#include "collector.h"
#include "verifier_ceilings.h"

/*
 * All programs but the second form of mark_victim are loaded everywhere (the form with a task came
 * in 6.8 and was taken over into the older series), and lifecycle_free where it is needed.
 */
static const struct expectation {
	const char *kernel;
	bool has_task_storage;
} EXPECTATIONS[] = {
	{"5.10", false},      {"6.1", false}, {"6.1-arm64", false}, {"6.12", true},
	{"6.12-arm64", true}, {"6.18", true}, {"newest", true},
};

static const struct expectation *expectation_here(void)
{
	const char *kernel = getenv("TIERD_VM_KERNEL");

	for (unsigned int i = 0; kernel && i < ARRAY_SIZE(EXPECTATIONS); i++)
		if (strcmp(EXPECTATIONS[i].kernel, kernel) == 0)
			return &EXPECTATIONS[i];
	fail_msg("nothing is known of kernel %s", kernel ? kernel : "(none)");
	return NULL;
}

static void programs_are_loaded_as_documented(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);
	bool has_storage = expectation_here()->has_task_storage;
	struct probes_program program;

	assert_int_equal(probes_has_task_storage(collector->probes), has_storage);
	print_message("    state in %s\n", has_storage ? "task storage" : "tables");
	for (unsigned int i = 0; probes_get_program(collector->probes, i, &program); i++) {
		bool is_unused = has_storage && strcmp(program.name, "lifecycle_free") == 0;
		bool is_left_out = strcmp(program.name, "oom_mark_victim_pid") == 0;

		print_message("    %-24s %s\n", program.name,
			      program.is_loaded   ? "loaded"
			      : program.is_unused ? "not needed"
						  : "left out");
		assert_int_equal(program.is_unused, is_unused);
		if (program.is_loaded != (!is_unused && !is_left_out))
			fail_msg("%s is %sloaded", program.name, program.is_loaded ? "" : "not ");
	}
	collector_close(collector);
}

static void programs_stay_small_for_the_verifier(void **state)
{
	(void)state;
	struct collector *collector = collector_open(0, 0);

	verifier_check(collector->probes);
	collector_close(collector);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_are_loaded_as_documented),
		cmocka_unit_test(programs_stay_small_for_the_verifier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
