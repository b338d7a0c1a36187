// skip-on: solo5-spt: a fault ends the guest there: nothing but Linux sees it
// skip-on: any-linux: a fault ends the process: the library OS has no handler of Linux's signals
/* Mapped pages behind the end of a file: SIGBUS, until the file has them. */
#include "expect.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define PAGE 4096

static sigjmp_buf back;
static volatile int seen, code;
static char *volatile where;

static void jump(int number, siginfo_t *info, void *context)
{
	(void)context;
	seen = number;
	code = info->si_code;
	where = info->si_addr;
	siglongjmp(back, 1);
}

/* What reading a byte gives, and writing the same. */
static void touch(const char *what, volatile char *at)
{
	for (int writes = 0; writes < 2; writes++) {
		seen = 0;
		char byte = 0;
		if (!sigsetjmp(back, 1)) {
			byte = *at;
			if (writes) *at = byte;
		}
		if (seen) say("%s, %s: signal %d, code %d, its address: %d", what, writes ? "written" : "read", seen, code, where == at);
		else say("%s, %s: %d", what, writes ? "written" : "read", byte);
	}
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = jump, .sa_flags = SA_SIGINFO };
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);

	int fd = open("file", O_CREAT | O_RDWR, 0600);
	GIVES("pwrite", pwrite(fd, "end", 3, PAGE - 2), 3);
	char *shared = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	CHECK("maps longer than the file", shared != MAP_FAILED && private != MAP_FAILED);
	touch("shared, the last byte", shared + PAGE);
	touch("shared, behind it in its page", shared + PAGE + 1);
	touch("shared, the next page", shared + 2 * PAGE);
	touch("shared, the end of the map", shared + 4 * PAGE - 1);
	touch("private, the last byte", private + PAGE);
	touch("private, behind it in its page", private + 2 * PAGE - 1);
	touch("private, the next page", private + 2 * PAGE);

	GIVES("the file grows", pwrite(fd, "x", 1, 2 * PAGE), 1);
	touch("shared, what is there now", shared + 2 * PAGE);
	touch("shared, the page behind", shared + 3 * PAGE);
	GIVES("ftruncate to more", ftruncate(fd, 4 * PAGE), 0);
	touch("shared, a hole", shared + 3 * PAGE);
	shared[3 * PAGE + 5] = 'y';
	GIVES("ftruncate to less", ftruncate(fd, 100), 0);
	touch("shared, what was cut off", shared + 3 * PAGE + 5);
	touch("shared, what is left", shared);
	GIVES("ftruncate to more again", ftruncate(fd, 4 * PAGE), 0);
	touch("shared, what came back", shared + 3 * PAGE + 5);

	int again = open("file", O_RDWR | O_TRUNC);
	touch("shared, of an empty file", shared);
	GIVES("pwrite", pwrite(again, "z", 1, 0), 1);
	touch("shared, its first byte", shared);

	char *empty = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open("none", O_CREAT | O_RDWR, 0600), 0);
	CHECK("a map of an empty file", empty != MAP_FAILED);
	seen = 0;
	if (!sigsetjmp(back, 1)) (void)*(volatile char *)empty;
	say("an empty file: signal %d, code %d", seen, code);
	GIVES("mprotect", mprotect(shared, 4 * PAGE, PROT_READ), 0);
	touch("read-only, its first byte", shared);
	GIVES("munmap", munmap(shared, 4 * PAGE), 0);
	touch("unmapped", shared + 3 * PAGE);
	return finish();
}
