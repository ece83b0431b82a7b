/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that makes bounded trouble on request: it takes memory, re-reads a mapped file, burns
 * CPU, or all of these in turn. Tests and the demo run it inside a memory cgroup of their own.
 *
 * It prints nothing, always ends by itself (--seconds), and with the process that started it where
 * --die-with-parent is given. Without --threads it has one thread, so that a test knows whose
 * stall it sees.
 */
#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "monotonic.h"

enum {
	GROW_STEP_NS = 20 * 1000 * 1000,
	THREADS_MAX = 256,
	WRITE_CHUNK = 1 << 20,
};

enum option_key {
	KEY_MEMORY = 'm',
	KEY_THREADS = 't',
	KEY_SECONDS = 's',
	KEY_GROW = 256,
	KEY_HOLD,
	KEY_TOUCH,
	KEY_FILE,
	KEY_FILE_SIZE,
	KEY_READ,
	KEY_SPIN,
	KEY_SPIN_MS,
	KEY_PAUSE,
	KEY_PIN,
	KEY_NICE,
	KEY_DIE,
	KEY_COMM,
};

struct mapping {
	volatile uint8_t *bytes;
	size_t size;
};

struct hog {
	/* as asked for */
	uint64_t memory_bytes;
	uint64_t grow_s;
	uint64_t hold_s; /* 0 = until seconds are over */
	uint64_t seconds;
	uint64_t file_bytes; /* 0 = the file is there */
	uint64_t threads;
	uint64_t spin_ms;
	uint64_t pause_ms;
	const char *file;
	const char *comm;
	long pin_cpu; /* -1 = not pinned */
	long nice;
	bool is_touching;
	bool is_reading;
	bool is_spinning;
	bool dies_with_parent;
	/* what the threads work on */
	struct mapping memory;
	struct mapping mapped_file;
	size_t page_size;
};

static const struct argp_option options[] = {
	{"memory", KEY_MEMORY, "BYTES", 0, "take this much anonymous memory (K, M, G)", 0},
	{"grow-seconds", KEY_GROW, "N", 0, "take it evenly over this long [0]", 0},
	{"hold-seconds", KEY_HOLD, "N", 0, "end this long after it is taken", 0},
	{"touch", KEY_TOUCH, NULL, 0, "write to every page of it again and again", 0},
	{"file", KEY_FILE, "PATH", 0, "map this file", 0},
	{"file-size", KEY_FILE_SIZE, "BYTES", 0, "write it first, with this size, uncached", 0},
	{"read", KEY_READ, NULL, 0, "read every page of it again and again", 0},
	{"spin", KEY_SPIN, NULL, 0, "burn CPU", 0},
	{"spin-ms", KEY_SPIN_MS, "N", 0, "for this long in each round [10]", 0},
	{"pause-ms", KEY_PAUSE, "N", 0, "rest this long between two rounds [0]", 0},
	{"threads", KEY_THREADS, "N", 0, "so many threads do all this [1]", 0},
	{"pin", KEY_PIN, "CPU", 0, "run on this CPU only", 0},
	{"nice", KEY_NICE, "N", 0, "priority, -20..19", 0},
	{"comm", KEY_COMM, "NAME", 0, "be called this in process lists", 0},
	{"die-with-parent", KEY_DIE, NULL, 0, "end when the parent does", 0},
	{"seconds", KEY_SECONDS, "N", 0, "end after this long, whatever happens [60]", 0},
	{0},
};

static uint64_t parse_number(struct argp_state *state, const char *text, bool is_bytes)
{
	static const char suffixes[] = "KMG";
	char *end = NULL;

	errno = 0;
	uint64_t value = strtoull(text, &end, 10);

	for (unsigned int i = 0; is_bytes && suffixes[i] != '\0'; i++) {
		if (*end == suffixes[i]) {
			value <<= 10 * (i + 1);
			end++;
			break;
		}
	}
	if (errno != 0 || end == text || *end != '\0' || *text == '-')
		argp_error(state, "not a number: %s", text);
	return value;
}

