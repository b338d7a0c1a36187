/* fork while other threads allocate, print and take locks: the child must be able to go on. */
#include "expect.h"
#include <pthread.h>
#include <sys/wait.h>

static volatile int stop;

static void *churn(void *unused)
{
	(void)unused;
	while (!stop) {
		void *p = malloc(5000), *q = calloc(1, 300000);
		FILE *file = tmpfile();
		fprintf(file, "%p", p);
		fclose(file);
		free(p);
		free(q);
	}
	return 0;
}

int main(void)
{
	pthread_t t[3];
	int good = 0, status;
	for (int i = 0; i < 3; i++) pthread_create(&t[i], NULL, churn, NULL);
	for (int i = 0; i < 100; i++) {
		pid_t child = fork();
		if (!child) {
			char *p = malloc(100000);
			FILE *file = tmpfile();
			if (!p || !file || fputs("text", file) < 0 || fclose(file)) _exit(1);
			free(p);
			_exit(11);
		}
		waitpid(child, &status, 0);
		good += WIFEXITED(status) && WEXITSTATUS(status) == 11;
	}
	stop = 1;
	for (int i = 0; i < 3; i++) pthread_join(t[i], NULL);
	say("%d good children", good);
	CHECK("all", good == 100);
	return finish();
}
