/* SPDX-License-Identifier: BSD-2-Clause */
/* The doctor's findings on invented hosts, and that it looks at this one without harm. */
#include "file_tree.h"

#include <bpf/btf.h>
#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/doctor.h"
#include "base/units.h"

#define ALL_CAPABILITIES "Name:\tx\nCapEff:\t000001ffffffffff\n"

static const struct file_tree_entry HOST[] = {
	{"proc/self/status", ALL_CAPABILITIES},
	{"proc/self/mountinfo", "30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"},
	{"proc/sys/kernel/osrelease", "6.1.0-test\n"},
	{"proc/pressure/memory", "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"},
	{"proc/meminfo", "MemTotal: 2048 kB\nMemAvailable: 1024 kB\n"},
	{"sys/kernel/security/lockdown", "[none] integrity confidentiality\n"},
};

static struct doctor_place make_place(const struct file_tree *tree, const struct btf *btf)
{
	file_tree_fill(tree, HOST, ARRAY_SIZE(HOST));
	return (struct doctor_place){
		.proc_root = file_tree_path(tree, "proc"),
		.sys_root = file_tree_path(tree, "sys"),
		.run_dir = tree->root,
		.btf = btf,
	};
}

static const struct doctor_finding *find(const struct doctor_report *report, const char *name)
{
	uint32_t i = 0;

	while (i < report->count && strcmp(report->findings[i].name, name) != 0)
		i++;
	assert_true(i < report->count);
	return &report->findings[i];
}

/* BTF as a kernel would have it, with what the callers add. */
static struct btf *make_btf(bool has_fields)
{
	struct btf *btf = btf__new_empty();

	assert_non_null(btf);
	int number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	assert_true(btf__add_struct(btf, "task_struct", 8) > 0);
	if (has_fields)
		assert_int_equal(btf__add_field(btf, "in_memstall", number, 0, 0), 0);
	if (has_fields)
		assert_int_equal(btf__add_field(btf, "bpf_storage", number, 32, 0), 0);
	assert_true(btf__add_struct(btf, "bpf_local_storage_map", 8) > 0);
	if (has_fields)
		assert_int_equal(btf__add_field(btf, "selem_ma", number, 0, 0), 0);
	assert_true(btf__add_struct(btf, "sched_info", 8) > 0);
	if (has_fields)
		assert_int_equal(btf__add_field(btf, "run_delay", number, 0, 0), 0);
	return btf;
}

static void test_every_finding_says_something(void **state)
{
	struct doctor_report report;

	(void)state;
	doctor_examine_host("/run/tierd", &report);
	assert_true(report.count > 20);
	for (uint32_t i = 0; i < report.count; i++) {
		const struct doctor_finding *finding = &report.findings[i];

		assert_true(finding->name[0] != '\0');
		assert_true(finding->detail[0] != '\0');
		assert_true(finding->state < DOCTOR_STATE_COUNT);
		/* What is missing has a remedy; what is well needs none. */
		if (finding->state == DOCTOR_MISSING || finding->state == DOCTOR_LIMITED)
			assert_true(finding->remedy[0] != '\0');
		if (finding->state == DOCTOR_OK)
			assert_string_equal(finding->remedy, "");
	}
}

static void test_kernel_without_btf(void **state)
{
	struct file_tree tree = {0};
	struct doctor_report report;

	(void)state;
	file_tree_create(&tree);
	const struct doctor_place place = make_place(&tree, NULL);
	doctor_examine(&place, &report);
	assert_int_equal(find(&report, "BTF")->state, DOCTOR_MISSING);
	assert_int_equal(find(&report, "task iterator")->state, DOCTOR_UNKNOWN);
	assert_int_equal(find(&report, "tracepoint sched_switch")->state, DOCTOR_MISSING);
	assert_int_equal(find(&report, "tracepoint mark_victim")->state, DOCTOR_LIMITED);
	assert_int_equal(find(&report, "privileges")->state, DOCTOR_OK);
	assert_true(report.source == SOURCE_PSI || report.source == SOURCE_POLL);
	file_tree_remove(&tree);
}

