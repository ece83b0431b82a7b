// SPDX-License-Identifier: BSD-2-Clause
#include "agent_process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "collector.h"
#include "workload.h"

#define START_NS (10 * NS_PER_S)

const char *build_path(const char *name, char *buffer, size_t size)
{
	char self[256];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	assert_true(length > 0);
	self[length] = '\0'; /* BUILD/tests/e2e/test_x */
	snprintf(buffer, size, "%s/../../%s", dirname(self), name);
	return buffer;
}

static void file_write(const char *path, const char *text)
{
	_cleanup_fclose_ FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
}

static void agent_exec(const struct agent_process *agent, const char *const *extra)
{
	char path[512];
	const char *arguments[AGENT_ARGS_MAX] = {
		"tierd",       "--config",       agent->config,  "--run-dir",  agent->run_dir,
		"--decisions", agent->decisions, "--state-file", agent->state,
	};
	size_t count = 9;

	while (extra && *extra && count < AGENT_ARGS_MAX - 1)
		arguments[count++] = *extra++;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int log = open(agent->log_path ? agent->log_path : agent->log,
		       O_CREAT | O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC, 0600);

	dup2(log, STDOUT_FILENO);
	dup2(log, STDERR_FILENO);
	execv(build_path("tierd", path, sizeof(path)), (char **)arguments);
	_exit(127);
}

void agent_print_log(const struct agent_process *agent)
{
	const char *const paths[] = {agent->log, agent->decisions};

	for (unsigned int i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_fclose_ FILE *file = fopen(paths[i], "re");
		char line[4096];

		while (file && fgets(line, sizeof(line), file))
			print_message("    | %s", line);
	}
}

static void agent_fork(struct agent_process *agent, const char *const *extra)
{
	agent->pid = fork();
	assert_true(agent->pid >= 0);
	if (agent->pid == 0)
		agent_exec(agent, extra);
}

void agent_launch(struct agent_process *agent, const char *config_text, const char *const *extra)
{
	*agent = (struct agent_process){.manager_fd = -1, .log_path = agent->log_path};
	snprintf(agent->dir, sizeof(agent->dir), "/tmp/tierd-e2e-XXXXXX");
	assert_non_null(mkdtemp(agent->dir));
	snprintf(agent->run_dir, sizeof(agent->run_dir), "%s/run", agent->dir);
	snprintf(agent->config, sizeof(agent->config), "%s/tierd.conf", agent->dir);
	snprintf(agent->decisions, sizeof(agent->decisions), "%s/decisions", agent->dir);
	snprintf(agent->log, sizeof(agent->log), "%s/log", agent->dir);
	snprintf(agent->state, sizeof(agent->state), "%s/state", agent->dir);
	file_write(agent->config, config_text);
	agent_fork(agent, extra);
}

void agent_kill(struct agent_process *agent)
{
	kill(agent->pid, SIGKILL);
	waitpid(agent->pid, NULL, 0);
	agent->pid = 0;
	agent_close_reader(agent);
}

void agent_restart(struct agent_process *agent, const char *const *extra)
{
	assert_int_equal(agent->pid, 0);
	agent_fork(agent, extra);
	agent_open_reader(agent);
}

void agent_start(struct agent_process *agent, const char *config_text, const char *const *extra)
{
	char path[256];

	agent_launch(agent, config_text, extra);
	agent_open_reader(agent);
	/* The other FIFO is made next. */
	snprintf(path, sizeof(path), "%s/control.fifo", agent->run_dir);
	for (uint64_t end_ns = test_now_ns() + START_NS;
	     access(path, W_OK) != 0 && test_now_ns() < end_ns;)
		test_sleep_ns(10 * NS_PER_MS);
}

void agent_open_reader(struct agent_process *agent)
{
	uint64_t end_ns = test_now_ns() + START_NS;
	char path[256];

	snprintf(path, sizeof(path), "%s/manager.fifo", agent->run_dir);
	while ((agent->manager_fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)) < 0) {
		if (test_now_ns() > end_ns || waitpid(agent->pid, NULL, WNOHANG) != 0) {
			agent_print_log(agent);
			fail_msg("the agent did not start");
		}
		test_sleep_ns(10 * NS_PER_MS);
	}
}

void agent_close_reader(struct agent_process *agent)
{
	if (agent->manager_fd >= 0)
		close(agent->manager_fd);
	agent->manager_fd = -1;
	agent->pending_len = 0;
}

/* Takes the first whole line out of what was read. */
static bool line_take(struct agent_process *agent, struct agent_line *line)
{
	char *end = memchr(agent->pending, '\n', agent->pending_len);

	if (!end)
		return false;
	size_t length = (size_t)(end - agent->pending);

	assert_true(length < sizeof(line->text));
	memcpy(line->text, agent->pending, length);
	line->text[length] = '\0';
	agent->pending_len -= length + 1;
	memmove(agent->pending, end + 1, agent->pending_len);
	return true;
}

bool agent_read_line(struct agent_process *agent, const char *prefix, uint64_t timeout_ns,
		     struct agent_line *ret_line)
{
	uint64_t end_ns = test_now_ns() + timeout_ns;
	uint64_t read_ns = test_now_ns();

