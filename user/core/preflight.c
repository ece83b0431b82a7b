/* SPDX-License-Identifier: BSD-2-Clause */
#include "preflight.h"

#include <string.h>

#include "base/units.h"
#include "ladder.h"

/* ---- what is in memory -------------------------------------------------------------------------
 */

static uint64_t tier_bytes(const struct preflight_scene *scene,
			   const struct preflight_resource *resource, uint32_t tier)
{
	uint64_t footprint = ladder_footprint_bytes(&scene->config->ladder.tiers[tier],
						    resource->kind, resource->index);

	if (tier == scene->serving && scene->is_measured)
		return units_max(footprint, resource->model_bytes);
	return footprint;
}

uint64_t preflight_in_place_bytes(const struct preflight_scene *scene,
				  const struct preflight_resource *resource)
{
	uint64_t serving = tier_bytes(scene, resource, scene->serving);
	uint64_t pending;

	if (scene->pending == scene->serving)
		return serving;
	pending = tier_bytes(scene, resource, scene->pending);
	return scene->is_overlapping ? units_plus(serving, pending) : units_max(serving, pending);
}

/* ---- reservations
 * ----------------------------------------------------------------------------------
 */

/* The part of the stretch that others' use has not grown into. */
static uint64_t open_bytes(const struct reservation_part *part, uint64_t others_bytes)
{
	uint64_t end_bytes = units_plus(part->level_bytes, part->bytes);

	return units_min(units_minus(end_bytes, others_bytes), part->bytes);
}

static const struct reservation_part *find_part(const struct reservation *reservation,
						uint32_t kind, uint32_t index)
{
	for (uint32_t i = 0; i < reservation->part_count; i++) {
		if (reservation->parts[i].kind == kind && reservation->parts[i].index == index)
			return &reservation->parts[i];
	}
	return NULL;
}

uint64_t preflight_reserved_bytes(const struct preflight *preflight, uint32_t kind, uint32_t index,
				  uint64_t others_bytes)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < preflight->count; i++) {
		const struct reservation *reservation = &preflight->reservations[i];
		const struct reservation_part *part = find_part(reservation, kind, index);

		if (part && reservation->tier == PREFLIGHT_TIER_NONE)
			sum = units_plus(sum, open_bytes(part, others_bytes));
	}
	return sum;
}

/* What tiers are reserved beyond what is in place as the model or on its way. */
static uint64_t reserved_for_tiers(const struct preflight *preflight,
				   const struct preflight_scene *scene,
				   const struct preflight_resource *resource)
{
	uint64_t in_place = preflight_in_place_bytes(scene, resource);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < preflight->count; i++) {
		const struct reservation *reservation = &preflight->reservations[i];
		const struct reservation_part *part =
			find_part(reservation, resource->kind, resource->index);

		if (!part || reservation->tier == PREFLIGHT_TIER_NONE)
			continue;
		sum = units_plus(
			sum, units_min(part->bytes,
				       units_minus(tier_bytes(scene, resource, reservation->tier),
						   in_place)));
	}
	return sum;
}

static void remove_reservation(struct preflight *preflight, uint32_t index)
{
	preflight->count--;
	memmove(&preflight->reservations[index], &preflight->reservations[index + 1],
		(preflight->count - index) * sizeof(preflight->reservations[0]));
}

void preflight_expire(struct preflight *preflight, uint64_t now_ns)
{
	for (uint32_t i = preflight->count; i-- > 0;) {
		if (preflight->reservations[i].ends_ns <= now_ns)
			remove_reservation(preflight, i);
	}
}

void preflight_end_tier(struct preflight *preflight, uint32_t tier)
{
	for (uint32_t i = preflight->count; i-- > 0;) {
		if (preflight->reservations[i].tier == tier)
			remove_reservation(preflight, i);
	}
}

void preflight_rename(struct preflight *preflight, const struct ladder *before,
		      const struct ladder *after)
{
	for (uint32_t i = preflight->count; i-- > 0;) {
		uint32_t *tier = &preflight->reservations[i].tier;

		if (*tier != PREFLIGHT_TIER_NONE &&
		    !ladder_find_name(after, before->tiers[*tier].name, tier))
			remove_reservation(preflight, i);
	}
}

