/* SPDX-License-Identifier: BSD-2-Clause */
/* The hardware class at its edges, limits of groups, and the config that is written. */
#include "file_tree.h"

#include <errno.h>
#include <unistd.h>

#include "app/detect.h"
#include "base/units.h"

static struct hardware make_hardware(uint64_t memory_bytes, uint32_t cores_permille,
				     uint64_t vram_bytes)
{
	struct hardware hardware = {
		.memory_bytes = memory_bytes,
		.host_memory_bytes = memory_bytes,
		.cores_permille = cores_permille,
		.host_cpus = cores_permille / 1000,
	};

	if (vram_bytes > 0) {
		hardware.gpu_count = 2;
		hardware.gpus[1].memory_bytes = vram_bytes;
	}
	return hardware;
}

static void test_class_edges(void **state)
{
	static const struct {
		uint64_t memory_bytes;
		uint64_t cores_permille;
		uint64_t vram_bytes;
		enum hardware_class class;
	} EXAMPLES[] = {
		{8 * GIB, 6000, 6 * GIB, HARDWARE_HIGH_END},
		{8 * GIB - 1, 6000, 6 * GIB, HARDWARE_MID_RANGE},
		{8 * GIB, 5999, 6 * GIB, HARDWARE_MID_RANGE},
		{8 * GIB, 6000, 6 * GIB - 1, HARDWARE_MID_RANGE},
		{512 * GIB, 128000, 0, HARDWARE_MID_RANGE},
		{4 * GIB, 4000, 0, HARDWARE_MID_RANGE},
		{4 * GIB - 1, 4000, 0, HARDWARE_LOW_END},
		{4 * GIB, 3999, 0, HARDWARE_LOW_END},
		{64 * GIB, 2000, 24 * GIB, HARDWARE_LOW_END},
		{2 * GIB, 16000, 24 * GIB, HARDWARE_LOW_END},
		{0, 0, 0, HARDWARE_LOW_END},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		struct hardware hardware =
			make_hardware(EXAMPLES[i].memory_bytes,
				      (uint32_t)EXAMPLES[i].cores_permille, EXAMPLES[i].vram_bytes);

		assert_int_equal(hardware_classify(&hardware), EXAMPLES[i].class);
	}
}

static void test_classes_have_names(void **state)
{
	(void)state;
	assert_string_equal(hardware_class_name(HARDWARE_LOW_END), "low_end");
	assert_string_equal(hardware_class_name(HARDWARE_MID_RANGE), "mid_range");
	assert_string_equal(hardware_class_name(HARDWARE_HIGH_END), "high_end");
}

/* A host: /proc of process 7 with its groups, and the mounts below the tree. */
static void fill_host(const struct file_tree *tree, const char *groups, const char *mounts)
{
	char text[PATH_MAX * 2];
	char own[64];

	/* Affinity is asked of the kernel, so there is one real process, too: this. */
	snprintf(own, sizeof(own), "proc/%d/cgroup", (int)getpid());
	file_tree_write(tree, own, groups);
	file_tree_write(tree, "proc/meminfo", "MemTotal:       16777216 kB\nMemFree: 1 kB\n");
	file_tree_write(tree, "proc/7/cgroup", groups);
	file_tree_write(tree, "proc/self/cgroup", groups);
	snprintf(text, sizeof(text), mounts, tree->root, tree->root);
	file_tree_write(tree, "proc/self/mountinfo", text);
}

#define V1_MOUNTS                                               \
	"30 20 0:26 / %s/memory rw - cgroup cgroup rw,memory\n" \
	"31 20 0:27 / %s/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
#define V2_MOUNTS "30 20 0:26 / %s/unified rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"

static void test_limits_of_v2_groups_count(void **state)
{
	struct file_tree tree = {0};
	struct hardware hardware = {0};

	(void)state;
	file_tree_create(&tree);
	fill_host(&tree, "0::/a/b\n", V2_MOUNTS);
	file_tree_write(&tree, "unified/a/memory.max", "6442450944\n");
	file_tree_write(&tree, "unified/a/memory.current", "1\n");
	file_tree_write(&tree, "unified/a/memory.stat", "inactive_file 0\n");
	file_tree_write(&tree, "unified/a/cpu.max", "25000 100000\n");
	file_tree_write(&tree, "unified/a/b/memory.max", "max\n");
	file_tree_write(&tree, "unified/a/b/memory.current", "1\n");
	file_tree_write(&tree, "unified/a/b/memory.stat", "inactive_file 0\n");
	file_tree_write(&tree, "unified/a/b/cpu.max", "max 100000\n");
	assert_int_equal(hardware_read(file_tree_path(&tree, "proc"), 0, &hardware), 0);
	assert_int_equal(hardware.host_memory_bytes, 16 * GIB);
	assert_int_equal(hardware.memory_bytes, 6 * GIB);
	assert_int_equal(hardware.cores_permille, 250);
	file_tree_remove(&tree);
}

