/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl doctor: what this kernel and these privileges can and cannot do. */
#include "base/cleanup.h"
#include "base/json.h"
#include "core/names.h"
#include "doctor.h"
#include "tierctl.h"

enum {
	TEXT_LEN = 64 * 1024,
};

static void print_text(const struct doctor_report *report)
{
	for (uint32_t i = 0; i < report->count; i++) {
		const struct doctor_finding *finding = &report->findings[i];

		printf("%-8s %-41s %s\n", doctor_state_name(finding->state), finding->name,
		       finding->detail);
		if (finding->remedy[0])
			printf("%-8s   -> %s\n", "", finding->remedy);
	}
	if (report->source == SOURCE_NONE)
		puts("\ntierd cannot run here.");
	else
		printf("\ntierd can run here, with source %s.\n",
		       pressure_source_name(report->source));
}

static int print_json(const struct doctor_report *report)
{
	_cleanup_free_ char *text = malloc(TEXT_LEN);
	struct json json;

	if (!text)
		return -1;
	json_init(&json, text, TEXT_LEN);
	json_begin_object(&json, NULL);
	json_add_string(&json, "source", pressure_source_name(report->source));
	json_begin_array(&json, "checks");
	for (uint32_t i = 0; i < report->count; i++) {
		const struct doctor_finding *finding = &report->findings[i];

		json_begin_object(&json, NULL);
		json_add_string(&json, "name", finding->name);
		json_add_string(&json, "state", doctor_state_name(finding->state));
		json_add_string(&json, "detail", finding->detail);
		json_add_string(&json, "remedy", finding->remedy);
		json_end_object(&json);
	}
	json_end_array(&json);
	json_end_object(&json);
	if (json_finish(&json) < 0)
		return -1;
	return fputs(text, stdout);
}

static int run(const struct tierctl *tierctl)
{
	struct doctor_report report;

	doctor_examine_host(tierctl->run_dir, &report);
	if (!tierctl_get(tierctl, TIERCTL_KEY_JSON))
		print_text(&report);
	else if (print_json(&report) < 0)
		return TIERCTL_NO;
	if (report.source == SOURCE_BPF)
		return TIERCTL_OK;
	return report.source == SOURCE_NONE ? TIERCTL_UNAVAILABLE : TIERCTL_NO;
}

static const struct argp_option OPTIONS[] = {
	{"json", TIERCTL_KEY_JSON, NULL, 0, "As JSON, on one line", 0},
	{0},
};

const struct tierctl_command TIERCTL_DOCTOR = {
	.name = "doctor",
	.help = "What this kernel and these privileges can do, and what to do about the rest.",
	.options = OPTIONS,
	.run = run,
};
