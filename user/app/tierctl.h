/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * tierctl: one file per subcommand, one table of them (tierctl.c). Each subcommand describes its
 * options to argp, which makes --help and complains about the rest.
 */
#ifndef TIERD_APP_TIERCTL_H
#define TIERD_APP_TIERCTL_H

#include <argp.h>
#include <stdbool.h>
#include <stddef.h>

#include "tierd/protocol.h"

enum tierctl_exit {
	TIERCTL_OK = 0,
	TIERCTL_NO = 1,          /* a negative answer, or something failed */
	TIERCTL_USAGE = 2,       /* command line or config */
	TIERCTL_UNAVAILABLE = 3, /* no privilege, no agent, no answer from it */
	TIERCTL_BAD_INPUT = 4,   /* a trace or CSV file that is none */
};

enum {
	TIERCTL_OPERANDS_MAX = 4096,
};

/* Options that several subcommands have; each argp_option names its key. */
enum tierctl_key {
	TIERCTL_KEY_RUN_DIR = 0x1000,
	TIERCTL_KEY_JSON,
	TIERCTL_KEY_FORCE,
	TIERCTL_KEY_PRESET,
	TIERCTL_KEY_OPTIONS,
	TIERCTL_KEY_EXAMPLE,
	TIERCTL_KEY_WRITE,
	TIERCTL_KEY_TIER,
	TIERCTL_KEY_PID,
	TIERCTL_KEY_CONFIG,
	TIERCTL_KEY_POLICY,
	TIERCTL_KEY_FROM,
	TIERCTL_KEY_TO,
	TIERCTL_KEY_MEMORY,
	TIERCTL_KEY_OUTPUT, /* -o, --output */
	TIERCTL_KEY_CSV,
	TIERCTL_KEY_REQUESTS,
	TIERCTL_KEY_LOW,
	TIERCTL_KEY_HIGH,
	TIERCTL_KEY_TOKEN_TIME,
	TIERCTL_KEY_DURATION,
	TIERCTL_KEY_STOP,
	TIERCTL_KEY_ALONE,
	TIERCTL_KEY_TOKENS,
	TIERCTL_KEY_TTFT_MS,
	TIERCTL_KEY_VRAM,
	TIERCTL_KEY_CPUS,
	TIERCTL_KEY_ASK_ONLY,
	TIERCTL_KEY_FOR,
	TIERCTL_KEY_COST,
	TIERCTL_KEY_COUNT,
};

/* The command line after parsing. A flag has the value "". */
struct tierctl {
	const char *run_dir;
	const char *values[TIERCTL_KEY_COUNT - TIERCTL_KEY_RUN_DIR]; /* NULL = not given */
	const char *operands[TIERCTL_OPERANDS_MAX];
	unsigned int operand_count;
};

struct tierctl_command {
	const char *name;
	const char *operands; /* for the usage line; NULL = none */
	unsigned int operands_min;
	unsigned int operands_max;
	const char *help;                  /* one line; more for its own --help after a \v */
	const struct argp_option *options; /* ends with {0}; NULL = none */
	int (*run)(const struct tierctl *tierctl);
};

extern const struct tierctl_command TIERCTL_STATUS;
extern const struct tierctl_command TIERCTL_PAUSE;
extern const struct tierctl_command TIERCTL_RESUME;
extern const struct tierctl_command TIERCTL_RELOAD;
extern const struct tierctl_command TIERCTL_WATCH;
extern const struct tierctl_command TIERCTL_PIN;
extern const struct tierctl_command TIERCTL_UNPIN;
extern const struct tierctl_command TIERCTL_HELLO;
extern const struct tierctl_command TIERCTL_ACK;
extern const struct tierctl_command TIERCTL_TASK_BEGIN;
extern const struct tierctl_command TIERCTL_TASK_END;
extern const struct tierctl_command TIERCTL_LISTEN;
extern const struct tierctl_command TIERCTL_PREFLIGHT;
extern const struct tierctl_command TIERCTL_CHECK_CONFIG;
extern const struct tierctl_command TIERCTL_DETECT;
extern const struct tierctl_command TIERCTL_DOCTOR;
extern const struct tierctl_command TIERCTL_RECORD;
extern const struct tierctl_command TIERCTL_TRACE;
extern const struct tierctl_command TIERCTL_REPLAY;
extern const struct tierctl_command TIERCTL_IMPORT;
extern const struct tierctl_command TIERCTL_SCORE;

/* All of main(). Usage errors end the process with TIERCTL_USAGE. */
int tierctl_run(int argc, char **argv);

/* The option's value, NULL if it was not given. */
const char *tierctl_get(const struct tierctl *tierctl, enum tierctl_key key);

/* Asks the agent, prints the body of its answer, and says on stderr what failed. */
int tierctl_ask(const struct tierctl *tierctl, const struct control_line *line);

/* The same; prints nothing. *ret_text is to be freed where this returns TIERCTL_OK. */
int tierctl_ask_for_text(const struct tierctl *tierctl, const struct control_line *line,
			 char **ret_text);

/* Says on stderr why the agent could not be talked to. Returns TIERCTL_UNAVAILABLE. */
int tierctl_complain(const struct tierctl *tierctl, int result);

/* Flushes stdout. Returns status, or TIERCTL_NO if what was printed got lost. */
int tierctl_finish(int status);

#endif
