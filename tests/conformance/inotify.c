/* inotify: watches and the events of one file's life. */
#include "expect.h"
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>

static int fd;
static void events(const char *after)
{
	_Alignas(struct inotify_event) char room[4096];
	ssize_t length = read(fd, room, sizeof room);
	if (length < 0) {
		say("%s: %s", after, errno_name(errno));
		return;
	}
	for (char *p = room; p < room + length;) {
		struct inotify_event *event = (void *)p;
		say("%s: mask=%x name=%s", after, event->mask, event->len ? event->name : "");
		p += sizeof *event + event->len;
	}
}

int main(void)
{
	fd = OPENED("inotify_init1", inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
	OPENED("inotify_init", inotify_init());
	mkdir("dir", 0755);
	int watch = OPENED("watch", inotify_add_watch(fd, "dir", IN_ALL_EVENTS));
	FAILS("watch of nothing", inotify_add_watch(fd, "nothing", IN_ALL_EVENTS), ENOENT);
	FAILS("watch for nothing", inotify_add_watch(fd, "dir", 0), EINVAL);
	FAILS("watch at a file", inotify_add_watch(0, "dir", IN_OPEN), EINVAL);
	events("start");
	int file = open("dir/a", O_CREAT | O_WRONLY, 0600);
	events("create");
	write(file, "x", 1);
	events("write");
	close(file);
	events("close");
	rename("dir/a", "dir/b");
	events("rename");
	unlink("dir/b");
	events("unlink");
	mkdir("dir/sub", 0700);
	events("mkdir");
	GIVES("remove the watch", inotify_rm_watch(fd, watch), 0);
	events("removed");
	FAILS("remove it again", inotify_rm_watch(fd, watch), EINVAL);
	FAILS("flags of nonsense", inotify_init1(1), EINVAL);
	return finish();
}
