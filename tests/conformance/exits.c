/* exit, _exit, quick_exit, atexit, at_quick_exit, on the way out: stdio and order. */
#include "expect.h"
#include <pthread.h>
#include <sys/wait.h>

static void first(void) { say("registered first"); }
static void second(void) { say("registered second"); }
static void nothing(void) { }
static void late(void) { say("registered while exiting"); }
static void registers(void) { atexit(late); say("registers another"); }
__attribute__((constructor)) static void before_main(void) { say("constructor"); }
__attribute__((destructor)) static void after_main(void) { say("destructor"); }
static void *exits(void *unused) { (void)unused; exit(64); }
static void *only_this_thread(void *unused) { (void)unused; return 0; }

static void in_child(const char *what, void (*leave)(void))
{
	int status;
	fflush(stdout);
	pid_t child = fork();
	if (!child) leave();
	waitpid(child, &status, 0);
	say("%s: exited %d, status %d", what, WIFEXITED(status), WEXITSTATUS(status));
}
static void by_exit(void) { printf("unflushed but exit\n"); exit(61); }
static void by__exit(void) { printf("unflushed, lost\n"); _exit(62); }
static void by_quick_exit(void) { printf("unflushed, lost\n"); quick_exit(63); }
static void by_thread(void)
{
	pthread_t t;
	pthread_create(&t, NULL, exits, NULL);
	pthread_join(t, NULL);
}
static void by_last_thread(void)
{
	pthread_t t;
	pthread_create(&t, NULL, only_this_thread, NULL);
	pthread_detach(t);
	pthread_exit((void *)5);
}

int main(void)
{
	GIVES("atexit", atexit(first) || atexit(second) || atexit(registers), 0);
	GIVES("at_quick_exit", at_quick_exit(second) || at_quick_exit(first), 0);
	in_child("exit", by_exit);
	in_child("_exit", by__exit);
	in_child("quick_exit", by_quick_exit);
	in_child("exit in a thread", by_thread);
	in_child("the last thread ends: status 0", by_last_thread);
	for (int i = 0; i < 100; i++) if (atexit(nothing)) say("no room");
	return finish();
}
