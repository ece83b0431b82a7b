/* SPDX-License-Identifier: BSD-2-Clause */
/* What the gate is told and what it tells: its configuration, its statistics, its log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above. */
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "manager/gate_config.h"
#include "manager/gate_stat.h"
#include "manager/report.h"
#include "mutate.h"

static struct manager_config config;

static int setup(void **state)
{
	static const char TEXT[] =
		"[manager]\nbackend = haproxy\nwork_dir = /run/w\n"
		"[gate]\nlisten = 10.0.0.1:81\nwait = 5s\ntimeout = 90s\nbody_max = 64K\n"
		"max_requests = 9\n"
		"[tier a]\nmemory = 1G\nstart = x\naddress = h:1\nslots = 3\n"
		"[tier b]\nmemory = 2G\nstart = x\naddress = h:2\n";
	char error[MANAGER_ERROR_LEN];

	(void)state;
	return manager_config_parse(TEXT, sizeof(TEXT) - 1, "x", &config, error, sizeof(error));
}

/* ---- configuration -----------------------------------------------------------------------------
 */

static void assert_has(const char *text, const char *line)
{
	if (!strstr(text, line))
		fail_msg("no \"%s\" in:\n%s", line, text);
}

static void every_option_is_in_the_config(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(gate_write_config(&config, out), 0);
	fclose(out);
	assert_has(text, "\n\tbind 10.0.0.1:81\n");
	assert_has(text, "\n\tstats socket /run/w/gate.sock mode 600 level admin");
	assert_has(text, "\n\tlog /run/w/gate-log.sock ");
	assert_has(text, "\n\ttune.bufsize 65536\n");
	assert_has(text, "\n\tretries 20\n");
	assert_has(text, "\n\ttimeout queue 5000ms\n");
	assert_has(text, "\n\ttimeout client 90s\n\ttimeout server 90s\n");
	assert_has(text, "be_conn(llm) ge 9 }\n");
	assert_has(text, "\n\tserver a h:1 maxconn 3\n\tserver b h:2\n");
	/* Or it would inherit what is meant for the tiers. */
	assert_true(strstr(text, "server hold ") < strstr(text, "\n\tdefault-server "));
	free(text);
}

/* ---- statistics --------------------------------------------------------------------------------
 */

#define HEADER "# pxname,svname,qcur,qmax,scur,status,more\n"
#define HOLD "llm,hold,0,0,0,MAINT,\n"

static int parse(const char *text, struct gate_stat *ret_stat)
{
	return gate_stat_parse(&config, text, strlen(text), ret_stat);
}

static void servers_are_found_by_name_and_columns_by_header(void **state)
{
	(void)state;
	struct gate_stat stat;

	assert_int_equal(parse(HEADER
			       "gate,FRONTEND,,,5,OPEN,\n" HOLD
			       "llm,a,2,0,3,DRAIN,\nllm,b,0,0,1,no check,\nother,a,9,9,9,UP,\n"
			       "llm,BACKEND,0,0,4,UP,\n\n",
			       &stat),
			 0);
	assert_int_equal(stat.hold.door, DOOR_SHUT);
	assert_int_equal(stat.tiers[1].door, DOOR_DRAINING);
	assert_int_equal(stat.tiers[1].in_flight, 5);
	assert_int_equal(stat.tiers[2].door, DOOR_OPEN);
	assert_int_equal(stat.tiers[2].in_flight, 1);
	/* In another order, quoted. */
	assert_int_equal(parse("status,scur,qcur,svname,# pxname\n\"UP 1/2\",7,1,\"hold\",llm\n"
			       "\"MAINT (via x)\",0,0,a,llm\n",
			       &stat),
			 0);
	assert_int_equal(stat.hold.door, DOOR_OPEN);
	assert_int_equal(stat.hold.in_flight, 8);
	assert_int_equal(stat.tiers[1].door, DOOR_SHUT);
	assert_false(stat.tiers[2].is_known);
}

static void hostile_tables_change_nothing(void **state)
{
	(void)state;
	static const char *const TEXTS[] = {
		"",
		"\n\n",
		"No such server.\n",
		"# pxname,svname,qcur,scur\nllm,hold,0,0\n", /* no status */
		HEADER,                                      /* no server */
		"# pxname,svname,qcur,qmax,scur,status\nllm,a,0,0,0,UP\n",
		"\"",
		",,,,,,\n,,,,\n",
	};
	struct gate_stat before;
	struct gate_stat stat;

	memset(&before, 0x5a, sizeof(before));
	for (size_t i = 0; i < ARRAY_SIZE(TEXTS); i++) {
		memcpy(&stat, &before, sizeof(stat));
		assert_int_equal(parse(TEXTS[i], &stat), -EBADMSG);
		assert_int_equal(stat.hold.in_flight, 0x5a5a5a5a);
	}
}

