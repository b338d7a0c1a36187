/* The kernel shows each of many minted descriptors as readable at the same time, twice. */
#include "check.h"
#include "echo_object.h"
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

enum { MANY = 800 };

static struct echo objects[MANY];
static int fds[MANY], seen[MANY];

/* How many of them an epoll set tells of at once. */
static int told(int epoll)
{
	static struct epoll_event events[MANY];
	int count = epoll_wait(epoll, events, MANY, 0), different = 0;
	memset(seen, 0, sizeof seen);
	for (int i = 0; i < count; i++)
		if (events[i].events & EPOLLIN && !seen[events[i].data.u32]++) different++;
	return different;
}

int main(void)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < 1024) {
		limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
		GIVES(setrlimit(RLIMIT_NOFILE, &limit), 0);
	}
	int by_level = epoll_create1(0), by_edge = epoll_create1(0);
	for (int i = 0; i < MANY; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
		fds[i] = echo_mint(&objects[i], O_NONBLOCK);
		CHECK(fds[i] >= 0);
		GIVES(epoll_ctl(by_level, EPOLL_CTL_ADD, fds[i], &event), 0);
		event.events |= EPOLLET;
		GIVES(epoll_ctl(by_edge, EPOLL_CTL_ADD, fds[i], &event), 0);
	}
	for (int round = 0; round < 2; round++) {
		char text[ECHO_BYTES];
		for (int i = 0; i < MANY; i++) GIVES(write(fds[i], "some", 4), 4);
		GIVES(told(by_level), MANY);
		GIVES(told(by_edge), MANY);
		GIVES(told(by_edge), 0);
		for (int i = 0; i < MANY; i++) GIVES(write(fds[i], "more", 4), 4);
		GIVES(told(by_edge), MANY);
		for (int i = 0; i < MANY; i++) GIVES(read(fds[i], text, sizeof text), 8);
		GIVES(told(by_level), 0);
	}
	for (int i = 0; i < MANY; i++) GIVES(close(fds[i]), 0);
	return finish();
}
