/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The agent's recording: what is in it, what its options promise, and what somebody with access to
 * control.fifo can and cannot make it do.
 */
#include "trace_rig.h"

#include "app/agent.h"

static struct file_tree tree;
static struct agent agent;
static char error[512];

static void log_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	log_init(&agent.log, fd, LOG_DEBUG, 0);
}

static int set_up(void **state)
{
	void *memory = calloc(1, engine_size());

	(void)state;
	assert_non_null(memory);
	file_tree_create(&tree);
	memset(&agent, 0, sizeof(agent));
	log_to(file_tree_path(&tree, "log"));
	agent.engine = engine_init(memory);
	agent.config_path = "test.conf";
	agent.source = SOURCE_PSI;
	config_set_defaults(&agent.config);
	(void)snprintf(agent.config.record_dir, CONFIG_PATH_LEN, "%s",
		       file_tree_path(&tree, "traces/here"));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	agent_record_close(&agent);
	log_close(&agent.log);
	free(agent.engine);
	file_tree_remove(&tree);
	return 0;
}

static void use_path(const char *path)
{
	(void)snprintf(agent.config.record, CONFIG_PATH_LEN, "%s", file_tree_path(&tree, path));
}

/* The nth event of the run; the configuration's text is the agent's own. */
static void feed(uint64_t n)
{
	static const struct engine_state kept = {.taken_ns = 1, .tier_count = 0};
	struct rig_event event;

	rig_nth_event(n, &event);
	if (event.event.kind == EVENT_STATE)
		event.event.state = &kept;
	agent_record_event(&agent, &event.event);
}

static void stop_and_wait(void)
{
	assert_int_equal(agent_record_stop(&agent, error, sizeof(error)), 0);
	for (int i = 0; i < 10000 && agent.record.ending; i++) {
		agent_record_check(&agent);
		usleep(1000);
	}
	assert_null(agent.record.ending);
}

static int start(const char *name)
{
	error[0] = '\0';
	return agent_record_start(&agent, name, error, sizeof(error));
}

/* What the log has come to. */
static const char *read_log(void)
{
	static char text[8192];
	int fd = open(file_tree_path(&tree, "log"), O_RDONLY | O_CLOEXEC);
	ssize_t len = read(fd, text, sizeof(text) - 1);

	assert_true(len >= 0);
	text[len] = '\0';
	close(fd);
	return text;
}

static void test_record_names_where(void **state)
{
	struct status_record status;
	struct trace_reader *reader;
	const struct trace_item *item;
	struct app_config *config = malloc(sizeof(*config));

	(void)state;
	assert_non_null(config);
	use_path("trace");
	agent.config.engine.stabilization_ns = 77 * NS_PER_S;
	agent.config.engine.ladder.count = 2;
	memcpy(agent.config.engine.ladder.tiers[1].name, "only", 5);
	agent.config.engine.ladder.tiers[1].memory_bytes = GIB;
	assert_int_equal(agent_record_open(&agent), 0);
	for (uint64_t n = 0; n < 10; n++)
		feed(n);
	agent_record_get_status(&agent, &status);
	assert_string_equal(status.path, agent.config.record);
	assert_int_equal(status.files, 1);
	agent_record_close(&agent);
	agent_record_get_status(&agent, &status);
	assert_null(status.path);

	/* The first is the configuration, as text that reads back to the same. */
	assert_int_equal(trace_reader_open(agent.config.record, 0, &reader, error, sizeof(error)),
			 0);
	assert_int_equal(trace_reader_next(reader, &item), 1);
	assert_int_equal(item->kind, TRACE_ITEM_EVENT);
	assert_int_equal(item->event->kind, EVENT_CONFIG);
	assert_int_equal(item->config.name_len, strlen("test.conf"));
	assert_int_equal(config_load_text(item->config.text, item->config.len, "trace", NULL,
					  config, error, sizeof(error)),
			 0);
	assert_memory_equal(&config->engine, &agent.config.engine, sizeof(config->engine));
	assert_int_equal(trace_reader_get_metadata(reader)->flags, 0);
	assert_string_equal(trace_reader_get_metadata(reader)->clock, TRACE_CLOCK);
	assert_true(trace_reader_get_metadata(reader)->cpu_count > 0);
	assert_true(trace_reader_get_metadata(reader)->memory_bytes > MIB);
	assert_int_equal(strlen(trace_reader_get_metadata(reader)->boot_id), 36);
	trace_reader_close(reader);
	free(config);
}

