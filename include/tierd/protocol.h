/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FIFO protocol, version 1.
 *
 * A line is `verb key=value ...`, UTF-8, at most PIPE_BUF (4096) bytes with its newline, so that
 * writes are atomic (pipe(7)). Values are words: a byte that is not printable ASCII, a blank, `%`
 * or `=` is written as %XX. Unknown keys are ignored; unknown verbs, missing keys and malformed
 * values are counted, logged and change nothing.
 *
 * Agent to manager (manager.fifo):
 *   switch seq=N from=TIER to=TIER mode=planned|immediate overlap=0|1 deadline_ms=N reason=WORD|-
 *          culprit=COMM:PID|-
 *   cancel seq=N
 *   notify seq=N text=TEXT
 *   state seq=N wanted=TIER actual=TIER|? phase=steady|draining|loading|settling paused=0|1
 *         [version=N]
 *
 * In COMM a `:` is written as %3A too: the one that is left stands before PID. COMM may decode to
 * any bytes (it is what the process calls itself), every other value to text without control
 * characters. A value that would be just `-` or `?` is written as %2D or %3F where these mean
 * "none" or "not known".
 *
 * `notify` follows the `switch` of a step down and says in a plain sentence, for people, what is
 * done and why; a manager shows it or leaves it.
 *
 * `state` repeats the wanted tier when a reader appears and as a heartbeat: the wanted tier is a
 * level, not an edge, so a manager that restarts or loses a line converges. version is that of the
 * protocol which the agent speaks.
 *
 * Manager and people to agent (control.fifo):
 *   hello [tier=TIER] [pid=PID] [version=N]
 *   ack seq=N state=draining|loading|done|failed
 *   task-begin id=ID [tier=TIER]
 *   task-end id=ID ms=N ok=0|1 [tier=TIER] [tokens=N] [ttft_ms=N]
 *   preflight [tier=TIER] [memory=N] [vram=N] [millicpus=N] [pid=PID] [ask_only=0|1]
 *          [format=text|json] reply=NAME
 *   status [format=text|json] [cost=0|1] reply=NAME
 *   watch [format=text|json] reply=NAME
 *   pin tier=TIER [for_s=N] [reply=NAME]   unpin [reply=NAME]
 *   pause [reply=NAME]   resume [reply=NAME]   reload [reply=NAME]
 *   record name=NAME [reply=NAME]   record-stop [reply=NAME]
 *
 * ID is the manager's own name for a task (a request), up to 63 bytes, that no other running task
 * has. A task runs on the tier that its task-begin names, else on the one that serves; task-begin
 * may be left out. ms is how long it took, tokens how many it made, ttft_ms the time to the first
 * of them. A hello ends all tasks of before.
 *
 * preflight asks whether something can be loaded now: a tier instead of the one in place, or memory
 * (bytes) beside it, with vram (bytes of one GPU) and millicpus (thousandths of a core). One of
 * tier and memory must be there, not both. pid is the process that is to take it, for the limits of
 * control groups that it shares with the model; the agent's own stands for one that is not said. A
 * yes reserves what was asked for, for the configured time, unless ask_only says otherwise.
 *
 * `pin` asks for exactly that tier, for N seconds or until `unpin`; another pin replaces it. It is
 * stepped to as planned (a drain, never a cut), without waiting for calm, and while it is in force
 * the agent neither steps up nor down by itself. Refused, and nothing changed, where there is no
 * such tier, it is below min_tier, or use with it would be over degrade_above: `error` names need
 * and have. What protects the host at once (OOM kill, use over degrade_above, urgent stall) goes
 * before it, and so does a manager that cannot load the tier: the pin is overridden then, and comes
 * back after the usual calm. A pin outlives hello and reload; while paused it waits, and its time
 * runs on. `unpin` of nothing is `ok`.
 *
 * status with cost=1 is answered after a second, with what the agent cost in it; others who ask
 * meanwhile are answered together with the first, eight at most: a ninth gets `error`.
 *
 * `watch` is answered by `ok` and then by one line for each decision, as it is made, until the
 * asker closes its FIFO or the agent ends (`end`). Nothing waits for a slow asker: lines that find
 * no room in its FIFO are lost, and a line `lost N` ({"lost":N} as JSON) says how many. There may
 * be four of them; a fifth gets `error`.
 *
 * NAME of record is a file that does not exist, in the directory that the agent's configuration
 * names. NAME of a reply is a FIFO that the asker made in replies/ of the run directory. A reply is
 * one or more lines and ends with a line `end`; its first line is `ok` or `error TEXT`.
 *
 * One table holds all of this, for both directions and for parsing and formatting: a new verb is a
 * row of user/base/protocol_table.c, and a field below where it has a new key.
 */
