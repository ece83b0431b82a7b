// SPDX-License-Identifier: BSD-2-Clause
#include "offline.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"
#include "base/utf8.h"
#include "option_table.h"

enum {
	QUOTED_LEN = 48,
};

static int complain_value(const char *flag, const char *value, const char *what)
{
	char quoted[QUOTED_LEN];

	fprintf(stderr, "tierctl: %s: \"%s\" is not %s\n", flag,
		utf8_copy_printable(value, strlen(value), quoted, sizeof(quoted)), what);
	return -EINVAL;
}

int offline_get_duration(const struct tierctl *tierctl, enum tierctl_key key, const char *flag,
			 uint64_t *ret_ns)
{
	const char *value = tierctl_get(tierctl, key);

	if (value && units_parse_duration(value, ret_ns) < 0)
		return complain_value(flag, value, "a time such as 90, 250ms or 10m");
	return 0;
}

int offline_get_span(const struct tierctl *tierctl, uint64_t *ret_from_ns, uint64_t *ret_to_ns)
{
	uint64_t from_ns = 0;
	uint64_t to_ns = UINT64_MAX;

	if (offline_get_duration(tierctl, TIERCTL_KEY_FROM, "--from", &from_ns) < 0 ||
	    offline_get_duration(tierctl, TIERCTL_KEY_TO, "--to", &to_ns) < 0)
		return -EINVAL;
	if (from_ns >= to_ns) {
		fprintf(stderr, "tierctl: --to: must be later than --from\n");
		return -EINVAL;
	}
	*ret_from_ns = from_ns;
	*ret_to_ns = to_ns;
	return 0;
}

int offline_get_bytes(const struct tierctl *tierctl, enum tierctl_key key, const char *flag,
		      uint64_t *ret_bytes)
{
	const char *value = tierctl_get(tierctl, key);
	uint64_t bytes = 0;

	if (!value)
		return 0;
	if (units_parse_bytes(value, &bytes) < 0 || bytes < MIB || bytes > (GIB << 30))
		return complain_value(flag, value, "a size from 1M on, such as 64G");
	*ret_bytes = bytes;
	return 0;
}

int offline_get_share(const struct tierctl *tierctl, enum tierctl_key key, const char *flag,
		      double *ret_share)
{
	const char *value = tierctl_get(tierctl, key);
	uint32_t permyriad;

	if (!value)
		return 0;
	if (units_parse_permyriad(value, &permyriad) < 0)
		return complain_value(flag, value, "a share such as 85% or 0.85");
	*ret_share = (double)permyriad / PERMYRIAD;
	return 0;
}

int offline_complain(int result, const char *error)
{
	fprintf(stderr, "tierctl: %s\n", error);
	return result == -ENOMEM ? TIERCTL_NO : TIERCTL_BAD_INPUT;
}

static void print_warning(void *context, const char *text)
{
	(void)context;
	fprintf(stderr, "tierctl: warning: %s\n", text);
}

/* A config around the overrides alone, so that what is wrong with them shows before any file does.
 */
static int check_overrides(const struct config_overrides *overrides, struct app_config *scratch,
			   char *error, size_t error_size)
{
	static const char TEXT[] = "[tier any]\nmemory = 1G\n";

	return config_load_text(TEXT, sizeof(TEXT) - 1, "", overrides, scratch, error, error_size);
}

int offline_read(const struct tierctl *tierctl, struct offline *ret_offline)
{
	const char *path = tierctl_get(tierctl, TIERCTL_KEY_CONFIG);
	char error[CONFIG_ERROR_LEN];
	int result;

	ret_offline->overrides = (struct config_overrides){.is_ladder_optional = false};
	ret_offline->overrides.values[option_find("policy", "policy") - OPTION_TABLE] =
		tierctl_get(tierctl, TIERCTL_KEY_POLICY);
	ret_offline->options = (struct input_options){
		.config = path ? &ret_offline->config : NULL,
		.overrides = &ret_offline->overrides,
		.on_warning = print_warning,
	};
	result = check_overrides(&ret_offline->overrides, &ret_offline->config, error,
				 sizeof(error));
	if (result == 0 && path)
		result = config_load_file(path, &ret_offline->overrides, &ret_offline->config,
					  error, sizeof(error));
	if (result == 0)
		return offline_get_bytes(tierctl, TIERCTL_KEY_MEMORY, "--memory",
					 &ret_offline->options.host_bytes);
	fprintf(stderr, "tierctl: %s\n", error);
	return -EINVAL;
}
