/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of a CSV as events: others' use is exactly what the row says, totals run on, holes show. */
#include "test_core_rig.h"

#include "app/row_events.h"

#define EVERY_COLUMN ((1U << CSV_COLUMN_COUNT) - 1)

static struct row_events events;
static struct event made[ROW_EVENTS_MAX];

static int set_up(void **state)
{
	(void)state;
	row_events_init(&events);
	return 0;
}

/* 100 GB in bytes, with every column; nothing stalls. */
static struct csv_row row_at(uint64_t time_ns, double others)
{
	return (struct csv_row){
		.present = EVERY_COLUMN,
		.time_ns = time_ns,
		.bytes_per_unit = 1,
		.mem_total = 100e9,
		.mem_others = others,
		.cpus = 4,
	};
}

static const struct event_sample *make_one(const struct csv_row *row)
{
	assert_int_equal(row_events_make(&events, row, made), 1);
	assert_int_equal(made[0].kind, EVENT_SAMPLE);
	assert_int_equal(made[0].time_ns, row->time_ns);
	return &made[0].sample;
}

/* The first row: the source goes before it. */
static const struct event_sample *make_first(const struct csv_row *row)
{
	assert_int_equal(row_events_make(&events, row, made), 2);
	assert_int_equal(made[0].kind, EVENT_SOURCE);
	assert_int_equal(made[1].kind, EVENT_SAMPLE);
	return &made[1].sample;
}

static void test_a_sample(void **state)
{
	struct csv_row row = row_at(SECONDS(7), 30e9);

	(void)state;
	row.mem_model = 20e9;
	row.swap_total = 8e9;
	row.swap_free = 3e9;
	row.vram_total = 24e9;
	row.vram_others = 5e9;
	const struct event_sample *sample = make_first(&row);
	assert_int_equal(made[0].source.source, SOURCE_PSI);
	assert_int_equal(sample->flags, SAMPLE_CONFIRMED);
	assert_int_equal(sample->cpu_count, 4);
	assert_true(sample->model_processes > 0);
	assert_int_equal(sample->resource_count, 2);
	assert_int_equal(sample->resources[0].kind, RESOURCE_HOST_MEMORY);
	assert_int_equal(sample->resources[0].capacity_bytes, 100 * GB);
	assert_int_equal(sample->resources[0].used_bytes, 50 * GB);
	assert_int_equal(sample->resources[0].model_bytes, 20 * GB);
	assert_int_equal(sample->resources[1].kind, RESOURCE_VRAM);
	assert_int_equal(sample->resources[1].index, 0);
	assert_int_equal(sample->resources[1].capacity_bytes, 24 * GB);
	assert_int_equal(sample->resources[1].used_bytes, 5 * GB);
	assert_int_equal(sample->resources[1].model_bytes, 0);
	assert_int_equal(sample->swap_total_bytes, 8 * GB);
	assert_int_equal(sample->swap_free_bytes, 3 * GB);
}

static void test_columns_that_are_not_there(void **state)
{
	struct csv_row row = row_at(0, 30e9);

	(void)state;
	row.present =
		1U << CSV_COLUMN_TIME_S | 1U << CSV_COLUMN_MEM_TOTAL | 1U << CSV_COLUMN_MEM_OTHERS;
	row.cpus = 0;
	const struct event_sample *sample = make_first(&row);
	assert_int_equal(made[0].source.source, SOURCE_POLL);
	assert_int_equal(sample->resource_count, 1);
	assert_int_equal(sample->cpu_count, 1);
	assert_int_equal(sample->resources[0].used_bytes, 30 * GB);
}

static void test_other_units_are_scaled(void **state)
{
	struct csv_row row = row_at(0, 0.25);

	(void)state;
	row.mem_total = 1;
	row.mem_model = 0.5;
	row.bytes_per_unit = 64.0 * (double)GIB;
	row.vram_total = 24e9;
	const struct event_sample *sample = make_first(&row);
	assert_int_equal(sample->resources[0].capacity_bytes, 64 * GIB);
	assert_int_equal(sample->resources[0].used_bytes, 48 * GIB);
	assert_int_equal(sample->resources[0].model_bytes, 32 * GIB);
	assert_int_equal(sample->resources[1].capacity_bytes, 24 * GB);
}

