/* Calls that musl itself no longer makes, by their numbers: programs still may. */
#include "expect.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <utime.h>

static volatile int alarms;
static void count(int number) { (void)number; alarms++; }

int main(void)
{
	struct stat st;
	struct epoll_event event = { .events = EPOLLIN };
	struct rlimit limit;
	time_t now = 0;
	char room[1024];
	make_file("file", "x");

	CHECK("time", syscall(SYS_time, &now) == now && now > 1500000000);
	CHECK("getpgrp", syscall(SYS_getpgrp) == getpgrp());
	int fd = OPENED("creat", syscall(SYS_creat, "made", 0600));
	GIVES("utime", syscall(SYS_utime, "made", &(struct utimbuf){ 5, 6 }), 0);
	GIVES("mtime", (stat("made", &st), st.st_mtime), 6);
	struct timeval times[2] = { { 7, 0 }, { 8, 0 } };
	GIVES("utimes", syscall(SYS_utimes, "made", times), 0);
	GIVES("mtime", (stat("made", &st), st.st_mtime), 8);
	times[1].tv_sec = 9;
	GIVES("futimesat", syscall(SYS_futimesat, AT_FDCWD, "made", times), 0);
	GIVES("mtime", (stat("made", &st), st.st_mtime), 9);
	GIVES("mknod of a file", mknod("node", S_IFREG | 0600, 0), 0);
	GIVES("mknodat of a fifo", syscall(SYS_mknodat, AT_FDCWD, "fifo", S_IFIFO | 0600, 0), 0);
	GIVES("getrlimit", syscall(SYS_getrlimit, (long)RLIMIT_NOFILE, &limit), 0);
	GIVES("setrlimit", syscall(SYS_setrlimit, (long)RLIMIT_NOFILE, &limit), 0);
	int ep = OPENED("epoll_create", syscall(SYS_epoll_create, 1L)), event_fd = OPENED("eventfd", syscall(SYS_eventfd, 1L));
	GIVES("epoll_ctl", epoll_ctl(ep, EPOLL_CTL_ADD, event_fd, &event), 0);
	GIVES("epoll_wait", syscall(SYS_epoll_wait, (long)ep, &event, 1L, -1L), 1);
	OPENED("inotify_init", syscall(SYS_inotify_init));
	unsigned long mask = 1UL << (SIGUSR2 - 1);
	OPENED("signalfd", syscall(SYS_signalfd, -1L, &mask, 8L));
	int dir = open(".", O_RDONLY | O_DIRECTORY);
	CHECK("getdents, the first", syscall(SYS_getdents, (long)dir, room, (long)sizeof room) > 0);
	signal(SIGALRM, count);
	GIVES("alarm", syscall(SYS_alarm, 1L), 0);
	while (!alarms) pause();
	GIVES("alarms", alarms, 1);
	GIVES("tgkill", syscall(SYS_tgkill, (long)getpid(), (long)gettid(), (long)SIGALRM), 0);
	GIVES("alarms", alarms, 2);
	FAILS("tgkill of another's thread", syscall(SYS_tgkill, getpid() + 1L, (long)gettid(), 0L), ESRCH);
	siginfo_t info = { .si_signo = SIGALRM, .si_code = SI_QUEUE };
	GIVES("rt_tgsigqueueinfo", syscall(SYS_rt_tgsigqueueinfo, (long)getpid(), (long)gettid(), (long)SIGALRM, &info), 0);
	GIVES("alarms", alarms, 3);
	GIVES("mlock2", syscall(SYS_mlock2, room, 1L, 0L), 0);
	GIVES("sched_getattr", syscall(SYS_sched_getattr, 0L, room, 56L, 0L), 0);
	sync();
	GIVES("syncfs", syncfs(fd), 0);
	FAILS("restart_syscall alone", syscall(SYS_restart_syscall), EINTR);
	return finish();
}
