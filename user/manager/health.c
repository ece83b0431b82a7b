/* SPDX-License-Identifier: BSD-2-Clause */
#include "health.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/units.h"

enum {
	WHY_LEN = 64,
	STATUS_TOO_MANY = 429,
	STATUS_UNAVAILABLE = 503,
};

/* An answer that took so much longer than it may: on a host that is short of CPU or memory it may
 * have been there long before we came to look. */
#define LATE_NS NS_PER_S

static bool is_url(const char *question)
{
	return strncmp(question, "http://", 7) == 0 || strncmp(question, "https://", 8) == 0;
}

static void answer(struct health *health, enum health_answer answer, const char *why)
{
	uint64_t limit_ns = units_plus(health->timeout_ns, LATE_NS);

	health->is_asked = false;
	if (answer == HEALTH_BAD && loop_now_ns() - health->asked_ns > limit_ns)
		answer = HEALTH_UNSURE;
	health->on_answer(health->context, answer, why);
}

static void on_http_answer(void *context, const struct http_answer *http)
{
	char why[WHY_LEN];
	enum health_answer kind = HEALTH_BAD;

	snprintf(why, sizeof(why), "HTTP status %d", http->status);
	if (http->status >= 200 && http->status < 300)
		kind = HEALTH_GOOD;
	else if (http->status == STATUS_TOO_MANY || http->status == STATUS_UNAVAILABLE)
		kind = HEALTH_BUSY;
	answer(context, kind, http->status ? why : http->error);
}

static void on_command_end(void *context, int status)
{
	struct health *health = context;
	char why[WHY_LEN];

	loop_disarm(&health->command_timer);
	if (health->is_asked)
		answer(health, status == 0 ? HEALTH_GOOD : HEALTH_BAD,
		       child_describe_status(status, why, sizeof(why)));
}

static void on_command_timeout(void *context)
{
	struct health *health = context;

	child_signal(&health->command, SIGKILL);
}

void health_open(struct health *health)
{
	health->command.on_end = on_command_end;
	health->command.context = health;
	loop_add_timer(health->loop, &health->command_timer, on_command_timeout, health);
}

static int run_command(struct health *health, uint64_t timeout_ns)
{
	int r = child_start(health->children, &health->command, health->question,
			    health->environment, health->output_fd);
	if (r == 0)
		loop_arm_in(&health->command_timer, timeout_ns);
	return r;
}

int health_ask(struct health *health, uint64_t timeout_ns)
{
	int r;

	if (health->is_asked || health->command.pid != 0)
		return -EBUSY;
	health->asked_ns = loop_now_ns();
	health->timeout_ns = timeout_ns;
	if (is_url(health->question))
		r = http_begin(&health->http, health->loop, NULL, health->question, NULL,
			       timeout_ns, on_http_answer, health);
	else
		r = run_command(health, timeout_ns);
	health->is_asked = r == 0;
	return r;
}

void health_cancel(struct health *health)
{
	health->is_asked = false;
	loop_disarm(&health->command_timer);
	child_signal(&health->command, SIGKILL);
	http_cancel(&health->http);
}
