/* SPDX-License-Identifier: BSD-2-Clause */
/* Which processes are the model: in an invented /proc and cgroup mount, and with real processes. */
#include "fake_process.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/units.h"
#include "io/loop.h"
#include "io/model.h"
#include "io/proc.h"

enum {
	CHILDREN_MAX = 8,
};

struct fixture {
	struct file_tree tree;
	struct cgroup_hierarchy hierarchy;
	struct model *model;
	uint64_t now_ns;
	pid_t children[CHILDREN_MAX]; /* real ones, killed at the end */
	unsigned int child_count;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	file_tree_write(&fixture->tree, "proc/self/", "");
	fixture->hierarchy.version = CGROUP_V1;
	(void)snprintf(fixture->hierarchy.mount, sizeof(fixture->hierarchy.mount), "%s/cgroup",
		       fixture->tree.root);
	(void)snprintf(fixture->hierarchy.root, sizeof(fixture->hierarchy.root), "/");
	fixture->now_ns = NS_PER_S;
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	for (unsigned int i = 0; i < fixture->child_count; i++) {
		(void)kill(fixture->children[i], SIGKILL);
		(void)waitpid(fixture->children[i], NULL, 0);
	}
	model_destroy(fixture->model);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

static void make_model(struct fixture *fixture, struct model_config config)
{
	config.proc_root = file_tree_path(&fixture->tree, "proc");
	config.hierarchy = &fixture->hierarchy;
	assert_int_equal(model_create(&config, &fixture->model), 0);
}

/* pids: ascending, 0 at the end */
static void assert_members(const struct fixture *fixture, const uint32_t *pids)
{
	unsigned int count;
	const struct model_member *members = model_get_members(fixture->model, &count);

	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(members[i].pid, pids[i]);
	assert_int_equal(pids[count], 0);
}

static void refresh(struct fixture *fixture, uint64_t after_ns)
{
	fixture->now_ns += after_ns;
	assert_int_equal(model_refresh(fixture->model, fixture->now_ns), 0);
}

static void assert_refreshed(struct fixture *fixture, uint64_t after_ns, const uint32_t *pids)
{
	refresh(fixture, after_ns);
	assert_members(fixture, pids);
}

#define MEMBERS(...) ((const uint32_t[]){__VA_ARGS__, 0})
#define NOBODY ((const uint32_t[]){0})
#define FULL (MODEL_SCAN_PERIOD_S * NS_PER_S)

static const struct fake_process PROCESSES[] = {
	{1, 0, "init", "/sbin/init", "/", "20 30 40 50 60\n"},
	{20, 1, "llama-server", "/opt/llama-server", "/llm", "21 22 \n"},
	{21, 20, "worker", "/usr/bin/worker", "/llm", "23 \n"},
	{22, 20, "odd) R 1 (", "/usr/bin/x y", "/llm/sub", ""},
	{23, 21, "new\nline", "/usr/bin/z", "/other", ""},
	{30, 1, "bash", "/bin/bash", "/", "31 \n"},
	{31, 30, "renamed", "/opt/llama-server (deleted)", "/", ""},
	{40, 1, "python3", "/usr/bin/python3", "/", ""},
	{50, 1, "llama-server", "/home/eve/thief", "/", ""},
};

static void test_by_program_with_descendants(void **state)
{
	struct fixture *fixture = *state;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	make_model(fixture, (struct model_config){.program = "llama-server"});
	refresh(fixture, 0);
	assert_members(fixture, MEMBERS(20, 21, 22, 23, 31)); /* not who only calls itself so */
	assert_int_equal(model_get_overflows(fixture->model), 0);
}

static void test_by_path_of_the_program(void **state)
{
	static const struct fake_process OTHER = {60, 1, "x", "/home/eve/llama-server", "/", ""};
	struct fixture *fixture = *state;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	fake_process_add(&fixture->tree, &OTHER);
	make_model(fixture, (struct model_config){.program = "/opt/llama-server"});
	assert_refreshed(fixture, 0, MEMBERS(20, 21, 22, 23, 31));
}

/* A kernel without CONFIG_PROC_CHILDREN: parents are looked up in all of /proc. */
static void test_descendants_without_children_files(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(PROCESSES); i++) {
		struct fake_process process = PROCESSES[i];

		process.children = NULL;
		fake_process_add(&fixture->tree, &process);
	}
	file_tree_write(&fixture->tree, "model.pid", "20\n");
	make_model(fixture,
		   (struct model_config){.pid_file = file_tree_path(&fixture->tree, "model.pid")});
	assert_refreshed(fixture, 0, MEMBERS(20, 21, 22, 23));
}