static bool is_taken(const struct reservation *reservation, const struct preflight_scene *scene)
{
	for (uint32_t i = 0; i < reservation->part_count; i++) {
		const struct reservation_part *part = &reservation->parts[i];
		uint64_t open = part->bytes;

		for (uint32_t j = 0; j < scene->count; j++) {
			const struct preflight_resource *resource = &scene->resources[j];

			if (resource->kind == part->kind && resource->index == part->index)
				open = open_bytes(part, resource->others_bytes);
		}
		if (open > 0)
			return false;
	}
	return true;
}

void preflight_see(struct preflight *preflight, const struct preflight_scene *scene)
{
	for (uint32_t i = preflight->count; i-- > 0;) {
		const struct reservation *reservation = &preflight->reservations[i];

		if (reservation->tier == PREFLIGHT_TIER_NONE && is_taken(reservation, scene))
			remove_reservation(preflight, i);
	}
}

/* ---- needs -------------------------------------------------------------------------------------
 */

/* A question, with the tier that is in place beside an amount, or that is asked for. */
struct trial {
	const struct preflight *preflight;
	const struct preflight_scene *scene;
	const struct preflight_question *question;
	uint32_t tier; /* PREFLIGHT_TIER_NONE: what is in place now, with what is on its way */
	const struct preflight_resource *gpu; /* that VRAM is taken of; NULL = none */
};

static bool is_for_tier(const struct trial *trial)
{
	return trial->question->tier != PREFLIGHT_TIER_NONE;
}

/* What stays in memory as the model. */
static uint64_t beside_bytes(const struct trial *trial, const struct preflight_resource *resource)
{
	if (is_for_tier(trial))
		return 0;
	if (trial->tier == PREFLIGHT_TIER_NONE)
		return preflight_in_place_bytes(trial->scene, resource);
	return tier_bytes(trial->scene, resource, trial->tier);
}

static uint64_t asked_bytes(const struct trial *trial, const struct preflight_resource *resource)
{
	const struct preflight_question *question = trial->question;

	if (is_for_tier(trial))
		return tier_bytes(trial->scene, resource, trial->tier);
	if (resource->kind == RESOURCE_HOST_MEMORY)
		return question->memory_bytes;
	if (resource->kind == RESOURCE_VRAM)
		return resource == trial->gpu ? question->vram_bytes : 0;
	return resource->index >= question->shared_depth ? question->memory_bytes : 0;
}

static void fill_need(const struct trial *trial, const struct preflight_resource *resource,
		      struct preflight_need *ret_need)
{
	uint32_t below_permyriad = trial->scene->config->upgrade_below_permyriad;
	uint64_t need = asked_bytes(trial, resource);
	uint64_t model = beside_bytes(trial, resource);
	uint64_t reserved =
		units_plus(preflight_reserved_bytes(trial->preflight, resource->kind,
						    resource->index, resource->others_bytes),
			   reserved_for_tiers(trial->preflight, trial->scene, resource));
	uint64_t used = units_plus(resource->others_bytes, units_plus(model, reserved));
	uint64_t limit = units_scale(resource->capacity_bytes, below_permyriad, PERMYRIAD);

	*ret_need = (struct preflight_need){
		.kind = resource->kind,
		.index = resource->index,
		.capacity_bytes = resource->capacity_bytes,
		.limit_bytes = limit,
		.others_bytes = resource->others_bytes,
		.model_bytes = model,
		.reserved_bytes = reserved,
		.need_bytes = need,
		.have_bytes = units_minus(limit, used),
		.use_permyriad = units_permyriad(units_plus(used, need), resource->capacity_bytes),
	};
	ret_need->does_fit = ret_need->use_permyriad < below_permyriad;
}

static uint32_t reserved_cpu_permille(const struct preflight *preflight)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < preflight->count; i++)
		sum += preflight->reservations[i].cpus_permille;
	return (uint32_t)units_min(sum, UINT32_MAX);
}

