/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of the model's processes. Between two readings of smaps_rollup the change of the plain
 * size is added to the proportional one: new pages count as not shared.
 */
#include "io/sampler_model.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"
#include "io/proc.h"
#include "io/sampler.h"

enum {
	NAME_SIZE = 32,
	CHANGE_DIVISOR = 16, /* a change by more than 1/16 makes the proportional size stale ... */
};

/* ... but it is never read more often than this: it walks all page tables of the process. */
#define PSS_INTERVAL_MIN_NS NS_PER_S

static bool is_gone(int err)
{
	return err == -ENOENT || err == -ESRCH;
}

/* A key that is not there counts as 0; *ret_has says whether it was. */
static int find_optional(const char *text, const char *key, uint64_t *ret_bytes, bool *ret_has)
{
	int err = proc_find_number(text, key, ret_bytes);

	*ret_has = err == 0;
	if (err == -ENOENT)
		*ret_bytes = 0;
	return err == -ENOENT ? 0 : err;
}

/* bytes: of anonymous pages, shared memory, files, and locked. */
static struct model_size make_size(const uint64_t bytes[4])
{
	uint64_t own = units_plus(bytes[0], bytes[1]);

	return (struct model_size){
		.used_bytes = units_plus(own, units_min(bytes[2], bytes[3])),
		.kept_bytes = units_plus(own, bytes[2]),
	};
}

/* -ENODATA: a zombie or a kernel thread. */
static int read_plain(int proc_fd, uint32_t pid, char *buffer, size_t size,
		      struct model_size *ret_size)
{
	static const char *const KEYS[] = {"RssAnon", "RssShmem", "RssFile", "VmLck"};
	uint64_t bytes[ARRAY_SIZE(KEYS)];
	bool has[ARRAY_SIZE(KEYS)];
	char name[NAME_SIZE];
	int err;

	(void)snprintf(name, sizeof(name), "%u/status", pid);
	err = proc_read_file(proc_fd, name, buffer, size);
	if (err < 0)
		return err;
	for (size_t i = 0; i < ARRAY_SIZE(KEYS); i++) {
		err = find_optional(buffer, KEYS[i], &bytes[i], &has[i]);
		if (err)
			return err;
	}
	if (!has[0] && !has[1] && !has[2])
		return strncmp(buffer, "Name:", 5) == 0 ? -ENODATA : -EBADMSG;
	if (!has[0] || !has[1] || !has[2])
		return -EBADMSG;
	*ret_size = make_size(bytes);
	return 0;
}

/* The same from the proportional sizes. Fails where the kernel does not let us, or lacks them. */
static int read_pss(int proc_fd, uint32_t pid, char *buffer, size_t size,
		    struct model_size *ret_size)
{
	static const char *const KEYS[] = {"Pss_Anon", "Pss_Shmem", "Pss_File", "Locked"};
	uint64_t bytes[ARRAY_SIZE(KEYS)];
	char name[NAME_SIZE];
	int err;

	(void)snprintf(name, sizeof(name), "%u/smaps_rollup", pid);
	err = proc_read_file(proc_fd, name, buffer, size);
	for (size_t i = 0; err >= 0 && i < ARRAY_SIZE(KEYS); i++)
		err = proc_find_number(buffer, KEYS[i], &bytes[i]);
	if (err < 0)
		return err;
	*ret_size = make_size(bytes);
	return 0;
}

static const struct pss_entry *find_entry(const struct sampler_model *state,
					  const struct model_member *member)
{
	for (unsigned int i = 0; i < state->entry_count; i++) {
		const struct pss_entry *entry = &state->entries[i];

		if (entry->pid == member->pid && entry->start_ticks == member->start_ticks)
			return entry;
	}
	return NULL;
}

static bool has_changed(uint64_t before, uint64_t now)
{
	return (now > before ? now - before : before - now) > before / CHANGE_DIVISOR;
}

static bool is_stale(const struct pss_entry *entry, const struct model_size *plain, uint64_t now_ns)
{
	uint64_t age_ns = units_minus(now_ns, entry->read_at_ns);

	return age_ns >= SAMPLER_PSS_PERIOD_S * NS_PER_S ||
	       (age_ns >= PSS_INTERVAL_MIN_NS &&
		(has_changed(entry->plain.used_bytes, plain->used_bytes) ||
		 has_changed(entry->plain.kept_bytes, plain->kept_bytes)));
}

/* The entry for a member, kept or read anew; where nothing proportional can be had, the plain size
 * stands for it. */
static struct pss_entry make_entry(const struct sampler_model *state,
				   const struct model_member *member,
				   const struct model_size *plain, uint64_t now_ns, char *buffer,
				   size_t size)
{
	const struct pss_entry *known = find_entry(state, member);
	struct pss_entry entry = {
		.pid = member->pid,
		.start_ticks = member->start_ticks,
		.read_at_ns = now_ns,
		.plain = *plain,
		.pss = *plain,
	};

	if (known && !is_stale(known, plain, now_ns))
		return *known;
	(void)read_pss(state->proc_fd, member->pid, buffer, size, &entry.pss);
	return entry;
}

/* What has changed since the proportional size was read is taken not to be shared. */
static struct model_size project(const struct pss_entry *entry, const struct model_size *plain)
{
	return (struct model_size){
		.used_bytes = units_minus(units_plus(entry->pss.used_bytes, plain->used_bytes),
					  entry->plain.used_bytes),
		.kept_bytes = units_minus(units_plus(entry->pss.kept_bytes, plain->kept_bytes),
					  entry->plain.kept_bytes),
	};
}

static void add_usage(struct model_usage *usage, unsigned int depth, const struct model_size *size)
{
	usage->total_bytes = units_plus(usage->total_bytes, size->used_bytes);
	usage->kept_bytes = units_plus(usage->kept_bytes, size->kept_bytes);
	for (unsigned int i = depth; i < CGROUP_DEPTH_MAX; i++)
		usage->level_bytes[i] = units_plus(usage->level_bytes[i], size->used_bytes);
}

int sampler_model_read(struct sampler_model *state, const struct model *model, uint64_t now_ns,
		       char *buffer, size_t size, struct model_usage *ret_usage)
{
	struct model_usage usage = {0};
	const struct model_member *members;
	struct model_size plain[MODEL_MEMBERS_MAX] = {0};
	unsigned int alive[MODEL_MEMBERS_MAX] = {0};
	unsigned int count;

	members = model_get_members(model, &count);
	for (unsigned int i = 0; i < count; i++) {
		int err = read_plain(state->proc_fd, members[i].pid, buffer, size,
				     &plain[usage.process_count]);

		if (err == 0)
			alive[usage.process_count++] = i;
		else if (!is_gone(err) && err != -ENODATA)
			return err;
	}
	for (unsigned int i = 0; i < usage.process_count; i++) {
		const struct model_member *member = &members[alive[i]];
		struct model_size now = plain[i];

		if (usage.process_count > 1) {
			state->next[i] = make_entry(state, member, &plain[i], now_ns, buffer, size);
			now = project(&state->next[i], &plain[i]);
		}
		add_usage(&usage, member->group_depth, &now);
	}
	state->entry_count = usage.process_count > 1 ? usage.process_count : 0;
	memcpy(state->entries, state->next, state->entry_count * sizeof(state->next[0]));
	*ret_usage = usage;
	return 0;
}