#ifndef TIERD_PROTOCOL_H
#define TIERD_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tierd/event.h"

enum {
	PROTOCOL_VERSION = 1,
	PROTOCOL_LINE_MAX = 4096, /* PIPE_BUF on Linux, with the newline */
	PROTOCOL_NAME_LEN = 64,   /* of a file in a directory of the agent's, with its NUL */
	PROTOCOL_REASON_LEN = 32,
	PROTOCOL_NOTICE_LEN = 384, /* of the text of a notify line, with its NUL */
};

#define PROTOCOL_MANAGER_FIFO "manager.fifo"
#define PROTOCOL_MANAGER_LOCK "manager.fifo.lock" /* flock: whoever holds it is the one reader */
#define PROTOCOL_CONTROL_FIFO "control.fifo"
#define PROTOCOL_REPLY_DIR "replies"

enum switch_mode {
	SWITCH_PLANNED,   /* drain first */
	SWITCH_IMMEDIATE, /* at once */
};

enum manager_verb {
	MANAGER_SWITCH = 1,
	MANAGER_CANCEL,
	MANAGER_STATE,
	MANAGER_NOTIFY,
};

/* A line of manager.fifo; tiers by name, so that it can be written without the ladder. */
struct manager_line {
	uint32_t verb; /* enum manager_verb */
	uint32_t mode; /* enum switch_mode */
	uint64_t seq;
	uint64_t deadline_ms;
	uint32_t phase; /* enum switch_state */
	bool is_overlap_allowed;
	bool is_paused;
	bool is_actual_known;
	uint32_t culprit_pid;               /* 0 = nobody */
	char culprit_comm[RECORD_COMM_LEN]; /* may hold any bytes */
	char from[EVENT_TIER_NAME_LEN];     /* state: the actual tier */
	char to[EVENT_TIER_NAME_LEN];       /* state: the wanted tier */
	char reason[PROTOCOL_REASON_LEN];   /* "" = none */
	uint32_t version;                   /* state: PROTOCOL_VERSION of the agent, 0 = not said */
	char text[PROTOCOL_NOTICE_LEN];     /* notify */
};

enum control_verb {
	CONTROL_HELLO = 1,
	CONTROL_ACK,
	CONTROL_STATUS,
	CONTROL_PAUSE,
	CONTROL_RESUME,
	CONTROL_RELOAD,
	CONTROL_RECORD,
	CONTROL_RECORD_STOP,
	CONTROL_TASK_BEGIN,
	CONTROL_TASK_END,
	CONTROL_PREFLIGHT,
	CONTROL_PIN,
	CONTROL_UNPIN,
	CONTROL_WATCH,
};

/* A line of control.fifo. What is optional is "not said" where it is 0, false or "". */
struct control_line {
	uint32_t verb;                 /* enum control_verb */
	struct event_command command;  /* hello, ack, pause, resume, task, pin: as the engine takes
					* it */
	bool is_json;                  /* status, preflight, watch */
	bool is_cost_asked;            /* status */
	char name[PROTOCOL_NAME_LEN];  /* record */
	char reply[PROTOCOL_NAME_LEN]; /* "" = no reply wanted */
	uint32_t version;              /* hello: PROTOCOL_VERSION of the manager */
};

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Write one line with its newline and a NUL. Return its length without the NUL; -EMSGSIZE if it
 * does not fit into size or PROTOCOL_LINE_MAX; -EINVAL if a field holds what no line can say (an
 * unknown verb, a value that is missing or holds control characters). A text that fills its field
 * without a NUL is cut by one byte. command.verb need not be set.
 */
int protocol_format_manager_line(const struct manager_line *line, char *buffer, size_t size);
int protocol_format_control_line(const struct control_line *line, char *buffer, size_t size);

/*
 * Parse one line without its newline; len bytes, which may hold anything. Return 0; or -EINVAL
 * and a message for people in error (the message never contains raw bytes of the line). Then
 * *ret_line is untouched.
 */
int protocol_parse_control_line(const char *line, size_t len, struct control_line *ret_line,
				char *error, size_t error_size);
int protocol_parse_manager_line(const char *line, size_t len, struct manager_line *ret_line,
				char *error, size_t error_size);

/* Writes value as one word (%XX where needed), NUL-terminated, cut to whole characters. */
void protocol_escape(const char *value, size_t len, char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