static void fill_cpu(const struct trial *trial, struct preflight_cpu *ret_cpu)
{
	const struct preflight_scene *scene = trial->scene;
	const struct tier *tiers = scene->config->ladder.tiers;
	uint32_t beside = trial->tier == PREFLIGHT_TIER_NONE ? scene->serving : trial->tier;
	struct preflight_cpu cpu = {
		.is_measured = scene->is_cpu_measured,
		.capacity_permille = scene->cpu_permille,
		.others_permille = scene->others_cpu_permille,
		.reserved_permille = reserved_cpu_permille(trial->preflight),
		.need_permille = trial->question->cpus_permille,
	};
	uint64_t used;

	if (is_for_tier(trial))
		cpu.need_permille = tiers[trial->tier].cores_permille;
	else
		cpu.model_permille = tiers[beside].cores_permille;
	used = (uint64_t)cpu.others_permille + cpu.model_permille + cpu.reserved_permille;
	cpu.have_permille = (uint32_t)units_minus(cpu.capacity_permille, used);
	cpu.is_asked = cpu.need_permille > 0 && cpu.capacity_permille > 0;
	cpu.does_fit = !cpu.is_asked || cpu.need_permille <= cpu.have_permille;
	*ret_cpu = cpu;
}

/* Waiting for memory is a want of it, whatever the numbers say; less than is in place is none. */
static bool is_held_by_stall(const struct trial *trial)
{
	const struct preflight_scene *scene = trial->scene;

	if (!scene->is_stalled)
		return false;
	for (uint32_t i = 0; i < scene->count; i++) {
		const struct preflight_resource *resource = &scene->resources[i];
		uint64_t in_place =
			is_for_tier(trial) ? preflight_in_place_bytes(scene, resource) : 0;

		if (resource->kind != RESOURCE_VRAM && asked_bytes(trial, resource) > in_place)
			return true;
	}
	return false;
}

static uint32_t find_reason(const struct trial *trial, const struct preflight_answer *answer)
{
	const struct preflight_need *worst = &answer->needs[answer->worst];

	if (answer->need_count > 0 && !worst->does_fit) {
		uint64_t used = units_plus(worst->others_bytes, worst->model_bytes);
		uint32_t use =
			units_permyriad(units_plus(used, worst->need_bytes), worst->capacity_bytes);

		return use < trial->scene->config->upgrade_below_permyriad ? PREFLIGHT_RESERVED
									   : PREFLIGHT_SHORT;
	}
	if (!is_for_tier(trial) && trial->question->vram_bytes > 0 && !trial->gpu)
		return PREFLIGHT_NO_GPU;
	if (!answer->cpu.does_fit)
		return PREFLIGHT_CPU_SHORT;
	return is_held_by_stall(trial) ? PREFLIGHT_STALLED : PREFLIGHT_FITS;
}

/* Fills what depends on the tier: needs, CPU, reason. A resource of unknown capacity is passed
 * over, as it is in every decision. */
static bool try_out(const struct trial *trial, struct preflight_answer *answer)
{
	answer->need_count = 0;
	answer->worst = 0;
	for (uint32_t i = 0; i < trial->scene->count; i++) {
		const struct preflight_resource *resource = &trial->scene->resources[i];
		struct preflight_need *need = &answer->needs[answer->need_count];

		if (resource->capacity_bytes == 0 || asked_bytes(trial, resource) == 0)
			continue;
		fill_need(trial, resource, need);
		if (need->use_permyriad > answer->needs[answer->worst].use_permyriad)
			answer->worst = answer->need_count;
		answer->need_count++;
	}
	fill_cpu(trial, &answer->cpu);
	answer->reason = find_reason(trial, answer);
	return answer->reason == PREFLIGHT_FITS;
}

/* ---- questions ---------------------------------------------------------------------------------
 */

/* The GPU with most room, the first of equals. */
static const struct preflight_resource *find_gpu(const struct trial *trial)
{
	const struct preflight_resource *best = NULL;
	uint64_t best_bytes = 0;

	for (uint32_t i = 0; i < trial->scene->count; i++) {
		const struct preflight_resource *resource = &trial->scene->resources[i];
		struct preflight_need need;

		if (resource->kind != RESOURCE_VRAM || resource->capacity_bytes == 0)
			continue;
		fill_need(trial, resource, &need);
		if (best && need.have_bytes <= best_bytes)
			continue;
		best = resource;
		best_bytes = need.have_bytes;
	}
	return best;
}

