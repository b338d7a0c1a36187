/* Sockets of the network as files: what fstat, statx and /proc/self/fd tell apart. */
#include "expect.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

int main(void)
{
	int fds[4] = {
		OPENED("a stream", socket(AF_INET, SOCK_STREAM, 0)),
		OPENED("another", socket(AF_INET, SOCK_STREAM, 0)),
		OPENED("datagrams", socket(AF_INET6, SOCK_DGRAM, 0)),
	};
	fds[3] = OPENED("dup", dup(fds[2]));
	struct stat facts[4];
	for (int i = 0; i < 4; i++) {
		char path[32], name[64] = "", want[64];
		GIVES("fstat", fstat(fds[i], &facts[i]), 0);
		CHECK("a socket", S_ISSOCK(facts[i].st_mode) && facts[i].st_nlink == 1 && facts[i].st_size == 0);
		CHECK("with a number", facts[i].st_ino != 0);
		struct statx more;
		GIVES("statx", statx(fds[i], "", AT_EMPTY_PATH, STATX_BASIC_STATS, &more), 0);
		CHECK("it agrees", more.stx_ino == facts[i].st_ino && S_ISSOCK(more.stx_mode));
		snprintf(path, sizeof path, "/proc/self/fd/%d", fds[i]);
		snprintf(want, sizeof want, "socket:[%lu]", (unsigned long)facts[i].st_ino);
		CHECK("readlink", readlink(path, name, sizeof name - 1) > 0 && strcmp(name, want) == 0);
	}
	CHECK("streams differ", facts[0].st_ino != facts[1].st_ino);
	CHECK("datagrams differ", facts[0].st_ino != facts[2].st_ino && facts[1].st_ino != facts[2].st_ino);
	CHECK("a copy is the same", facts[2].st_ino == facts[3].st_ino && facts[2].st_dev == facts[3].st_dev);
	FAILS("lseek", lseek(fds[0], 0, SEEK_CUR), ESPIPE);
	FAILS("ftruncate", ftruncate(fds[0], 0), EINVAL);
	return finish();
}