static void test_cpu_quota_of_v1_and_v2(void **state)
{
	static const struct {
		const char *groups;
		const char *mounts;
		struct file_tree_entry files[4];
		uint32_t permille;
	} EXAMPLES[] = {
		{"4:memory:/m\n3:cpu,cpuacct:/x/y\n",
		 V1_MOUNTS,
		 {{"cpu/x/cpu.cfs_quota_us", "150000\n"},
		  {"cpu/x/cpu.cfs_period_us", "100000\n"},
		  {"cpu/x/y/cpu.cfs_quota_us", "-1\n"},
		  {"cpu/x/y/cpu.cfs_period_us", "100000\n"}},
		 1500},
		{"4:memory:/m\n3:cpuacct,cpuset:/x\n", V1_MOUNTS, {{0}}, UINT32_MAX},
		{"0::/a\n", V2_MOUNTS, {{"unified/a/cpu.max", "max 100000\n"}}, UINT32_MAX},
		{"0::/a\n", V2_MOUNTS, {{"unified/a/cpu.max", "200000 100000\n"}}, 2000},
		{"0::/a\n", V2_MOUNTS, {{"unified/a/cpu.max", "garbage\n"}}, UINT32_MAX},
		{"0::/a\n", V2_MOUNTS, {{"unified/a/cpu.max", "1000\n"}}, UINT32_MAX},
		{"0::/../../a\n", V2_MOUNTS, {{"unified/a/cpu.max", "1000 100000\n"}}, UINT32_MAX},
		{"garbage\n", V2_MOUNTS, {{0}}, UINT32_MAX},
		{"", "", {{0}}, UINT32_MAX},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		struct file_tree tree = {0};

		file_tree_create(&tree);
		fill_host(&tree, EXAMPLES[i].groups, EXAMPLES[i].mounts);
		for (size_t j = 0; j < 4 && EXAMPLES[i].files[j].path; j++)
			file_tree_write(&tree, EXAMPLES[i].files[j].path,
					EXAMPLES[i].files[j].text);
		assert_int_equal(hardware_read_cpu_quota(file_tree_path(&tree, "proc"), 7),
				 EXAMPLES[i].permille);
		file_tree_remove(&tree);
	}
}

static void test_memory_limit_is_the_tightest_of_all_levels(void **state)
{
	struct file_tree tree = {0};
	struct hardware hardware = {0};

	(void)state;
	file_tree_create(&tree);
	fill_host(&tree, "4:memory:/a/b\n3:cpu,cpuacct:/\n", V1_MOUNTS);
	file_tree_write(&tree, "memory/memory.limit_in_bytes", "9223372036854771712\n");
	file_tree_write(&tree, "memory/memory.usage_in_bytes", "1\n");
	file_tree_write(&tree, "memory/memory.stat", "total_inactive_file 0\n");
	file_tree_write(&tree, "memory/a/memory.limit_in_bytes", "3221225472\n");
	file_tree_write(&tree, "memory/a/memory.usage_in_bytes", "1\n");
	file_tree_write(&tree, "memory/a/memory.stat", "total_inactive_file 0\n");
	file_tree_write(&tree, "memory/a/b/memory.limit_in_bytes", "5368709120\n");
	file_tree_write(&tree, "memory/a/b/memory.usage_in_bytes", "1\n");
	file_tree_write(&tree, "memory/a/b/memory.stat", "total_inactive_file 0\n");
	assert_int_equal(hardware_read(file_tree_path(&tree, "proc"), 0, &hardware), 0);
	assert_int_equal(hardware.memory_bytes, 3 * GIB);
	assert_int_equal(hardware.host_memory_bytes, 16 * GIB);
	assert_true(hardware.cores_permille >= 1000);
	file_tree_remove(&tree);
}

static void test_host_that_cannot_be_read(void **state)
{
	struct file_tree tree = {0};
	struct hardware hardware = {0};

	(void)state;
	file_tree_create(&tree);
	assert_int_equal(hardware_read(file_tree_path(&tree, "none"), 0, &hardware), -ENOENT);
	assert_int_equal(hardware_read(tree.root, 0, &hardware), -ENOENT);
	file_tree_write(&tree, "meminfo", "garbage\n");
	assert_true(hardware_read(tree.root, 0, &hardware) < 0);
	/* Without groups there are no limits. */
	file_tree_write(&tree, "meminfo", "MemTotal: 1024 kB\n");
	assert_int_equal(hardware_read(tree.root, 0, &hardware), 0);
	assert_int_equal(hardware.memory_bytes, MIB);
	file_tree_remove(&tree);
}