static void test_pid_file_is_followed_and_checked(void **state)
{
	static const char *const BAD[] = {"",      "\n",  "x",      "-1", "0", "99999999999",
					  "20 21", "1\n", "4242\n", "20x"};
	struct fixture *fixture = *state;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	make_model(fixture,
		   (struct model_config){.pid_file = file_tree_path(&fixture->tree, "model.pid")});
	assert_refreshed(fixture, 0, NOBODY);
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		file_tree_write(&fixture->tree, "model.pid", BAD[i]);
		refresh(fixture, FULL);
		assert_members(fixture, NOBODY);
	}
	/* A new pid is taken in at once, with its descendants. */
	file_tree_write(&fixture->tree, "model.pid", "40\n");
	assert_refreshed(fixture, 1, MEMBERS(40));
	file_tree_write(&fixture->tree, "model.pid", "21 \t\r\n");
	assert_refreshed(fixture, 1, MEMBERS(21, 23, 40));
	assert_refreshed(fixture, FULL, MEMBERS(21, 23));
}

static void test_hello_pid(void **state)
{
	static const struct fake_process REUSED = {21, 1, "else", "/bin/else", "/", ""};
	static const struct fake_process LATE = {22222, 1, "late", "/bin/late", "/", ""};
	struct fixture *fixture = *state;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	make_model(fixture, (struct model_config){0});
	assert_refreshed(fixture, 0, NOBODY);
	model_set_hello_pid(fixture->model, 22222);
	assert_int_equal(model_get_hello_start_ticks(fixture->model), 0);
	fake_process_add(&fixture->tree, &LATE);
	assert_refreshed(fixture, 1, MEMBERS(22222));
	assert_int_equal(model_get_hello_start_ticks(fixture->model), 2222200);
	model_set_hello_pid(fixture->model, 21);
	assert_int_equal(model_get_hello_start_ticks(fixture->model), 2100);
	assert_refreshed(fixture, 1, MEMBERS(21, 23));
	/* The pid is given to another process. */
	fake_process_remove(&fixture->tree, 21);
	assert_refreshed(fixture, 1, MEMBERS(23));
	fake_process_add(&fixture->tree, &REUSED);
	file_tree_write(&fixture->tree, "proc/21/stat",
			"21 (else) S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 999999 1000 10\n");
	assert_refreshed(fixture, FULL, NOBODY);
	assert_int_equal(model_restore_hello_pid(fixture->model, 21, 2100), -ESRCH);
	assert_refreshed(fixture, 1, NOBODY);
	assert_int_equal(model_restore_hello_pid(fixture->model, 21, 999999), 0);
	assert_refreshed(fixture, 1, MEMBERS(21));
	model_set_hello_pid(fixture->model, 0);
	assert_refreshed(fixture, 1, NOBODY);
	/* init is everybody's ancestor. */
	model_set_hello_pid(fixture->model, 1);
	assert_refreshed(fixture, 1, NOBODY);
}

static void test_by_group(void **state)
{
	static const struct file_tree_entry GROUPS[] = {
		{"cgroup/memory.limit_in_bytes", "9223372036854771712\n"},
		{"cgroup/llm/cgroup.procs", "20\n21\n"},
		{"cgroup/llm/sub/cgroup.procs", "22\n0\n"},
		{"cgroup/llm/sub/memory.stat", ""},
	};
	struct fixture *fixture = *state;
	const struct model_member *members;
	unsigned int count;
	struct stat info;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	make_model(fixture, (struct model_config){.group = "llm"});
	/* Not there yet: nobody, and no error. */
	assert_refreshed(fixture, 0, NOBODY);
	assert_null(model_get_group(fixture->model));
	assert_int_equal(model_get_group_id(fixture->model), 0);
	assert_false(model_is_group_ours(fixture->model, 0));
	file_tree_fill(&fixture->tree, GROUPS, ARRAY_SIZE(GROUPS));
	assert_refreshed(fixture, FULL, MEMBERS(20, 21, 22, 23));
	members = model_get_members(fixture->model, &count);
	assert_int_equal(members[0].group_depth, 0);
	assert_int_equal(members[2].group_depth, 0);
	assert_int_equal(members[3].group_depth, 1); /* a child that was moved to /other */
	assert_string_equal(model_get_group(fixture->model), "/llm");
	assert_int_equal(model_get_chain(fixture->model)->count, 2);
	assert_int_equal(stat(file_tree_path(&fixture->tree, "cgroup/llm"), &info), 0);
	assert_int_equal(model_get_group_id(fixture->model), info.st_ino);
	assert_true(model_is_group_ours(fixture->model, info.st_ino));
	assert_int_equal(stat(file_tree_path(&fixture->tree, "cgroup"), &info), 0);
	assert_true(model_is_group_ours(fixture->model, info.st_ino));
	assert_int_equal(stat(file_tree_path(&fixture->tree, "cgroup/llm/sub"), &info), 0);
	assert_true(model_is_group_ours(fixture->model, info.st_ino));
	assert_false(model_is_group_ours(fixture->model, 12345));
	/* New members of the group count at once. */
	file_tree_write(&fixture->tree, "cgroup/llm/cgroup.procs", "20\n21\n40\n");
	assert_refreshed(fixture, 1, MEMBERS(20, 21, 22, 23, 40));
	/* Garbled: an error, and the members stay. */
	file_tree_write(&fixture->tree, "cgroup/llm/cgroup.procs", "20\nx\n");
	assert_int_equal(model_refresh(fixture->model, fixture->now_ns), -EBADMSG);
	assert_members(fixture, MEMBERS(20, 21, 22, 23, 40));
}

