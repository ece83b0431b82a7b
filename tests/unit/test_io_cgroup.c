/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory cgroups: invented trees of both versions, hostile contents, and a real v1 group where
 * there is one. */
#include "file_tree.h"

#include <errno.h>

#include "base/units.h"
#include "io/cgroup.h"

struct fixture {
	struct file_tree tree;
	struct cgroup_hierarchy hierarchy;
	int proc_fd;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	file_tree_create(&fixture->tree);
	file_tree_write(&fixture->tree, "proc/self/", "");
	fixture->proc_fd = open(file_tree_path(&fixture->tree, "proc"), O_RDONLY | O_CLOEXEC);
	assert_true(fixture->proc_fd >= 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	close(fixture->proc_fd);
	file_tree_remove(&fixture->tree);
	free(fixture);
	return 0;
}

/* ---- the mount ------------------------------------------------------------------------------- */

static void test_hierarchies_are_found(void **state)
{
	static const struct {
		const char *mountinfo;
		uint32_t version;
		const char *mount;
		const char *root;
	} CASES[] = {
		{"23 1 0:20 / /proc rw - proc proc rw\n", CGROUP_NONE, "", ""},
		{"30 1 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
		 CGROUP_V2, "/sys/fs/cgroup", "/"},
		/* hybrid: the v2 mount comes first and has no controllers */
		{"38 31 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
		 "34 31 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
		 "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
		 CGROUP_V1, "/sys/fs/cgroup/memory", "/"},
		/* a container without a cgroup namespace, and a path with a blank */
		{"35 31 0:32 /docker/ab /my\\040cgroups ro master:1 - cgroup cgroup rw,memory,x\n",
		 CGROUP_V1, "/my cgroups", "/docker/ab"},
		/* named hierarchies and words that only look like it */
		{"37 31 0:34 / /a rw - cgroup cgroup rw,name=memory\n"
		 "37 31 0:34 / /memory rw - cgroup cgroup rw,memoryx\n"
		 "37 31 0:34 / /b rw - tmpfs cgroup2 rw\n",
		 CGROUP_NONE, "", ""},
		{"\n- \n - \n1 2 3 - cgroup cgroup rw,memory\n - cgroup2 cgroup2\nx - cgroup2 a "
		 "b\n",
		 CGROUP_NONE, "", ""},
		{"", CGROUP_NONE, "", ""},
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		struct cgroup_hierarchy hierarchy = {0};

		file_tree_write(&fixture->tree, "proc/self/mountinfo", CASES[i].mountinfo);
		assert_int_equal(
			cgroup_find_hierarchy(file_tree_path(&fixture->tree, "proc"), &hierarchy),
			0);
		assert_int_equal(hierarchy.version, CASES[i].version);
		assert_string_equal(hierarchy.mount, CASES[i].mount);
		assert_string_equal(hierarchy.root, CASES[i].root);
	}
	file_tree_unlink(&fixture->tree, "proc/self/mountinfo");
	assert_int_equal(
		cgroup_find_hierarchy(file_tree_path(&fixture->tree, "proc"), &fixture->hierarchy),
		-ENOENT);
}

static void test_paths(void **state)
{
	static const struct {
		const char *text;
		int err;
		const char *path;
	} CASES[] = {
		{"llm", 0, "/llm"},
		{"/llm/", 0, "/llm"},
		{"llm/a b/c", 0, "/llm/a b/c"},
		{"/sys/fs/cgroup/memory/llm", 0, "/llm"},
		{"/sys/fs/cgroup/memory", 0, "/"},
		{"/sys/fs/cgroup/memoryx", 0, "/sys/fs/cgroup/memoryx"},
		{"/", 0, "/"},
		{"a..b", 0, "/a..b"},
		{"", -EINVAL, NULL},
		{"..", -EINVAL, NULL},
		{"a/../../etc", -EINVAL, NULL},
		{"/sys/fs/cgroup/memory/../x", -EINVAL, NULL},
	};
	static const struct cgroup_hierarchy HIERARCHY = {CGROUP_V1, "/sys/fs/cgroup/memory", "/"};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		char path[PATH_MAX] = "";

		assert_int_equal(cgroup_make_path(&HIERARCHY, CASES[i].text, path), CASES[i].err);
		assert_string_equal(path, CASES[i].path ? CASES[i].path : "");
	}
}

