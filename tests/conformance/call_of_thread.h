/* A call that is made by a thread of its own, since it waits. */
#ifndef CALL_OF_THREAD_H
#define CALL_OF_THREAD_H

#include "expect.h"
#include <pthread.h>
#include <sys/syscall.h>

/* What the result is until the call has ended. */
#define WAITING (-77)

struct call { int (*make)(struct call *); int fd, flags, result, error; char *buffer; size_t length; pthread_t thread; volatile int tid; };
static void *run(void *argument)
{
	struct call *call = argument;
	call->tid = syscall(SYS_gettid);
	errno = 0;
	call->result = call->make(call);
	call->error = call->result < 0 ? errno : 0;
	return NULL;
}
static void begin_call(struct call *call)
{
	call->result = WAITING;
	call->tid = 0;
	pthread_create(&call->thread, NULL, run, call);
	while (!call->tid) usleep(1000);
}

#endif