static const struct {
	int key;
	bool is_bytes;
	size_t offset; /* of an uint64_t */
} numbers[] = {
	{KEY_MEMORY, true, offsetof(struct hog, memory_bytes)},
	{KEY_FILE_SIZE, true, offsetof(struct hog, file_bytes)},
	{KEY_GROW, false, offsetof(struct hog, grow_s)},
	{KEY_HOLD, false, offsetof(struct hog, hold_s)},
	{KEY_SPIN_MS, false, offsetof(struct hog, spin_ms)},
	{KEY_PAUSE, false, offsetof(struct hog, pause_ms)},
	{KEY_THREADS, false, offsetof(struct hog, threads)},
	{KEY_SECONDS, false, offsetof(struct hog, seconds)},
};

static const struct {
	int key;
	size_t offset; /* of a bool */
} flags[] = {
	{KEY_TOUCH, offsetof(struct hog, is_touching)},
	{KEY_READ, offsetof(struct hog, is_reading)},
	{KEY_SPIN, offsetof(struct hog, is_spinning)},
	{KEY_DIE, offsetof(struct hog, dies_with_parent)},
};

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct hog *hog = state->input;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		if (numbers[i].key != key)
			continue;
		*(uint64_t *)((char *)hog + numbers[i].offset) =
			parse_number(state, arg, numbers[i].is_bytes);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (flags[i].key != key)
			continue;
		*(bool *)((char *)hog + flags[i].offset) = true;
		return 0;
	}
	switch (key) {
	case KEY_FILE:
		hog->file = arg;
		return 0;
	case KEY_COMM:
		hog->comm = arg;
		return 0;
	case KEY_PIN:
		hog->pin_cpu = (long)parse_number(state, arg, false);
		return 0;
	case KEY_NICE:
		hog->nice = strtol(arg, NULL, 10);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void on_deadline(int signal_number)
{
	(void)signal_number;
	_exit(EXIT_SUCCESS);
}

/* The end comes as a signal, so that it also comes in the middle of a long stall. */
static void set_deadline(uint64_t seconds)
{
	struct itimerval timer = {.it_value.tv_sec = (time_t)seconds};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static int become(const struct hog *hog)
{
	if (hog->dies_with_parent && prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	if (hog->comm && prctl(PR_SET_NAME, hog->comm) < 0)
		return -errno;
	if (hog->nice != 0 && setpriority(PRIO_PROCESS, 0, (int)hog->nice) < 0)
		return -errno;
	if (hog->pin_cpu >= 0) {
		cpu_set_t cpus;

		CPU_ZERO(&cpus);
		CPU_SET((size_t)hog->pin_cpu, &cpus);
		if (sched_setaffinity(0, sizeof(cpus), &cpus) < 0)
			return -errno;
	}
	return 0;
}

/* Leaves nothing of it in the page cache: whoever reads it first is charged for it. */
static int write_file(const char *path, uint64_t size)
{
	static uint8_t chunk[WRITE_CHUNK];
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, 0) < 0)
		r = -errno;
	for (size_t i = 0; i < sizeof(chunk); i++)
		chunk[i] = (uint8_t)(i * 31);
	for (uint64_t written = 0; r == 0 && written < size; written += sizeof(chunk)) {
		if (write(fd, chunk, sizeof(chunk)) != (ssize_t)sizeof(chunk))
			r = -EIO;
	}
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = -posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
	return r;
}

static int map_file(struct hog *hog)
{
	int r = hog->file_bytes > 0 ? write_file(hog->file, hog->file_bytes) : 0;
	struct stat status;
	void *bytes;

	if (r < 0)
		return r;
	int fd = open(hog->file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &status) < 0 || status.st_size == 0)
		r = -ENODATA;
	bytes = r == 0 ? mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0)
		       : MAP_FAILED;
	if (r == 0 && bytes == MAP_FAILED)
		r = -errno;
	close(fd);
	if (r == 0)
		hog->mapped_file = (struct mapping){bytes, (size_t)status.st_size};
	return r;
}

