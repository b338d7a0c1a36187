/* A guest whose disk or network may be of no use: says what it can do with them, and once more behind a line of
   its console. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void look(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9) };
	int disk = open("/dev/xvda", O_RDWR), fd = socket(AF_INET, SOCK_DGRAM, 0);
	char sector[512];

	/* A device that is of no use is found out now. */
	usleep(50000);
	to.sin_addr.s_addr = inet_addr("10.0.0.1");
	if (disk < 0)
		printf("disk: %s\n", strerror(errno));
	else
		printf("disk: read %s\n", read(disk, sector, sizeof sector) < 0 ? strerror(errno) : "it");
	printf("network: %s\n", sendto(fd, "x", 1, 0, (void *)&to, sizeof to) < 0 ? strerror(errno) : "sent");
	if (disk >= 0)
		close(disk);
	close(fd);
}

int main(int argc, char **argv)
{
	char line[16];

	(void)argv;
	setbuf(stdout, 0);
	look();
	if (argc > 1) {
		printf("waits\n");
		if (!fgets(line, sizeof line, stdin))
			return 1;
		look();
	}
	return 0;
}
