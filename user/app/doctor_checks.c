/* SPDX-License-Identifier: BSD-2-Clause */
/* The single checks of doctor. */
#include "doctor_checks.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/units.h"
#include "io/cgroup.h"
#include "io/nvml.h"
#include "io/proc.h"
#include "io/program_table.h"
#include "io/psi.h"

enum {
	FILE_TEXT_LEN = 16 * 1024,
	KERNEL_MAJOR_MIN = 5,
	KERNEL_MINOR_MIN = 10,
	/* Ring buffers of the largest size and the preallocated tables, generously. */
	MAPS_BYTES_MAX = 128 * 1024 * 1024,
};

#define CAPABILITY(number) (UINT64_C(1) << (number))

static void set(struct doctor_finding *finding, enum doctor_state state, const char *remedy,
		const char *detail, ...) __attribute__((format(printf, 4, 5)));

static void set(struct doctor_finding *finding, enum doctor_state state, const char *remedy,
		const char *detail, ...)
{
	va_list arguments;

	finding->state = state;
	snprintf(finding->remedy, sizeof(finding->remedy), "%s", remedy);
	va_start(arguments, detail);
	vsnprintf(finding->detail, sizeof(finding->detail), detail, arguments);
	va_end(arguments);
}

/* Reads root/name; its length or a negative errno. */
static int read_text(const char *root, const char *name, char *text, size_t size)
{
	_cleanup_close_ int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	return proc_read_file(fd, name, text, size);
}

static int read_capabilities(const char *proc_root, uint64_t *ret_effective)
{
	static const char KEY[] = "\nCapEff:";
	char text[FILE_TEXT_LEN];
	int r = read_text(proc_root, "self/status", text, sizeof(text));
	const char *line = r < 0 ? NULL : strstr(text, KEY);
	char *end = NULL;

	if (!line)
		return r < 0 ? r : -EBADMSG;
	uint64_t effective = strtoull(line + sizeof(KEY) - 1, &end, 16);
	if (*end != '\n')
		return -EBADMSG;
	*ret_effective = effective;
	return 0;
}

