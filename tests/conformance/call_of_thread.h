/* A call that is made by a thread of its own, since it waits. */
#ifndef CALL_OF_THREAD_H
#define CALL_OF_THREAD_H

#include "expect.h"
#include <pthread.h>

/* What the result is until the call has ended. */
#define WAITING (-77)

struct call { int (*make)(struct call *); int fd, flags, result, error; char *buffer; size_t length; pthread_t thread; };
static void *run(void *argument)
{
	struct call *call = argument;
	errno = 0;
	call->result = call->make(call);
	call->error = call->result < 0 ? errno : 0;
	return NULL;
}
static void begin_call(struct call *call)
{
	call->result = WAITING;
	pthread_create(&call->thread, NULL, run, call);
}

#endif