/* Whatever the machine, what is written is taken. */
static void test_written_configs_are_taken(void **state)
{
	static const uint64_t MEMORY[] = {MIB,     64 * MIB, 512 * MIB,  900 * MIB,  GIB,
					  7 * GIB, 24 * GIB, 1024 * GIB, 25276510208};
	static const uint64_t VRAM[] = {0, 1, GIB, 6 * GIB, 80 * GIB};
	struct file_tree tree = {0};
	char heading[CONFIG_ERROR_LEN];
	char error[CONFIG_ERROR_LEN] = "";

	(void)state;
	file_tree_create(&tree);
	const char *path = file_tree_path(&tree, "t.conf");
	for (size_t i = 0; i < ARRAY_SIZE(MEMORY) * ARRAY_SIZE(VRAM) * 2; i++) {
		struct hardware hardware =
			make_hardware(MEMORY[i / 2 / ARRAY_SIZE(VRAM)], (uint32_t)i * 700,
				      VRAM[i / 2 % ARRAY_SIZE(VRAM)]);
		struct app_config config;
		struct app_config back;

		hardware_make_config(&hardware, i % 2, &config);
		hardware_describe(&hardware, heading, sizeof(heading));
		assert_int_equal(hardware_write_config(path, &config, heading, true), 0);
		if (config_load_file(path, NULL, &back, error, sizeof(error)) < 0)
			fail_msg("%s", error);
		assert_memory_equal(&back, &config, sizeof(back));
		const struct ladder *ladder = &back.engine.ladder;
		assert_int_equal(ladder->count, 4);
		assert_true(ladder->tiers[3].memory_bytes <= hardware.memory_bytes * 2 / 5);
		assert_true(ladder->tiers[3].vram_bytes[1] <= VRAM[i / 2 % ARRAY_SIZE(VRAM)]);
	}
	file_tree_remove(&tree);
}

static void test_preset_follows_the_class(void **state)
{
	static const struct {
		uint64_t memory_bytes;
		uint32_t cores_permille;
		uint64_t vram_bytes;
		uint32_t degrade_above;
	} EXAMPLES[] = {
		{GIB, 1000, 0, 7500},
		{16 * GIB, 8000, 0, 8000},
		{16 * GIB, 8000, 8 * GIB, 8500},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		struct hardware hardware =
			make_hardware(EXAMPLES[i].memory_bytes, EXAMPLES[i].cores_permille,
				      EXAMPLES[i].vram_bytes);
		struct app_config config;

		hardware_make_config(&hardware, true, &config);
		assert_int_equal(config.engine.degrade_above_permyriad, EXAMPLES[i].degrade_above);
		assert_int_equal(config.engine.upgrade_below_permyriad,
				 EXAMPLES[i].degrade_above - 1000);
		hardware_make_config(&hardware, false, &config);
		assert_int_equal(config.engine.degrade_above_permyriad, 9000);
	}
}

static void test_file_is_replaced_only_by_force(void **state)
{
	struct hardware hardware = make_hardware(8 * GIB, 4000, 0);
	struct file_tree tree = {0};
	struct app_config config;
	char error[CONFIG_ERROR_LEN] = "";

	(void)state;
	file_tree_create(&tree);
	hardware_make_config(&hardware, false, &config);
	file_tree_write(&tree, "old", "precious");
	assert_int_equal(hardware_write_config(file_tree_path(&tree, "old"), &config, NULL, false),
			 -EEXIST);
	assert_int_equal(hardware_write_config(tree.root, &config, NULL, true), -EEXIST);
	assert_int_equal(
		hardware_write_config(file_tree_path(&tree, "no/t.conf"), &config, NULL, false),
		-ENOENT);
	assert_int_equal(
		config_load_file(file_tree_path(&tree, "old"), NULL, &config, error, sizeof(error)),
		-EINVAL);
	assert_int_equal(hardware_write_config(file_tree_path(&tree, "old"), &config, NULL, true),
			 0);
	assert_int_equal(
		config_load_file(file_tree_path(&tree, "old"), NULL, &config, error, sizeof(error)),
		0);
	file_tree_unlink(&tree, "old");
	/* Nothing is left beside it. */
	assert_int_equal(rmdir(tree.root), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_class_edges),
		cmocka_unit_test(test_classes_have_names),
		cmocka_unit_test(test_limits_of_v2_groups_count),
		cmocka_unit_test(test_cpu_quota_of_v1_and_v2),
		cmocka_unit_test(test_memory_limit_is_the_tightest_of_all_levels),
		cmocka_unit_test(test_host_that_cannot_be_read),
		cmocka_unit_test(test_written_configs_are_taken),
		cmocka_unit_test(test_preset_follows_the_class),
		cmocka_unit_test(test_file_is_replaced_only_by_force),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
