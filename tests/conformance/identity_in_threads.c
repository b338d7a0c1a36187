/* set*id and setrlimit hold for all threads: musl stops each and repeats the call there. */
#include "expect.h"
#include <grp.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static pthread_barrier_t start, changed;

/* The group as the kernel sees it for this very thread. */
static long kernel_egid(void) { return syscall(SYS_getegid); }
static long kernel_suid(void)
{
	uid_t real, effective, saved;
	return syscall(SYS_getresuid, &real, &effective, &saved) ? -1 : (long)saved;
}

static long wanted_gid;
static void *thread(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&start);
	pthread_barrier_wait(&changed);
	return (void *)(long)(kernel_egid() == wanted_gid && kernel_suid() == getuid());
}

static int round_of(const char *what, int (*change)(void))
{
	pthread_t t[6];
	void *result;
	int good = 0;
	pthread_barrier_init(&start, NULL, 7);
	pthread_barrier_init(&changed, NULL, 7);
	for (int i = 0; i < 6; i++) pthread_create(&t[i], NULL, thread, NULL);
	pthread_barrier_wait(&start);
	GIVES(what, change(), 0);
	wanted_gid = kernel_egid();
	pthread_barrier_wait(&changed);
	for (int i = 0; i < 6; i++) pthread_join(t[i], &result), good += (long)result;
	return good;
}

static gid_t other;
static int set_same(void) { return setgid(getgid()); }
static int set_other(void) { return setegid(other); }
static int set_back(void) { return setegid(getgid()); }
static int set_saved(void) { return setresuid(-1, -1, getuid()); }

int main(void)
{
	/* Only the superuser can take another group; the others take their own. */
	other = geteuid() == 0 ? getgid() + 1 : getgid();
	GIVES("setgid: threads that agree", round_of("setgid", set_same), 6);
	GIVES("setegid: threads that agree", round_of("setegid", set_other), 6);
	CHECK("the group has changed", getegid() == other);
	GIVES("setegid back: threads that agree", round_of("setegid back", set_back), 6);
	GIVES("setresuid: threads that agree", round_of("setresuid", set_saved), 6);
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	GIVES("setrlimit", setrlimit(RLIMIT_NOFILE, &limit), 0);
	FAILS("a call that fails in the first thread fails", setuid(-1), EINVAL);
	return finish();
}
