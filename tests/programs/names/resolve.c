/* Asks the resolver of libc what it is told, and says in a line what comes of it.
 *
 *   resolve WORD...
 *
 * NAME       its addresses, sorted, of both families; of one by 4:NAME and 6:NAME; how many by n:NAME
 * c:NAME     its canonical name
 * x:ADDRESS  the name of an address
 * t:NAME     twenty threads ask ten times each
 * own        the addresses of this host, once it has one of each family that is not local
 * s:SECONDS  sleeps */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MANY = 256, THREADS = 20, TIMES = 10 };

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void say_sorted(char (*texts)[INET6_ADDRSTRLEN], int count)
{
	qsort(texts, count, sizeof *texts, by_text);
	for (int i = 0; i < count; i++) printf(" %s", texts[i]);
	putchar('\n');
}

static int ask(const char *name, int family, int flags, struct addrinfo **all)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	return getaddrinfo(name, "80", &hints, all);
}

static void addresses(const char *name, int family, int counted)
{
	static char texts[MANY][INET6_ADDRSTRLEN];
	struct addrinfo *all;
	int count = 0, error = ask(name, family, 0, &all);
	printf("%s:", name);
	if (error) {
		printf(" %s\n", gai_strerror(error));
		return;
	}
	for (struct addrinfo *one = all; one && count < MANY; one = one->ai_next)
		getnameinfo(one->ai_addr, one->ai_addrlen, texts[count++], sizeof *texts, 0, 0, NI_NUMERICHOST);
	freeaddrinfo(all);
	if (counted) printf(" %d\n", count);
	else say_sorted(texts, count);
}

static void canonical(const char *name)
{
	struct addrinfo *all;
	int error = ask(name, AF_UNSPEC, AI_CANONNAME, &all);
	printf("%s: %s\n", name, error ? gai_strerror(error) : all->ai_canonname);
	if (!error) freeaddrinfo(all);
}

static void reverse(const char *text)
{
	struct addrinfo *all;
	char name[NI_MAXHOST];
	int error = ask(text, AF_UNSPEC, AI_NUMERICHOST, &all);
	if (!error) {
		error = getnameinfo(all->ai_addr, all->ai_addrlen, name, sizeof name, 0, 0, NI_NAMEREQD);
		freeaddrinfo(all);
	}
	printf("%s: %s\n", text, error ? gai_strerror(error) : name);
}

static void *asks_often(void *name)
{
	long answered = 0;
	for (int i = 0; i < TIMES; i++) {
		struct addrinfo *all;
		if (ask(name, AF_UNSPEC, 0, &all)) continue;
		answered += all && all->ai_next && !all->ai_next->ai_next;
		freeaddrinfo(all);
	}
	return (void *)answered;
}

static void by_threads(char *name)
{
	pthread_t threads[THREADS];
	long answered = 0;
	for (int i = 0; i < THREADS; i++) pthread_create(&threads[i], 0, asks_often, name);
	for (int i = 0; i < THREADS; i++) {
		void *result;
		pthread_join(threads[i], &result);
		answered += (long)result;
	}
	printf("%s: %ld answers of two\n", name, answered);
}

static void own(void)
{
	static char texts[MANY][INET6_ADDRSTRLEN];
	int count = 0, families = 0;
	for (int tries = 0; tries < 300 && families != 3; tries++) {
		struct ifaddrs *all;
		if (tries) usleep(100000);
		if (getifaddrs(&all)) break;
		count = families = 0;
		for (struct ifaddrs *one = all; one && count < MANY; one = one->ifa_next) {
			int family = one->ifa_addr ? one->ifa_addr->sa_family : 0;
			if (!strcmp(one->ifa_name, "lo")) continue;
			if (family == AF_INET) {
				struct sockaddr_in *in = (void *)one->ifa_addr;
				inet_ntop(family, &in->sin_addr, texts[count++], sizeof *texts);
				families |= 1;
			} else if (family == AF_INET6) {
				struct sockaddr_in6 *in6 = (void *)one->ifa_addr;
				if (IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr)) continue;
				inet_ntop(family, &in6->sin6_addr, texts[count++], sizeof *texts);
				families |= 2;
			}
		}
		freeifaddrs(all);
	}
	printf("own:");
	say_sorted(texts, count);
}

int main(int argc, char **argv)
{
	(void)argc;
	for (char **word = argv + 1; *word; word++) {
		char kind = (*word)[0] && (*word)[1] == ':' ? (*word)[0] : 0, *rest = *word + 2;
		switch (kind) {
		case '4': addresses(rest, AF_INET, 0); break;
		case '6': addresses(rest, AF_INET6, 0); break;
		case 'n': addresses(rest, AF_UNSPEC, 1); break;
		case 'c': canonical(rest); break;
		case 'x': reverse(rest); break;
		case 't': by_threads(rest); break;
		case 's': sleep(atoi(rest)); break;
		default:
			if (!strcmp(*word, "own")) own();
			else addresses(*word, AF_UNSPEC, 0);
		}
		fflush(stdout);
	}
	return 0;
}
