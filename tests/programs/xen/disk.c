/* What a guest does to its disk, word by word: each says what it did. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PIECE_BYTES (1 << 20)
static unsigned char piece[PIECE_BYTES];
static int fd;

/* The bytes of a piece depend on its place. */
static void fill(unsigned place)
{
	unsigned i, x = place * 2654435761u + 1;

	for (i = 0; i < PIECE_BYTES; i += 4) {
		x = x * 1664525u + 1013904223u;
		memcpy(piece + i, &x, 4);
	}
}

static unsigned long long sum_of(unsigned long long sum)
{
	unsigned i;

	for (i = 0; i < PIECE_BYTES; i++)
		sum = (sum ^ piece[i]) * 1099511628211ull;
	return sum;
}

static void fail(const char *what)
{
	printf("%s: %s\n", what, strerror(errno));
	exit(1);
}

/* Writes so many MiB and reads them back by sums; neither end is one of a sector. */
static void through(unsigned mib)
{
	unsigned long long wrote = 1469598103934665603ull, found = wrote;
	unsigned at;

	for (at = 0; at < mib; at++) {
		fill(at);
		wrote = sum_of(wrote);
		if (pwrite(fd, piece, PIECE_BYTES, (off_t)at * PIECE_BYTES + 700) != PIECE_BYTES)
			fail("write");
	}
	if (fsync(fd))
		fail("fsync");
	for (at = 0; at < mib; at++) {
		if (pread(fd, piece, PIECE_BYTES, (off_t)at * PIECE_BYTES + 700) != PIECE_BYTES)
			fail("read");
		found = sum_of(found);
	}
	printf("%u MiB %s\n", mib, wrote == found ? "the same" : "are others");
}

/* What the disk says of itself, and what it refuses. */
static void rules(void)
{
	unsigned long long part[2] = { 1 << 20, 1 << 20 };
	int is_read_only = -1, sector_bytes = -1, other = open("/dev/xvdb", O_RDWR);

	ioctl(fd, BLKROGET, &is_read_only);
	ioctl(fd, BLKSSZGET, &sector_bytes);
	printf("read-only %d, sectors of %d\n", is_read_only, sector_bytes);
	printf("discard: %s\n", ioctl(fd, BLKDISCARD, part) ? strerror(errno) : "done");
	part[0] = 100;
	printf("within a sector: %s\n", ioctl(fd, BLKDISCARD, part) ? strerror(errno) : "done");
	if (other < 0)
		fail("/dev/xvdb");
	ioctl(other, BLKROGET, &is_read_only);
	printf("the other read-only %d, read %zd, ", is_read_only, read(other, piece, 4096));
	errno = 0;
	printf("write %zd, ", write(other, piece, 4096));
	printf("%s\n", strerror(errno));
}

/* Writes, has that made durable, says so, and does not end. */
static void flushed(void)
{
	fill(77);
	if (pwrite(fd, piece, PIECE_BYTES, 4096) != PIECE_BYTES || fsync(fd))
		fail("flushed");
	printf("it is durable\n");
	fflush(stdout);
	for (;;)
		sleep(1000);
}

/* Reads until it cannot. */
static void until_gone(void)
{
	unsigned long reads = 0;

	printf("reading\n");
	fflush(stdout);
	for (; pread(fd, piece, 4096, (reads % 200) * 4096) == 4096; reads++)
		if (reads % 64 == 63)
			usleep(1000);
	printf("after %s reads: %s, ", reads > 10 ? "some" : "no", strerror(errno));
	printf("again: %s, ", pread(fd, piece, 4096, 0) < 0 ? strerror(errno) : "read");
	printf("write: %s\n", pwrite(fd, piece, 4096, 0) < 0 ? strerror(errno) : "written");
}

int main(int argc, char **argv)
{
	setbuf(stdout, 0);
	fd = open("/dev/xvda", O_RDWR);
	if (fd < 0)
		fail("/dev/xvda");
	if (argc > 2 && !strcmp(argv[1], "through"))
		through(atoi(argv[2]));
	else if (argc > 1 && !strcmp(argv[1], "rules"))
		rules();
	else if (argc > 1 && !strcmp(argv[1], "flushed"))
		flushed();
	else if (argc > 1 && !strcmp(argv[1], "until-gone"))
		until_gone();
	return 0;
}
