/* inotify: every event of files and directories, to the watch of the file and to that of its directory;
 * cookies, masks, one-shot watches, overflow, waits. */
#include "expect.h"
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/xattr.h>

static int fd, dir, file, other;
static void events(const char *after)
{
	static const char *const names[] = { "ACCESS", "MODIFY", "ATTRIB", "CLOSE_WRITE", "CLOSE_NOWRITE", "OPEN",
		"MOVED_FROM", "MOVED_TO", "CREATE", "DELETE", "DELETE_SELF", "MOVE_SELF", "", "UNMOUNT", "Q_OVERFLOW", "IGNORED" };
	_Alignas(struct inotify_event) char room[65536];
	unsigned cookie = 0;
	ssize_t length = read(fd, room, sizeof room);
	if (length < 0) say("%s: %s", after, errno_name(errno));
	for (char *p = room; p < room + length;) {
		struct inotify_event *event = (void *)p;
		char line[200] = "";
		for (int bit = 0; bit < 16; bit++)
			if (event->mask >> bit & 1) snprintf(line + strlen(line), 100, " %s", names[bit]);
		if (event->mask & IN_ISDIR) strcat(line, " dir");
		const char *whose = event->wd == dir ? "dir" : event->wd == file ? "file" : event->wd == other ? "other" : "?";
		const char *which = !event->cookie ? "" : event->cookie == cookie ? " (the same)" : " (a cookie)";
		say("%s: %s%s name=%s%s len=%u", after, whose, line, event->len ? event->name : "", which, event->len);
		cookie = event->cookie;
		p += sizeof *event + event->len;
	}
}
static void *later(void *unused)
{
	(void)unused;
	usleep(20000);
	mkdir("dir/later", 0700);
	return 0;
}

