/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small text that is kept over restarts: read whole or not at all, replaced at once or not at
 * all.
 *
 * The text is one line, and a second line holds its CRC32 (zlib's): what does not match is damaged.
 * Only a file that looks like one of ours is ever renamed or replaced.
 */
#ifndef TIERD_IO_STATE_FILE_H
#define TIERD_IO_STATE_FILE_H

#include <stdbool.h>
#include <stddef.h>

/* How every text begins; what begins otherwise is not ours. */
#define STATE_FILE_MAGIC "{\"tierd_state\":"

enum {
	STATE_FILE_MAX = 64 * 1024, /* bytes, with the line of the CRC */
	STATE_FILE_ROOM = 32,       /* for that line */
	STATE_FILE_NAME_LEN = 240,  /* with its NUL, and with room for what is put behind it */
};

/*
 * Reads the text of the file called name in dir_fd, without the line of the CRC, and ends it with a
 * NUL. buffer has STATE_FILE_MAX bytes. Returns its length; or negative errno, and one line in
 * error that says what is wrong (nothing if there is no such file, -ENOENT):
 *   -EBADMSG  it is one of ours, and damaged
 *   -EPERM    it is one of ours, and somebody else could have written it
 *   -EEXIST   something is there that is not ours: leave it alone
 */
int state_file_read(int dir_fd, const char *name, char *buffer, char *error, size_t error_size);

/*
 * Puts text, one line with its newline, in the place of what is there. is_synced: and waits until
 * it is on the disk. Returns 0; or negative errno, and the file is as it was.
 */
int state_file_write(int dir_fd, const char *name, const char *text, size_t len, bool is_synced);

/* Renames it to NAME.bad, in the place of what is there. Returns 0 or negative errno. */
int state_file_set_aside(int dir_fd, const char *name);

#endif
