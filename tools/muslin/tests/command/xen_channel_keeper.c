/* A program of dom0's that comes to a guest again and again, says that it has gone, and lets go of no page: until it
 * is offered no channel any more. Then it lets go, and comes once more. keeper DOMAIN PATH MOST */
#include <libxenvchan.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xenevtchn.h>

#define CHANNELS_MAX 100

static struct libxenvchan *come(int domain, const char *path, int tries)
{
	struct libxenvchan *channel = NULL;

	while (channel == NULL && tries-- > 0) {
		channel = libxenvchan_client_init(NULL, domain, path);
		if (channel == NULL)
			usleep(50000);
	}
	return channel;
}

int main(int argc, char **argv)
{
	struct libxenvchan *kept[CHANNELS_MAX];
	int count = 0, most;

	if (argc != 4)
		return 2;
	most = atoi(argv[3]);
	while (count < CHANNELS_MAX && (kept[count] = come(atoi(argv[1]), argv[2], 60)) != NULL) {
		/* It goes by its flag alone. */
		kept[count]->ring->cli_live = 0;
		xenevtchn_notify(kept[count]->event, kept[count]->event_port);
		count++;
	}
	printf("%s\n", count > 0 && count <= most ? "offered some, then none" : "not as it should be");
	if (count == 0 || count > most)
		printf("%d channels\n", count);
	fflush(stdout);
	while (access("release", F_OK) != 0)
		usleep(50000);
	while (count > 0)
		libxenvchan_close(kept[--count]);
	kept[0] = come(atoi(argv[1]), argv[2], 200);
	printf("%s\n", kept[0] == NULL ? "still none" : "offered one again");
	if (kept[0] != NULL)
		libxenvchan_close(kept[0]);
	return 0;
}
