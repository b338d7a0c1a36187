/* A signal from a thread comes to one that waits: EINTR, or the wait goes on, call by call. Here waits
 * for files. */
#include "disturbed_waits.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

static int empty[2], full[2], locked, waits, ep;
static char room[65536];

enum { NOTHING, FILL, DRAIN, UNLOCK, OPEN };
static void end_in_earnest(long how)
{
	switch (how) {
	case FILL: write(empty[1], "x", 1); break;
	case DRAIN: read(full[0], room, sizeof room); break;
	case UNLOCK: flock(locked, LOCK_UN); break;
	case OPEN: close(open("fifo", O_WRONLY)); break;
	}
}
static void fill(void)
{
	fcntl(full[1], F_SETFL, O_NONBLOCK);
	while (write(full[1], room, sizeof room) > 0) ;
	while (write(full[1], room, 1) > 0) ;
	fcntl(full[1], F_SETFL, 0);
}

int main(void)
{
	struct timespec long_time = { 100, 0 };
	struct iovec piece = { room, 1 };
	sigset_t none;
	fd_set set;
	char byte;
	target = pthread_self();
	sigemptyset(&none);
	pipe(empty);
	pipe(full);
	fill();
	mkfifo("fifo", 0600);
	make_file("file", "x");
	locked = open("file", O_RDWR);
	waits = open("file", O_RDWR);
	flock(locked, LOCK_EX);
	ep = epoll_create1(0);
	struct pollfd reading = { empty[0], POLLIN, 0 };
	epoll_ctl(ep, EPOLL_CTL_ADD, empty[0], &(struct epoll_event){ .events = EPOLLIN });

	for (int restart = 0; restart < 2; restart++) {
		int flags = restart ? SA_RESTART : 0;
		say("with SA_RESTART: %d", restart);
		/* Never made again. */
		begin(flags, NOTHING); FAILS("poll", poll(&reading, 1, -1), EINTR); end();
		begin(flags, NOTHING); FAILS("poll of nothing", poll(NULL, 0, 100000), EINTR); end();
		begin(flags, NOTHING); FAILS("ppoll", ppoll(&reading, 1, &long_time, &none), EINTR); end();
		FD_ZERO(&set);
		FD_SET(empty[0], &set);
		begin(flags, NOTHING); FAILS("select", select(empty[0] + 1, &set, NULL, NULL, NULL), EINTR); end();
		CHECK("  the set is as it was", FD_ISSET(empty[0], &set));
		begin(flags, NOTHING); FAILS("pselect", pselect(0, NULL, NULL, NULL, &long_time, &none), EINTR); end();
		struct epoll_event event;
		begin(flags, NOTHING); FAILS("epoll_wait", epoll_wait(ep, &event, 1, -1), EINTR); end();
		begin(flags, NOTHING); FAILS("epoll_pwait", epoll_pwait(ep, &event, 1, 100000, &none), EINTR); end();
		/* Made again with SA_RESTART. */
		if (restart) {
			begin(flags, FILL); GIVES("read", read(empty[0], &byte, 1), 1); end();
			begin(flags, FILL); GIVES("readv", readv(empty[0], &piece, 1), 1); end();
			begin(flags, DRAIN); GIVES("write", write(full[1], room, 1), 1); end();
			fill();
			begin(flags, DRAIN); GIVES("writev", writev(full[1], &piece, 1), 1); end();
			fill();
			begin(flags, UNLOCK); GIVES("flock", flock(waits, LOCK_EX), 0); end();
			begin(flags, OPEN); close(OPENED("open of a fifo", open("fifo", O_RDONLY))); end();
		} else {
			begin(flags, NOTHING); FAILS("read", read(empty[0], &byte, 1), EINTR); end();
			begin(flags, NOTHING); FAILS("readv", readv(empty[0], &piece, 1), EINTR); end();
			begin(flags, NOTHING); FAILS("write", write(full[1], room, 1), EINTR); end();
			begin(flags, NOTHING); FAILS("writev", writev(full[1], &piece, 1), EINTR); end();
			begin(flags, NOTHING); FAILS("flock", flock(waits, LOCK_EX), EINTR); end();
			begin(flags, NOTHING); FAILS("open of a fifo", open("fifo", O_RDONLY), EINTR); end();
		}
	}
	/* A write that has moved something says how much. */
	read(full[0], room, sizeof room);
	fcntl(full[1], F_SETFL, O_NONBLOCK);
	while (write(full[1], room, 4096) > 0) ;
	read(full[0], room, 8192);
	fcntl(full[1], F_SETFL, 0);
	begin(SA_RESTART, NOTHING); GIVES("a long write", write(full[1], room, 16384), 8192); end();
	return finish();
}