	for (;;) {
		while (line_take(agent, ret_line)) {
			ret_line->read_ns = read_ns;
			if (strncmp(ret_line->text, prefix, strlen(prefix)) == 0)
				return true;
		}
		uint64_t now_ns = test_now_ns();

		if (now_ns >= end_ns)
			return false;
		struct pollfd poller = {agent->manager_fd, POLLIN, 0};

		if (poll(&poller, 1, (int)((end_ns - now_ns) / NS_PER_MS) + 1) <= 0)
			continue;
		ssize_t length = read(agent->manager_fd, agent->pending + agent->pending_len,
				      sizeof(agent->pending) - agent->pending_len);

		read_ns = test_now_ns();
		if (length > 0)
			agent->pending_len += (size_t)length;
		else
			test_sleep_ns(NS_PER_MS); /* no writer just now */
	}
}

bool agent_read_match(struct agent_process *agent, const char *prefix, const char *needle,
		      uint64_t timeout_ns, struct agent_line *ret_line)
{
	uint64_t end_ns = test_now_ns() + timeout_ns;

	for (uint64_t now_ns; (now_ns = test_now_ns()) < end_ns;)
		if (agent_read_line(agent, prefix, end_ns - now_ns, ret_line) &&
		    strstr(ret_line->text, needle))
			return true;
	return false;
}

void agent_need_match(struct agent_process *agent, const char *prefix, const char *needle,
		      uint64_t timeout_ns, struct agent_line *ret_line)
{
	if (agent_read_match(agent, prefix, needle, timeout_ns, ret_line)) {
		print_message("    %s\n", ret_line->text);
		return;
	}
	agent_print_log(agent);
	fail_msg("no line `%s` with `%s`", prefix, needle);
}

const char *line_value(const struct agent_line *line, const char *key, char *buffer, size_t size)
{
	char needle[64];

	snprintf(needle, sizeof(needle), " %s=", key);
	const char *at = strstr(line->text, needle);

	if (!at)
		fail_msg("no %s in: %s", key, line->text);
	else
		snprintf(buffer, size, "%.*s", (int)strcspn(at + strlen(needle), " "),
			 at + strlen(needle));
	return buffer;
}

void assert_line_value(const struct agent_line *line, const char *key, const char *expected)
{
	char value[AGENT_LINE_LEN];

	if (strcmp(line_value(line, key, value, sizeof(value)), expected) != 0)
		fail_msg("%s is not %s in: %s", key, expected, line->text);
}

void agent_control(const struct agent_process *agent, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/control.fifo", agent->run_dir);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

int agent_tierctl(const struct agent_process *agent, const char *arguments, char *buffer,
		  size_t size)
{
	char path[512], command[1024];

	snprintf(command, sizeof(command), "%s --run-dir %s %s 2>&1",
		 build_path("tierctl", path, sizeof(path)), agent->run_dir, arguments);
	FILE *output = popen(command, "re");

	assert_non_null(output);
	size_t length = fread(buffer, 1, size - 1, output);

	buffer[length] = '\0';
	return WEXITSTATUS(pclose(output));
}

json_t *agent_read_status(const struct agent_process *agent)
{
	static char output[64 * 1024];
	json_error_t error;

	if (agent_tierctl(agent, "status --json", output, sizeof(output)) != 0) {
		agent_print_log(agent);
		fail_msg("status: %s", output);
	}
	json_t *status = json_loads(output, 0, &error);

	if (!status)
		fail_msg("status is no JSON: %s: %s", error.text, output);
	return status;
}

json_int_t agent_status_number(const struct agent_process *agent, const char *object,
			       const char *key)
{
	json_t *status = agent_read_status(agent);
	const json_t *value = json_object_get(json_object_get(status, object), key);

	if (!json_is_integer(value))
		fail_msg("status: no number %s in %s", key, object);
	json_int_t number = json_integer_value(value);

	json_decref(status);
	return number;
}

unsigned int agent_count_decisions(const struct agent_process *agent, const char *const *needles)
{
	_cleanup_fclose_ FILE *file = fopen(agent->decisions, "re");
	char line[8192];
	unsigned int count = 0;

	while (file && fgets(line, sizeof(line), file)) {
		bool has_all = true;

		for (const char *const *needle = needles; *needle; needle++)
			has_all = has_all && strstr(line, *needle);
		count += has_all;
	}
	return count;
}

static unsigned int entries_count(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	unsigned int count = 0;

	for (const struct dirent *entry; dir && (entry = readdir(dir));)
		count += entry->d_name[0] != '.';
	return count;
}

bool agent_has_left_files(const struct agent_process *agent)
{
	return entries_count(agent->run_dir) > 0;
}

void agent_stop(struct agent_process *agent, int signal_number)
{
	kill(agent->pid, signal_number);

	int status = workload_wait(agent->pid, 5);

	agent->pid = 0;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || entries_count(agent->run_dir) > 0) {
		agent_print_log(agent);
		fail_msg("the agent ended with wait status 0x%x, %u files left", (unsigned)status,
			 entries_count(agent->run_dir));
	}
	agent_close_reader(agent);
}

void agent_discard(struct agent_process *agent)
{
	char command[256];

	if (agent->pid > 0)
		workload_stop(agent->pid);
	agent_close_reader(agent);
	if (agent->dir[0]) {
		snprintf(command, sizeof(command), "rm -rf -- %s", agent->dir);
		if (system(command) != 0)
			print_error("could not remove %s\n", agent->dir);
	}
	*agent = (struct agent_process){.manager_fd = -1};
}
