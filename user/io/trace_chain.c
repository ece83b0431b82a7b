/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding segments. A name alone proves nothing: a predecessor is one that has the same id and the
 * number before.
 */
#include "io/trace_chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "io/trace_name.h"

enum {
	QUOTED_LEN = 200,
	CHAIN_STEP = 16,
};

static int fail(int result, const char *path, char *error, size_t error_size)
{
	char quoted[QUOTED_LEN];

	snprintf(error, error_size, "%s: %s",
		 utf8_copy_printable(path, strlen(path), quoted, sizeof(quoted)),
		 strerror(-result));
	return result;
}

int trace_chain_open_segment(const struct trace_chain *chain, uint32_t index,
			     struct trace_segment *ret_segment, char *error, size_t error_size)
{
	return trace_segment_open(chain->dir_fd, chain->names[index], ret_segment, error,
				  error_size);
}

/* Newest first, while the chain is being found. */
static int add_name(struct trace_chain *chain, const char *name)
{
	if (chain->count % CHAIN_STEP == 0) {
		void *names = realloc(chain->names,
				      (chain->count + CHAIN_STEP) * sizeof(chain->names[0]));

		if (!names)
			return -ENOMEM;
		chain->names = names;
	}
	memcpy(chain->names[chain->count++], name, strlen(name) + 1);
	return 0;
}

/* Whether that file is the segment before *metadata, which is then replaced by its own. */
static bool take_predecessor(const struct trace_chain *chain, const char *name,
			     struct trace_metadata *metadata)
{
	struct trace_segment segment;
	char error[QUOTED_LEN];

	if (trace_segment_open(chain->dir_fd, name, &segment, error, sizeof(error)) < 0)
		return false;
	close(segment.fd);
	if (memcmp(segment.metadata.id, metadata->id, TRACE_ID_LEN) != 0 ||
	    segment.metadata.segment != metadata->segment - 1)
		return false;
	*metadata = segment.metadata;
	return true;
}

/* Its own name; or, of files that were renamed together, the number of it with their new name. */
static bool find_predecessor(const struct trace_chain *chain, struct trace_metadata *metadata,
			     char name[TRACE_NAME_LEN])
{
	const char *given = chain->names[0];
	const char *predecessor = metadata->predecessor;
	const char *suffix = predecessor + trace_name_base_len(predecessor);
	size_t base_len = trace_name_base_len(given);

	if (strchr(predecessor, '/'))
		return false;
	memcpy(name, predecessor, strlen(predecessor) + 1);
	if (take_predecessor(chain, name, metadata))
		return true;
	if (*suffix == '\0' || base_len + TRACE_SUFFIX_LEN >= TRACE_NAME_LEN)
		return false;
	memcpy(name, given, base_len);
	memcpy(name + base_len, suffix, TRACE_SUFFIX_LEN + 1);
	return take_predecessor(chain, name, metadata);
}

static int find_chain(struct trace_chain *chain, struct trace_metadata *metadata)
{
	char name[TRACE_NAME_LEN];

	while (metadata->predecessor[0] && metadata->segment > 1) {
		char missing[TRACE_NAME_LEN];
		int result;

		memcpy(missing, metadata->predecessor, sizeof(missing));
		if (chain->count == TRACE_CHAIN_MAX || !find_predecessor(chain, metadata, name)) {
			memcpy(chain->missing, missing, sizeof(missing));
			return 0;
		}
		result = add_name(chain, name);
		if (result < 0)
			return result;
	}
	return 0;
}

static void reverse(struct trace_chain *chain)
{
	for (uint32_t i = 0; i < chain->count / 2; i++) {
		char name[TRACE_NAME_LEN];
		uint32_t other = chain->count - 1 - i;

		memcpy(name, chain->names[i], sizeof(name));
		memcpy(chain->names[i], chain->names[other], sizeof(name));
		memcpy(chain->names[other], name, sizeof(name));
	}
}

int trace_chain_open(const char *path, bool is_whole, struct trace_chain *ret_chain, char *error,
		     size_t error_size)
{
	_cleanup_(trace_chain_close) struct trace_chain chain = TRACE_CHAIN_CLOSED;
	struct trace_segment segment;
	char name[TRACE_NAME_LEN];
	int result;

	chain.dir_fd = trace_name_open_dir(path, name);
	if (chain.dir_fd < 0)
		return fail(chain.dir_fd, path, error, error_size);
	result = trace_segment_open(chain.dir_fd, name, &segment, error, error_size);
	if (result < 0)
		return result;
	close(segment.fd);
	result = add_name(&chain, name);
	if (result == 0 && is_whole)
		result = find_chain(&chain, &segment.metadata);
	else if (segment.metadata.segment > 1)
		memcpy(chain.missing, segment.metadata.predecessor, sizeof(chain.missing));
	if (result < 0)
		return fail(result, path, error, error_size);
	reverse(&chain);
	*ret_chain = chain;
	chain = TRACE_CHAIN_CLOSED;
	return 0;
}

void trace_chain_close(struct trace_chain *chain)
{
	if (chain->dir_fd >= 0)
		close(chain->dir_fd);
	free(chain->names);
	*chain = TRACE_CHAIN_CLOSED;
}