static void test_shares_become_totals(void **state)
{
	struct csv_row row = row_at(SECONDS(100), 30e9);
	struct event_sample first;
	const struct event_sample *sample;

	(void)state;
	row.psi_mem_some = row.psi_mem_full = row.psi_cpu_some = row.psi_io_some = 0.5;
	row.cpu_others = 1;
	/* There is no time before the first row. */
	first = *make_first(&row);
	assert_true(first.psi_mem_some_ns > 0);
	assert_int_equal(first.host_scan_pages, 0);
	row.time_ns += SECONDS(10);
	row.psi_mem_some = 0.25;
	row.psi_mem_full = 0.125;
	row.psi_io_some = 1;
	row.cpu_others = 0.75;
	sample = make_one(&row);
	assert_int_equal(sample->psi_mem_some_ns - first.psi_mem_some_ns, MILLIS(2500));
	assert_int_equal(sample->psi_mem_full_ns - first.psi_mem_full_ns, MILLIS(1250));
	assert_int_equal(sample->psi_cpu_some_ns - first.psi_cpu_some_ns, SECONDS(5));
	assert_int_equal(sample->psi_io_some_ns - first.psi_io_some_ns, SECONDS(10));
	assert_int_equal(sample->cpu_busy_ns - first.cpu_busy_ns, SECONDS(30));
	assert_true(sample->host_scan_pages > 0);
	/* Demand beyond the CPUs is not time that they were busy. */
	first = *sample;
	row.time_ns += SECONDS(1);
	row.cpu_others = 3;
	row.psi_mem_some = 0;
	sample = make_one(&row);
	assert_int_equal(sample->cpu_busy_ns - first.cpu_busy_ns, SECONDS(4));
	assert_int_equal(sample->psi_mem_some_ns, first.psi_mem_some_ns);
	assert_int_equal(sample->host_scan_pages, first.host_scan_pages);
}

/* A sensor that is missing for a while is not one that reads 0. */
static void test_hole_in_psi(void **state)
{
	struct csv_row row = row_at(0, 30e9);

	(void)state;
	make_first(&row);
	row.time_ns = SECONDS(1);
	make_one(&row);
	row.time_ns = SECONDS(2);
	row.present &= ~(1U << CSV_COLUMN_PSI_MEM_SOME);
	make_first(&row);
	assert_int_equal(made[0].source.source, SOURCE_POLL);
	assert_int_equal(made[0].time_ns, SECONDS(2));
	row.time_ns = SECONDS(3);
	make_one(&row);
	row.time_ns = SECONDS(4);
	row.present = EVERY_COLUMN;
	make_first(&row);
	assert_int_equal(made[0].source.source, SOURCE_PSI);
}

/* 90 years of 65,536 CPUs are more nanoseconds than 64 bits hold. */
static void test_totals_stop_at_the_largest(void **state)
{
	struct csv_row row = row_at(SECONDS(1), 30e9);

	(void)state;
	row.cpus = 65536;
	row.cpu_others = 1;
	make_first(&row);
	row.time_ns += SECONDS(UINT64_C(2840000000));
	assert_true(make_one(&row)->cpu_busy_ns == UINT64_MAX);
	row.time_ns += SECONDS(1);
	assert_true(make_one(&row)->cpu_busy_ns == UINT64_MAX);
}

/* What the engine takes for others' use is mem_others, whatever tier it has in place. */
static void test_others_are_exact(void **state)
{
	static const double OTHERS[] = {30e9, 12345678901, 75e9, 95e9, 0, 1, 99999999999, 50e9};
	struct engine_config config = rig_config();
	struct rig *rig = rig_new(&config, SECONDS(5));
	struct engine_status status;

	(void)state;
	for (unsigned int i = 0; i < 400; i++) {
		struct csv_row row = row_at(rig->now_ns, OTHERS[i / 50 % ARRAY_SIZE(OTHERS)]);

		row.mem_model = i % 2 ? 0 : 17e9;
		unsigned int count = row_events_make(&events, &row, made);
		for (unsigned int j = 0; j < count; j++)
			rig_step(rig, &made[j]);
		engine_get_status(rig->engine, &status);
		assert_true(status.last.worst.others_bytes == (uint64_t)row.mem_others);
		assert_false(status.is_model_unseen);
		rig->now_ns += SECONDS(1);
	}
	assert_true(rig_count(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE) > 0);
	rig_free(rig);
}

/* Memory stall that a CSV tells of counts as the host's. */
static void test_stall_has_an_effect(void **state)
{
	struct engine_config config = rig_config();
	struct rig *rig = rig_new(&config, SECONDS(5));

	(void)state;
	for (unsigned int i = 0; i < 30; i++) {
		struct csv_row row = row_at(rig->now_ns, 30e9);

		row.psi_mem_some = i < 20 ? 0 : 0.9;
		unsigned int count = row_events_make(&events, &row, made);
		for (unsigned int j = 0; j < count; j++)
			rig_step(rig, &made[j]);
		assert_int_equal(rig_count(rig, 0, DECISION_SWITCH, REASON_STALL_OVER_URGENT) > 0,
				 i >= 20);
		rig->now_ns += SECONDS(1);
	}
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_a_sample, set_up),
		cmocka_unit_test_setup(test_columns_that_are_not_there, set_up),
		cmocka_unit_test_setup(test_other_units_are_scaled, set_up),
		cmocka_unit_test_setup(test_shares_become_totals, set_up),
		cmocka_unit_test_setup(test_hole_in_psi, set_up),
		cmocka_unit_test_setup(test_totals_stop_at_the_largest, set_up),
		cmocka_unit_test_setup(test_others_are_exact, set_up),
		cmocka_unit_test_setup(test_stall_has_an_effect, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
