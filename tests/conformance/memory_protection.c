// skip-on: solo5-spt: a fault ends the guest there: nothing but Linux sees it
// skip-on: any-linux: a fault ends the process: the library OS has no handler of Linux's signals
/* mprotect, madvise, mincore, mlock, mremap and the faults that follow. */
#include "expect.h"
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#define PAGE 4096

static sigjmp_buf back;
static volatile int fault_signal, fault_code;
static void *volatile fault_address;

static void on_fault(int number, siginfo_t *info, void *context)
{
	(void)context;
	fault_signal = number;
	fault_code = info->si_code;
	fault_address = info->si_addr;
	siglongjmp(back, 1);
}

/* 1 when writing there raises SIGSEGV with the right address. */
static int write_faults(volatile char *address)
{
	fault_signal = 0;
	if (sigsetjmp(back, 1) == 0) *address = 1;
	return fault_signal == SIGSEGV && fault_address == (void *)address;
}
static int read_faults(volatile char *address)
{
	fault_signal = 0;
	if (sigsetjmp(back, 1) == 0) (void)*address;
	return fault_signal == SIGSEGV && fault_address == (void *)address;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	char *map = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(map, 5, 8 * PAGE);

	GIVES("mprotect PROT_READ", mprotect(map + PAGE, PAGE, PROT_READ), 0);
	CHECK("writing faults", write_faults(map + PAGE + 3));
	GIVES("with SEGV_ACCERR", fault_code, SEGV_ACCERR);
	CHECK("reading does not", !read_faults(map + PAGE));
	CHECK("its neighbours can be written", !write_faults(map) && !write_faults(map + 2 * PAGE));
	GIVES("mprotect PROT_NONE", mprotect(map + PAGE, PAGE, PROT_NONE), 0);
	CHECK("reading faults", read_faults(map + PAGE));
	GIVES("mprotect back", mprotect(map + PAGE, PAGE, PROT_READ | PROT_WRITE), 0);
	GIVES("what was there stays", map[PAGE], 5);
	/* musl rounds the address down to a page, so an odd one is no error. */
	GIVES("mprotect at an odd address", mprotect(map + 1, PAGE - 1, PROT_READ | PROT_WRITE), 0);
	GIVES("munmap", munmap(map + 7 * PAGE, PAGE), 0);
	FAILS("mprotect of a hole", mprotect(map + 7 * PAGE, PAGE, PROT_READ), ENOMEM);
	CHECK("reading a hole faults", read_faults(map + 7 * PAGE));
	GIVES("with SEGV_MAPERR", fault_code, SEGV_MAPERR);
	FAILS("mprotect of nonsense", mprotect(map, PAGE, 0x4000), EINVAL);

	GIVES("madvise DONTNEED", madvise(map, PAGE, MADV_DONTNEED), 0);
	GIVES("it is zero again", map[0], 0);
	GIVES("madvise WILLNEED", madvise(map, PAGE, MADV_WILLNEED), 0);
	GIVES("posix_madvise", posix_madvise(map, PAGE, POSIX_MADV_RANDOM), 0);
	GIVES("posix_madvise back", posix_madvise(map, PAGE, POSIX_MADV_NORMAL), 0);
	FAILS("madvise of nonsense", madvise(map, PAGE, 9999), EINVAL);
	FAILS("madvise of a hole", madvise(map + 7 * PAGE, PAGE, MADV_DONTNEED), ENOMEM);

	unsigned char resident[4] = { 0 };
	map[2 * PAGE] = 1;
	GIVES("mincore", mincore(map + 2 * PAGE, PAGE, resident), 0);
	GIVES("the page is there", resident[0] & 1, 1);
	FAILS("mincore at an odd address", mincore(map + 1, PAGE, resident), EINVAL);
	FAILS("mincore of a hole", mincore(map + 7 * PAGE, PAGE, resident), ENOMEM);
	GIVES("mlock", mlock(map, PAGE), 0);
	GIVES("munlock", munlock(map, PAGE), 0);
	FAILS("mlock of a hole", mlock(map + 7 * PAGE, PAGE), ENOMEM);

	memset(map, 9, 3 * PAGE);
	char *moved = mremap(map, 3 * PAGE, 64 * PAGE, MREMAP_MAYMOVE);
	CHECK("mremap grows", moved != MAP_FAILED && moved[3 * PAGE - 1] == 9 && moved[3 * PAGE] == 0);
	CHECK("mremap shrinks in its place", mremap(moved, 64 * PAGE, 2 * PAGE, 0) == moved && moved[PAGE] == 9);
	CHECK("what was cut faults", read_faults(moved + 3 * PAGE));
	char *target = mmap(NULL, 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK("mremap to a place", mremap(moved, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target && target[0] == 9);
	CHECK("mremap at an odd address", mremap(target + 1, PAGE, PAGE, 0) == MAP_FAILED && errno == EINVAL);
	CHECK("mremap to nothing", mremap(target, PAGE, 0, 0) == MAP_FAILED && errno == EINVAL);
	munmap(target, 2 * PAGE);
	CHECK("mremap of a hole", mremap(target, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED && errno == EFAULT);
	return finish();
}
