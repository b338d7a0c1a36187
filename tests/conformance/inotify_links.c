/* inotify and a file with names in two directories: the directory hears whose name was used. */
#include "expect.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/inotify.h>
#include <sys/stat.h>

static int fd, first, second;

static void events(const char *what)
{
	char buffer[4096] __attribute__((aligned(8)));
	long len = read(fd, buffer, sizeof buffer);
	say("%s:", what);
	for (long at = 0; at < len;) {
		struct inotify_event *event = (void *)(buffer + at);
		say("  %s %s %x", event->wd == first ? "first" : "second", event->len ? event->name : "", event->mask);
		at += sizeof *event + event->len;
	}
}

int main(void)
{
	char byte;
	mkdir("first", 0700);
	mkdir("second", 0700);
	make_file("first/a", "text");
	GIVES("link", link("first/a", "second/b"), 0);
	fd = inotify_init1(IN_NONBLOCK);
	first = inotify_add_watch(fd, "first", IN_OPEN | IN_ACCESS | IN_MODIFY | IN_CLOSE);
	second = inotify_add_watch(fd, "second", IN_OPEN | IN_ACCESS | IN_MODIFY | IN_CLOSE);
	CHECK("two watches", first > 0 && second > 0);

	int a = open("first/a", O_RDWR), b = open("second/b", O_RDWR);
	events("opened by both names");
	GIVES("read", read(a, &byte, 1), 1);
	GIVES("pread", pread(b, &byte, 1, 0), 1);
	events("read by both");
	GIVES("write", write(b, "x", 1), 1);
	GIVES("pwrite", pwrite(a, "x", 1, 2), 1);
	events("written by both");
	GIVES("unlink", unlink("second/b"), 0);
	GIVES("rename", rename("first/a", "first/c"), 0);
	GIVES("write", write(a, "x", 1), 1);
	events("by its new name");
	close(b);
	close(a);
	GIVES("link", link("first/c", "second/d"), 0);
	while (read(fd, (char[4096]){ 0 }, 4096) > 0) ;
	close(open("second/d", O_RDONLY));
	close(open("first/c", O_WRONLY));
	events("opened and closed");
	return finish();
}
