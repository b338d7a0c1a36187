/* A guest that is asked for things. With "waits" it waits for input in one thread while another one counts,
   and then for SIGTERM; with "default" it never said what SIGTERM does, and sleeps. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static volatile int counted;
static volatile int is_read;

static void *count(void *unused)
{
	while (!is_read) {
		usleep(10000);
		counted++;
	}
	return unused;
}

static void on_term(int signal)
{
	(void)signal;
}

int main(int count_of_words, char **words)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	struct epoll_event event = { .events = EPOLLIN };
	char line[32] = "";
	pthread_t thread;
	int epoll = epoll_create1(0), signal_taken;
	sigset_t set;

	setbuf(stdout, 0);
	if (count_of_words == 2 && !strcmp(words[1], "default")) {
		puts("asleep");
		for (;;)
			sleep(1);
	}
	if (pthread_create(&thread, 0, count, 0))
		return 1;
	if (poll(&input, 1, 20) || epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &event))
		return 2;
	puts("reads");
	if (read(0, line, sizeof line) != 6 || memcmp(line, "there\n", 6))
		return 3;
	is_read = 1;
	pthread_join(thread, 0);
	/* A second passes before somebody writes. */
	printf("counted %s\n", counted > 20 ? "meanwhile" : "nothing");
	puts("polls");
	if (poll(&input, 1, -1) != 1 || input.revents != POLLIN || epoll_wait(epoll, &event, 1, -1) != 1)
		return 4;
	if (read(0, line, sizeof line) != 6)
		return 5;
	puts("waits");
	if (count_of_words == 2 && !strcmp(words[1], "function")) {
		signal(SIGTERM, on_term);
		pause();
		puts("interrupted");
		return 6;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, 0);
	if (sigwait(&set, &signal_taken))
		return 7;
	printf("signal %d\n", signal_taken);
	return 8;
}
