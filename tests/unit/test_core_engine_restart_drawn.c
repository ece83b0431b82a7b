/* SPDX-License-Identifier: BSD-2-Clause */
/* Drawn histories under the adaptive policy: no restart brings a step up forward. */
#include "test_core_random_host.h"

#include "test_core_adaptive_fixture.h"
#include "test_core_restart_fixture.h"

enum {
	DOWN_S = 2,
	LONG_DOWN_S = 45,
	SEEDS = 40,
};

/* When it is next stepped up, after a history of others' use that the seed draws. */
static uint64_t step_up_after(uint64_t seed, uint64_t down_s)
{
	const struct decision *up = NULL;
	uint64_t began_ns;
	uint32_t since;

	random_state = seed;
	start("large");
	for (int i = 0; i < 12; i++) {
		uint64_t level = 10 + random_below(55);
		uint64_t noise = 1 + random_below(5);
		uint64_t seconds = 10 + random_below(200);

		for (uint64_t s = 0; s < seconds; s++) {
			rig->others_bytes = level * GB + random_below(noise * 1000) * GB / 1000;
			pass(1);
		}
	}
	rig->others_bytes = 48 * GB;
	pass(20);
	began_ns = rig->now_ns;
	since = rig->decision_count;
	rig->others_bytes = 20 * GB;
	pass(random_below(100));
	if (down_s)
		pass_restart(down_s);
	for (int i = 0; i < 2000 && !up; i++) {
		/* The same at the same time, whatever was before. */
		rig->others_bytes = 20 * GB + rig->now_ns / NS_PER_S * 7919 % 1000 * GB / 1000;
		pass(1);
		up = rig_find(rig, since, DECISION_SWITCH, REASON_GAIN);
	}
	began_ns = up ? up->time_ns - began_ns : UINT64_MAX;
	stop();
	return began_ns;
}

static void test_no_step_up_comes_sooner(void **state)
{
	uint32_t later = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		uint64_t without_ns = step_up_after(seed, 0);
		uint64_t with_ns = step_up_after(seed, seed % 2 ? DOWN_S : LONG_DOWN_S);

		/* But for a sample or two, which come at other times within their second. */
		if (units_plus(with_ns, SECONDS(2)) < without_ns)
			fail_msg("seed %llu: after %llu s instead of %llu",
				 (unsigned long long)seed, (unsigned long long)(with_ns / NS_PER_S),
				 (unsigned long long)(without_ns / NS_PER_S));
		later += with_ns > without_ns;
	}
	assert_true(later > 0);
}

int main(void)
{
#undef TEST
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_adaptive, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_no_step_up_comes_sooner),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
