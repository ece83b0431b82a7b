// SPDX-License-Identifier: BSD-2-Clause
#include "scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector.h"

static const char thrash_path[] = "/var/tmp/tierd-e2e-thrash";

static const char config_format[] = "[agent]\n"
				    "source = bpf\n"
				    "log = debug\n"
				    "%s\n"
				    "[model]\n"
				    "cgroup = %s\n"
				    "[policy]\n"
				    "policy = threshold\n"
				    "warmup = 0\n"
				    "trend = 5s\n"
				    "trend_horizon = 0\n"
				    "%s\n"
				    "[switch]\n"
				    "settle = 0\n"
				    "drain_deadline = 1s\n"
				    "heartbeat = 1s\n"
				    "[tier small]\nmemory = 20M\n"
				    "[tier medium]\nmemory = 60M\n"
				    "[tier large]\nmemory = 100M\n";

void scene_open_groups(struct scene *scene)
{
	*scene = (struct scene){.agent.manager_fd = -1};
	scene->group = group_make(GROUP_MEMORY, "scene", SCENE_LIMIT_BYTES);
	scene->model_group = group_make_below(scene->group, "model");
	scene->others_group = group_make_below(scene->group, "others");
	const struct workload model = {
		.run = workload_grow,
		.comm = "model",
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = scene->model_group,
		.bytes = SCENE_MODEL_BYTES,
	};

	scene->model = workload_start(&model);
	test_sleep_ns(300 * NS_PER_MS); /* it has its memory by then */
}

void scene_start_agent(struct scene *scene, const char *agent_lines, const char *policy_lines)
{
	char config[2048];
	struct agent_line line;

	snprintf(config, sizeof(config), config_format, agent_lines, scene->model_group,
		 policy_lines);
	agent_start(&scene->agent, config, NULL);
	agent_need_match(&scene->agent, "state ", " wanted=large", 5 * NS_PER_S, &line);
}

void scene_open(struct scene *scene, const char *agent_lines, const char *policy_lines)
{
	scene_open_groups(scene);
	scene_start_agent(scene, agent_lines, policy_lines);
	test_sleep_ns(NS_PER_S);
}

void scene_close(struct scene *scene)
{
	agent_discard(&scene->agent);
	group_remove_all();
	unlink(thrash_path);
}

pid_t scene_start_hog(const struct scene *scene, const char *comm, size_t bytes)
{
	const struct workload hog = {
		.run = workload_grow,
		.comm = comm,
		.cpu = WORKLOAD_ANY_CPU,
		.memory_group = scene->others_group,
		.bytes = bytes,
	};

	return workload_start(&hog);
}

pid_t scene_start_thrash(const struct scene *scene, const char *comm, size_t bytes, int threads)
{
	const struct workload thrash = {
		.run = workload_reread,
		.comm = comm,
		.cpu = WORKLOAD_ANY_CPU,
		.threads = threads,
		.memory_group = scene->others_group,
		.file = thrash_path,
		.bytes = bytes,
	};

	if (access(thrash_path, F_OK) < 0)
		workload_make_file(thrash_path, bytes);
	return workload_start(&thrash);
}