/* The major and minor numbers of the running kernel's release; 0 if they cannot be read. */
static unsigned long read_release(const struct doctor_place *place, char *text, size_t size,
				  unsigned long *ret_minor)
{
	char *end;

	*ret_minor = 0;
	if (read_text(place->proc_root, "sys/kernel/osrelease", text, size) < 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';
	unsigned long major = strtoul(text, &end, 10);

	if (*end == '.')
		*ret_minor = strtoul(end + 1, NULL, 10);
	return major;
}

/* Until 5.11 (97306be45fbe) maps counted as locked memory, and the limit is too small for them. */
static bool is_memory_limited(const struct doctor_place *place)
{
	char text[FILE_TEXT_LEN];
	struct rlimit limit;
	unsigned long minor;
	unsigned long major = read_release(place, text, sizeof(text), &minor);

	return major > 0 && (major < 5 || (major == 5 && minor < 11)) &&
	       getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur < MAPS_BYTES_MAX;
}

void doctor_check_privileges(const struct doctor_place *place, struct doctor_finding *finding)
{
	static const char REMEDY[] = "run it as root, or with CAP_BPF, CAP_PERFMON and "
				     "CAP_SYS_RESOURCE";
	uint64_t held = 0;
	int r = read_capabilities(place->proc_root, &held);

	finding->is_privilege = true;
	if (r < 0) {
		set(finding, DOCTOR_UNKNOWN, REMEDY, "self/status: %s", strerror(-r));
		return;
	}
	bool is_admin = held & CAPABILITY(CAP_SYS_ADMIN);
	bool has_resource = held & CAPABILITY(CAP_SYS_RESOURCE);
	bool has_bpf = is_admin || (held & CAPABILITY(CAP_BPF));
	bool has_perfmon = is_admin || (held & CAPABILITY(CAP_PERFMON));
	if (!has_bpf || !has_perfmon)
		set(finding, DOCTOR_MISSING, REMEDY, "no %s%s%s", has_bpf ? "" : "CAP_BPF",
		    has_bpf || has_perfmon ? "" : " and ", has_perfmon ? "" : "CAP_PERFMON");
	else if (!has_resource && is_memory_limited(place))
		set(finding, DOCTOR_MISSING, "run it as root, or with CAP_SYS_RESOURCE, too",
		    "no CAP_SYS_RESOURCE: before 5.11 BPF needs locked memory (ulimit -l)");
	else if (!has_resource)
		set(finding, DOCTOR_LIMITED, REMEDY, "no CAP_SYS_RESOURCE: PSI windows are long");
	else if (!(held & CAPABILITY(CAP_SYS_PTRACE)))
		set(finding, DOCTOR_LIMITED, "run it as root, or with CAP_SYS_PTRACE, too",
		    "no CAP_SYS_PTRACE: programs of other users are known by name only");
	else
		set(finding, DOCTOR_OK, "", "may load BPF programs and set PSI triggers");
}

/*
 * Records name processes by the host's pids, /proc by those of the reader's namespace: in a
 * container with pids of its own one would be taken for another.
 */
void doctor_check_pid_namespace(const struct doctor_place *place, struct doctor_finding *finding)
{
	/* PROC_PID_INIT_INO, include/linux/proc_ns.h */
	static const char HOST[] = "pid:[4026531836]";
	_cleanup_close_ int fd = open(place->proc_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	char target[64];
	ssize_t len = readlinkat(fd, "self/ns/pid", target, sizeof(target) - 1);

	if (len < 0) {
		set(finding, DOCTOR_UNKNOWN, "", "self/ns/pid: %s", strerror(errno));
		return;
	}
	target[len] = '\0';
	if (strcmp(target, HOST) == 0)
		set(finding, DOCTOR_OK, "", "the host's");
	else
		set(finding, DOCTOR_MISSING,
		    "run it on the host, or in a container with the host's pids (--pid=host)",
		    "its own, %s: the kernel names other pids", target);
}

void doctor_check_kernel(const struct doctor_place *place, struct doctor_finding *finding)
{
	char text[FILE_TEXT_LEN];
	unsigned long minor;
	unsigned long major = read_release(place, text, sizeof(text), &minor);

	if (major == 0)
		set(finding, DOCTOR_UNKNOWN, "", "sys/kernel/osrelease cannot be read");
	else if (major < KERNEL_MAJOR_MIN ||
		 (major == KERNEL_MAJOR_MIN && minor < KERNEL_MINOR_MIN))
		set(finding, DOCTOR_LIMITED, "use Linux 5.10 or newer",
		    "%.100s: older than what tierd is made for", text);
	else
		set(finding, DOCTOR_OK, "", "%.100s", text);
}

void doctor_check_btf(const struct doctor_place *place, struct doctor_finding *finding)
{
	if (place->btf)
		set(finding, DOCTOR_OK, "", "%s/kernel/btf/vmlinux, %u types", place->sys_root,
		    btf__type_cnt(place->btf));
	else
		set(finding, DOCTOR_MISSING, "use a kernel built with CONFIG_DEBUG_INFO_BTF=y",
		    "%s/kernel/btf/vmlinux cannot be used", place->sys_root);
}

void doctor_check_lockdown(const struct doctor_place *place, struct doctor_finding *finding)
{
	char text[FILE_TEXT_LEN];
	int r = read_text(place->sys_root, "kernel/security/lockdown", text, sizeof(text));

	if (r == -ENOENT)
		set(finding, DOCTOR_OK, "", "not part of this kernel, or not mounted");
	else if (r < 0)
		set(finding, DOCTOR_UNKNOWN, "run it as root", "lockdown: %s", strerror(-r));
	else if (strstr(text, "[confidentiality]"))
		set(finding, DOCTOR_MISSING, "boot without lockdown=confidentiality",
		    "confidentiality: BPF programs may not read kernel memory");
	else if (strstr(text, "[integrity]"))
		set(finding, DOCTOR_OK, "", "integrity: tracepoints work");
	else
		set(finding, DOCTOR_OK, "", "off");
}

/* The next three read BTF, which says what this kernel has without asking for it. */
static bool has_btf(const struct doctor_place *place, struct doctor_finding *finding)
{
	if (place->btf)
		return true;
	set(finding, DOCTOR_UNKNOWN, "use a kernel with BTF", "cannot be told without BTF");
	return false;
}

static bool has_member(const struct btf *btf, const char *structure, const char *member)
{
	int id = btf__find_by_name_kind(btf, structure, BTF_KIND_STRUCT);

	if (id < 0)
		return false;
	const struct btf_type *type = btf__type_by_id(btf, (__u32)id);
	const struct btf_member *members = btf_members(type);
	for (__u16 i = 0; i < btf_vlen(type); i++) {
		const char *name = btf__name_by_offset(btf, members[i].name_off);

		if (name && strcmp(name, member) == 0)
			return true;
	}
	return false;
}

void doctor_check_task_iterator(const struct doctor_place *place, struct doctor_finding *finding)
{
	if (!has_btf(place, finding))
		return;
	if (btf__find_by_name_kind(place->btf, "bpf_iter_task", BTF_KIND_FUNC) >= 0)
		set(finding, DOCTOR_OK, "", "waiting and stalled threads are seen, too");
	else
		set(finding, DOCTOR_MISSING, "use Linux 5.8 or newer",
		    "no bpf_iter_task: threads cannot be walked");
}

void doctor_check_memstall(const struct doctor_place *place, struct doctor_finding *finding)
{
	if (!has_btf(place, finding))
		return;
	char text[FILE_TEXT_LEN];

	/* The field stays, and stays zero, where PSI is off at boot. */
	if (read_text(place->proc_root, "pressure/memory", text, sizeof(text)) < 0)
		set(finding, DOCTOR_LIMITED, "boot with psi=1",
		    "PSI is off: memory stall is seen in reclaim and compaction only");
	else if (has_member(place->btf, "task_struct", "in_memstall"))
		set(finding, DOCTOR_OK, "", "memory stall per process, as PSI means it");
	else
		set(finding, DOCTOR_LIMITED, "use a kernel built with CONFIG_PSI=y",
		    "not there: memory stall is seen in reclaim and compaction only");
}

void doctor_check_sched_info(const struct doctor_place *place, struct doctor_finding *finding)
{
	if (!has_btf(place, finding))
		return;
	/* The structure is there without CONFIG_SCHED_INFO as well, but empty. */
	if (has_member(place->btf, "sched_info", "run_delay"))
		set(finding, DOCTOR_OK, "", "run-queue wait is counted by the kernel");
	else
		set(finding, DOCTOR_LIMITED,
		    "use a kernel built with CONFIG_SCHEDSTATS=y or CONFIG_TASK_DELAY_ACCT=y",
		    "the kernel does not count run-queue wait");
}

void doctor_check_task_state(const struct doctor_place *place, struct doctor_finding *finding)
{
	if (!has_btf(place, finding))
		return;
	if (kernel_has_task_storage(place->btf))
		set(finding, DOCTOR_OK, "", "in task storage, for as many as there are");
	else
		set(finding, DOCTOR_LIMITED, "use Linux 6.4 or newer",
		    "in preallocated tables, for 65536 threads of 16384 processes");
}

void doctor_check_psi(const struct doctor_place *place, struct doctor_finding *finding)
{
	uint64_t window_ns = 0;
	int r = psi_probe(&window_ns);
	char window[UNITS_TEXT_LEN];

	(void)place;
	finding->is_privilege = r == -EPERM;
	if (r == -EPERM)
		set(finding, DOCTOR_MISSING, "run it as root, or with CAP_SYS_RESOURCE",
		    "these privileges allow no triggers");
	else if (r < 0)
		set(finding, DOCTOR_MISSING, "boot with psi=1, on a kernel built with CONFIG_PSI=y",
		    "no /proc/pressure: %s", strerror(-r));
	else if (window_ns > NS_PER_S)
		set(finding, DOCTOR_LIMITED, "run it as root, or with CAP_SYS_RESOURCE",
		    "smallest window %s", units_format_duration(window_ns, window));
	else
		set(finding, DOCTOR_OK, "", "smallest window %s",
		    units_format_duration(window_ns, window));
}

void doctor_check_proc(const struct doctor_place *place, struct doctor_finding *finding)
{
	char text[FILE_TEXT_LEN];
	uint64_t available = 0;
	char number[UNITS_TEXT_LEN];
	int r = read_text(place->proc_root, "meminfo", text, sizeof(text));

	if (r >= 0)
		r = proc_find_number(text, "MemAvailable", &available);
	if (r < 0)
		set(finding, DOCTOR_MISSING, "mount /proc", "meminfo: %s", strerror(-r));
	else
		set(finding, DOCTOR_OK, "", "%s of memory available",
		    units_format_bytes_rounded(available, number));
}

void doctor_check_cgroup(const struct doctor_place *place, struct doctor_finding *finding)
{
	_cleanup_free_ struct cgroup_hierarchy *hierarchy = malloc(sizeof(*hierarchy));
	int r = hierarchy ? cgroup_find_hierarchy(place->proc_root, hierarchy) : -ENOMEM;

	if (r < 0)
		set(finding, DOCTOR_UNKNOWN, "", "mountinfo: %s", strerror(-r));
	else if (hierarchy->version == CGROUP_NONE)
		set(finding, DOCTOR_LIMITED, "mount a cgroup hierarchy with the memory controller",
		    "none mounted: limits of groups are not seen");
	else
		set(finding, DOCTOR_OK, "", "version %d at %.120s",
		    hierarchy->version == CGROUP_V1 ? 1 : 2, hierarchy->mount);
}

void doctor_check_gpu(const struct doctor_place *place, struct doctor_finding *finding)
{
	struct nvml *nvml = NULL;
	int r = nvml_create(&nvml);

	(void)place;
	if (r < 0) {
		set(finding, DOCTOR_UNKNOWN, "", "NVML: %s", strerror(-r));
		return;
	}
	unsigned int count = nvml_get_device_count(nvml);
	const char *problem = nvml_get_problem(nvml);
	if (count > 0)
		set(finding, DOCTOR_OK, "", "%u, the first is %s", count, nvml_get_name(nvml, 0));
	else
		set(finding, DOCTOR_OK, "", "none (%.120s)", problem ? problem : "NVML sees none");
	nvml_destroy(nvml);
}

/* The directory itself, or the nearest parent that is there, must be writable. */
void doctor_check_run_dir(const struct doctor_place *place, struct doctor_finding *finding)
{
	char path[PATH_MAX];
	int len = snprintf(path, sizeof(path), "%s", place->run_dir);

	if (len < 0 || (size_t)len >= sizeof(path)) {
		set(finding, DOCTOR_MISSING, "choose a shorter --run-dir", "its path is too long");
		return;
	}
	while (access(path, F_OK) < 0 && errno == ENOENT) {
		char *slash = strrchr(path, '/');

		if (!slash)
			strcpy(path, ".");
		else if (slash == path)
			strcpy(path, "/");
		else
			*slash = '\0';
	}
	finding->is_privilege = true;
	if (access(path, W_OK | X_OK) < 0)
		set(finding, DOCTOR_MISSING, "run it as root, or choose another --run-dir",
		    "%.80s: %s", path, strerror(errno));
	else
		set(finding, DOCTOR_OK, "", "%.80s %s", place->run_dir,
		    strcmp(path, place->run_dir) == 0 ? "can be written" : "can be made");
}
