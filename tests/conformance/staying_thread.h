/* A thread that says its number and stays until it may leave; for programs that look at it meanwhile. */
#ifndef STAYING_THREAD_H
#define STAYING_THREAD_H

#include "expect.h"
#include <pthread.h>
#include <semaphore.h>
#include <sys/syscall.h>

static sem_t ready, leave;
static volatile pid_t tid;
static void *stays(void *unused)
{
	tid = syscall(SYS_gettid);
	sem_post(&ready);
	while (sem_wait(&leave)) ;
	return unused;
}

/* Before the first of them. */
static void begin_staying(void)
{
	sem_init(&ready, 0, 0);
	sem_init(&leave, 0, 0);
}

#endif