static void test_fields_are_looked_up(void **state)
{
	struct file_tree tree = {0};
	struct doctor_report report;

	(void)state;
	file_tree_create(&tree);
	for (int has_fields = 0; has_fields < 2; has_fields++) {
		struct btf *btf = make_btf(has_fields);
		const struct doctor_place place = make_place(&tree, btf);
		uint32_t expected = has_fields ? DOCTOR_OK : DOCTOR_LIMITED;

		doctor_examine(&place, &report);
		assert_int_equal(find(&report, "BTF")->state, DOCTOR_OK);
		assert_int_equal(find(&report, "task_struct.in_memstall")->state, expected);
		assert_int_equal(find(&report, "SCHED_INFO")->state, expected);
		assert_int_equal(find(&report, "state of tasks")->state, expected);
		assert_int_equal(find(&report, "task iterator")->state, DOCTOR_MISSING);
		btf__free(btf);
	}
	/* With the field, but PSI switched off at boot. */
	struct btf *btf = make_btf(true);
	struct doctor_place place = make_place(&tree, btf);

	place.proc_root = file_tree_path(&tree, "no-proc");
	doctor_examine(&place, &report);
	assert_int_equal(find(&report, "task_struct.in_memstall")->state, DOCTOR_LIMITED);
	btf__free(btf);
	file_tree_remove(&tree);
}

static void test_capabilities(void **state)
{
	static const struct {
		const char *status;
		enum doctor_state state;
		const char *detail;
	} EXAMPLES[] = {
		{ALL_CAPABILITIES, DOCTOR_OK, "may load"},
		{"Name:\tx\nCapEff:\t0000000000000000\n", DOCTOR_MISSING,
		 "no CAP_BPF and CAP_PERF"},
		{"Name:\tx\nCapEff:\t0000004000000000\n", DOCTOR_MISSING, "no CAP_BPF"},
		{"Name:\tx\nCapEff:\t0000008000000000\n", DOCTOR_MISSING, "no CAP_PERFMON"},
		{"Name:\tx\nCapEff:\t000000c000000000\n", DOCTOR_LIMITED, "no CAP_SYS_RESOURCE"},
		{"Name:\tx\nCapEff:\t0000000000200000\n", DOCTOR_LIMITED, "no CAP_SYS_RESOURCE"},
		{"Name:\tx\nCapEff:\t000000c001000000\n", DOCTOR_LIMITED, "no CAP_SYS_PTRACE"},
		{"Name:\tx\nCapEff:\tgarbage\n", DOCTOR_UNKNOWN, "self/status: "},
		{"Name:\tx\n", DOCTOR_UNKNOWN, "self/status: "},
	};
	struct file_tree tree = {0};
	struct doctor_report report;

	(void)state;
	file_tree_create(&tree);
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		const struct doctor_place place = make_place(&tree, NULL);

		file_tree_write(&tree, "proc/self/status", EXAMPLES[i].status);
		doctor_examine(&place, &report);
		const struct doctor_finding *finding = find(&report, "privileges");
		assert_int_equal(finding->state, EXAMPLES[i].state);
		assert_non_null(strstr(finding->detail, EXAMPLES[i].detail));
	}
	file_tree_remove(&tree);
}

static void test_pid_namespace(void **state)
{
	static const struct {
		const char *target; /* NULL: no such link */
		enum doctor_state state;
	} EXAMPLES[] = {
		{"pid:[4026531836]", DOCTOR_OK},
		{"pid:[4026532404]", DOCTOR_MISSING},
		{NULL, DOCTOR_UNKNOWN},
	};
	struct file_tree tree = {0};
	struct doctor_report report;

	(void)state;
	file_tree_create(&tree);
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		struct doctor_place place = make_place(&tree, NULL);
		const char *link;

		file_tree_write(&tree, "proc/self/ns/", NULL);
		link = file_tree_path(&tree, "proc/self/ns/pid");
		unlink(link);
		if (EXAMPLES[i].target)
			assert_int_equal(symlink(EXAMPLES[i].target, link), 0);
		place.proc_root = file_tree_path(&tree, "proc"); /* paths live for a few calls */
		doctor_examine(&place, &report);
		assert_int_equal(find(&report, "pid namespace")->state, EXAMPLES[i].state);
		assert_int_equal(find(&report, "pid namespace")->needed_for, 1 << SOURCE_BPF);
	}
	file_tree_remove(&tree);
}

