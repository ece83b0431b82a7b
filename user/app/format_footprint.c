// SPDX-License-Identifier: BSD-2-Clause
/* What the tiers take, as it was configured and as it was measured: in the status. */
#include <inttypes.h>

#include "base/units.h"
#include "format.h"

static void add_sizes(struct json *json, const char *key, const uint64_t bytes[LADDER_GPUS_MAX])
{
	uint32_t count = LADDER_GPUS_MAX;

	while (count > 0 && bytes[count - 1] == 0)
		count--;
	json_begin_array(json, key);
	for (uint32_t i = 0; i < count; i++)
		json_add_u64(json, NULL, bytes[i]);
	json_end_array(json);
}

static void add_footprint(struct json *json, const char *name,
			  const struct status_footprint *footprint)
{
	json_begin_object(json, NULL);
	json_add_string(json, "tier", name);
	json_add_bool(json, "fixed", footprint->is_fixed);
	json_add_bool(json, "measured", footprint->is_measured);
	json_add_u64(json, "configured_bytes", footprint->configured_bytes);
	json_add_u64(json, "bytes", footprint->bytes);
	json_add_u64(json, "seen_bytes", footprint->seen_bytes);
	add_sizes(json, "vram_configured_bytes", footprint->vram_configured_bytes);
	add_sizes(json, "vram_bytes", footprint->vram_bytes);
	json_add_u64(json, "load_ms", footprint->load_ns / NS_PER_MS);
	json_add_bool(json, "load_measured", footprint->is_load_measured);
	json_add_u64(json, "drain_ms", footprint->drain_ns / NS_PER_MS);
	json_add_bool(json, "drain_measured", footprint->is_drain_measured);
	json_end_object(json);
}

void format_add_footprints(struct json *json, const struct engine_status *status,
			   const struct ladder *ladder)
{
	json_begin_array(json, "footprints");
	for (uint32_t i = 1; i < ladder->count; i++)
		add_footprint(json, ladder->tiers[i].name, &status->tiers[i].footprint);
	json_end_array(json);
}

static void memory_text(struct text *text, const struct status_footprint *footprint)
{
	char bytes[UNITS_TEXT_LEN];
	char said[UNITS_TEXT_LEN];
	char seen[UNITS_TEXT_LEN];

	text_add(text, "memory %s", units_format_bytes_rounded(footprint->bytes, bytes));
	if (footprint->is_fixed)
		text_add(text, " (fixed)");
	else if (footprint->is_measured)
		text_add(text, " (%s configured, %s seen)",
			 units_format_bytes_rounded(footprint->configured_bytes, said),
			 units_format_bytes_rounded(footprint->seen_bytes, seen));
	else
		text_add(text, " (%s configured, never measured)",
			 units_format_bytes_rounded(footprint->configured_bytes, said));
}

static void footprint_text(struct text *text, const char *name,
			   const struct status_footprint *footprint)
{
	char bytes[UNITS_TEXT_LEN];
	char said[UNITS_TEXT_LEN];

	text_add(text, "%-12s", name);
	memory_text(text, footprint);
	for (uint32_t i = 0; i < LADDER_GPUS_MAX; i++) {
		if (footprint->vram_bytes[i] > 0)
			text_add(text, ", GPU %" PRIu32 " %s (%s configured)", i,
				 units_format_bytes_rounded(footprint->vram_bytes[i], bytes),
				 units_format_bytes_rounded(footprint->vram_configured_bytes[i],
							    said));
	}
	text_add(text, ", load %" PRIu64 " ms%s, drain %" PRIu64 " ms%s\n",
		 footprint->load_ns / NS_PER_MS, footprint->is_load_measured ? " measured" : "",
		 footprint->drain_ns / NS_PER_MS, footprint->is_drain_measured ? " measured" : "");
}

void format_footprints_text(struct text *text, const struct engine_status *status,
			    const struct ladder *ladder)
{
	text_add(text, "\nfootprints\n");
	for (uint32_t i = 1; i < ladder->count; i++)
		footprint_text(text, ladder->tiers[i].name, &status->tiers[i].footprint);
	if (status->reservation_count > 0)
		text_add(text, "%" PRIu32 " reservations of preflights are open\n",
			 status->reservation_count);
}
