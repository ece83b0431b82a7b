/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs are chosen by the kernel's BTF: a tracepoint whose arguments moved is not read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/btf.h>

#include "base/units.h"
#include "io/program_table.h"

struct types {
	struct btf *btf;
	int by_letter[128]; /* as in program_entry.arguments; m is a pointer to another structure */
};

static void types_open(struct types *types)
{
	struct btf *btf = btf__new_empty();

	assert_non_null(btf);
	types->btf = btf;
	types->by_letter['b'] = btf__add_int(btf, "_Bool", 1, BTF_INT_BOOL);
	types->by_letter['i'] = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);
	types->by_letter['l'] = btf__add_int(btf, "long unsigned int", 8, 0);
	types->by_letter['t'] = btf__add_ptr(btf, btf__add_struct(btf, "task_struct", 8));
	types->by_letter['m'] = btf__add_ptr(btf, btf__add_struct(btf, "mem_cgroup", 8));
	/* As the kernel has it: an unsigned int behind a name. */
	types->by_letter['g'] =
		btf__add_typedef(btf, "gfp_t", btf__add_int(btf, "unsigned int", 4, 0));
}

static void tracepoint_add(struct types *types, const char *tracepoint, const char *arguments)
{
	char name[128];
	int context = btf__add_ptr(types->btf, 0);
	int prototype = btf__add_func_proto(types->btf, 0);

	assert_true(context > 0 && prototype > 0);
	assert_int_equal(btf__add_func_param(types->btf, "context", context), 0);
	for (; *arguments; arguments++)
		assert_int_equal(btf__add_func_param(types->btf, "argument",
						     types->by_letter[(int)*arguments]),
				 0);
	snprintf(name, sizeof(name), "btf_trace_%s", tracepoint);
	assert_true(btf__add_typedef(types->btf, name, btf__add_ptr(types->btf, prototype)) > 0);
}

static const struct program_entry *entry_find(const char *name)
{
	const struct program_entry *entry;

	for (unsigned int i = 0; (entry = program_table_get(i)); i++)
		if (strcmp(entry->name, name) == 0)
			return entry;
	fail_msg("no program %s", name);
	return NULL;
}

static bool is_possible(const char *program, const char *arguments)
{
	const struct program_entry *entry = entry_find(program);
	struct types types = {0};

	types_open(&types);
	tracepoint_add(&types, entry->tracepoint, arguments);
	bool result = program_is_possible(types.btf, entry);

	btf__free(types.btf);
	return result;
}

static void test_signatures_of_real_kernels(void **state)
{
	static const struct {
		const char *program;
		const char *arguments; /* of the tracepoint */
		bool is_possible;
	} EXAMPLES[] = {
		{"stall_sched_switch", "btt", true},   /* 5.10 */
		{"stall_sched_switch", "btti", true},  /* since 5.18 */
		{"stall_sched_switch", "bitt", false}, /* 5.18-rc, before it was moved back */
		{"stall_sched_switch", "tt", false},
		{"stall_sched_switch", "btm", false},
		{"direct_reclaim_begin", "ig", true},  /* until 7.0 */
		{"direct_reclaim_begin", "gim", true}, /* since 7.1: no argument is read */
		{"memcg_reclaim_begin", "gim", true},
		{"direct_reclaim_end", "l", true},
		{"direct_reclaim_end", "lm", true}, /* since 7.1 */
		{"direct_reclaim_end", "ml", false},
		{"memcg_reclaim_end", "i", false},
		{"oom_mark_victim_task", "tg", true}, /* since 6.8 */
		{"oom_mark_victim_task", "i", false},
		{"oom_mark_victim_pid", "i", true}, /* before */
		{"oom_mark_victim_pid", "tg", false},
		{"lifecycle_exit", "t", true},
		{"lifecycle_exit", "tb", true}, /* since 6.18 */
		{"lifecycle_exit", "bt", false},
		{"lifecycle_newtask", "tl", true},
		{"lifecycle_newtask", "t", false},
		{"kswapd_wake", "iii", true},
		{"kswapd_wake", "", false},
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(EXAMPLES); i++)
		if (is_possible(EXAMPLES[i].program, EXAMPLES[i].arguments) !=
		    EXAMPLES[i].is_possible)
			fail_msg("%s with %s", EXAMPLES[i].program, EXAMPLES[i].arguments);
}

static void test_missing_tracepoint(void **state)
{
	struct types types = {0};

	(void)state;
	types_open(&types);
	for (unsigned int i = 0; program_table_get(i); i++)
		assert_false(program_is_possible(types.btf, program_table_get(i)));
	btf__free(types.btf);
}

static void member_add(struct btf *btf, const char *structure, const char *member, int type)
{
	assert_true(btf__add_struct(btf, structure, 8) > 0);
	if (member)
		assert_int_equal(btf__add_field(btf, member, type, 0, 0), 0);
}

static void test_task_storage_is_used_where_it_is_safe(void **state)
{
	static const struct {
		const char *task_member;
		const char *map_member;
		const char *lock;
		bool is_safe;
	} EXAMPLES[] = {
		{NULL, NULL, "raw_spinlock_t", false},               /* 5.10 */
		{NULL, "selem_ma", "raw_spinlock_t", false},         /* no such kernel */
		{"bpf_storage", NULL, "raw_spinlock_t", false},      /* 6.1 */
		{"bpf_storage", "selem_ma", "raw_spinlock_t", true}, /* 6.12 */
		{"bpf_storage", NULL, "rqspinlock_t", true},         /* 7.3 */
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(EXAMPLES); i++) {
		struct btf *btf = btf__new_empty();
		int number = btf__add_int(btf, "int", 4, BTF_INT_SIGNED);

		member_add(btf, "task_struct", EXAMPLES[i].task_member, number);
		member_add(btf, "bpf_local_storage_map", EXAMPLES[i].map_member, number);
		int lock = btf__add_typedef(btf, EXAMPLES[i].lock, number);

		member_add(btf, "bpf_local_storage", "lock", lock);
		assert_int_equal(kernel_has_task_storage(btf), EXAMPLES[i].is_safe);
		btf__free(btf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signatures_of_real_kernels),
		cmocka_unit_test(test_missing_tracepoint),
		cmocka_unit_test(test_task_storage_is_used_where_it_is_safe),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