static void test_group_is_derived_from_the_first_member(void **state)
{
	struct fixture *fixture = *state;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	file_tree_write(&fixture->tree, "cgroup/llm/", "");
	file_tree_write(&fixture->tree, "cgroup/other/", "");
	make_model(fixture, (struct model_config){.program = "worker"});
	assert_refreshed(fixture, 0, MEMBERS(21, 23));
	assert_string_equal(model_get_group(fixture->model), "/llm");
	/* It moves. */
	file_tree_write(&fixture->tree, "proc/21/cgroup", "4:memory:/other\n");
	refresh(fixture, 1);
	assert_string_equal(model_get_group(fixture->model), "/other");
	fake_process_remove(&fixture->tree, 21);
	fake_process_remove(&fixture->tree, 23);
	assert_refreshed(fixture, 1, NOBODY);
	assert_null(model_get_group(fixture->model));
}

static void test_records_make_members(void **state)
{
	static const struct fake_process CHILD = {70, 20, "child", "/bin/child", "/llm", ""};
	static const uint64_t START_NS = 70 * NS_PER_S; /* 70 * 100 ticks */
	struct fixture *fixture = *state;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	make_model(fixture, (struct model_config){.program = "llama-server"});
	refresh(fixture, 0);
	assert_true(model_note_process(fixture->model, 20, 0, 1, 0));
	assert_false(model_note_process(fixture->model, 40, 0, 1, 0));
	assert_false(model_is_member(fixture->model, 40, 0));
	/* Died before we could look: of the model, but not remembered. */
	assert_true(model_note_process(fixture->model, 71, 0, 20, 0));
	assert_false(model_is_member(fixture->model, 71, 0));
	fake_process_add(&fixture->tree, &CHILD);
	assert_false(model_is_member(fixture->model, 70, START_NS));
	assert_true(model_note_process(fixture->model, 70, START_NS, 20, 0));
	assert_true(model_is_member(fixture->model, 70, START_NS));
	/* The next generation, by its parent. */
	assert_true(model_note_process(fixture->model, 72, 0, 70, 0));
	/* Another start: another process. */
	assert_false(model_is_member(fixture->model, 70, START_NS - NS_PER_S));
	assert_false(model_note_process(fixture->model, 70, START_NS - NS_PER_S, 1, 0));
	/* tierd itself, whatever its parent. */
	assert_false(model_note_process(fixture->model, (uint32_t)getpid(), 0, 20, 0));
	assert_refreshed(fixture, 1, MEMBERS(20, 21, 22, 23, 31, 70));
}

static void test_records_of_the_configured_group(void **state)
{
	struct fixture *fixture = *state;
	struct stat info;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	file_tree_write(&fixture->tree, "cgroup/llm/sub/cgroup.procs", "");
	file_tree_write(&fixture->tree, "cgroup/llm/cgroup.procs", "");
	make_model(fixture, (struct model_config){.group = "/llm"});
	refresh(fixture, 0);
	assert_int_equal(stat(file_tree_path(&fixture->tree, "cgroup/llm/sub"), &info), 0);
	assert_true(model_note_process(fixture->model, 40, 0, 1, info.st_ino));
	assert_true(model_is_member(fixture->model, 40, 0));
	assert_int_equal(stat(file_tree_path(&fixture->tree, "cgroup"), &info), 0);
	assert_false(model_note_process(fixture->model, 30, 0, 1, info.st_ino));
}

static void test_overflow_is_counted(void **state)
{
	struct fixture *fixture = *state;
	unsigned int count;

	for (uint32_t pid = 100; pid < 100 + MODEL_MEMBERS_MAX + 10; pid++)
		fake_process_add(&fixture->tree,
				 &(struct fake_process){pid, 1, "many", "/bin/many", "/", ""});
	make_model(fixture, (struct model_config){.program = "many"});
	refresh(fixture, 0);
	(void)model_get_members(fixture->model, &count);
	assert_int_equal(count, MODEL_MEMBERS_MAX);
	assert_int_equal(model_get_overflows(fixture->model), 10);
}

