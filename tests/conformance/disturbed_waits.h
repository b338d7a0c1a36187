/* Waits that a signal from a thread disturbs before what they wait for comes. The program says how each
 * wait ends in earnest: end_in_earnest(). */
#ifndef DISTURBED_WAITS_H
#define DISTURBED_WAITS_H

#include "expect.h"
#include <pthread.h>
#include <signal.h>

static pthread_t target, disturber;
static volatile int count;
static void counting(int number) { (void)number; count++; }
static void end_in_earnest(long how);

/* Lets the waiting begin, sends a signal, and then what is waited for. */
static void *disturb(void *how)
{
	usleep(15000);
	pthread_kill(target, SIGUSR1);
	usleep(15000);
	end_in_earnest((long)how);
	return 0;
}
/* The target is about to wait. */
static void begin(int flags, long how)
{
	struct sigaction action = { .sa_handler = counting, .sa_flags = flags };
	sigaction(SIGUSR1, &action, NULL);
	count = 0;
	pthread_create(&disturber, NULL, disturb, (void *)how);
}
static void end(void)
{
	pthread_join(disturber, NULL);
	GIVES("  handlers", count, 1);
}

#endif
