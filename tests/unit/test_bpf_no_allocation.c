/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * No program in the scheduler, in reclaim or in the OOM killer can allocate: read from their
 * instructions. There an allocation may need a lock that is held already, and the machine hangs
 * (bpf/state.bpf.h). And with preallocated tables no program at all can, once it is loaded.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "base/units.h"
#include "io/skeleton.h"

/* What may be called anywhere. bpf_task_storage_get() is looked at more closely. */
static const uint32_t HARMLESS[] = {
	BPF_FUNC_map_lookup_elem,  BPF_FUNC_map_update_elem,      BPF_FUNC_map_delete_elem,
	BPF_FUNC_ktime_get_ns,     BPF_FUNC_probe_read_kernel,    BPF_FUNC_probe_read_kernel_str,
	BPF_FUNC_get_current_task, BPF_FUNC_get_current_task_btf, BPF_FUNC_ringbuf_reserve,
	BPF_FUNC_ringbuf_submit,   BPF_FUNC_ringbuf_query,        BPF_FUNC_seq_write,
};

/* Programs that run in process context with no lock held: they may create task storage. */
static const char *const MAY_CREATE[] = {"lifecycle_newtask", "lifecycle_exec", "walk_thread"};

static bool is_harmless(int32_t helper)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(HARMLESS); i++)
		if ((uint32_t)helper == HARMLESS[i])
			return true;
	return false;
}

static bool may_create(const char *name)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(MAY_CREATE); i++)
		if (strcmp(name, MAY_CREATE[i]) == 0)
			return true;
	return false;
}

static bool is_helper_call(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == 0;
}

/*
 * The flags of bpf_task_storage_get() are in r4, which no call preserves: so the last write before
 * the call must be there, and be a plain zero.
 */
static bool is_look_up(const struct bpf_insn *insns, size_t call)
{
	for (size_t i = call; i-- > 0 && !is_helper_call(&insns[i]);) {
		uint8_t class = BPF_CLASS(insns[i].code);

		if (insns[i].dst_reg != BPF_REG_4 || class == BPF_ST || class == BPF_STX)
			continue;
		if (class == BPF_JMP || class == BPF_JMP32)
			continue;
		return (insns[i].code == (BPF_ALU64 | BPF_MOV | BPF_K) ||
			insns[i].code == (BPF_ALU | BPF_MOV | BPF_K)) &&
		       insns[i].imm == 0;
	}
	return false;
}

/* Returns how many calls were looked at. */
static unsigned int check_program(const struct bpf_program *program)
{
	const struct bpf_insn *insns = bpf_program__insns(program);
	const char *name = bpf_program__name(program);
	unsigned int calls = 0;

	for (size_t i = 0; i < bpf_program__insn_cnt(program); i++) {
		if (BPF_CLASS(insns[i].code) != BPF_JMP || BPF_OP(insns[i].code) != BPF_CALL)
			continue;
		if (!is_helper_call(&insns[i]))
			fail_msg("%s: instruction %zu calls a function or kfunc", name, i);
		calls++;
		if (insns[i].imm == BPF_FUNC_task_storage_get) {
			if (!may_create(name) && !is_look_up(insns, i))
				fail_msg("%s: instruction %zu may create task storage", name, i);
		} else if (!is_harmless(insns[i].imm)) {
			fail_msg("%s: instruction %zu calls helper %d", name, i, insns[i].imm);
		}
	}
	return calls;
}

/* Updating a hash table allocates unless its entries are preallocated. */
static void check_maps(const struct bpf_object *object, bool has_task_storage)
{
	const struct bpf_map *map;

	bpf_object__for_each_map(map, object)
	{
		enum bpf_map_type type = bpf_map__type(map);

		if (type == BPF_MAP_TYPE_TASK_STORAGE)
			assert_true(has_task_storage);
		else if (type == BPF_MAP_TYPE_HASH)
			assert_int_equal(bpf_map__map_flags(map) & BPF_F_NO_PREALLOC, 0);
		else if (type != BPF_MAP_TYPE_ARRAY && type != BPF_MAP_TYPE_RINGBUF)
			fail_msg("%s: a map of type %d", bpf_map__name(map), (int)type);
	}
}

static void check_form(bool has_task_storage)
{
	struct bpf_program *program;
	struct skeleton skeleton;
	unsigned int programs = 0, calls = 0;

	assert_int_equal(skeleton_open(&skeleton, has_task_storage), 0);
	check_maps(skeleton.object, has_task_storage);
	bpf_object__for_each_program(program, skeleton.object)
	{
		programs++;
		calls += check_program(program);
	}
	assert_true(programs >= 17);
	assert_true(calls > 100);
	skeleton_close(&skeleton);
}

static void test_task_storage_is_only_looked_up(void **state)
{
	(void)state;
	check_form(true);
}

static void test_preallocated_tables_never_allocate(void **state)
{
	(void)state;
	check_form(false);
}

/* The judgement of flags, on instructions that do and do not. */
static void test_flags_are_read_from_instructions(void **state)
{
	static const struct bpf_insn zero = {
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = 0};
	static const struct bpf_insn one = {
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_4, .imm = 1};
	static const struct bpf_insn copied = {
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = BPF_REG_4, .src_reg = BPF_REG_6};
	static const struct bpf_insn call = {.code = BPF_JMP | BPF_CALL,
					     .imm = BPF_FUNC_task_storage_get};

	(void)state;
	assert_true(is_look_up((const struct bpf_insn[]){one, zero, call}, 2));
	assert_false(is_look_up((const struct bpf_insn[]){zero, one, call}, 2));
	assert_false(is_look_up((const struct bpf_insn[]){zero, copied, call}, 2));
	assert_false(is_look_up((const struct bpf_insn[]){zero, call, call}, 2));
	assert_false(is_look_up((const struct bpf_insn[]){call}, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_task_storage_is_only_looked_up),
		cmocka_unit_test(test_preallocated_tables_never_allocate),
		cmocka_unit_test(test_flags_are_read_from_instructions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
