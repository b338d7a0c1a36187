/* Names of threads, their directories in /proc, their number, their own clocks and use of time. */
#include "staying_thread.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

static void *idle(void *unused)
{
	sem_post(&ready);
	while (sem_wait(&leave)) ;
	return unused;
}
static void *inherits(void *name)
{
	prctl(PR_GET_NAME, name);
	return NULL;
}
static const char *first_line(const char *path)
{
	static char line[200];
	FILE *file = fopen(path, "r");
	if (!file) return errno_name(errno);
	if (!fgets(line, sizeof line, file)) strcpy(line, "nothing");
	line[strcspn(line, "\n")] = 0;
	fclose(file);
	return line;
}
static const char *of_thread(int of, const char *file)
{
	char path[80];
	snprintf(path, sizeof path, "/proc/self/task/%d/%s", of, file);
	return first_line(path);
}
static int number_in(const char *path, const char *what)
{
	char line[200];
	int number = -1;
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, what, strlen(what))) number = atoi(line + strlen(what));
	if (file) fclose(file);
	return number;
}
static int threads(void)
{
	int count = 0, numbers = 1;
	DIR *dir = opendir("/proc/self/task");
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		if (entry->d_name[0] != '.') count++, numbers &= atoi(entry->d_name) > 0;
	if (dir) closedir(dir);
	return numbers ? count : -1;
}
static long ns(clockid_t clock)
{
	struct timespec t = { 0, -1 };
	return clock_gettime(clock, &t) ? -1 : t.tv_sec * 1000000000L + t.tv_nsec;
}
static long used(void)
{
	struct rusage usage;
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_utime.tv_sec * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_sec * 1000000L + usage.ru_stime.tv_usec;
}
static void *works(void *until)
{
	while (ns(CLOCK_THREAD_CPUTIME_ID) < (long)until) ;
	return NULL;
}

int main(void)
{
	pthread_t t, many[10];
	char name[32], path[80];
	begin_staying();
	prctl(PR_SET_NAME, "first");
	pthread_create(&t, NULL, inherits, name);
	pthread_join(t, NULL);
	say("a new thread is called %s", name);

	pthread_create(&t, NULL, stays, NULL);
	while (sem_wait(&ready)) ;
	GIVES("threads", threads(), 2);
	GIVES("in status", number_in("/proc/self/status", "Threads:"), 2);
	CODE("name it", pthread_setname_np(t, "second"), 0);
	CODE("its name", pthread_getname_np(t, name, sizeof name), 0);
	say("name %s", name);
	say("comm: %s", of_thread(tid, "comm"));
	say("the process's: %s", first_line("/proc/self/comm"));
	say("first: %s", of_thread(getpid(), "comm"));
	GIVES("the numbers in its status", number_in((snprintf(path, sizeof path, "/proc/self/task/%d/status", tid), path), "Pid:") == tid, 1);
	GIVES("the process's", number_in(path, "Tgid:") == getpid(), 1);
	CHECK("its name in its stat", strstr(of_thread(tid, "stat"), " (second) ") != NULL);
	until_it_waits(tid);
	say("a thread that is not: %s", of_thread(0x3fffffff, "comm"));
	snprintf(path, sizeof path, "/proc/%d/task/%d/comm", getpid(), tid);
	int fd = OPENED("its comm", open(path, O_RDWR));
	GIVES("write", write(fd, "third", 5), 5);
	close(fd);
	say("now %s", first_line(path));
	DIR *dir = opendir("/proc/self/task");
	CHECK("a directory", dir != NULL);
	if (dir) closedir(dir);
	GIVES("thread-self", access("/proc/thread-self/comm", F_OK), 0);
	say("thread-self: %s", first_line("/proc/thread-self/comm"));

	for (int i = 0; i < 10; i++) pthread_create(&many[i], NULL, idle, NULL);
	for (int i = 0; i < 10; i++) while (sem_wait(&ready)) ;
	GIVES("threads", threads(), 12);
	GIVES("in status", number_in("/proc/self/status", "Threads:"), 12);

	/* Clocks: of this thread, of another, of the process. */
	clockid_t clock, other, process;
	CODE("pthread_getcpuclockid", pthread_getcpuclockid(pthread_self(), &clock), 0);
	CODE("of the other", pthread_getcpuclockid(t, &other), 0);
	CODE("of the process", clock_getcpuclockid(0, &process), 0);
	/* In this order: of what comes between them the process has more than the thread. */
	long before = ns(other), all = ns(process), own = ns(clock);
	CHECK("they tell time", before >= 0 && own > 0 && all > 0);
	CHECK("the thread's is CLOCK_THREAD_CPUTIME_ID", ns(clock) <= ns(CLOCK_THREAD_CPUTIME_ID));
	while (ns(CLOCK_THREAD_CPUTIME_ID) < own + 20000000) ;
	CHECK("20 ms of work are seen", ns(clock) >= own + 20000000 && ns(process) >= all + 20000000);
	CHECK("they are not the other's", ns(other) < before + 20000000);
	CHECK("nor more than the process's", ns(clock) <= ns(process));
	own = ns(clock);
	usleep(50000);
	CHECK("a sleep of 50 ms is no work", ns(clock) < own + 25000000);
	all = ns(process);
	pthread_t worker;
	pthread_create(&worker, NULL, works, (void *)20000000L);
	pthread_join(worker, NULL);
	CHECK("the other's work is the process's too", ns(process) >= all + 20000000);
	struct timespec resolution;
	GIVES("resolution", clock_getres(other, &resolution), 0);
	CHECK("it is small", resolution.tv_sec == 0 && resolution.tv_nsec <= 10000000);
	FAILS("it cannot be set", clock_settime(other, &resolution), EPERM);
	long start = used();
	for (int i = 0; i < 100 && used() < start + 20000; i++) works((void *)(ns(CLOCK_THREAD_CPUTIME_ID) + 10000000));
	CHECK("RUSAGE_THREAD counts", used() >= start + 20000);

	for (int i = 0; i < 11; i++) sem_post(&leave);
	for (int i = 0; i < 10; i++) pthread_join(many[i], NULL);
	pthread_join(t, NULL);
	/* The kernel may be a little behind. */
	while (ns(other) >= 0) usleep(1000);
	FAILS("the clock of a thread that is gone", clock_gettime(other, &resolution), EINVAL);
	while (threads() > 1) usleep(1000);
	GIVES("threads", threads(), 1);
	GIVES("in status", number_in("/proc/self/status", "Threads:"), 1);
	return finish();
}
