/* SPDX-License-Identifier: BSD-2-Clause */
/* tierctl's frame: the table of subcommands, options, help, and talking to the agent. */
#include "tierctl.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "client/client.h"
#include "options.h"
#include "version.h"

enum {
	NAME_LEN = 64,
};

static const struct tierctl_command *const COMMANDS[] = {
	&TIERCTL_STATUS,   &TIERCTL_PAUSE,     &TIERCTL_RESUME, &TIERCTL_RELOAD,
	&TIERCTL_HELLO,    &TIERCTL_ACK,       &TIERCTL_LISTEN, &TIERCTL_CHECK_CONFIG,
	&TIERCTL_DETECT,   &TIERCTL_DOCTOR,    &TIERCTL_RECORD, &TIERCTL_TRACE,
	&TIERCTL_REPLAY,   &TIERCTL_IMPORT,    &TIERCTL_SCORE,  &TIERCTL_TASK_BEGIN,
	&TIERCTL_TASK_END, &TIERCTL_PREFLIGHT, &TIERCTL_WATCH,  &TIERCTL_PIN,
	&TIERCTL_UNPIN,
};

static const struct argp_option COMMON_OPTIONS[] = {
	{"run-dir", TIERCTL_KEY_RUN_DIR, "DIR", 0,
	 "Run directory of the agent [" CONFIG_DEFAULT_RUN_DIR "]", -1},
	{0},
};

/* What the parsers share: the command line, and what the subcommand takes. */
struct parse {
	struct tierctl *tierctl;
	const struct tierctl_command *command;
};

const char *tierctl_get(const struct tierctl *tierctl, enum tierctl_key key)
{
	return tierctl->values[key - TIERCTL_KEY_RUN_DIR];
}

static error_t parse_operand(struct parse *parse, char *value, struct argp_state *state)
{
	struct tierctl *tierctl = parse->tierctl;

	if (tierctl->operand_count == parse->command->operands_max)
		argp_error(state, "too many arguments: %s", value);
	else
		tierctl->operands[tierctl->operand_count++] = value;
	return 0;
}

static error_t parse_option(int key, char *value, struct argp_state *state)
{
	struct parse *parse = state->input;

	/* The one option with a letter. */
	if (key == 'o')
		key = TIERCTL_KEY_OUTPUT;
	switch (key) {
	case ARGP_KEY_ARG:
		return parse_operand(parse, value, state);
	case ARGP_KEY_END:
		if (parse->tierctl->operand_count < parse->command->operands_min)
			argp_error(state, "too few arguments");
		return 0;
	default:
		if (key < TIERCTL_KEY_RUN_DIR || key >= TIERCTL_KEY_COUNT)
			return ARGP_ERR_UNKNOWN;
		parse->tierctl->values[key - TIERCTL_KEY_RUN_DIR] = value ? value : "";
		return 0;
	}
}

static error_t parse_common(int key, char *value, struct argp_state *state)
{
	struct parse *parse = state->input;

	if (key != TIERCTL_KEY_RUN_DIR)
		return ARGP_ERR_UNKNOWN;
	parse->tierctl->run_dir = value;
	return 0;
}

static error_t parse_with_children(int key, char *value, struct argp_state *state)
{
	if (key == ARGP_KEY_INIT)
		state->child_inputs[0] = state->input;
	return parse_option(key, value, state);
}

static int run_command(const struct tierctl_command *command, struct tierctl *tierctl, int argc,
		       char **argv)
{
	const struct argp common = {.options = COMMON_OPTIONS, .parser = parse_common};
	const struct argp_child children[] = {{&common, 0, NULL, 0}, {0}};
	const struct argp argp = {
		.options = command->options,
		.parser = parse_with_children,
		.args_doc = command->operands,
		.doc = command->help,
		.children = children,
	};
	struct parse parse = {.tierctl = tierctl, .command = command};
	char name[NAME_LEN];

	/* argp calls the program what argv[0] says. */
	char *own = argv[0];
	snprintf(name, sizeof(name), "tierctl %s", command->name);
	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &parse);
	argv[0] = own;
	return command->run(tierctl);
}

