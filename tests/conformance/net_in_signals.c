/* Functions of signals that send and receive while the program waits for a datagram, also by poll. */
#include "expect.h"
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ADDRESS(a) (struct sockaddr *)&(a), sizeof (a)

static int fd, side;
static struct sockaddr_in own;
static volatile int sent, heard;

static void send_one(int number)
{
	char text[8];
	sent += sendto(side, "to side", 7, 0, ADDRESS(own)) == 7;
	heard += recv(side, text, sizeof text, MSG_DONTWAIT) == -1 && errno == EAGAIN;
	errno = number;
}

int main(void)
{
	socklen_t length = sizeof own;
	char text[16] = "";
	fd = OPENED("datagrams", socket(AF_INET, SOCK_DGRAM, 0));
	side = OPENED("others", socket(AF_INET, SOCK_DGRAM, 0));
	own = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	GIVES("bind", bind(fd, ADDRESS(own)) || getsockname(fd, (struct sockaddr *)&own, &length), 0);
	struct sigaction act = { .sa_handler = send_one, .sa_flags = SA_RESTART };
	GIVES("sigaction", sigaction(SIGALRM, &act, NULL), 0);
	for (int i = 0; i < 3; i++) {
		struct itimerval soon = { .it_value.tv_usec = 20000 };
		GIVES("an alarm", setitimer(ITIMER_REAL, &soon, NULL), 0);
		/* It ends for the signal first. */
		while (i == 1 && poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, -1) == -1) ;
		GIVES("what the alarm sent", recv(fd, text, sizeof text, 0), 7);
		say("text: %s", text);
	}
	GIVES("sent", sent, 3);
	GIVES("heard nothing", heard, 3);
	return finish();
}
