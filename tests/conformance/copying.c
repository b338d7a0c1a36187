/* Copying inside the kernel: sendfile, copy_file_range, splice, tee, vmsplice. */
#include "expect.h"
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void show(const char *path)
{
	char text[64];
	int fd = open(path, O_RDONLY);
	ssize_t length = read(fd, text, sizeof text);
	say("%s: \"%.*s\"", path, (int)length, text);
	close(fd);
}

int main(void)
{
	char text[64];
	off_t place = 4, other = 0;
	int pipes[2], second[2];
	make_file("from", "The quick brown fox");
	int from = OPENED("from", open("from", O_RDONLY));
	int to = OPENED("to", open("to", O_CREAT | O_RDWR, 0600));

	GIVES("sendfile with a place", sendfile(to, from, &place, 5), 5);
	GIVES("the place moved", place, 9);
	GIVES("the descriptor did not", lseek(from, 0, SEEK_CUR), 0);
	GIVES("sendfile without a place", sendfile(to, from, NULL, 4), 4);
	GIVES("the descriptor moved", lseek(from, 0, SEEK_CUR), 4);
	GIVES("sendfile to the end", sendfile(to, from, NULL, 1000), 15);
	GIVES("sendfile at the end", sendfile(to, from, NULL, 1000), 0);
	show("to");
	FAILS("sendfile EBADF", sendfile(-1, from, NULL, 1), EBADF);
	FAILS("sendfile from a write-only one", sendfile(to, 1, NULL, 1), EBADF);

	place = 0;
	GIVES("ftruncate", ftruncate(to, 0), 0);
	GIVES("copy_file_range", copy_file_range(from, &place, to, &other, 9, 0), 9);
	CHECK("both places moved", place == 9 && other == 9);
	show("to");
	FAILS("copy_file_range with a flag", copy_file_range(from, &place, to, &other, 9, 1), EINVAL);
	FAILS("copy_file_range EBADF", copy_file_range(-1, NULL, to, NULL, 9, 0), EBADF);
	other = 2;
	place = 0;
	FAILS("onto itself", copy_file_range(to, &place, to, &other, 5, 0), EINVAL);

	GIVES("pipe", pipe(pipes) || pipe(second), 0);
	place = 10;
	GIVES("splice a file into a pipe", splice(from, &place, pipes[1], NULL, 5, 0), 5);
	GIVES("tee", tee(pipes[0], second[1], 3, 0), 3);
	GIVES("read the teed", read(second[0], text, sizeof text), 3);
	say("\"%.3s\"", text);
	GIVES("splice a pipe into a file", splice(pipes[0], NULL, to, NULL, 64, 0), 5);
	show("to");
	FAILS("splice of two files", splice(from, NULL, to, NULL, 1, 0), EINVAL);
	FAILS("splice of an empty pipe", splice(pipes[0], NULL, to, NULL, 1, SPLICE_F_NONBLOCK), EAGAIN);
	struct iovec list = { "gift", 4 };
	GIVES("vmsplice", vmsplice(pipes[1], &list, 1, 0), 4);
	GIVES("read it", read(pipes[0], text, sizeof text), 4);
	say("\"%.4s\"", text);
	return finish();
}