/* Before 5.11 BPF memory is locked memory, which only CAP_SYS_RESOURCE or a high limit gives. */
static void test_locked_memory_before_5_11(void **state)
{
	static const struct {
		const char *release;
		rlim_t limit;
		enum doctor_state state;
	} EXAMPLES[] = {
		{"5.10.0-46-amd64\n", 64 * KIB, DOCTOR_MISSING},
		{"5.11.0\n", 64 * KIB, DOCTOR_LIMITED},
		{"6.1.0\n", 64 * KIB, DOCTOR_LIMITED},
	};
	struct rlimit before;
	struct file_tree tree = {0};
	struct doctor_report report;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &before), 0);
	file_tree_create(&tree);
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		struct doctor_place place = make_place(&tree, NULL);
		struct rlimit limit = {.rlim_cur = EXAMPLES[i].limit, .rlim_max = before.rlim_max};

		assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
		file_tree_write(&tree, "proc/self/status", "Name:\tx\nCapEff:\t000000c000000000\n");
		file_tree_write(&tree, "proc/sys/kernel/osrelease", EXAMPLES[i].release);
		place.proc_root = file_tree_path(&tree, "proc"); /* paths live for a few calls */
		doctor_examine(&place, &report);
		assert_int_equal(find(&report, "privileges")->state, EXAMPLES[i].state);
	}
	assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &before), 0);
	file_tree_remove(&tree);
}

static void test_lockdown(void **state)
{
	static const struct {
		const char *text;
		enum doctor_state state;
	} EXAMPLES[] = {
		{"[none] integrity confidentiality\n", DOCTOR_OK},
		{"none [integrity] confidentiality\n", DOCTOR_OK},
		{"none integrity [confidentiality]\n", DOCTOR_MISSING},
	};
	struct file_tree tree = {0};
	struct doctor_report report;

	(void)state;
	file_tree_create(&tree);
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		const struct doctor_place place = make_place(&tree, NULL);

		file_tree_write(&tree, "sys/kernel/security/lockdown", EXAMPLES[i].text);
		doctor_examine(&place, &report);
		assert_int_equal(find(&report, "lockdown")->state, EXAMPLES[i].state);
	}
	file_tree_remove(&tree);
}

static void test_host_without_anything(void **state)
{
	struct file_tree tree = {0};
	struct doctor_report report;

	(void)state;
	file_tree_create(&tree);
	const struct doctor_place place = {
		.proc_root = file_tree_path(&tree, "no-proc"),
		.sys_root = file_tree_path(&tree, "no-sys"),
		.run_dir = "/proc/1/nowhere/at/all",
	};
	doctor_examine(&place, &report);
	assert_int_equal(report.source, SOURCE_NONE);
	assert_int_equal(find(&report, "/proc")->state, DOCTOR_MISSING);
	assert_int_equal(find(&report, "kernel")->state, DOCTOR_UNKNOWN);
	file_tree_remove(&tree);
}

static void test_run_directory(void **state)
{
	struct file_tree tree = {0};
	struct doctor_report report;

	(void)state;
	file_tree_create(&tree);
	struct doctor_place place = make_place(&tree, NULL);
	doctor_examine(&place, &report);
	assert_non_null(strstr(find(&report, "run directory")->detail, "can be written"));
	place.run_dir = file_tree_path(&tree, "not/yet/there");
	doctor_examine(&place, &report);
	assert_int_equal(find(&report, "run directory")->state, DOCTOR_OK);
	assert_non_null(strstr(find(&report, "run directory")->detail, "can be made"));
	place.run_dir = file_tree_path(&tree, "proc/meminfo/x");
	doctor_examine(&place, &report);
	assert_int_equal(find(&report, "run directory")->state, DOCTOR_MISSING);
	file_tree_remove(&tree);
}

/* As nobody, in a process of its own. */
static void test_privilege_check_without_privilege(void **state)
{
	int status = -1;

	(void)state;
	if (getuid() != 0)
		skip();
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char error[512] = "";

		if (setuid(65534) < 0)
			_exit(9);
		int r = privilege_check(SOURCE_NONE, error, sizeof(error));
		bool is_good = (r == -EPERM && strstr(error, "privileges: no CAP_BPF") &&
				strstr(error, "run it as root") && !strchr(error, '\n')) ||
			       r == -EOPNOTSUPP; /* a kernel without BTF */
		_exit(is_good && privilege_check(SOURCE_POLL, error, sizeof(error)) == 0 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_finding_says_something),
		cmocka_unit_test(test_kernel_without_btf),
		cmocka_unit_test(test_fields_are_looked_up),
		cmocka_unit_test(test_capabilities),
		cmocka_unit_test(test_pid_namespace),
		cmocka_unit_test(test_locked_memory_before_5_11),
		cmocka_unit_test(test_lockdown),
		cmocka_unit_test(test_host_without_anything),
		cmocka_unit_test(test_run_directory),
		cmocka_unit_test(test_privilege_check_without_privilege),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
