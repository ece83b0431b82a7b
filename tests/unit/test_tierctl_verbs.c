/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl's verbs that people say to an agent: what they tell it, and what is wrong usage. */
#include "tierctl_agent_rig.h"

#include "base/units.h"

static void test_pin(void **state)
{
	(void)state;
	assert_int_equal(rig_ask(&rig, ARGUMENTS("pin", "large"), "ok\nend\n"), TIERCTL_OK);
	assert_int_equal(strncmp(rig.line, "pin tier=large reply=", 21), 0);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("pin", "off", "--for", "10m"), "ok\nend\n"),
			 TIERCTL_OK);
	assert_int_equal(strncmp(rig.line, "pin tier=off for_s=600 reply=", 29), 0);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("pin", "large"), "error it does not fit\nend\n"),
			 TIERCTL_NO);
	assert_string_equal(rig.err, "tierctl: the agent says: it does not fit\n");
	assert_int_equal(rig_ask(&rig, ARGUMENTS("unpin"), "ok\nend\n"), TIERCTL_OK);
	assert_int_equal(strncmp(rig.line, "unpin reply=", 12), 0);
}

static void test_watch(void **state)
{
	static const char REPLY[] = "ok\none\ntwo\x1b[0m\nend\n";

	(void)state;
	assert_int_equal(rig_ask(&rig, ARGUMENTS("watch"), REPLY), TIERCTL_OK);
	assert_string_equal(rig.out, "one\ntwo?[0m\n");
	assert_int_equal(strncmp(rig.line, "watch reply=", 12), 0);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("watch", "--json"), "error too many\nend\n"),
			 TIERCTL_NO);
	assert_int_equal(strncmp(rig.line, "watch format=json reply=", 24), 0);
	assert_string_equal(rig.err, "tierctl: the agent says: too many\n");
	assert_int_equal(rig_ask(&rig, ARGUMENTS("watch"), "ok\none\n"), TIERCTL_UNAVAILABLE);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("watch"), "what\n"), TIERCTL_UNAVAILABLE);
	assert_int_equal(rig_ask(&rig, ARGUMENTS("watch"), ""), TIERCTL_UNAVAILABLE);
}

static void test_wrong_usage(void **state)
{
	static const char *const USAGES[][4] = {
		{"pin"},
		{"pin", "a b"},
		{"pin", ""},
		{"pin", "large", "--for", "long"},
		{"pin", "large", "--for=500ms"},
		{"pin", "large", "small"},
		{"unpin", "large"},
		{"watch", "large"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(USAGES); i++) {
		const char *const arguments[] = {USAGES[i][0], USAGES[i][1], USAGES[i][2],
						 USAGES[i][3], NULL};

		assert_int_equal(rig_run(&rig, arguments), TIERCTL_USAGE);
		assert_true(rig.err[0] != '\0');
		assert_string_equal(rig.out, "");
	}
}

#define WITH_AGENT(name) cmocka_unit_test_setup_teardown(name, setup_agent, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_AGENT(test_pin),
		WITH_AGENT(test_watch),
		WITH_AGENT(test_wrong_usage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
