/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of an engine as one line of JSON, as the state file and traces keep it; and back, with
 * everything checked: bytes are hostile until then.
 *
 * A member that is missing reads as 0, unknown ones are ignored, so that both an older and a newer
 * version of the same format can be read; what is not so compatible gets another version.
 */
#ifndef TIERD_APP_STATE_TEXT_H
#define TIERD_APP_STATE_TEXT_H

#include <stddef.h>

#include "core/state.h"

enum {
	STATE_TEXT_VERSION = 1,
	STATE_TEXT_MAX = 60 * 1024, /* more than any state takes, with its NUL; but see below */
	STATE_BOOT_ID_LEN = 40,     /* with its NUL */
};

/*
 * Writes the line with its newline; boot_id is that of the clock. *ret_lasting is where in it those
 * members begin that say more than how time passes: of two states they may be compared. What was
 * learned of calm is left out where the rest leaves no room for it. Returns the length, or
 * -EMSGSIZE.
 */
int state_text_write(const struct engine_state *state, const char *boot_id, char *buffer,
		     size_t size, size_t *ret_lasting);

/*
 * Reads it back. Returns 0; or -EINVAL (-ENOMEM), and what is wrong in error. Outputs are untouched
 * on failure.
 */
int state_text_read(const char *text, size_t len, struct engine_state *ret_state,
		    char ret_boot_id[STATE_BOOT_ID_LEN], char *error, size_t error_size);

#endif