static void test_without_record_nothing_is_written(void **state)
{
	struct status_record status;

	(void)state;
	assert_int_equal(agent_record_open(&agent), 0);
	feed(0);
	agent_record_get_status(&agent, &status);
	assert_null(status.path);
	assert_int_equal(agent_record_stop(&agent, error, sizeof(error)), -ENOENT);
}

static void test_what_cannot_be_recorded_into_ends_the_start(void **state)
{
	(void)state;
	use_path("precious");
	file_tree_write(&tree, "precious", "data");
	assert_int_equal(agent_record_open(&agent), AGENT_EXIT_RUNTIME);
	assert_non_null(strstr(read_log(), "there is something that is not a trace"));
	use_path("no/where");
	assert_int_equal(agent_record_open(&agent), AGENT_EXIT_RUNTIME);
}

/* Random events, far more than a file holds. Slowly, so that files are filled. */
static void record_much(uint64_t count)
{
	struct status_record status;

	for (uint64_t n = 0; n < count; n++) {
		feed(n);
		if (n % 1000 != 0)
			continue;
		trace_writer_flush(agent.record.writer);
		for (int i = 0; i < 10000; i++) {
			agent_record_get_status(&agent, &status);
			if (status.events == n + 1)
				break;
			usleep(200);
		}
	}
}

static uint64_t size_of(const char *name)
{
	struct stat info;

	return stat(file_tree_path(&tree, name), &info) < 0 ? 0 : (uint64_t)info.st_size;
}

static void test_record_max_and_keep_bound_what_is_kept(void **state)
{
	(void)state;
	use_path("trace");
	agent.config.record_max_bytes = TRACE_SEGMENT_MIN_BYTES;
	agent.config.record_keep = 3;
	assert_int_equal(agent_record_open(&agent), 0);
	record_much(40000);
	agent_record_close(&agent);
	assert_int_equal(size_of("trace.000001"), 0);
	for (int number = 2; number < 100; number++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "trace.%06d", number);
		assert_true(size_of(name) <= TRACE_SEGMENT_MIN_BYTES);
	}
	assert_int_equal(rig_read(agent.config.record).summary.segments, 3);
	/* In larger files there is room for all of it. */
	use_path("other");
	agent.config.record_max_bytes = 100 * MIB;
	assert_int_equal(agent_record_open(&agent), 0);
	record_much(40000);
	agent_record_close(&agent);
	assert_int_equal(size_of("other.000001"), 0);
	assert_true(size_of("other") > TRACE_SEGMENT_MIN_BYTES);
}

