/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The FIFO protocol's writing side: lines for manager.fifo, and words that any bytes fit into.
 * One table of verbs and their keys, in the order in which they are written.
 */
#include "tierd/protocol.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"

enum {
	WORD_MAX = 256, /* longer than any field of a line, escaped */
};

static bool is_plain(unsigned char byte)
{
	return byte > ' ' && byte < 0x7f && byte != '%' && byte != '=';
}

/* reserved: one more byte to be escaped, or NUL (which always is). */
static void escape(const char *value, size_t len, char reserved, char *buffer, size_t size)
{
	size_t used = 0;

	for (size_t at = 0; at < len;) {
		size_t char_len = utf8_char_len(value + at, len - at);
		char text[4 * 3 + 1]; /* four bytes as %XX */
		size_t text_len = 0;

		if (char_len == 0)
			char_len = 1;
		for (size_t i = 0; i < char_len; i++) {
			unsigned char byte = (unsigned char)value[at + i];

			if (is_plain(byte) && byte != (unsigned char)reserved)
				text[text_len++] = (char)byte;
			else
				text_len += (size_t)sprintf(text + text_len, "%%%02X", byte);
		}
		if (used + text_len >= size)
			break;
		memcpy(buffer + used, text, text_len);
		used += text_len;
		at += char_len;
	}
	buffer[used] = '\0';
}

void protocol_escape(const char *value, size_t len, char *buffer, size_t size)
{
	escape(value, len, '\0', buffer, size);
}

struct output {
	char *buffer;
	size_t size;
	size_t len; /* may exceed size: then nothing more was written */
};

__attribute__((format(printf, 2, 3))) static void output_add(struct output *out, const char *format,
							     ...)
{
	va_list arguments;
	int added;

	if (out->len >= out->size)
		return;
	va_start(arguments, format);
	added = vsnprintf(out->buffer + out->len, out->size - out->len, format, arguments);
	va_end(arguments);
	out->len += (size_t)added;
}

static void output_add_word(struct output *out, const char *value, size_t size)
{
	char word[WORD_MAX];

	protocol_escape(value, strnlen(value, size), word, sizeof(word));
	output_add(out, "%s", word[0] ? word : "-");
}

static const char *const MODE_NAMES[] = {
	[SWITCH_PLANNED] = "planned",
	[SWITCH_IMMEDIATE] = "immediate",
};

/* In the order of enum switch_state, which belongs to the core. */
static const char *const PHASE_NAMES[] = {"steady", "draining", "loading", "settling"};

static void write_seq(struct output *out, const struct manager_line *line)
{
	output_add(out, "%llu", (unsigned long long)line->seq);
}

static void write_from(struct output *out, const struct manager_line *line)
{
	output_add_word(out, line->from, sizeof(line->from));
}

static void write_to(struct output *out, const struct manager_line *line)
{
	output_add_word(out, line->to, sizeof(line->to));
}

static void write_mode(struct output *out, const struct manager_line *line)
{
	output_add(out, "%s", MODE_NAMES[line->mode]);
}

static void write_overlap(struct output *out, const struct manager_line *line)
{
	output_add(out, "%d", line->is_overlap_allowed);
}

static void write_deadline(struct output *out, const struct manager_line *line)
{
	output_add(out, "%llu", (unsigned long long)line->deadline_ms);
}

static void write_reason(struct output *out, const struct manager_line *line)
{
	output_add_word(out, line->reason, sizeof(line->reason));
}

static void write_culprit(struct output *out, const struct manager_line *line)
{
	char comm[WORD_MAX];

	if (line->culprit_pid == 0) {
		output_add(out, "-");
		return;
	}
	escape(line->culprit_comm, strnlen(line->culprit_comm, sizeof(line->culprit_comm)), ':',
	       comm, sizeof(comm));
	output_add(out, "%s:%u", comm[0] ? comm : "-", line->culprit_pid);
}

static void write_actual(struct output *out, const struct manager_line *line)
{
	if (line->is_actual_known)
		write_from(out, line);
	else
		output_add(out, "?");
}

static void write_phase(struct output *out, const struct manager_line *line)
{
	output_add(out, "%s", PHASE_NAMES[line->phase]);
}

static void write_paused(struct output *out, const struct manager_line *line)
{
	output_add(out, "%d", line->is_paused);
}

struct manager_key {
	const char *name;
	void (*write)(struct output *out, const struct manager_line *line);
};

static const struct {
	const char *name;
	struct manager_key keys[8];
} MANAGER_VERBS[] = {
	[MANAGER_SWITCH] = {"switch",
			    {{"seq", write_seq},
			     {"from", write_from},
			     {"to", write_to},
			     {"mode", write_mode},
			     {"overlap", write_overlap},
			     {"deadline_ms", write_deadline},
			     {"reason", write_reason},
			     {"culprit", write_culprit}}},
	[MANAGER_CANCEL] = {"cancel", {{"seq", write_seq}}},
	[MANAGER_STATE] = {"state",
			   {{"seq", write_seq},
			    {"wanted", write_to},
			    {"actual", write_actual},
			    {"phase", write_phase},
			    {"paused", write_paused}}},
};

int protocol_format_notice(uint64_t seq, const char *text, char *buffer, size_t size)
{
	struct output out = {buffer, size, 0};
	char word[3 * PROTOCOL_NOTICE_LEN]; /* every byte may become %XX */

	protocol_escape(text, strnlen(text, PROTOCOL_NOTICE_LEN - 1), word, sizeof(word));
	output_add(&out, "notify seq=%llu text=%s\n", (unsigned long long)seq,
		   word[0] ? word : "-");
	return out.len >= size || out.len > PROTOCOL_LINE_MAX ? -EMSGSIZE : (int)out.len;
}

int protocol_format_manager_line(const struct manager_line *line, char *buffer, size_t size)
{
	struct output out = {buffer, size, 0};

	if (line->verb == 0 || line->verb >= ARRAY_SIZE(MANAGER_VERBS) ||
	    line->mode >= ARRAY_SIZE(MODE_NAMES) || line->phase >= ARRAY_SIZE(PHASE_NAMES))
		return -EINVAL;
	output_add(&out, "%s", MANAGER_VERBS[line->verb].name);
	for (size_t i = 0; i < ARRAY_SIZE(MANAGER_VERBS[0].keys); i++) {
		const struct manager_key *key = &MANAGER_VERBS[line->verb].keys[i];

		if (!key->name)
			break;
		output_add(&out, " %s=", key->name);
		key->write(&out, line);
	}
	output_add(&out, "\n");
	return out.len >= size || out.len > PROTOCOL_LINE_MAX ? -EMSGSIZE : (int)out.len;
}