static void test_common_depth(void **state)
{
	static const struct {
		const char *path;
		const char *other;
		unsigned int depth;
	} CASES[] = {
		{"/a/b", "/a/b", 0}, {"/a/b", "/a/b/c/d", 0}, {"/a/b", "/a/c", 1},
		{"/a/b", "/a", 1},   {"/a/b", "/a/bb", 1},    {"/a/b", "/c", 2},
		{"/a/b", "/", 2},    {"/", "/x", 0},          {"/a", "/", 1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++)
		assert_int_equal(cgroup_common_depth(CASES[i].path, CASES[i].other),
				 CASES[i].depth);
}

static void test_group_of_a_process(void **state)
{
	static const struct {
		const char *text;
		const char *path;
		int err;
		struct cgroup_hierarchy hierarchy;
	} CASES[] = {
		{"5:cpu:/x\n4:memory:/llm/a:b\n0::/u\n", "/llm/a:b", 0, {CGROUP_V1, "/m", "/"}},
		{"4:cpu,memory:/\n", "/", 0, {CGROUP_V1, "/m", "/"}},
		{"4:memory:/llm\n0::/user.slice/x\n", "/user.slice/x", 0, {CGROUP_V2, "/m", "/"}},
		{"0::/docker/ab/llm\n", "/llm", 0, {CGROUP_V2, "/m", "/docker/ab"}},
		{"0::/docker/ab\n", "/", 0, {CGROUP_V2, "/m", "/docker/ab"}},
		{"0::/docker/abc\n", NULL, -ENODATA, {CGROUP_V2, "/m", "/docker/ab"}},
		{"0::/../other\n", NULL, -ENODATA, {CGROUP_V2, "/m", "/"}},
		{"0::/u\n", NULL, -ENODATA, {CGROUP_V1, "/m", "/"}},
		{"nonsense\n", NULL, -EBADMSG, {CGROUP_V1, "/m", "/"}},
		{"", NULL, -EBADMSG, {CGROUP_V1, "/m", "/"}},
	};
	struct fixture *fixture = *state;
	char path[PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		path[0] = '\0';
		file_tree_write(&fixture->tree, "proc/9/cgroup", CASES[i].text);
		assert_int_equal(
			cgroup_find_process(&CASES[i].hierarchy, fixture->proc_fd, 9, path),
			CASES[i].err);
		assert_string_equal(path, CASES[i].path ? CASES[i].path : "");
	}
	assert_int_equal(cgroup_find_process(&CASES[0].hierarchy, fixture->proc_fd, 10, path),
			 -ENOENT);
}

/* ---- limits and usage ------------------------------------------------------------------------ */

static void open_mount(struct fixture *fixture, uint32_t version)
{
	fixture->hierarchy.version = version;
	(void)snprintf(fixture->hierarchy.mount, sizeof(fixture->hierarchy.mount), "%s/cgroup",
		       fixture->tree.root);
	(void)snprintf(fixture->hierarchy.root, sizeof(fixture->hierarchy.root), "/");
}

static void test_v1_chain(void **state)
{
	static const struct file_tree_entry FILES[] = {
		{"cgroup/memory.limit_in_bytes", "9223372036854771712\n"},
		{"cgroup/memory.usage_in_bytes", "1\n"},
		{"cgroup/memory.stat", "total_active_file 0\ntotal_inactive_file 0\n"},
		{"cgroup/a/memory.limit_in_bytes", "1000000\n"},
		{"cgroup/a/memory.usage_in_bytes", "900000\n"},
		{"cgroup/a/memory.stat", "active_file 1\ninactive_file 2\ntotal_active_file "
					 "1000\ntotal_inactive_file 20000\n"
					 /* charged, but not all on the lists yet */
					 "total_cache 60000\ntotal_shmem 5000\n"
					 "total_unevictable 2000\n"},
		{"cgroup/a/b/memory.limit_in_bytes", "500000\n"},
		{"cgroup/a/b/memory.usage_in_bytes", "10\n"},
		/* statistics run ahead of usage: clamped */
		{"cgroup/a/b/memory.stat", "total_active_file 8\ntotal_inactive_file 8\n"},
	};
	static const struct {
		uint64_t limit;
		uint64_t used;
	} LEVELS[] = {{500000, 0}, {1000000, 847000}, {9223372036854771712U, 1}};
	struct fixture *fixture = *state;
	struct cgroup_chain chain;
	char buffer[4096];
	struct stat info;

	open_mount(fixture, CGROUP_V1);
	file_tree_fill(&fixture->tree, FILES, ARRAY_SIZE(FILES));
	assert_int_equal(cgroup_chain_open(&fixture->hierarchy, "/a/b", &chain), 0);
	assert_int_equal(chain.count, ARRAY_SIZE(LEVELS));
	for (size_t i = 0; i < ARRAY_SIZE(LEVELS); i++) {
		uint64_t limit;
		uint64_t used;

		assert_int_equal(cgroup_read_limit(&chain.levels[i], &limit), 0);
		assert_int_equal(
			cgroup_read_used(&chain, &chain.levels[i], buffer, sizeof(buffer), &used),
			0);
		assert_true(limit == LEVELS[i].limit);
		assert_true(used == LEVELS[i].used);
	}
	assert_int_equal(stat(file_tree_path(&fixture->tree, "cgroup/a"), &info), 0);
	assert_int_equal(chain.levels[1].id, info.st_ino);
	assert_true(cgroup_chain_has(&chain, info.st_ino));
	assert_false(cgroup_chain_has(&chain, 0));
	cgroup_chain_close(&chain);
	assert_int_equal(cgroup_chain_open(&fixture->hierarchy, "/a/none", &chain), -ENOENT);
}

static void test_v2_chain(void **state)
{
	static const struct file_tree_entry FILES[] = {
		{"cgroup/memory.stat", "active_file 0\ninactive_file 0\n"},
		{"cgroup/a/memory.max", "max\n"},
		{"cgroup/a/memory.high", "700000\n"},
		{"cgroup/a/memory.current", "600000\n"},
		{"cgroup/a/memory.stat", "anon 5\nfile 350\nactive_file 100\n"
					 "inactive_file 200\nshmem 10\nunevictable 60\n"},
		{"cgroup/a/b/memory.max", "500000\n"},
		{"cgroup/a/b/memory.high", "max\n"},
		{"cgroup/a/b/memory.current", "400000\n"},
		{"cgroup/a/b/memory.stat", "active_file 0\ninactive_file 1\n"},
	};
	static const uint64_t LIMITS[] = {500000, 700000, CGROUP_UNLIMITED};
	struct fixture *fixture = *state;
	struct cgroup_chain chain;
	char buffer[4096];
	uint64_t used;

	open_mount(fixture, CGROUP_V2);
	file_tree_fill(&fixture->tree, FILES, ARRAY_SIZE(FILES));
	assert_int_equal(cgroup_chain_open(&fixture->hierarchy, "/a/b", &chain), 0);
	assert_int_equal(chain.count, ARRAY_SIZE(LIMITS));
	for (size_t i = 0; i < ARRAY_SIZE(LIMITS); i++) {
		uint64_t limit;

		assert_int_equal(cgroup_read_limit(&chain.levels[i], &limit), 0);
		assert_true(limit == LIMITS[i]);
	}
	assert_int_equal(cgroup_read_used(&chain, &chain.levels[1], buffer, sizeof(buffer), &used),
			 0);
	assert_int_equal(used, 599700);
	cgroup_chain_close(&chain);
}

static void test_garbled_group_files_are_refused(void **state)
{
	static const struct file_tree_entry GOOD[] = {
		{"cgroup/a/memory.max", "500000\n"},
		{"cgroup/a/memory.current", "400000\n"},
		{"cgroup/a/memory.stat", "active_file 0\ninactive_file 1\n"},
		{"cgroup/memory.stat", "x"},
	};
	static const struct file_tree_entry BAD[] = {
		{"cgroup/a/memory.max", ""},
		{"cgroup/a/memory.max", "\n"},
		{"cgroup/a/memory.max", "maximum\n"},
		{"cgroup/a/memory.max", "-1\n"},
		{"cgroup/a/memory.max", "12 34\n"},
		{"cgroup/a/memory.max", "99999999999999999999999\n"},
		{"cgroup/a/memory.current", ""},
		{"cgroup/a/memory.current", "1e9\n"},
		{"cgroup/a/memory.stat", ""},
		{"cgroup/a/memory.stat", "active_file 0\n"},
		{"cgroup/a/memory.stat", "active_file 0\ninactive_file x\n"},
	};
	struct fixture *fixture = *state;

	open_mount(fixture, CGROUP_V2);
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		struct cgroup_chain chain;
		char buffer[4096];
		uint64_t limit = 1;
		uint64_t used = 2;
		int err;

		file_tree_fill(&fixture->tree, GOOD, ARRAY_SIZE(GOOD));
		file_tree_write(&fixture->tree, BAD[i].path, BAD[i].text);
		assert_int_equal(cgroup_chain_open(&fixture->hierarchy, "/a", &chain), 0);
		err = cgroup_read_limit(&chain.levels[0], &limit);
		if (!err)
			err = cgroup_read_used(&chain, &chain.levels[0], buffer, sizeof(buffer),
					       &used);
		assert_int_equal(err, -EBADMSG);
		assert_true(limit == 1 || limit == 500000);
		assert_int_equal(used, 2);
		cgroup_chain_close(&chain);
	}
}