static void test_a_request_records_into_record_dir(void **state)
{
	struct status_record status;
	struct stat info;

	(void)state;
	assert_int_equal(start("mine"), 0);
	agent_record_get_status(&agent, &status);
	assert_string_equal(status.path, file_tree_path(&tree, "traces/here/mine"));
	assert_int_equal(stat(file_tree_path(&tree, "traces/here"), &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	assert_int_equal(start("another"), -EBUSY);
	assert_non_null(strstr(error, "already recording into "));
	stop_and_wait();
	assert_non_null(strstr(read_log(), "traces/here/mine has ended"));
	/* Never over an existing one. */
	assert_int_equal(start("mine"), -EEXIST);
	assert_int_equal(start("another"), 0);
}

static const struct event *next_event(struct trace_reader *reader, const struct trace_item **item)
{
	assert_int_equal(trace_reader_next(reader, item), 1);
	assert_int_equal((*item)->kind, TRACE_ITEM_EVENT);
	return (*item)->event;
}

/* Lets the engine settle on a tier, pauses and pins it, as a manager and a person would. */
static void run_engine(void)
{
	static struct actions actions;
	struct event event = {.kind = EVENT_CONFIG, .time_ns = 1};

	agent.config.engine.ladder.count = 2;
	memcpy(agent.config.engine.ladder.tiers[1].name, "only", 5);
	agent.config.engine.ladder.tiers[1].memory_bytes = GIB;
	event.config = &agent.config.engine;
	engine_step(agent.engine, &event, &actions);
	event = (struct event){.kind = EVENT_COMMAND,
			       .time_ns = 2,
			       .command = {.verb = COMMAND_HELLO, .tier = "only"}};
	engine_step(agent.engine, &event, &actions);
	event = (struct event){
		.kind = EVENT_SAMPLE,
		.time_ns = 3,
		.sample = {.resource_count = 1,
			   .resources = {{.capacity_bytes = 8 * GIB, .used_bytes = GIB}}}};
	engine_step(agent.engine, &event, &actions);
	event = (struct event){
		.kind = EVENT_COMMAND, .time_ns = 4, .command = {.verb = COMMAND_PAUSE}};
	engine_step(agent.engine, &event, &actions);
	event.command = (struct event_command){.verb = COMMAND_PIN, .tier = "only"};
	engine_step(agent.engine, &event, &actions);
	agent.has_manager = true;
	agent.hello_pid = 4711;
}

static void test_a_late_recording_begins_with_what_holds(void **state)
{
	const struct trace_item *item;
	struct trace_reader *reader;

	(void)state;
	run_engine();
	assert_int_equal(start("mine"), 0);
	feed(5);
	stop_and_wait();
	assert_int_equal(trace_reader_open(file_tree_path(&tree, "traces/here/mine"), 0, &reader,
					   error, sizeof(error)),
			 0);
	assert_int_equal(trace_reader_next(reader, &item), 1);
	assert_int_equal(item->notice, TRACE_NOTICE_STARTED_LATE);
	assert_int_equal(next_event(reader, &item)->kind, EVENT_CONFIG);
	assert_int_equal(next_event(reader, &item)->source.source, SOURCE_PSI);
	assert_int_equal(next_event(reader, &item)->command.verb, COMMAND_HELLO);
	assert_string_equal(item->event->command.tier, "only");
	assert_int_equal(item->event->command.pid, 4711);
	assert_int_equal(next_event(reader, &item)->command.verb, COMMAND_PAUSE);
	assert_int_equal(next_event(reader, &item)->command.verb, COMMAND_PIN);
	assert_string_equal(item->event->command.tier, "only");
	assert_int_equal(item->event->command.for_ns, 0);
	assert_int_equal(next_event(reader, &item)->time_ns, 1000 * NS_PER_S + 50 * NS_PER_MS);
	assert_int_equal(trace_reader_next(reader, &item), 0);
	trace_reader_close(reader);
}

/* A directory that others can write to may hold anything, such as links. */
static void test_a_shared_record_dir_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(file_tree_path(&tree, "traces"), 0755), 0);
	assert_int_equal(mkdir(file_tree_path(&tree, "traces/here"), 0700), 0);
	assert_int_equal(chmod(file_tree_path(&tree, "traces/here"), 0770), 0);
	assert_int_equal(start("mine"), -EPERM);
	assert_int_equal(chmod(file_tree_path(&tree, "traces/here"), 0750), 0);
	assert_int_equal(start("mine"), 0);
}

static void test_record_dir_has_a_total_limit(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(start("first"), 0);
	stop_and_wait();
	fd = open(file_tree_path(&tree, "traces/here/big"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 15 * (off_t)MIB), 0);
	close(fd);
	agent.config.record_max_bytes = 4 * MIB;
	agent.config.record_keep = 3;
	assert_int_equal(start("mine"), -EDQUOT);
	assert_non_null(strstr(error, "record_max and record_keep"));
	agent.config.record_keep = 5;
	assert_int_equal(start("mine"), 0);
	stop_and_wait();
	agent.config.record_keep = 3;
	agent.config.record_max_bytes = 6 * MIB;
	assert_int_equal(start("other"), 0);
}

static void test_drops_are_told(void **state)
{
	(void)state;
	use_path("trace");
	assert_int_equal(agent_record_open(&agent), 0);
	feed(0);
	agent_record_check(&agent);
	assert_null(strstr(read_log(), "dropped"));
	/* A configuration of which no record can be made. */
	struct event_text config = {.name = "n", .name_len = 1, .text = "", .len = UINT16_MAX};
	struct event event = {.kind = EVENT_CONFIG, .time_ns = 2000 * NS_PER_S};

	trace_writer_add(agent.record.writer, &event, &config);
	agent_record_check(&agent);
	assert_non_null(strstr(read_log(), "1 events dropped so far: a configuration was too "
					   "large"));
	agent_record_close(&agent);
	assert_non_null(strstr(read_log(), "ends incomplete: events were dropped"));
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_record_names_where),
		TEST(test_without_record_nothing_is_written),
		TEST(test_what_cannot_be_recorded_into_ends_the_start),
		TEST(test_record_max_and_keep_bound_what_is_kept),
		TEST(test_a_request_records_into_record_dir),
		TEST(test_a_late_recording_begins_with_what_holds),
		TEST(test_a_shared_record_dir_is_refused),
		TEST(test_record_dir_has_a_total_limit),
		TEST(test_drops_are_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
