// SPDX-License-Identifier: BSD-2-Clause
#include "scene.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector.h"

static char thrash_path[32]; /* for this process and those that it forks */
static int thrash_fd = -1;

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
	if (thrash_fd >= 0)
		close(thrash_fd);
	thrash_fd = -1;
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

/* Without a name as soon as it is there: other tests have theirs meanwhile, and none is left. */
static void make_thrash_file(size_t bytes)
{
	char path[64];

	snprintf(path, sizeof(path), "/var/tmp/tierd-e2e-thrash-%d", getpid());
	workload_make_file(path, bytes);
	thrash_fd = open(path, O_RDONLY | O_CLOEXEC);
	unlink(path);
	assert_true(thrash_fd >= 0);
	snprintf(thrash_path, sizeof(thrash_path), "/proc/self/fd/%d", thrash_fd);
}

pid_t scene_start_thrash(const struct scene *scene, const char *comm, size_t bytes, int threads)
{
	if (thrash_fd < 0)
		make_thrash_file(bytes);
	const struct workload thrash = {
		.run = workload_reread,
		.comm = comm,
		.cpu = WORKLOAD_ANY_CPU,
		.threads = threads,
		.memory_group = scene->others_group,
		.file = thrash_path,
		.bytes = bytes,
	};

	return workload_start(&thrash);
}
