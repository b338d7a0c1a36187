/* Scheduling: policies, priorities, affinity, yield, nice. */
#include "expect.h"
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
	struct sched_param param = { 0 };
	cpu_set_t set, one;

	GIVES("sched_yield", sched_yield(), 0);
	GIVES("lowest FIFO priority", sched_get_priority_min(SCHED_FIFO), 1);
	GIVES("highest FIFO priority", sched_get_priority_max(SCHED_FIFO), 99);
	GIVES("highest OTHER priority", sched_get_priority_max(SCHED_OTHER), 0);
	FAILS("priority of nonsense", sched_get_priority_max(77), EINVAL);

	/* musl refuses these four on purpose: they cannot mean what POSIX says. */
	FAILS("sched_getscheduler", sched_getscheduler(0), ENOSYS);
	FAILS("sched_getparam", sched_getparam(0, &param), ENOSYS);
	FAILS("sched_setscheduler", sched_setscheduler(0, SCHED_OTHER, &param), ENOSYS);
	FAILS("sched_setparam", sched_setparam(0, &param), ENOSYS);
	GIVES("the call itself: getscheduler", syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
	GIVES("the call itself: getparam", syscall(SYS_sched_getparam, 0, &param), 0);
	GIVES("priority", param.sched_priority, 0);

	GIVES("sched_getaffinity", sched_getaffinity(0, sizeof set, &set), 0);
	CHECK("at least one processor", CPU_COUNT(&set) > 0);
	CHECK("sched_getcpu is one of them", CPU_ISSET(sched_getcpu(), &set));
	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set)) { CPU_SET(cpu, &one); break; }
	GIVES("sched_setaffinity to the first", sched_setaffinity(0, sizeof one, &one), 0);
	CHECK("and there we run", CPU_ISSET(sched_getcpu(), &one));
	GIVES("back to all", sched_setaffinity(0, sizeof set, &set), 0);
	CPU_ZERO(&one);
	FAILS("no processor at all", sched_setaffinity(0, sizeof one, &one), EINVAL);
	CODE("pthread_getaffinity_np", pthread_getaffinity_np(pthread_self(), sizeof set, &set), 0);

	int policy;
	CODE("pthread_getschedparam", pthread_getschedparam(pthread_self(), &policy, &param), 0);
	GIVES("policy", policy, SCHED_OTHER);
	CODE("pthread_setschedparam", pthread_setschedparam(pthread_self(), SCHED_OTHER, &param), 0);
	CODE("pthread_setschedprio", pthread_setschedprio(pthread_self(), 7), EINVAL);

	struct timespec interval;
	GIVES("sched_rr_get_interval", sched_rr_get_interval(0, &interval), 0);

	int priority = getpriority(PRIO_PROCESS, 0);
	CHECK("getpriority", priority >= -20 && priority <= 19);
	GIVES("setpriority", setpriority(PRIO_PROCESS, 0, 15), 0);
	GIVES("getpriority after it", getpriority(PRIO_PROCESS, 0), 15);
	GIVES("nice 3", nice(3), 18);
	GIVES("nice 9: cut at 19", nice(9), 19);
	FAILS("getpriority of nonsense", getpriority(9, 0), EINVAL);
	FAILS("getpriority of nobody", getpriority(PRIO_PROCESS, 0x3fffffff), ESRCH);
	return finish();
}
