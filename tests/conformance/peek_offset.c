/* SO_PEEK_OFF: looks at what has come go on where the last one ended. */
#include "expect.h"
#include <sys/socket.h>

static int a, b;
static char room[32];

static void pair(int type)
{
	int ends[2];
	GIVES("socketpair", socketpair(AF_UNIX, type, 0, ends), 0);
	a = ends[0];
	b = ends[1];
}
static void set(int offset) { GIVES("setsockopt", setsockopt(b, SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof offset), 0); }
static int offset(void)
{
	int value = 77;
	socklen_t len = sizeof value;
	GIVES("getsockopt", getsockopt(b, SOL_SOCKET, SO_PEEK_OFF, &value, &len), 0);
	return value;
}
static void get(const char *what, unsigned len, int flags)
{
	memset(room, 0, sizeof room);
	long got = recv(b, room, len, flags | MSG_DONTWAIT);
	const char *error = got < 0 ? errno_name(errno) : "";
	int next = offset();
	say("%s: %ld %s%s, then at %d", what, got, error, room, next);
}

int main(void)
{
	pair(SOCK_STREAM);
	say("at first %d", offset());
	GIVES("sent", send(a, "abcdef", 6, 0), 6);
	GIVES("sent", send(a, "ghij", 4, 0), 4);
	get("a look", 3, MSG_PEEK);
	get("another", 3, MSG_PEEK);
	set(0);
	get("a look", 4, MSG_PEEK);
	get("across two messages", 4, MSG_PEEK);
	get("the rest", 30, MSG_PEEK);
	get("nothing is left", 30, MSG_PEEK);
	get("received", 3, 0);
	GIVES("sent", send(a, "kl", 2, 0), 2);
	get("what came", 30, MSG_PEEK);
	set(2);
	get("two further", 3, MSG_PEEK);
	get("all but one", 8, 0);
	get("the last one", 8, MSG_PEEK);
	set(-1);
	get("from the front", 8, MSG_PEEK);
	set(1);
	GIVES("shut", shutdown(a, SHUT_WR), 0);
	get("at the end", 8, MSG_PEEK);
	close(a), close(b);

	for (int packets = 0; packets < 2; packets++) {
		pair(packets ? SOCK_SEQPACKET : SOCK_DGRAM);
		say("at first %d", offset());
		GIVES("sent", send(a, "abcdef", 6, 0), 6);
		GIVES("sent", send(a, "ghij", 4, 0), 4);
		set(0);
		get("a look", 4, MSG_PEEK);
		get("the rest of the first", 30, MSG_PEEK);
		get("the second", 2, MSG_PEEK);
		get("its length", 1, MSG_PEEK | MSG_TRUNC);
		get("received", 30, 0);
		get("a look", 30, MSG_PEEK);
		get("nothing is left", 30, MSG_PEEK);
		get("received", 1, 0);
		close(a), close(b);
	}
	return finish();
}