/* ---- this host ------------------------------------------------------------------------------- */

static void write_value(const char *directory, const char *name, const char *value)
{
	char path[3 * PATH_MAX];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, value, strlen(value)), strlen(value));
	close(fd);
}

static char real_group[2 * PATH_MAX];

static int remove_real_group(void **state)
{
	if (real_group[0])
		(void)rmdir(real_group);
	real_group[0] = '\0';
	return tear_down(state);
}

static void test_real_v1_group(void **state)
{
	static struct cgroup_hierarchy hierarchy;
	struct cgroup_chain chain;
	struct stat info;
	char buffer[16384];
	char name[64];
	uint64_t limit;
	uint64_t used;

	(void)state;
	assert_int_equal(cgroup_find_hierarchy("/proc", &hierarchy), 0);
	(void)snprintf(name, sizeof(name), "/tierd-test-%d", getpid());
	(void)snprintf(real_group, sizeof(real_group), "%s%s", hierarchy.mount, name);
	if (hierarchy.version != CGROUP_V1 || mkdir(real_group, 0755)) {
		real_group[0] = '\0';
		skip();
	}
	write_value(real_group, "memory.limit_in_bytes", "67108864");
	assert_int_equal(stat(real_group, &info), 0);
	assert_int_equal(cgroup_chain_open(&hierarchy, name, &chain), 0);
	assert_int_equal(chain.count, 2);
	assert_int_equal(chain.levels[0].id, info.st_ino);
	assert_int_equal(cgroup_read_limit(&chain.levels[0], &limit), 0);
	assert_int_equal(limit, 67108864);
	assert_int_equal(cgroup_read_used(&chain, &chain.levels[0], buffer, sizeof(buffer), &used),
			 0);
	assert_true(used < limit);
	assert_int_equal(cgroup_read_used(&chain, &chain.levels[1], buffer, sizeof(buffer), &used),
			 0);
	assert_true(used > 0);
	/* A removed group says so through its open files. */
	assert_int_equal(rmdir(real_group), 0);
	real_group[0] = '\0';
	assert_int_equal(cgroup_read_limit(&chain.levels[0], &limit), -ENODEV);
	cgroup_chain_close(&chain);
	assert_int_equal(cgroup_chain_open(&hierarchy, name, &chain), -ENOENT);
}

static void test_own_group_is_found(void **state)
{
	static struct cgroup_hierarchy hierarchy;
	char path[PATH_MAX];
	int proc_fd = open("/proc", O_RDONLY | O_CLOEXEC);
	int fd;

	(void)state;
	assert_int_equal(cgroup_find_hierarchy("/proc", &hierarchy), 0);
	if (hierarchy.version == CGROUP_NONE) {
		close(proc_fd);
		skip();
	}
	assert_int_equal(cgroup_find_process(&hierarchy, proc_fd, (uint32_t)getpid(), path), 0);
	fd = cgroup_open(&hierarchy, path);
	assert_true(fd >= 0);
	close(fd);
	close(proc_fd);
}

#define CGROUP_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CGROUP_TEST(test_hierarchies_are_found),
		CGROUP_TEST(test_paths),
		CGROUP_TEST(test_common_depth),
		CGROUP_TEST(test_group_of_a_process),
		CGROUP_TEST(test_v1_chain),
		CGROUP_TEST(test_v2_chain),
		CGROUP_TEST(test_garbled_group_files_are_refused),
		cmocka_unit_test_setup_teardown(test_real_v1_group, set_up, remove_real_group),
		CGROUP_TEST(test_own_group_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
