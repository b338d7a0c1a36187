/* prctl and thread names. */
#include "expect.h"
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>

static void *thread(void *unused)
{
	char name[32] = "";
	(void)unused;
	CODE("setname in a thread", pthread_setname_np(pthread_self(), "a-thread"), 0);
	GIVES("PR_GET_NAME in a thread", prctl(PR_GET_NAME, name), 0);
	say("name %s", name);
	return 0;
}

int main(void)
{
	char name[32] = "";
	int value = -1;
	pthread_t t;

	GIVES("PR_SET_NAME cuts at 15", prctl(PR_SET_NAME, "conformance-of-muslin"), 0);
	GIVES("PR_GET_NAME", prctl(PR_GET_NAME, name), 0);
	say("name %s", name);
	CODE("pthread_getname_np", pthread_getname_np(pthread_self(), name, sizeof name), 0);
	say("name %s", name);
	CODE("pthread_getname_np with little room", pthread_getname_np(pthread_self(), name, 4), ERANGE);
	CODE("pthread_setname_np too long", pthread_setname_np(pthread_self(), "0123456789abcdef"), ERANGE);
	pthread_create(&t, 0, thread, 0);
	pthread_join(t, 0);
	GIVES("PR_GET_NAME after the thread", prctl(PR_GET_NAME, name), 0);
	say("name %s", name);

	pthread_create(&t, 0, (void *(*)(void *))(void *)pause, 0);
	CODE("name another thread", pthread_setname_np(t, "other"), 0);
	CODE("read its name", pthread_getname_np(t, name, sizeof name), 0);
	say("name %s", name);
	pthread_cancel(t);
	pthread_join(t, 0);

	GIVES("PR_GET_DUMPABLE", prctl(PR_GET_DUMPABLE), 1);
	GIVES("PR_SET_DUMPABLE 0", prctl(PR_SET_DUMPABLE, 0), 0);
	GIVES("PR_GET_DUMPABLE", prctl(PR_GET_DUMPABLE), 0);
	GIVES("PR_SET_PDEATHSIG", prctl(PR_SET_PDEATHSIG, SIGUSR1), 0);
	GIVES("PR_GET_PDEATHSIG", prctl(PR_GET_PDEATHSIG, &value), 0);
	GIVES("it is SIGUSR1", value, SIGUSR1);
	FAILS("PR_SET_PDEATHSIG of nonsense", prctl(PR_SET_PDEATHSIG, 999), EINVAL);
	GIVES("PR_SET_NO_NEW_PRIVS", prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	GIVES("PR_GET_NO_NEW_PRIVS", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	FAILS("nonsense", prctl(123456789, 0, 0, 0, 0), EINVAL);
	FAILS("PR_SET_NAME EFAULT", prctl(PR_SET_NAME, 8L), EFAULT);
	return finish();
}