static void test_between_scans_the_dead_are_dropped(void **state)
{
	static const struct fake_process LATE = {60, 1, "x", "/llama-server", "/", ""};
	struct fixture *fixture = *state;

	fake_process_add_all(&fixture->tree, PROCESSES, ARRAY_SIZE(PROCESSES));
	make_model(fixture, (struct model_config){.program = "llama-server"});
	refresh(fixture, 0);
	fake_process_remove(&fixture->tree, 22);
	fake_process_add(&fixture->tree, &LATE);
	assert_refreshed(fixture, NS_PER_S, MEMBERS(20, 21, 23, 31));
	model_request_scan(fixture->model);
	assert_refreshed(fixture, 1, MEMBERS(20, 21, 23, 31, 60));
}

static void test_bad_configuration(void **state)
{
	struct fixture *fixture = *state;
	struct model_config config = {.hierarchy = &fixture->hierarchy, .group = "../x"};
	char longest[PATH_MAX + 1];

	assert_int_equal(model_create(&config, &fixture->model), -EINVAL);
	memset(longest, 'x', sizeof(longest));
	longest[PATH_MAX] = '\0';
	config = (struct model_config){.hierarchy = &fixture->hierarchy, .pid_file = longest};
	assert_int_equal(model_create(&config, &fixture->model), -EINVAL);
	config = (struct model_config){.hierarchy = &fixture->hierarchy, .proc_root = "/nowhere"};
	assert_int_equal(model_create(&config, &fixture->model), -ENOENT);
	assert_null(fixture->model);
}

/* ---- this host ------------------------------------------------------------------------------- */

static pid_t spawn(struct fixture *fixture, const char *name)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		(void)prctl(PR_SET_NAME, name);
		for (;;)
			pause();
	}
	assert_true(pid > 0);
	fixture->children[fixture->child_count++] = pid;
	return pid;
}

static uint64_t monotonic_start_ns(pid_t pid)
{
	int proc_fd = open("/proc", O_RDONLY | O_CLOEXEC);
	struct proc_stat stat;

	assert_int_equal(proc_read_stat(proc_fd, (uint32_t)pid, &stat), 0);
	close(proc_fd);
	return stat.start_ticks * (NS_PER_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

static void test_real_processes(void **state)
{
	static struct cgroup_hierarchy hierarchy;
	struct fixture *fixture = *state;
	char program[PATH_MAX] = "";
	struct model_config config = {.hierarchy = &hierarchy, .program = program};
	pid_t pid = spawn(fixture, "tierd) S 1");
	const struct model_member *members = NULL;
	unsigned int count = 0;

	assert_true(readlink("/proc/self/exe", program, sizeof(program) - 1) > 0);
	assert_int_equal(cgroup_find_hierarchy("/proc", &hierarchy), 0);
	assert_int_equal(model_create(&config, &fixture->model), 0);
	for (int i = 0; i < 100 && count == 0; i++) {
		model_request_scan(fixture->model);
		assert_int_equal(model_refresh(fixture->model, loop_now_ns()), 0);
		members = model_get_members(fixture->model, &count);
		usleep(10000);
	}
	assert_int_equal(count, 1);
	assert_int_equal(members[0].pid, pid);
	assert_int_equal(members[0].parent_pid, getpid());
	assert_true(model_is_member(fixture->model, (uint32_t)pid, monotonic_start_ns(pid)));
	assert_int_equal(members[0].group_depth, hierarchy.version == CGROUP_NONE ? 16 : 0);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	fixture->child_count = 0;
	assert_int_equal(model_refresh(fixture->model, loop_now_ns()), 0);
	(void)model_get_members(fixture->model, &count);
	assert_int_equal(count, 0);
}

#define MODEL_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MODEL_TEST(test_by_program_with_descendants),
		MODEL_TEST(test_by_path_of_the_program),
		MODEL_TEST(test_descendants_without_children_files),
		MODEL_TEST(test_pid_file_is_followed_and_checked),
		MODEL_TEST(test_hello_pid),
		MODEL_TEST(test_by_group),
		MODEL_TEST(test_group_is_derived_from_the_first_member),
		MODEL_TEST(test_records_make_members),
		MODEL_TEST(test_records_of_the_configured_group),
		MODEL_TEST(test_overflow_is_counted),
		MODEL_TEST(test_between_scans_the_dead_are_dropped),
		MODEL_TEST(test_bad_configuration),
		MODEL_TEST(test_real_processes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
