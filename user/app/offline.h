/* SPDX-License-Identifier: BSD-2-Clause */
/* What the subcommands of tierctl that need no agent have in common: their options, checked. */
#ifndef TIERD_APP_OFFLINE_H
#define TIERD_APP_OFFLINE_H

#include "input.h"
#include "tierctl.h"

struct offline {
	struct app_config config; /* of --config, with --policy */
	struct config_overrides overrides;
	struct input_options options;
};

/*
 * Takes --config, --policy and --memory. Warnings of the input go to stderr. Returns 0; or -EINVAL
 * after saying on stderr what is wrong. *ret_offline must stay where it is while the options are
 * used.
 */
int offline_read(const struct tierctl *tierctl, struct offline *ret_offline);

/* The value of an option; *ret_value is untouched where it is not given. As above. */
int offline_get_duration(const struct tierctl *tierctl, enum tierctl_key key, const char *flag,
			 uint64_t *ret_ns);
/* --from and --to, as times after the start; 0 and UINT64_MAX where they are not given. */
int offline_get_span(const struct tierctl *tierctl, uint64_t *ret_from_ns, uint64_t *ret_to_ns);
int offline_get_bytes(const struct tierctl *tierctl, enum tierctl_key key, const char *flag,
		      uint64_t *ret_bytes);
int offline_get_share(const struct tierctl *tierctl, enum tierctl_key key, const char *flag,
		      double *ret_share);

/* Says on stderr what was wrong with a file. Returns the exit status. */
int offline_complain(int result, const char *error);

#endif
