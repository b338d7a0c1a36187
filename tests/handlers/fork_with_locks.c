// flags: -pthread
/* fork while other threads are in the middle of registration and of the runtime's heap: the child
 * has neither those threads nor what they held, and can do both. */
#include "check.h"
#include <pthread.h>
#include <sys/wait.h>

#define FORKS 300

static volatile int stop;

static long answer(const struct muslin_call *call, void *context)
{
	(void)call;
	return (long)context;
}

static void *registers(void *unused)
{
	(void)unused;
	while (!stop) {
		muslin_register(SYS_getuid, answer, (void *)1, 0, NULL);
		muslin_restore(SYS_getuid);
	}
	return NULL;
}

static void *allocates(void *unused)
{
	(void)unused;
	while (!stop) {
		void *block = muslin_alloc(200, 16), *other = muslin_alloc(60, 16);
		muslin_free(block);
		muslin_free(other);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		GIVES(pthread_create(&threads[i], NULL, i % 2 ? registers : allocates, NULL), 0);
	for (int i = 0; i < FORKS; i++) {
		pid_t child = fork();
		if (!child) {
			alarm(20);
			int wrong = muslin_register(SYS_getppid, answer, (void *)44, 0, NULL) != 0;
			wrong |= getppid() != 44;
			char *block = muslin_alloc(200, 16);
			wrong |= !block;
			memset(block, 1, 200);
			muslin_free(block);
			wrong |= muslin_restore(SYS_getppid) != 0;
			_exit(wrong);
		}
		int status = -1;
		GIVES(waitpid(child, &status, 0), child);
		GIVES(status, 0);
	}
	stop = 1;
	for (int i = 0; i < 4; i++) GIVES(pthread_join(threads[i], NULL), 0);
	return finish();
}
