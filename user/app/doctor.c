/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report of doctor: the table of checks, one finding per tracepoint, and the verdict, which is
 * the best source that misses nothing it needs.
 */
#include "doctor.h"

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "core/names.h"
#include "doctor_checks.h"
#include "io/probes.h"

#define BIT(source) (1U << (source))

enum {
	FOR_BPF = BIT(SOURCE_BPF),
	FOR_ALL = BIT(SOURCE_BPF) | BIT(SOURCE_PSI) | BIT(SOURCE_POLL),
};

static const struct check {
	const char *name;
	void (*examine)(const struct doctor_place *place, struct doctor_finding *finding);
	uint32_t needed_for;
	bool is_run_dir; /* only where the place names one */
} CHECKS[] = {
	{"privileges", doctor_check_privileges, FOR_BPF, false},
	{"pid namespace", doctor_check_pid_namespace, FOR_BPF, false},
	{"kernel", doctor_check_kernel, 0, false},
	{"BTF", doctor_check_btf, FOR_BPF, false},
	{"lockdown", doctor_check_lockdown, FOR_BPF, false},
	{"task iterator", doctor_check_task_iterator, FOR_BPF, false},
	{"task_struct.in_memstall", doctor_check_memstall, 0, false},
	{"SCHED_INFO", doctor_check_sched_info, 0, false},
	{"state of tasks", doctor_check_task_state, 0, false},
	{"PSI", doctor_check_psi, BIT(SOURCE_PSI), false},
	{"/proc", doctor_check_proc, FOR_ALL, false},
	{"memory cgroups", doctor_check_cgroup, 0, false},
	{"GPU", doctor_check_gpu, 0, false},
	{"run directory", doctor_check_run_dir, FOR_ALL, true},
};

static const char *const STATE_NAMES[DOCTOR_STATE_COUNT] = {
	[DOCTOR_OK] = "ok",
	[DOCTOR_LIMITED] = "limited",
	[DOCTOR_UNKNOWN] = "unknown",
	[DOCTOR_MISSING] = "missing",
};

const char *doctor_state_name(uint32_t state)
{
	return state < DOCTOR_STATE_COUNT ? STATE_NAMES[state] : "?";
}

static struct doctor_finding *find_tracepoint(struct doctor_report *report, uint32_t first,
					      const char *name)
{
	for (uint32_t i = first; i < report->count; i++) {
		if (strcmp(report->findings[i].name, name) == 0)
			return &report->findings[i];
	}
	return NULL;
}

/* One finding per tracepoint; one that has several forms needs only one that fits. */
static void examine_tracepoints(const struct doctor_place *place, struct doctor_report *report)
{
	uint32_t first = report->count;
	struct probes_program program;

	for (unsigned int i = 0; probes_get_candidate(place->btf, i, &program); i++) {
		char name[DOCTOR_NAME_LEN];

		if (program.is_unused)
			continue;
		snprintf(name, sizeof(name), "tracepoint %s", program.tracepoint);
		struct doctor_finding *finding = find_tracepoint(report, first, name);
		if (!finding) {
			if (report->count == DOCTOR_FINDINGS_MAX)
				return;
			finding = &report->findings[report->count++];
			memcpy(finding->name, name, sizeof(name));
			finding->state = program.is_required ? DOCTOR_MISSING : DOCTOR_LIMITED;
			finding->needed_for = program.is_required ? FOR_BPF : 0;
			snprintf(finding->detail, DOCTOR_TEXT_LEN, "not there: no %s",
				 program.gives);
			snprintf(finding->remedy, DOCTOR_TEXT_LEN,
				 "use a kernel whose BTF has btf_trace_%s", program.tracepoint);
		}
		if (!program.is_loaded)
			continue;
		finding->state = DOCTOR_OK;
		snprintf(finding->detail, DOCTOR_TEXT_LEN, "gives %s", program.gives);
		finding->remedy[0] = '\0';
	}
}

static uint32_t find_best_source(const struct doctor_report *report)
{
	uint32_t possible = FOR_ALL;

	for (uint32_t i = 0; i < report->count; i++) {
		if (report->findings[i].state == DOCTOR_MISSING)
			possible &= ~report->findings[i].needed_for;
	}
	for (uint32_t source = SOURCE_BPF; source > SOURCE_NONE; source--) {
		if (possible & BIT(source))
			return source;
	}
	return SOURCE_NONE;
}

void doctor_examine(const struct doctor_place *place, struct doctor_report *ret_report)
{
	memset(ret_report, 0, sizeof(*ret_report));
	for (size_t i = 0; i < ARRAY_SIZE(CHECKS); i++) {
		struct doctor_finding *finding = &ret_report->findings[ret_report->count];

		if (CHECKS[i].is_run_dir && !place->run_dir)
			continue;
		snprintf(finding->name, sizeof(finding->name), "%s", CHECKS[i].name);
		finding->needed_for = CHECKS[i].needed_for;
		CHECKS[i].examine(place, finding);
		ret_report->count++;
	}
	examine_tracepoints(place, ret_report);
	ret_report->source = find_best_source(ret_report);
}

static int print_nothing(enum libbpf_print_level level, const char *format, va_list arguments)
{
	(void)level;
	(void)format;
	(void)arguments;
	return 0;
}

void doctor_examine_host(const char *run_dir, struct doctor_report *ret_report)
{
	libbpf_print_fn_t print = libbpf_set_print(print_nothing);
	struct btf *btf = btf__load_vmlinux_btf();
	const struct doctor_place place = {
		.proc_root = "/proc", .sys_root = "/sys", .run_dir = run_dir, .btf = btf};

	doctor_examine(&place, ret_report);
	btf__free(btf);
	libbpf_set_print(print);
}

int privilege_check(enum pressure_source wanted, char *error, size_t error_size)
{
	uint32_t source = wanted == SOURCE_NONE ? SOURCE_BPF : wanted;
	struct doctor_report report;

	doctor_examine_host(NULL, &report);
	for (uint32_t i = 0; i < report.count; i++) {
		const struct doctor_finding *finding = &report.findings[i];

		if (finding->state != DOCTOR_MISSING || !(finding->needed_for & BIT(source)))
			continue;
		snprintf(error, error_size,
			 "cannot watch with %s: %s: %s; %s (`tierctl doctor` says more%s)",
			 pressure_source_name(source), finding->name, finding->detail,
			 finding->remedy,
			 source == SOURCE_BPF && report.source != SOURCE_NONE
				 ? ", --source psi or poll sees less and needs less"
				 : "");
		return finding->is_privilege ? -EPERM : -EOPNOTSUPP;
	}
	return 0;
}