static void touch(const struct mapping *mapping, size_t page_size)
{
	for (size_t i = 0; i < mapping->size; i += page_size)
		mapping->bytes[i]++;
}

static void look_at(const struct mapping *mapping, size_t page_size)
{
	for (size_t i = 0; i < mapping->size; i += page_size)
		(void)mapping->bytes[i];
}

static void spin(uint64_t duration_ns)
{
	for (uint64_t end_ns = now_ns() + duration_ns; now_ns() < end_ns;)
		;
}

static void rest(uint64_t duration_ns)
{
	struct timespec duration = {
		.tv_sec = (time_t)(duration_ns / NS_PER_S),
		.tv_nsec = (long)(duration_ns % NS_PER_S),
	};

	nanosleep(&duration, NULL);
}

static int grow(struct hog *hog)
{
	void *bytes = mmap(NULL, hog->memory_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (bytes == MAP_FAILED)
		return -errno;
	hog->memory = (struct mapping){bytes, hog->memory_bytes};

	uint64_t begin_ns = now_ns();
	uint64_t grow_ns = hog->grow_s * NS_PER_S;
	size_t taken = 0;

	while (taken < hog->memory.size) {
		uint64_t passed_ns = now_ns() - begin_ns;
		size_t wanted = hog->memory.size;

		if (passed_ns < grow_ns)
			wanted = (size_t)((double)wanted * (double)passed_ns / (double)grow_ns);
		for (; taken < wanted; taken += hog->page_size)
			hog->memory.bytes[taken] = 1;
		if (taken < hog->memory.size)
			rest(GROW_STEP_NS);
	}
	return 0;
}

static void *work(void *argument)
{
	const struct hog *hog = argument;

	if (!hog->is_touching && !hog->is_reading && !hog->is_spinning) {
		for (;;)
			pause();
	}
	for (;;) {
		if (hog->is_touching)
			touch(&hog->memory, hog->page_size);
		if (hog->is_reading)
			look_at(&hog->mapped_file, hog->page_size);
		if (hog->is_spinning)
			spin(hog->spin_ms * NS_PER_MS);
		if (hog->pause_ms > 0)
			rest(hog->pause_ms * NS_PER_MS);
	}
	return NULL;
}

static int run(struct hog *hog)
{
	uint64_t begin_ns = now_ns();
	int r = become(hog);

	if (r == 0 && hog->file)
		r = map_file(hog);
	if (r == 0 && hog->memory_bytes > 0)
		r = grow(hog);
	if (r < 0)
		return r;
	uint64_t passed_s = (now_ns() - begin_ns) / NS_PER_S;

	if (hog->hold_s > 0 && passed_s + hog->hold_s < hog->seconds)
		set_deadline(hog->hold_s);
	for (uint64_t i = 1; i < hog->threads; i++) {
		pthread_t thread;

		r = pthread_create(&thread, NULL, work, hog);
		if (r != 0)
			return -r;
	}
	work(hog);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct argp argp = {
		options, parse_option, NULL, "Makes bounded memory and CPU pressure.",
		NULL,    NULL,         NULL};
	struct hog hog = {
		.seconds = 60,
		.threads = 1,
		.spin_ms = 10,
		.pin_cpu = -1,
		.page_size = (size_t)sysconf(_SC_PAGESIZE),
	};

	argp_parse(&argp, argc, argv, 0, NULL, &hog);
	if (hog.seconds == 0 || hog.threads == 0 || hog.threads > THREADS_MAX ||
	    (hog.is_reading && !hog.file) || (hog.is_touching && hog.memory_bytes == 0))
		return EXIT_FAILURE;
	signal(SIGALRM, on_deadline);
	set_deadline(hog.seconds);
	return run(&hog) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
