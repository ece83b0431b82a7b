// SPDX-License-Identifier: BSD-2-Clause
/* tier-manager: operates model servers as the agent orders. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "config.h"
#include "manager.h"

#define DEFAULT_CONFIG "/etc/tierd/tier-manager.conf"

enum {
	EXIT_USAGE = 2,
	EXIT_PRIVILEGE = 3,
};

enum mode {
	MODE_RUN,
	MODE_CHECK,
	MODE_PRINT_GATE,
};

struct arguments {
	const char *config;
	const char *run_dir; /* NULL = what the config says */
	enum mode mode;
};

static void print_help(void)
{
	printf("usage: tier-manager [--config FILE] [--run-dir DIR] [--check-config | "
	       "--print-gate]\n"
	       "\n"
	       "Operates model servers as tierd orders.\n"
	       "\n"
	       "  --config FILE    [" DEFAULT_CONFIG "]\n"
	       "  --run-dir DIR    folder of the agent's FIFOs, instead of the config's run_dir\n"
	       "  --check-config   check the config and end: 0, or 2 and what is wrong\n"
	       "  --print-gate     print the gate's configuration for HAProxy and end\n"
	       "  --help           this, and every key of the config\n");
	manager_config_describe(stdout);
}

/* 0 to go on; 1 to end with *ret_status. */
static int parse_arguments(int argc, char **argv, struct arguments *ret_arguments, int *ret_status)
{
	static const struct option OPTIONS[] = {
		{"config", required_argument, NULL, 'c'}, {"run-dir", required_argument, NULL, 'r'},
		{"check-config", no_argument, NULL, 'k'}, {"print-gate", no_argument, NULL, 'g'},
		{"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
	};
	int option;

	*ret_arguments = (struct arguments){.config = DEFAULT_CONFIG};
	*ret_status = EXIT_USAGE;
	while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
		switch (option) {
		case 'c':
			ret_arguments->config = optarg;
			break;
		case 'r':
			ret_arguments->run_dir = optarg;
			break;
		case 'k':
			ret_arguments->mode = MODE_CHECK;
			break;
		case 'g':
			ret_arguments->mode = MODE_PRINT_GATE;
			break;
		case 'h':
			print_help();
			*ret_status = 0;
			return 1;
		default:
			return 1;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "tier-manager: %s: not expected\n", argv[optind]);
		return 1;
	}
	return 0;
}

/*
 * What is given away is what we have made, whoever may write where it lies and has put something
 * else in its place since.
 */
static int give_new_dir(const char *path, const struct passwd *user)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		return -errno;
	if (status.st_uid != geteuid() || (status.st_mode & ACCESSPERMS & ~S_IRWXU) != 0)
		return -EPERM;
	return fchown(fd, user->pw_uid, user->pw_gid) < 0 ? -errno : 0;
}

/*
 * In /run only root can make it. One that is there already keeps its owner, and why one cannot be
 * made the gate says.
 */
static int make_work_dir(const struct manager_config *config, const struct passwd *user)
{
	if (config->backend != BACKEND_HAPROXY || mkdir(config->work_dir, S_IRWXU) < 0)
		return 0;
	int r = give_new_dir(config->work_dir, user);

	if (r < 0)
		fprintf(stderr, "tier-manager: manager.work_dir: %s cannot be given to %s: %s\n",
			config->work_dir, user->pw_name, strerror(-r));
	return r;
}

static int become_user(const struct manager_config *config)
{
	const char *name = config->user;
	const struct passwd *user;

	if (geteuid() != 0)
		return 0;
	if (!name[0]) {
		fprintf(stderr, "tier-manager: started by root: manager.user has to say which user "
				"it becomes (root itself, too)\n");
		return EXIT_PRIVILEGE;
	}
	user = getpwnam(name);
	if (!user) {
		fprintf(stderr, "tier-manager: manager.user: there is no user %s\n", name);
		return EXIT_USAGE;
	}
	if (user->pw_uid == 0)
		return 0;
	if (make_work_dir(config, user) < 0)
		return EXIT_PRIVILEGE;
	if (initgroups(name, user->pw_gid) < 0 || setgid(user->pw_gid) < 0 ||
	    setuid(user->pw_uid) < 0) {
		fprintf(stderr, "tier-manager: cannot become %s: %s\n", name, strerror(errno));
		return EXIT_PRIVILEGE;
	}
	return 0;
}

/* HAProxy ends where it cannot return to by path, as in a folder below root's home. */
static void leave_unreachable_dir(void)
{
	char path[PATH_MAX];

	if ((!getcwd(path, sizeof(path)) || access(path, X_OK) < 0) && chdir("/") < 0)
		fprintf(stderr, "tier-manager: cannot go to /: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
	static struct manager manager;
	struct arguments arguments;
	char error[MANAGER_ERROR_LEN];
	int status;

	if (parse_arguments(argc, argv, &arguments, &status) != 0)
		return status;
	if (manager_config_load(arguments.config, &manager.config, error, sizeof(error)) < 0) {
		fprintf(stderr, "tier-manager: %s\n", error);
		return EXIT_USAGE;
	}
	if (arguments.run_dir &&
	    snprintf(manager.config.run_dir, sizeof(manager.config.run_dir), "%s",
		     arguments.run_dir) >= (int)sizeof(manager.config.run_dir)) {
		fprintf(stderr, "tier-manager: --run-dir is too long\n");
		return EXIT_USAGE;
	}
	if (arguments.mode == MODE_CHECK) {
		printf("%s: ok, %u tiers\n", arguments.config, manager.config.tier_count - 1);
		return 0;
	}
	if (arguments.mode == MODE_PRINT_GATE)
		return gate_write_config(&manager.config, stdout) < 0;
	status = become_user(&manager.config);
	if (status != 0)
		return status;
	leave_unreachable_dir();
	return manager_run(&manager);
}
