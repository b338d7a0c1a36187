/* A guest with a disk and a network: what it writes to the one it reads again, what it hears from the
   other it says again, until the end of the connection. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BYTES (256 << 10)
static unsigned char wrote[BYTES], found[BYTES];

static int disk(void)
{
	int fd = open("/dev/xvda", O_RDWR);
	unsigned i;

	if (fd < 0)
		return 1;
	if (lseek(fd, 0, SEEK_END) != 2 * BYTES)
		return 2;
	for (i = 0; i < BYTES; i++)
		wrote[i] = i * 7 + i / 251;
	/* Neither end is one of a sector. */
	if (pwrite(fd, wrote, BYTES - 1000, 700) != BYTES - 1000 || fsync(fd))
		return 3;
	if (pread(fd, found, BYTES - 1000, 700) != BYTES - 1000)
		return 4;
	return memcmp(wrote, found, BYTES - 1000) ? 5 : 0;
}

static int network(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(7) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	ssize_t count;

	if (bind(listener, (void *)&address, sizeof address) || listen(listener, 1))
		return 11;
	fd = accept(listener, 0, 0);
	while ((count = read(fd, found, sizeof found)) > 0)
		if (write(fd, found, count) != count)
			return 12;
	return 0;
}

int main(void)
{
	char line[32] = "";
	int failed = disk();

	if (!fgets(line, sizeof line, stdin))
		failed = 21;
	printf("disk %d, heard %s", failed, line);
	failed = failed ? failed : network();
	printf("network %d\n", failed);
	return failed ? failed : 42;
}