int main(void)
{
	char text[100];
	struct stat st;
	pthread_t t;
	mkdir("dir", 0755);
	mkdir("other", 0755);
	make_file("dir/a", "some text");
	fd = inotify_init1(IN_NONBLOCK);
	dir = OPENED("a directory", inotify_add_watch(fd, "dir", IN_ALL_EVENTS));
	file = OPENED("a file in it", inotify_add_watch(fd, "dir/a", IN_ALL_EVENTS));
	other = OPENED("another directory", inotify_add_watch(fd, "other", IN_MOVE | IN_CREATE | IN_ONLYDIR));
	events("nothing");
	int a = open("dir/a", O_RDWR);
	read(a, text, 4);
	events("open and read");
	read(a, text, 100);
	read(a, text, 100);
	events("read to the end, and at it");
	write(a, "x", 1);
	write(a, "x", 1);
	pwrite(a, "x", 1, 0);
	events("equal ones are one");
	ftruncate(a, 3);
	fchmod(a, 0600);
	fchown(a, -1, -1);
	events("truncate, chmod, chown");
	truncate("dir/a", 2);
	chmod("dir/a", 0640);
	utimes("dir/a", NULL);
	events("by path");
	futimens(a, (struct timespec[2]){ { 5, 0 }, { 0, UTIME_OMIT } });
	futimens(a, (struct timespec[2]){ { 0, UTIME_OMIT }, { 5, 0 } });
	events("one time, and the other");
	GIVES("setxattr", setxattr("dir/a", "user.x", "y", 1, 0), 0);
	stat("dir/a", &st);
	events("an attribute, and a look");
	close(a);
	events("close");
	close(open("dir/a", O_RDONLY));
	close(open("dir/a", O_WRONLY | O_TRUNC));
	close(open("dir/a", O_PATH));
	events("open and close");
	link("dir/a", "dir/b");
	events("link");
	unlink("dir/b");
	events("unlink of one of two");
	rename("dir/a", "dir/c");
	events("rename");
	rename("dir/c", "other/c");
	events("to another directory");
	rename("other/c", "dir/a");
	events("and back");
	make_file("dir/d", "");
	events("make a file");
	rename("dir/d", "dir/a");
	events("over a watched file");
	file = inotify_add_watch(fd, "dir/a", IN_ALL_EVENTS);
	a = open("dir/a", O_RDONLY);
	unlink("dir/a");
	events("unlink while it is open");
	close(a);
	events("and close");
	mkdir("dir/sub", 0700);
	symlink("nowhere", "dir/link");
	mkfifo("dir/fifo", 0600);
	events("make other kinds");
	DIR *list = opendir("dir");
	while (readdir(list)) ;
	closedir(list);
	events("list");
	other = inotify_add_watch(fd, "dir/sub", IN_DELETE_SELF | IN_MOVE_SELF | IN_ATTRIB);
	chmod("dir/sub", 0755);
	rename("dir/sub", "dir/new");
	events("a directory is changed and moved");
	rmdir("dir/new");
	events("and removed");

	FAILS("not a directory", inotify_add_watch(fd, "dir/fifo", IN_OPEN | IN_ONLYDIR), ENOTDIR);
	file = inotify_add_watch(fd, "dir/link", IN_ALL_EVENTS | IN_DONT_FOLLOW);
	CHECK("a link itself", file > 0);
	FAILS("what it leads to", inotify_add_watch(fd, "dir/link", IN_ALL_EVENTS), ENOENT);
	FAILS("only a new one", inotify_add_watch(fd, "dir", IN_OPEN | IN_MASK_CREATE), EEXIST);
	GIVES("another mask, the same watch", inotify_add_watch(fd, "dir", IN_CREATE), dir);
	make_file("dir/e", "");
	events("only creation");
	GIVES("one more event", inotify_add_watch(fd, "dir", IN_CLOSE_WRITE | IN_MASK_ADD), dir);
	make_file("dir/e", "");
	make_file("dir/f", "");
	events("creation and close");
	inotify_add_watch(fd, "dir", IN_CREATE | IN_ONESHOT);
	make_file("dir/g", "");
	make_file("dir/h", "");
	events("one shot");
	FAILS("it is over", inotify_rm_watch(fd, dir), EINVAL);

	dir = inotify_add_watch(fd, "dir", IN_CREATE);
	int waiting = -1, ep = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };
	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
	GIVES("nothing", epoll_wait(ep, &event, 1, 0), 0);
	mkdir("dir/one", 0700);
	mkdir("dir/a name that is longer", 0700);
	GIVES("something", epoll_wait(ep, &event, 1, 0), 1);
	GIVES("FIONREAD", ioctl(fd, FIONREAD, &waiting), 0);
	GIVES("bytes", waiting, 16 + 16 + 16 + 32);
	FAILS("too small", read(fd, text, 20), EINVAL);
	GIVES("room for one", read(fd, text, 60), 32);
	events("the other");
	fcntl(fd, F_SETFL, 0);
	pthread_create(&t, NULL, later, NULL);
	events("a read that waits");
	pthread_join(t, NULL);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	GIVES("removed", inotify_rm_watch(fd, dir), 0);
	mkdir("dir/unseen", 0700);
	events("removed");
	FAILS("write", write(fd, text, 1), EBADF);
	FAILS("a bad path", inotify_add_watch(fd, (char *)8, IN_OPEN), EFAULT);
	FAILS("not open", inotify_add_watch(999, "dir", IN_OPEN), EBADF);
	close(fd);
	mkdir("dir/still unseen", 0700);

	fd = inotify_init1(IN_NONBLOCK);
	dir = inotify_add_watch(fd, "dir", IN_CREATE | IN_DELETE);
	for (int i = 0; i < 10000; i++) {
		mkdir("dir/again", 0700);
		rmdir("dir/again");
	}
	static char room[1 << 20];
	long count = 0, got;
	struct inotify_event *last = NULL;
	while ((got = read(fd, room, sizeof room)) > 0)
		for (char *p = room; p < room + got; count++) {
			last = (void *)p;
			p += sizeof *last + last->len;
		}
	GIVES("events at most, and one that says so", count, 16384 + 1);
	say("mask %x wd %d", last->mask, last->wd);
	return finish();
}
