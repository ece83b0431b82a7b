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
	PSS_RESTS = 100,     /* after a reading, this many times the CPU time that it took */
	CHANGE_DIVISOR = 16, /* a change by more than 1/16 makes the proportional size stale ... */
};

/* ... but it is never read more often than this, nor before the reader has rested. */
#define PSS_INTERVAL_MIN_NS NS_PER_S
#define PSS_NO_WAIT_NS NS_PER_S

/* The members that have memory: what they hold, and where they are among all. */
struct alive {
	unsigned int count;
	unsigned int index[MODEL_MEMBERS_MAX];
	struct model_size plain[MODEL_MEMBERS_MAX];
};

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
	*ret_size = model_size_make(bytes);
	return 0;
}

static struct pss_entry *find_entry(struct sampler_model *state, uint32_t pid, uint64_t start_ticks)
{
	for (unsigned int i = 0; i < state->entry_count; i++) {
		struct pss_entry *entry = &state->entries[i];

		if (entry->pid == pid && entry->start_ticks == start_ticks)
			return entry;
	}
	return NULL;
}

static bool has_changed(uint64_t before, uint64_t now)
{
	return (now > before ? now - before : before - now) > before / CHANGE_DIVISOR;
}

static bool has_moved(const struct model_size *before, const struct model_size *now)
{
	return has_changed(before->used_bytes, now->used_bytes) ||
	       has_changed(before->kept_bytes, now->kept_bytes);
}

static bool is_stale(const struct pss_entry *entry, const struct model_size *plain, uint64_t now_ns)
{
	uint64_t age_ns = units_minus(now_ns, entry->read_at_ns);

	return age_ns >= SAMPLER_PSS_PERIOD_S * NS_PER_S ||
	       (age_ns >= PSS_INTERVAL_MIN_NS && has_moved(&entry->plain, plain));
}

/* What was known of the members is kept; until more is known of the others, the plain size stands.
 */
static void keep_entries(struct sampler_model *state, const struct model_member *members,
			 const struct alive *alive, uint64_t now_ns)
{
	for (unsigned int i = 0; i < alive->count; i++) {
		const struct model_member *member = &members[alive->index[i]];
		const struct pss_entry *known = find_entry(state, member->pid, member->start_ticks);

		state->next[i] = known ? *known
				       : (struct pss_entry){
						 .pid = member->pid,
						 .start_ticks = member->start_ticks,
						 .read_at_ns = now_ns,
						 .plain = alive->plain[i],
						 .pss = alive->plain[i],
					 };
	}
	state->entry_count = alive->count;
	memcpy(state->entries, state->next, alive->count * sizeof(state->next[0]));
}

/* Of a process that has grown since it was asked for nobody knows what of that is in the answer. */
static void take_shares(struct sampler_model *state, const struct alive *alive)
{
	const struct pss_entry *result;

	while ((result = pss_reader_take(state->reader))) {
		struct pss_entry *entry = find_entry(state, result->pid, result->start_ticks);

		if (entry && !has_moved(&result->plain, &alive->plain[entry - state->entries]))
			*entry = *result;
	}
}

/* Reading all page tables of a process costs CPU time, and holds the lock of its memory map. */
static void rest(struct sampler_model *state)
{
	uint64_t rest_ns = units_min(pss_reader_get_cost_ns(state->reader) * PSS_RESTS,
				     SAMPLER_PSS_PERIOD_S * NS_PER_S);

	state->rest_until_ns = units_max(state->rest_until_ns, state->asked_ns + rest_ns);
}

/* Asks for what is not known, or not any more. Returns whether anything was asked for. */
static bool ask_shares(struct sampler_model *state, const struct alive *alive, uint64_t now_ns)
{
	unsigned int count = 0;

	if (!pss_reader_is_idle(state->reader))
		return false;
	rest(state);
	for (unsigned int i = 0; i < state->entry_count; i++) {
		struct pss_entry *entry = &state->entries[i];

		if ((entry->is_tried && now_ns < state->rest_until_ns) ||
		    (entry->is_read && !is_stale(entry, &alive->plain[i], now_ns)))
			continue;
		entry->is_tried = true;
		state->next[count] = *entry;
		state->next[count].read_at_ns = now_ns;
		state->next[count].plain = alive->plain[i];
		state->next[count].pss = alive->plain[i];
		count++;
	}
	if (count == 0)
		return false;
	state->asked_ns = now_ns;
	pss_reader_ask(state->reader, state->next, count);
	return true;
}

/*
 * Small processes are read at once. The others are not waited for: what comes later counts from the
 * next sample on. So no sample is held up for longer than wait_max_ns, and once it was, none is for
 * PSS_NO_WAIT_NS.
 */
static void update_shares(struct sampler_model *state, const struct alive *alive, uint64_t now_ns)
{
	if (!ask_shares(state, alive, now_ns) || now_ns < state->no_wait_ns)
		return;
	if (!pss_reader_wait(state->reader, state->wait_max_ns))
		state->no_wait_ns = now_ns + PSS_NO_WAIT_NS;
	take_shares(state, alive);
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

static int read_alive(const struct sampler_model *state, const struct model_member *members,
		      unsigned int count, char *buffer, size_t size, struct alive *alive)
{
	for (unsigned int i = 0; i < count; i++) {
		int err = read_plain(state->proc_fd, members[i].pid, buffer, size,
				     &alive->plain[alive->count]);

		if (err == 0)
			alive->index[alive->count++] = i;
		else if (!is_gone(err) && err != -ENODATA)
			return err;
	}
	return 0;
}

int sampler_model_read(struct sampler_model *state, const struct model *model, uint64_t now_ns,
		       char *buffer, size_t size, struct model_usage *ret_usage)
{
	struct model_usage usage = {0};
	struct alive alive = {0};
	unsigned int count;
	const struct model_member *members = model_get_members(model, &count);
	int err = read_alive(state, members, count, buffer, size, &alive);

	if (err)
		return err;
	usage.process_count = alive.count;
	if (alive.count > 1)
		keep_entries(state, members, &alive, now_ns);
	else
		state->entry_count = 0;
	take_shares(state, &alive);
	update_shares(state, &alive, now_ns);
	for (unsigned int i = 0; i < alive.count; i++) {
		struct model_size now = alive.plain[i];

		if (alive.count > 1) {
			now = project(&state->entries[i], &alive.plain[i]);
			usage.is_share_unknown |= !state->entries[i].is_read;
		}
		add_usage(&usage, members[alive.index[i]].group_depth, &now);
	}
	*ret_usage = usage;
	return 0;
}
