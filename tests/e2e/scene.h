/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small host to play on: a limited memory group with two groups below it, one for a stand-in
 * for the model and one for everybody else, and an agent that has a ladder for it.
 */
#ifndef TIERD_TESTS_SCENE_H
#define TIERD_TESTS_SCENE_H

#include "agent_process.h"
#include "base/units.h"
#include "workload.h"

#define SCENE_LIMIT_BYTES (256 * MIB)
#define SCENE_MODEL_BYTES (100 * MIB) /* as tier `large` says */

struct scene {
	struct agent_process agent;
	const char *group;        /* the limited one */
	const char *model_group;  /* below it */
	const char *others_group; /* below it */
	pid_t model;
};

/* Makes the groups and starts the model, without an agent. */
void scene_open_groups(struct scene *scene);

/*
 * Starts the agent: source bpf, tiers small (20 MB), medium (60 MB), large (100 MB), no warm-up,
 * short times. policy_lines go into [policy], agent_lines into [agent]. Returns when it has settled
 * on `large`.
 */
void scene_start_agent(struct scene *scene, const char *agent_lines, const char *policy_lines);

/* Both, and a second for the agent to see that nothing presses. */
void scene_open(struct scene *scene, const char *agent_lines, const char *policy_lines);

/* In every teardown. */
void scene_close(struct scene *scene);

/* A process among the others that takes so many bytes and holds them. */
pid_t scene_start_hog(const struct scene *scene, const char *comm, size_t bytes);

/* A process among the others that re-reads a mapped file of so many bytes with threads. */
pid_t scene_start_thrash(const struct scene *scene, const char *comm, size_t bytes, int threads);

#endif
