/* A device of the network whose other end is this program's, and the runtime's thread, held still. */
#include "check.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>

static int cable;

/* A datagram for a port, as the wire has it. */
static void send_frame(int port, unsigned number)
{
	unsigned char frame[46] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 0,
		0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		0, 9, 0, port, 0, 12, 0, 0,
	};
	memcpy(frame + 42, &number, sizeof number);
	unsigned sum = 0;
	for (int i = 14; i < 34; i += 2) sum += frame[i] << 8 | frame[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = sum >> 8;
	frame[25] = sum;
	GIVES(write(cable, frame, sizeof frame), sizeof frame);
}

static int listener(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	CHECK(fd >= 0);
	GIVES(bind(fd, (void *)&at, sizeof at), 0);
	return fd;
}

/* The only other thread, which is the runtime's. */
static int other_thread(void)
{
	DIR *threads = opendir("/proc/self/task");
	struct dirent *entry;
	int found = 0;
	while (threads && (entry = readdir(threads)))
		if (atoi(entry->d_name) && atoi(entry->d_name) != getpid()) found = atoi(entry->d_name);
	closedir(threads);
	return found;
}

static int is_in_ppoll(int thread)
{
	char name[64], text[8] = "";
	snprintf(name, sizeof name, "/proc/%d/syscall", thread);
	int fd = open(name, O_RDONLY);
	read(fd, text, sizeof text - 1);
	close(fd);
	return atoi(text) == SYS_ppoll;
}

/* In a child: stops a thread of the parent where it sleeps, says so, and lets it go on when it is told to. */
static void hold(int thread, int say, int hear)
{
	char byte = ptrace(PTRACE_SEIZE, thread, 0, 0) == 0;
	while (byte) {
		ptrace(PTRACE_INTERRUPT, thread, 0, 0);
		waitpid(thread, NULL, __WALL);
		if (is_in_ppoll(thread)) break;
		ptrace(PTRACE_CONT, thread, 0, 0);
		usleep(1000);
	}
	write(say, &byte, 1);
	read(hear, &byte, 1);
	_exit(0);
}

struct held { int child, go; };

/* Holds the runtime's thread where it sleeps. */
static struct held hold_other_thread(void)
{
	int says[2], hears[2];
	char byte = 0;
	GIVES(pipe(says), 0);
	GIVES(pipe(hears), 0);
	int thread = other_thread();
	CHECK(thread != 0);
	int child = fork();
	if (child == 0) {
		/* Until the parent has let itself be traced. */
		read(hears[0], &byte, 1);
		hold(thread, says[1], hears[0]);
	}
	prctl(PR_SET_PTRACER, child);
	GIVES(write(hears[1], "", 1), 1);
	GIVES(read(says[0], &byte, 1), 1);
	CHECK(byte == 1);
	close(says[0]);
	close(says[1]);
	close(hears[0]);
	return (struct held){ child, hears[1] };
}

static void let_go(struct held held)
{
	int status;
	GIVES(write(held.go, "", 1), 1);
	close(held.go);
	GIVES(waitpid(held.child, &status, 0), held.child);
	GIVES(status, 0);
}

/* Begins anew with the cable's one end as its device: the environment counts as it was at the start. */
static void begin(char **arguments)
{
	int ends[2];
	char text[32];
	if (getenv("CABLE")) {
		cable = atoi(getenv("CABLE"));
		return;
	}
	GIVES(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	snprintf(text, sizeof text, "service=@%d", ends[0]);
	setenv("MUSLIN_NET", text, 1);
	snprintf(text, sizeof text, "%d", ends[1]);
	setenv("CABLE", text, 1);
	execv("/proc/self/exe", arguments);
	CHECK(!"it begins anew");
}