static void print_help(FILE *file)
{
	fputs("Usage: tierctl [--run-dir DIR] COMMAND [ARGUMENT...]\n\n"
	      "Talks to tierd, the host agent for local language models, and prepares its "
	      "config.\n\n"
	      "Commands:\n",
	      file);
	for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++) {
		char usage[NAME_LEN];
		const char *operands = COMMANDS[i]->operands;

		snprintf(usage, sizeof(usage), "%s %s", COMMANDS[i]->name,
			 operands ? operands : "");
		/* What follows \v is for the help of the command alone. */
		fprintf(file, "  %-20s %.*s\n", usage, (int)strcspn(COMMANDS[i]->help, "\v"),
			COMMANDS[i]->help);
	}
	fputs("\nOptions:\n"
	      "  --run-dir DIR        run directory of the agent [" CONFIG_DEFAULT_RUN_DIR "]\n"
	      "  --help               this help; `tierctl COMMAND --help` for one command\n"
	      "  --version            the version\n\n"
	      "Exit status: 0 done or yes, 1 no or failed, 2 wrong usage or config, 3 no "
	      "privilege,\n"
	      "no agent, or no answer from it, 4 a file of data that cannot be used.\n",
	      file);
}

static const struct tierctl_command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(COMMANDS); i++) {
		if (strcmp(COMMANDS[i]->name, name) == 0)
			return COMMANDS[i];
	}
	return NULL;
}

static int complain_usage(const char *what, const char *argument)
{
	fprintf(stderr, "tierctl: %s%s; try `tierctl --help`\n", what, argument);
	return TIERCTL_USAGE;
}

/*
 * Options before the subcommand. Returns the index of the first other argument; or -1 after
 * setting *ret_status, when there is nothing more to do.
 */
static int parse_global(int argc, char **argv, struct tierctl *tierctl, int *ret_status)
{
	static const char RUN_DIR[] = "--run-dir";
	size_t len = sizeof(RUN_DIR) - 1;
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-?") == 0) {
			print_help(stdout);
			*ret_status = tierctl_finish(TIERCTL_OK);
			return -1;
		}
		if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0) {
			printf("tierctl %s\n", TIERD_VERSION);
			*ret_status = tierctl_finish(TIERCTL_OK);
			return -1;
		}
		if (strcmp(argv[i], RUN_DIR) == 0 && i + 1 < argc) {
			tierctl->run_dir = argv[++i];
		} else if (strncmp(argv[i], RUN_DIR, len) == 0 && argv[i][len] == '=') {
			tierctl->run_dir = argv[i] + len + 1;
		} else {
			*ret_status = complain_usage("unknown or incomplete option ", argv[i]);
			return -1;
		}
	}
	return i;
}

int tierctl_run(int argc, char **argv)
{
	struct tierctl tierctl = {.run_dir = CONFIG_DEFAULT_RUN_DIR};
	int status = TIERCTL_OK;
	int first = parse_global(argc, argv, &tierctl, &status);

	/* A reader that leaves shows as a failed write, not as a signal. */
	signal(SIGPIPE, SIG_IGN);
	argp_err_exit_status = TIERCTL_USAGE;
	argp_program_version = "tierctl " TIERD_VERSION;
	if (first < 0)
		return status;
	if (first == argc) {
		print_help(stderr);
		return TIERCTL_USAGE;
	}
	const struct tierctl_command *command = find_command(argv[first]);
	if (!command)
		return complain_usage("no such command: ", argv[first]);
	return tierctl_finish(run_command(command, &tierctl, argc - first, argv + first));
}

int tierctl_complain(const struct tierctl *tierctl, int result)
{
	fprintf(stderr, "tierctl: %s: %s\n", tierctl->run_dir, tierd_explain(result));
	return TIERCTL_UNAVAILABLE;
}

int tierctl_ask_for_text(const struct tierctl *tierctl, const struct control_line *line,
			 char **ret_text)
{
	struct tierd_reply reply;
	int r = tierd_request(tierctl->run_dir, line, TIERD_CLIENT_TIMEOUT_MS, &reply);

	if (r < 0)
		return tierctl_complain(tierctl, r);
	if (reply.is_ok) {
		*ret_text = reply.text;
		return TIERCTL_OK;
	}
	fprintf(stderr, "tierctl: the agent says: %s", reply.text);
	tierd_reply_free(&reply);
	return TIERCTL_NO;
}

int tierctl_ask(const struct tierctl *tierctl, const struct control_line *line)
{
	_cleanup_free_ char *text = NULL;
	int status = tierctl_ask_for_text(tierctl, line, &text);

	if (status == TIERCTL_OK)
		fputs(text, stdout);
	return status;
}

int tierctl_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return status == TIERCTL_OK ? TIERCTL_NO : status;
}