static void values_of_any_kind_are_survived(void **state)
{
	(void)state;
	struct gate_stat stat;
	char text[4096] = HEADER HOLD "llm,a,";
	size_t len = strlen(text);

	memset(text + len, '9', 2000);
	snprintf(text + len + 2000, sizeof(text) - len - 2000, "%s",
		 ",0,-3,UP,\nllm,b,99999999999,0,x,,\nllm\n,,,,,,,,,,,,,,\n");
	assert_int_equal(parse(text, &stat), 0);
	assert_int_equal(stat.tiers[1].in_flight, 0); /* no numbers: nothing is known */
	assert_int_equal(stat.tiers[2].in_flight, IN_FLIGHT_UNKNOWN - 1);
	assert_int_equal(stat.tiers[2].door, DOOR_SHUT);
}

static void damaged_tables_and_logs_are_survived(void **state)
{
	(void)state;
	static const char TABLE[] = HEADER "gate,FRONTEND,,,5,OPEN,\n" HOLD
					   "llm,a,2,0,3,DRAIN,\nllm,b,0,0,1,\"no check\",x\n"
					   "llm,BACKEND,0,0,4,UP 1/2,\n\n";
	size_t refused = 0;
	size_t taken = 0;

	srand(1);
	for (int round = 0; round < 4 * MUTATE_ROUNDS; round++) {
		struct gate_stat stat;
		struct request_end end;
		char text[MUTATE_LEN];
		size_t len = mutate_text(TABLE, text);

		/* Exactly so long, so that a byte too many is seen by the sanitizers. */
		char *exact = malloc(len > 0 ? len : 1);
		assert_non_null(exact);
		memcpy(exact, text, len);
		if (gate_stat_parse(&config, exact, len, &stat) < 0)
			refused++;
		else
			taken++;
		free(exact);
		mutate_text("a 1234 10 2 30 200 --\n", text);
		if (report_parse(&config, text, &end) < 0)
			refused++;
		else
			taken++;
	}
	assert_true(refused > 100 && taken > 100);
}

/* ---- log ---------------------------------------------------------------------------------------
 */

static void ends_of_requests_are_read(void **state)
{
	(void)state;
	static const struct {
		const char *line;
		uint32_t tier;
		bool is_ok;
		bool is_served;
		uint64_t ms;
		uint64_t ttft_ms;
	} CASES[] = {
		{"a 1234 10 2 30 200 --\n", 1, true, true, 1234, 42},
		{"b 5 0 0 5 404 --", 2, true, true, 5, 5},
		{"b 5 0 0 5 500 --", 2, false, true, 5, 5},
		{"a 900 0 0 3 200 SD", 1, false, false, 900, 3},  /* the server broke off */
		{"a 900 0 0 3 200 CD", 1, true, false, 900, 3},   /* the client left */
		{"a 900 0 0 -1 -1 CH", 1, true, false, 900, 0},   /* before it got anything */
		{"a 900 0 0 -1 504 sH", 1, false, false, 900, 0}, /* the server was too slow */
		{"hold 60000 0 -1 -1 503 SC", 0, false, false, 60000, 0},
		{"<NOSRV> 0 -1 -1 -1 429 LR", 0, true, false, 0, 0},
		{"nowhere 5 0 0 5 200 --", 0, true, false, 5, 5},
	};

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct request_end end;

		assert_int_equal(report_parse(&config, CASES[i].line, &end), 0);
		assert_int_equal(end.tier, CASES[i].tier);
		assert_int_equal(end.is_ok, CASES[i].is_ok);
		assert_int_equal(end.is_served, CASES[i].is_served);
		assert_int_equal(end.ms, CASES[i].ms);
		assert_int_equal(end.ttft_ms, CASES[i].ttft_ms);
	}
}

static void other_lines_are_refused(void **state)
{
	(void)state;
	static const char *const LINES[] = {
		"",
		"a",
		"a 1 2 3 4 5",
		"a 1 2 3 4 200 -- x",
		"a 1 2 3 4 200 ----",
		"a x 2 3 4 200 --",
		"a 99999999999 2 3 4 200 --",
		"a  2 3 4 200 --",
		"gate: starting",
	};
	char overlong[1000];
	struct request_end end;

	for (size_t i = 0; i < ARRAY_SIZE(LINES); i++)
		assert_int_equal(report_parse(&config, LINES[i], &end), -EBADMSG);
	memset(overlong, 'a', sizeof(overlong) - 1);
	overlong[sizeof(overlong) - 1] = '\0';
	assert_int_equal(report_parse(&config, overlong, &end), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_option_is_in_the_config),
		cmocka_unit_test(servers_are_found_by_name_and_columns_by_header),
		cmocka_unit_test(hostile_tables_change_nothing),
		cmocka_unit_test(values_of_any_kind_are_survived),
		cmocka_unit_test(damaged_tables_and_logs_are_survived),
		cmocka_unit_test(ends_of_requests_are_read),
		cmocka_unit_test(other_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
