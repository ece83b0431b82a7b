/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What can be configured, and how it gets in: one table (option_table.c) drives the config file,
 * the command line, `tierctl check-config`, defaults, ranges, help and the written example.
 *
 * A config is built whole: defaults, then the text of the file, then the command line, then the
 * checks across options. Anything wrong, and nothing of it is applied.
 */
#ifndef TIERD_APP_OPTIONS_H
#define TIERD_APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/config.h"

enum {
	CONFIG_PATH_LEN = 512, /* of any path in a config, with its NUL */
	CONFIG_ERROR_LEN = 512,
	CONFIG_TEXT_MAX = 256 * 1024, /* bytes of a config file */
	CONFIG_OPTIONS_MAX = 96,
	CONFIG_EXIT_STATUS = 2, /* of the programs, for a wrong config or command line */
};

#define CONFIG_DEFAULT_PATH "/etc/tierd/tierd.conf"
#define CONFIG_DEFAULT_RUN_DIR "/run/tierd"
#define CONFIG_DEFAULT_CONTROL_GROUP "tierd" /* need not exist */
#define CONFIG_DEFAULT_RECORD_DIR "/var/lib/tierd/traces"
#define CONFIG_DEFAULT_STATE_FILE "/var/lib/tierd/state"

enum log_level {
	LOG_QUIET,  /* warnings and errors */
	LOG_NORMAL, /* and decisions and changes of state */
	LOG_DEBUG,
};

struct app_config {
	struct engine_config engine;
	char min_tier[EVENT_TIER_NAME_LEN]; /* engine.min_tier by name */

	char run_dir[CONFIG_PATH_LEN];
	char control_group[CONFIG_PATH_LEN]; /* that the FIFOs belong to; "" = none */
	uint32_t source;         /* enum pressure_source; SOURCE_NONE = auto, the best that works */
	uint64_t window_ns;      /* between two walks while something presses ... */
	uint64_t window_calm_ns; /* ... and while nothing does */
	uint64_t urgent_stall_ns; /* a process that stalled for memory this long is reported now */
	uint64_t report_floor_ns; /* less stall and CPU time than this is not reported */
	uint64_t ring_bulk_bytes; /* powers of two */
	uint64_t ring_urgent_bytes;
	uint32_t ignore_nice;            /* CPU use above this nice value is background */
	char decisions[CONFIG_PATH_LEN]; /* NDJSON goes there; "" = nowhere, "-" = stdout */
	uint64_t decisions_max_bytes;
	char record[CONFIG_PATH_LEN];     /* everything is recorded there; "" = nowhere */
	uint64_t record_max_bytes;        /* of one file of a recording */
	uint32_t record_keep;             /* files of a recording */
	char record_dir[CONFIG_PATH_LEN]; /* of recordings that are asked for while it runs */
	char state_file[CONFIG_PATH_LEN]; /* what is kept over a restart; "" = nothing */
	bool is_dry_run;
	uint32_t log_level; /* enum log_level */

	/* The model's processes; each may be "" = not said. */
	char model_cgroup[CONFIG_PATH_LEN];
	char model_exe[CONFIG_PATH_LEN];
	char model_pid_file[CONFIG_PATH_LEN];
};

/* Options from the command line: pointers into argv, by row of the option table. */
struct config_overrides {
	const char *values[CONFIG_OPTIONS_MAX]; /* NULL = not given */
	bool is_ladder_optional;                /* for who has a ladder of its own */
};

struct config_arguments {
	const char *config_path; /* NULL = not given */
	struct config_overrides overrides;
};

/* A tier without name and memory, and with the defaults of the rest. */
void config_set_tier_defaults(struct tier *ret_tier);

/* Defaults only; the ladder holds nothing but `off`. */
void config_set_defaults(struct app_config *ret_config);

/*
 * Builds a config from the text of a file. name is what errors call it; overrides may be NULL.
 * Returns 0; or -EINVAL and one line in error ("NAME:LINE: SECTION.KEY: what is wrong; what is
 * allowed"), which holds printable characters only. *ret_config is untouched on failure.
 */
int config_load_text(const char *text, size_t len, const char *name,
		     const struct config_overrides *overrides, struct app_config *ret_config,
		     char *error, size_t error_size);

/*
 * The same from a file, which must be a regular one. Also -ENOENT, -EACCES and the like, with
 * their line in error.
 */
int config_load_file(const char *path, const struct config_overrides *overrides,
		     struct app_config *ret_config, char *error, size_t error_size);

/*
 * The command line of tierd. Takes --help, --usage and --version and ends the process; so does
 * an unknown option (CONFIG_EXIT_STATUS). Values are checked when the config is loaded.
 */
void config_parse_arguments(int argc, char **argv, struct config_arguments *ret_arguments);

enum config_style {
	CONFIG_PLAIN,     /* every option, no comments: what a trace keeps */
	CONFIG_COMMENTED, /* for people: defaults are commented out, with their help */
};

/*
 * Writes config as a file that config_load_text() reads back to the same config. heading is a
 * comment at the top (several lines; may be NULL). Returns 0 or -EIO.
 */
int config_write(FILE *file, const struct app_config *config, enum config_style style,
		 const char *heading);

/* A commented config with all defaults and an example ladder. */
int config_write_example(FILE *file);

/* The reference of all options: section, key, default, allowed values, meaning. */
int config_write_help(FILE *file);

#endif