static uint32_t find_largest(const struct trial *trial)
{
	struct trial other = *trial;
	struct preflight_answer scratch;

	for (uint32_t tier = trial->scene->config->ladder.count; tier-- > 0;) {
		other.tier = tier;
		if (trial->gpu)
			other.gpu = find_gpu(&other);
		if (try_out(&other, &scratch))
			return tier;
	}
	return PREFLIGHT_TIER_NONE;
}

static uint64_t first_end_ns(const struct preflight *preflight, uint64_t now_ns)
{
	uint64_t first_ns = UINT64_MAX;

	for (uint32_t i = 0; i < preflight->count; i++)
		first_ns = units_min(first_ns, preflight->reservations[i].ends_ns);
	return preflight->count ? units_minus(first_ns, now_ns) : 0;
}

/* Of a tier only what it takes more than what it takes the place of. */
static void fill_reservation(const struct trial *trial, const struct preflight_answer *answer,
			     struct reservation *ret_reservation)
{
	bool is_tier = is_for_tier(trial);

	memset(ret_reservation, 0, sizeof(*ret_reservation));
	ret_reservation->tier = trial->question->tier;
	ret_reservation->cpus_permille = is_tier ? 0 : answer->cpu.need_permille;
	for (uint32_t i = 0; i < trial->scene->count; i++) {
		const struct preflight_resource *resource = &trial->scene->resources[i];
		uint64_t bytes = asked_bytes(trial, resource);

		if (is_tier)
			bytes = units_minus(bytes,
					    preflight_in_place_bytes(trial->scene, resource));
		if (bytes == 0 || resource->capacity_bytes == 0)
			continue;
		ret_reservation->parts[ret_reservation->part_count++] = (struct reservation_part){
			.kind = resource->kind,
			.index = resource->index,
			.bytes = bytes,
			.level_bytes = units_plus(
				resource->others_bytes,
				preflight_reserved_bytes(trial->preflight, resource->kind,
							 resource->index, resource->others_bytes)),
		};
	}
}

static void reserve(struct preflight *preflight, const struct trial *trial,
		    struct preflight_answer *answer)
{
	uint64_t length_ns = trial->scene->config->reservation_ns;
	struct reservation made;

	if (trial->question->is_only_asked || length_ns == 0)
		return;
	fill_reservation(trial, answer, &made);
	if (made.part_count == 0 && made.cpus_permille == 0)
		return;
	if (preflight->count == PREFLIGHT_RESERVATIONS_MAX) {
		answer->does_fit = false;
		answer->reason = PREFLIGHT_TOO_MANY;
		return;
	}
	made.ends_ns = units_plus(trial->scene->now_ns, length_ns);
	preflight->reservations[preflight->count++] = made;
	answer->reserved_ns = length_ns;
}

void preflight_ask(struct preflight *preflight, const struct preflight_scene *scene,
		   const struct preflight_question *question, struct preflight_answer *ret_answer)
{
	struct trial trial = {
		.preflight = preflight,
		.scene = scene,
		.question = question,
		.tier = question->tier,
	};

	memset(ret_answer, 0, sizeof(*ret_answer));
	ret_answer->question = *question;
	ret_answer->serving = scene->serving;
	ret_answer->largest = PREFLIGHT_TIER_NONE;
	ret_answer->first_end_ns = first_end_ns(preflight, scene->now_ns);
	if (!scene->has_sample) {
		ret_answer->reason = PREFLIGHT_NO_SAMPLE;
		return;
	}
	if (question->tier == PREFLIGHT_TIER_NONE && question->vram_bytes > 0)
		trial.gpu = find_gpu(&trial);
	ret_answer->largest = find_largest(&trial);
	ret_answer->does_fit = try_out(&trial, ret_answer);
	if (ret_answer->does_fit)
		reserve(preflight, &trial, ret_answer);
}
