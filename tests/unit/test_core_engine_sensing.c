/* SPDX-License-Identifier: BSD-2-Clause */
/* What the engine takes for its own, for somebody else's, and for nobody's concern. */
#include "test_core_engine_fixture.h"

static void add_resource(struct event *event, uint32_t kind, uint64_t capacity, uint64_t used,
			 uint64_t model)
{
	event->sample.resources[event->sample.resource_count++] = (struct event_resource){
		.kind = kind, .capacity_bytes = capacity, .used_bytes = used, .model_bytes = model};
}

/* ---- whose memory ---- */

static void test_unseen_model_is_not_others_while_another_is_loaded(void **state)
{
	(void)state;
	rig = rig_new(&config, SECONDS(5));
	rig->is_model_hidden = true;
	rig_hello(rig, "large");
	rig_sample(rig);
	rig_run(rig, SECONDS(15), NULL);
	rig->others_bytes = 55 * GB; /* with large: 95 */
	rig_run(rig, SECONDS(3), NULL);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_string_equal(rig_wanted(rig), "small");
	/* The manager takes its time: large is still in memory. */
	rig_run(rig, SECONDS(20), NULL);
	assert_int_equal(switches(REASON_NONE), 1);
	assert_int_equal(rig_status(rig)->last.worst.others_bytes, 55 * GB);
	rig_ack(rig, ACK_DONE);
	rig_run(rig, SECONDS(20), NULL);
	assert_int_equal(switches(REASON_NONE), 1);
}

/* Samples of a host where the model holds this much for 3 s. */
static void run_with_model(uint64_t model_bytes)
{
	for (int i = 0; i < 30; i++) {
		struct event event = rig_sample_event(rig);

		rig->now_ns += MILLIS(100);
		event.sample.resources[0].model_bytes = model_bytes;
		event.sample.resources[0].used_bytes = rig->others_bytes + model_bytes;
		rig_step(rig, &event);
	}
}

static void test_model_that_outgrew_its_footprint_counts_as_measured(void **state)
{
	const struct decision *decision;

	(void)state;
	start("small");
	run_with_model(67 * GB);
	decision = rig_find(rig, 0, DECISION_SWITCH, REASON_USE_OVER_DEGRADE);
	assert_non_null(decision);
	assert_int_equal(decision->worst.use_permyriad, 9700);
	assert_int_equal(decision->worst.others_bytes, 30 * GB);
	assert_string_equal(rig_wanted(rig), "tiny");
}

static void test_little_headroom_over_the_footprint_is_sampled_sooner(void **state)
{
	struct event event;

	(void)state;
	config.upgrade_below_permyriad = 9000; /* or the band would ask for a second look */
	start("small");
	event = rig_sample_event(rig);
	event.sample.resources[0].model_bytes = 47 * GB;
	event.sample.resources[0].used_bytes = 77 * GB;
	rig->now_ns += MILLIS(100);
	rig_step(rig, &event);
	assert_int_equal(rig_status(rig)->last.worst.use_permyriad, 7700);
	rig->now_ns += MILLIS(100);
	event.sample.resources[0].model_bytes = 57 * GB;
	event.sample.resources[0].used_bytes = 87 * GB;
	rig_step(rig, &event); /* 3 of 6 GB/s */
	assert_int_equal(rig->out.sample_at_ns - rig->now_ns, MILLIS(500));
}

static void test_measured_use_of_an_assumed_tier_is_nobodys(void **state)
{
	(void)state;
	config.upgrade_below_permyriad = 4500; /* small is the first to fit */
	start(NULL);
	assert_string_equal(rig_actual(rig), "small");
	config.upgrade_below_permyriad = 8000;
	run_with_model(67 * GB);
	assert_int_equal(switches(REASON_NONE), 0);
}

/* ---- what no tier takes ---- */

static void run_with_gpu(uint64_t used_bytes, uint64_t model_bytes)
{
	for (int i = 0; i < 30; i++) {
		struct event event = rig_sample_event(rig);

		rig->now_ns += MILLIS(100);
		add_resource(&event, RESOURCE_VRAM, 10 * GB, used_bytes, model_bytes);
		rig_step(rig, &event);
	}
}

static void test_gpu_that_no_tier_uses_does_not_count(void **state)
{
	(void)state;
	start("large");
	run_with_gpu(10 * GB, 0);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_NONE), 0);
	assert_int_equal(rig_status(rig)->last.worst.kind, RESOURCE_HOST_MEMORY);
}

static void test_gpu_counts_from_the_reload_on_that_gives_a_tier_some(void **state)
{
	(void)state;
	start("small");
	run_with_gpu(10 * GB, 0);
	rig->config.ladder.tiers[4].vram_bytes[0] = GB;
	rig_configure(rig);
	assert_int_equal(rig_status(rig)->last.worst.kind, RESOURCE_VRAM);
}

static void test_full_gpu_that_only_larger_tiers_use_is_not_ours(void **state)
{
	(void)state;
	config.ladder.tiers[4].vram_bytes[0] = 4 * GB;
	start("medium");
	run_with_gpu(10 * GB, 0);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_NOT_OURS), 1);
	/* But nothing grows onto it. */
	rig_run(rig, SECONDS(1), NULL);
	run_with_gpu(10 * GB, 0);
	assert_int_equal(switches(REASON_CALM), 0);
}

