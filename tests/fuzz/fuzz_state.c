/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Any bytes as the text of a state file: refused with a message and nothing touched, or read into a
 * state that makes the round trip and that an engine takes up.
 */
#include "fuzz.h"

#include <errno.h>

#include "app/options.h"
#include "app/state_text.h"
#include "base/units.h"
#include "core/actions.h"
#include "core/engine.h"

enum {
	SAMPLES = 30,
};

static void set_tier(struct ladder *ladder, uint32_t tier, const char *name, uint64_t memory_bytes)
{
	(void)snprintf(ladder->tiers[tier].name, EVENT_TIER_NAME_LEN, "%s", name);
	ladder->tiers[tier].memory_bytes = memory_bytes;
}

static void step(struct engine *engine, struct event event, uint64_t time_ns)
{
	static struct actions out;

	event.time_ns = time_ns;
	engine_step(engine, &event, &out);
}

/* Others rise until nothing fits, so that all that was learned is asked for. */
static void run(struct engine *engine, uint64_t now_ns)
{
	struct event event = {.kind = EVENT_SAMPLE, .sample = {.resource_count = 1}};
	struct event_resource *memory = &event.sample.resources[0];

	*memory = (struct event_resource){.kind = RESOURCE_HOST_MEMORY, .capacity_bytes = 64 * GIB};
	for (uint64_t i = 1; i <= SAMPLES; i++) {
		memory->used_bytes = 2 * i * GIB;
		step(engine, event, now_ns + i * NS_PER_S);
	}
}

/* The tiers are those of the seeds. */
static void take_up(const struct engine_state *state)
{
	uint64_t now_ns = units_min(state->taken_ns, INT64_MAX / 2);
	struct engine *engine = engine_init(malloc(engine_size()));
	static struct app_config config;

	fuzz_assert(engine != NULL);
	config_set_defaults(&config);
	config.engine.ladder.count = 3;
	set_tier(&config.engine.ladder, 0, "off", 0);
	set_tier(&config.engine.ladder, 1, "medium", 25 * GIB);
	set_tier(&config.engine.ladder, 2, "large", 40 * GIB);
	step(engine, (struct event){.kind = EVENT_CONFIG, .config = &config.engine}, now_ns);
	step(engine, (struct event){.kind = EVENT_STATE, .state = state}, now_ns);
	step(engine, (struct event){.kind = EVENT_TICK}, now_ns + 1);
	run(engine, now_ns);
	free(engine);
}

static void check_round_trip(const struct engine_state *state, const char *boot_id)
{
	static char first[STATE_TEXT_MAX], second[STATE_TEXT_MAX];
	char again_id[STATE_BOOT_ID_LEN], error[256];
	struct engine_state again;
	size_t lasting;
	int len = state_text_write(state, boot_id, first, sizeof(first), &lasting);

	fuzz_assert(len > 0 && lasting < (size_t)len);
	fuzz_assert(state_text_read(first, (size_t)len, &again, again_id, error, sizeof(error)) ==
		    0);
	fuzz_assert(state_text_write(&again, again_id, second, sizeof(second), &lasting) == len);
	fuzz_assert(memcmp(first, second, (size_t)len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct engine_state state;
	unsigned char before[sizeof(state)];
	char boot_id[STATE_BOOT_ID_LEN] = "", error[256] = "";

	memset(&state, 0xa5, sizeof(state));
	memcpy(before, &state, sizeof(state));
	int result =
		state_text_read((const char *)data, size, &state, boot_id, error, sizeof(error));
	fuzz_check_error(result, error);
	if (result != 0) {
		fuzz_assert(memcmp((const unsigned char *)&state, before, sizeof(state)) == 0);
		return 0;
	}
	check_round_trip(&state, boot_id);
	take_up(&state);
	return 0;
}
