// needs-root: priorities
/* Policies, priorities and processors thread by thread, with the superuser's rights. */
#include "staying_thread.h"
#include <sched.h>
#include <sys/resource.h>

static void *own_policy(void *out)
{
	int *seen = out;
	struct sched_param param;
	seen[0] = syscall(SYS_sched_getscheduler, 0);
	syscall(SYS_sched_getparam, 0, &param);
	seen[1] = param.sched_priority;
	seen[2] = pthread_getschedparam(pthread_self(), &seen[3], &param);
	return NULL;
}
static long set(pid_t of, int policy, int priority)
{
	struct sched_param param = { .sched_priority = priority };
	return syscall(SYS_sched_setscheduler, of, policy, &param);
}
static int priority_of(pid_t of)
{
	struct sched_param param = { -1 };
	return syscall(SYS_sched_getparam, of, &param) ? -1 : param.sched_priority;
}
static int policy_of(pid_t of) { return syscall(SYS_sched_getscheduler, of); }

int main(void)
{
	pthread_t t;
	struct sched_param param = { .sched_priority = 20 };
	int policy;
	begin_staying();
	pid_t first = syscall(SYS_gettid);
	GIVES("the first thread is the process", first == getpid(), 1);

	pthread_create(&t, NULL, stays, NULL);
	while (sem_wait(&ready)) ;
	CHECK("another number", tid != first && tid > 0);
	GIVES("its policy", policy_of(tid), SCHED_OTHER);
	GIVES("its priority", priority_of(tid), 0);
	CODE("pthread_setschedparam FIFO", pthread_setschedparam(t, SCHED_FIFO, &param), 0);
	CODE("pthread_getschedparam", pthread_getschedparam(t, &policy, &param), 0);
	GIVES("policy", policy, SCHED_FIFO);
	GIVES("priority", param.sched_priority, 20);
	GIVES("the first one's policy", policy_of(0), SCHED_OTHER);
	CODE("pthread_setschedprio", pthread_setschedprio(t, 30), 0);
	GIVES("priority", priority_of(tid), 30);
	CODE("not a priority of FIFO", pthread_setschedprio(t, 0), EINVAL);
	CODE("nor this", pthread_setschedprio(t, 100), EINVAL);
	GIVES("RR", set(tid, SCHED_RR, 1), 0);
	GIVES("policy", policy_of(tid), SCHED_RR);
	GIVES("BATCH", set(tid, SCHED_BATCH, 0), 0);
	GIVES("policy", policy_of(tid), SCHED_BATCH);
	GIVES("IDLE", set(tid, SCHED_IDLE, 0), 0);
	GIVES("policy", policy_of(tid), SCHED_IDLE);
	FAILS("OTHER with a priority", set(tid, SCHED_OTHER, 1), EINVAL);
	FAILS("FIFO without", set(tid, SCHED_FIFO, 0), EINVAL);
	FAILS("nonsense", set(tid, 77, 0), EINVAL);
	GIVES("OTHER", set(tid, SCHED_OTHER, 0), 0);
	FAILS("of nobody", set(0x3fffffff, SCHED_OTHER, 0), ESRCH);
	FAILS("negative", set(-1, SCHED_OTHER, 0), EINVAL);
	FAILS("no parameters", syscall(SYS_sched_setscheduler, tid, SCHED_OTHER, 0), EINVAL);
	FAILS("bad parameters", syscall(SYS_sched_setscheduler, tid, SCHED_OTHER, 8), EFAULT);
	FAILS("getparam to a bad place", syscall(SYS_sched_getparam, tid, 8), EFAULT);
	FAILS("getparam of nobody", syscall(SYS_sched_getparam, 0x3fffffff, &param), ESRCH);
	FAILS("getscheduler of nobody", syscall(SYS_sched_getscheduler, 0x3fffffff), ESRCH);

	/* RESET_ON_FORK is told and not inherited; the rest is. */
	GIVES("FIFO for the first", set(0, SCHED_FIFO, 5), 0);
	int seen[4];
	pthread_t child;
	pthread_create(&child, NULL, own_policy, seen);
	pthread_join(child, NULL);
	say("a child has policy %d, priority %d, %d, policy %d", seen[0], seen[1], seen[2], seen[3]);
	GIVES("reset on fork", set(0, SCHED_FIFO | 0x40000000, 5), 0);
	GIVES("it is told", policy_of(0), SCHED_FIFO | 0x40000000);
	pthread_create(&child, NULL, own_policy, seen);
	pthread_join(child, NULL);
	say("a child has policy %d, priority %d", seen[0], seen[1]);
	GIVES("OTHER for the first", set(0, SCHED_OTHER, 0), 0);

	/* By attributes of a new thread. */
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attributes, SCHED_RR);
	param.sched_priority = 7;
	pthread_attr_setschedparam(&attributes, &param);
	CODE("pthread_create", pthread_create(&child, &attributes, own_policy, seen), 0);
	pthread_join(child, NULL);
	say("it has policy %d, priority %d", seen[0], seen[1]);
	param.sched_priority = 0;
	pthread_attr_setschedparam(&attributes, &param);
	CODE("pthread_create with a wrong priority", pthread_create(&child, &attributes, own_policy, seen), EINVAL);

	/* Extended: sched_setattr and sched_getattr. */
	struct { unsigned size, policy; unsigned long flags; int nice; unsigned priority; unsigned long deadline[3]; } attr =
		{ .size = 48, .policy = SCHED_FIFO, .priority = 9 };
	GIVES("sched_setattr", syscall(SYS_sched_setattr, tid, &attr, 0), 0);
	GIVES("policy", policy_of(tid), SCHED_FIFO);
	memset(&attr, 0, sizeof attr);
	GIVES("sched_getattr", syscall(SYS_sched_getattr, tid, &attr, sizeof attr, 0), 0);
	say("policy %u, priority %u, nice %d", attr.policy, attr.priority, attr.nice);
	attr.policy = SCHED_OTHER, attr.priority = 0, attr.nice = 3, attr.size = 48;
	GIVES("sched_setattr", syscall(SYS_sched_setattr, tid, &attr, 0), 0);
	GIVES("its nice value", getpriority(PRIO_PROCESS, tid), 3);
	FAILS("flags of nonsense", syscall(SYS_sched_setattr, tid, &attr, 1), EINVAL);
	FAILS("too small", syscall(SYS_sched_getattr, tid, &attr, 8, 0), EINVAL);

	/* Nice values are the threads' own; whoever started this may have given it another one than 0. */
	int own = getpriority(PRIO_PROCESS, 0), other = own == 10 ? 11 : 10;
	GIVES("setpriority of the other", setpriority(PRIO_PROCESS, tid, other), 0);
	CHECK("it has it", getpriority(PRIO_PROCESS, tid) == other);
	CHECK("the first has not", getpriority(PRIO_PROCESS, 0) == own);

	/* Processors. */
	cpu_set_t cpus, one;
	CODE("pthread_getaffinity_np", pthread_getaffinity_np(t, sizeof cpus, &cpus), 0);
	CHECK("at least one", CPU_COUNT(&cpus) >= 1);
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &cpus)) { CPU_SET(cpu, &one); break; }
	CODE("pthread_setaffinity_np", pthread_setaffinity_np(t, sizeof one, &one), 0);
	CODE("pthread_getaffinity_np", pthread_getaffinity_np(t, sizeof cpus, &cpus), 0);
	CHECK("as set", CPU_EQUAL(&cpus, &one));
	FAILS("of nobody", sched_getaffinity(0x3fffffff, sizeof cpus, &cpus), ESRCH);
	FAILS("set for nobody", sched_setaffinity(0x3fffffff, sizeof one, &one), ESRCH);
	FAILS("a bad set", syscall(SYS_sched_setaffinity, 0, 8, 8), EFAULT);

	sem_post(&leave);
	pthread_join(t, NULL);
	/* The kernel may be a little behind. */
	while (policy_of(tid) >= 0) usleep(1000);
	FAILS("of a thread that is gone", syscall(SYS_sched_getscheduler, tid), ESRCH);
	return finish();
}