static void test_gpu_that_no_tier_relieves_does_not_choose_the_tier(void **state)
{
	(void)state;
	config.min_tier = 1;
	for (uint32_t tier = 1; tier < config.ladder.count; tier++)
		config.ladder.tiers[tier].vram_bytes[0] = GB;
	start("large");
	run_with_gpu(10 * GB, GB);
	assert_int_equal(switches(REASON_NONE), 0);
	rig_oom(rig, PARTY_OTHERS, 0, false);
	assert_int_equal(switches(REASON_OOM_HOST), 1);
	assert_string_equal(rig_wanted(rig), "medium");
}

static void test_full_gpu_that_a_smaller_tier_leaves_is_stepped_down_for(void **state)
{
	(void)state;
	config.ladder.tiers[4].vram_bytes[0] = 4 * GB;
	config.ladder.tiers[3].vram_bytes[0] = 4 * GB;
	start("large");
	run_with_gpu(10 * GB, 4 * GB);
	assert_int_equal(switches(REASON_USE_OVER_DEGRADE), 1);
	assert_string_equal(rig_wanted(rig), "small");
}

/* ---- gaps ---- */

static void test_gap_between_samples_is_a_loss(void **state)
{
	(void)state;
	start("small");
	rig_run(rig, SECONDS(200), NULL);
	assert_int_equal(rig_status(rig)->lost[LOSS_SAMPLE], 0);
	rig->now_ns += SECONDS(5);
	rig_sample(rig);
	assert_int_equal(rig_status(rig)->lost[LOSS_SAMPLE], 1);
	assert_int_equal(rig_status(rig)->last.calm_ns, 0);
	rig_run(rig, SECONDS(290), NULL);
	assert_int_equal(switches(REASON_CALM), 0);
	rig_run(rig, SECONDS(15), NULL);
	assert_int_equal(switches(REASON_CALM), 1);
}

static void test_samples_that_are_meant_to_be_rare_are_no_gap(void **state)
{
	struct event event;

	(void)state;
	config.sample_period_ns = SECONDS(10);
	start("small");
	rig->now_ns += SECONDS(20);
	rig_sample(rig);
	assert_int_equal(rig_status(rig)->lost[LOSS_SAMPLE], 0);
	/* Nor are imported rows, however far apart. */
	rig->now_ns += SECONDS(60);
	event = rig_sample_event(rig);
	event.sample.flags = SAMPLE_CONFIRMED;
	rig_step(rig, &event);
	assert_int_equal(rig_status(rig)->lost[LOSS_SAMPLE], 0);
}

/* ---- whose wait, whose stall ---- */

static void test_others_wait_on_free_cpus_is_their_own(void **state)
{
	const struct rig_load quota = {.model_cpu_ns = SECONDS(2),
				       .other_cpu_ns = MILLIS(1500), /* of 4 CPUs */
				       .other_wait_ns = SECONDS(4)};

	(void)state;
	start("large");
	rig_run(rig, SECONDS(30), &quota);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(rig_status(rig)->last.others_cpu_wait_permyriad, 0);
}

static void test_psi_of_a_host_that_scans_nothing_is_foreign(void **state)
{
	const struct rig_load thrash = {.psi_ns = MILLIS(600), .is_unwatched = true};

	(void)state;
	start("large");
	rig_source(rig, SOURCE_PSI);
	rig_run(rig, SECONDS(20), &thrash);
	assert_int_equal(switches(REASON_NONE), 0);
	assert_int_equal(holds(REASON_NOT_OURS), 1);
}

/* ---- hello ---- */

static void test_hello_with_a_larger_tier_cancels_nothing(void **state)
{
	(void)state;
	start("medium");
	rig_hello(rig, "large");
	rig_run(rig, SECONDS(5), NULL);
	assert_string_equal(rig_wanted(rig), "large");
	assert_int_equal(rig_count(rig, 0, DECISION_CANCEL, REASON_NONE), 0);
	assert_int_equal(switches(REASON_NONE), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_unseen_model_is_not_others_while_another_is_loaded),
		TEST(test_model_that_outgrew_its_footprint_counts_as_measured),
		TEST(test_little_headroom_over_the_footprint_is_sampled_sooner),
		TEST(test_measured_use_of_an_assumed_tier_is_nobodys),
		TEST(test_gpu_that_no_tier_uses_does_not_count),
		TEST(test_gpu_counts_from_the_reload_on_that_gives_a_tier_some),
		TEST(test_full_gpu_that_only_larger_tiers_use_is_not_ours),
		TEST(test_gpu_that_no_tier_relieves_does_not_choose_the_tier),
		TEST(test_full_gpu_that_a_smaller_tier_leaves_is_stepped_down_for),
		TEST(test_gap_between_samples_is_a_loss),
		TEST(test_samples_that_are_meant_to_be_rare_are_no_gap),
		TEST(test_others_wait_on_free_cpus_is_their_own),
		TEST(test_psi_of_a_host_that_scans_nothing_is_foreign),
		TEST(test_hello_with_a_larger_tier_cancels_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
