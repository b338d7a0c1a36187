// flags: -pthread
// only: catch_stray
/* Raw `syscall` instructions in the program's own code land in the same handlers, on every thread,
 * in children, and while all signals are blocked. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>

extern char **environ;

#define ANSWER 4242

/* A call that no library makes. */
static long stray(long nr, long a, long b, long c, long d, long e, long f)
{
	long raw;
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	__asm__ volatile ("syscall" : "=a"(raw)
		: "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return raw;
}
#define STRAY0(nr) stray(nr, 0, 0, 0, 0, 0, 0)

static long answer(const struct muslin_call *call, void *context)
{
	(void)call;
	return (long)context;
}

static int status_of(pid_t child)
{
	int status = -1;
	if (waitpid(child, &status, 0) != child) return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void *in_a_thread(void *unused)
{
	(void)unused;
	return (void *)STRAY0(SYS_getppid);
}

static volatile long in_signal;

static void on_signal(int signal)
{
	(void)signal;
	in_signal = STRAY0(SYS_getppid);
}

static volatile long sigsys_code;

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	(void)signal, (void)context;
	sigsys_code = info->si_code;
}

/* All registers but rax, rcx and r11 survive, with all their bits. */
static int changed_by_stray(void)
{
	static long general[12];
	static char vectors[3][16];
	__asm__ volatile (
		"mov $0x1111,%%rbx\n" "mov $0x2222,%%rdx\n" "mov $0x3333,%%rsi\n" "mov $0x4444,%%rdi\n"
		"mov $0x5555,%%r8\n" "mov $0x6666,%%r9\n" "mov $0x7777,%%r10\n" "mov $0x8888,%%r12\n"
		"mov $0x9999,%%r13\n" "mov $0xaaaa,%%r14\n" "mov $0xbbbb,%%r15\n"
		"movq %%rbx,%%xmm0\n" "movq %%r15,%%xmm15\n" "movq %%r8,%%xmm7\n"
		"mov %[nr],%%eax\n" "syscall\n"
		"movups %%xmm0,%[v]\n" "movups %%xmm7,16+%[v]\n" "movups %%xmm15,32+%[v]\n"
		"mov %%rbx,%[g]\n" "mov %%rdx,8+%[g]\n" "mov %%rsi,16+%[g]\n" "mov %%rdi,24+%[g]\n"
		"mov %%r8,32+%[g]\n" "mov %%r9,40+%[g]\n" "mov %%r10,48+%[g]\n" "mov %%r12,56+%[g]\n"
		"mov %%r13,64+%[g]\n" "mov %%r14,72+%[g]\n" "mov %%r15,80+%[g]\n" "mov %%rax,88+%[g]\n"
		: [v]"=m"(vectors), [g]"=m"(general) : [nr]"i"(SYS_getppid)
		: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
		"xmm0", "xmm7", "xmm15", "memory");
	int changed = general[11] != ANSWER;
	for (int i = 0; i < 11; i++) changed += general[i] != 0x1111 * (i + 1);
	changed += *(long *)vectors[0] != 0x1111 || *(long *)vectors[1] != 0x5555;
	changed += *(long *)vectors[2] != 0xbbbb;
	return changed;
}

/* A thread by a raw clone: no thread-locals of its own, so it makes no calls but its last. */
static volatile long cloned_with;
static long cloned_stack[2048];

static long raw_clone(void)
{
	long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
	long raw;
	register long r10 __asm__("r10") = 0, r8 __asm__("r8") = 0, r12 __asm__("r12") = 77;
	__asm__ volatile (
		"syscall\n"
		"test %%eax,%%eax\n"
		"jnz 1f\n"
		"mov %%r12,%[out]\n"
		"mov $60,%%eax\n"
		"xor %%edi,%%edi\n"
		"syscall\n"
		"hlt\n"
		"1:\n"
		: "=a"(raw), [out]"=m"(cloned_with)
		: "a"(SYS_clone), "D"(flags), "S"(cloned_stack + 2048), "d"(0), "r"(r10), "r"(r8), "r"(r12)
		: "rcx", "r11", "memory");
	return raw;
}

void own_restorer(void);
__asm__ (".text\nown_restorer:\nmov $15,%eax\nsyscall\nhlt\n");

static void signal_with_a_mask_of_all(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigfillset(&action.sa_mask);
	GIVES(sigaction(SIGUSR1, &action, NULL), 0);
}

int main(int argc, char **argv)
{
	muslin_register(SYS_getppid, answer, (void *)ANSWER, 0, NULL);
	if (argc > 1) return STRAY0(SYS_getppid) == ANSWER ? 33 : 1;

	GIVES(STRAY0(SYS_getppid), ANSWER);
	GIVES(changed_by_stray(), 0);
	GIVES(stray(SYS_read, -1, 0, 0, 0, 0, 0), -EBADF);
	GIVES(stray(9999, 0, 0, 0, 0, 0, 0), -ENOSYS);
	errno = 5;
	STRAY0(SYS_getppid);
	GIVES(errno, 5);

	pthread_t thread;
	void *result;
	GIVES(pthread_create(&thread, NULL, in_a_thread, NULL), 0);
	GIVES(pthread_join(thread, &result), 0);
	GIVES((long)result, ANSWER);
	GIVES(STRAY0(SYS_getppid), ANSWER);

	pid_t child = fork();
	if (!child) _exit(STRAY0(SYS_getppid) == ANSWER ? 31 : 1);
	GIVES(status_of(child), 31);
	child = STRAY0(SYS_fork);
	if (!child) stray(SYS_exit_group, STRAY0(SYS_getppid) == ANSWER ? 32 : 1, 0, 0, 0, 0, 0);
	GIVES(status_of(child), 32);
	child = vfork();
	if (!child) _exit(STRAY0(SYS_getppid) == ANSWER ? 34 : 1);
	GIVES(status_of(child), 34);
	child = STRAY0(SYS_vfork);
	if (!child) _exit(STRAY0(SYS_getppid) == ANSWER ? 35 : 1);
	GIVES(status_of(child), 35);
	char *arguments[] = { argv[0], "child", NULL };
	GIVES(posix_spawn(&child, argv[0], NULL, NULL, arguments, environ), 0);
	GIVES(status_of(child), 33);

	cloned_with = 0;
	CHECK(raw_clone() > 0);
	for (int i = 0; i < 5000 && !cloned_with; i++) sleep_ms(1);
	GIVES(cloned_with, 77);

	/* With everything blocked, in every way to block. */
	sigset_t all, none, before, now;
	sigfillset(&all);
	sigemptyset(&none);
	GIVES(sigprocmask(SIG_SETMASK, &all, &before), 0);
	GIVES(STRAY0(SYS_getppid), ANSWER);
	GIVES(pthread_create(&thread, NULL, in_a_thread, NULL), 0);
	GIVES(pthread_join(thread, &result), 0);
	GIVES((long)result, ANSWER);
	GIVES(sigprocmask(SIG_SETMASK, &before, NULL), 0);
	long bits = -1;
	GIVES(stray(SYS_rt_sigprocmask, SIG_SETMASK, (long)&bits, 0, 8, 0, 0), 0);
	GIVES(STRAY0(SYS_getppid), ANSWER);
	GIVES(sigprocmask(SIG_SETMASK, NULL, &now), 0);
	CHECK(sigismember(&now, SIGUSR1) && sigismember(&now, SIGTERM));
	bits = 0;
	GIVES(stray(SYS_rt_sigprocmask, SIG_SETMASK, (long)&bits, 0, 8, 0, 0), 0);
	GIVES(sigprocmask(SIG_SETMASK, NULL, &now), 0);
	CHECK(!sigismember(&now, SIGUSR1) && !sigismember(&now, SIGTERM));
	GIVES(stray(SYS_rt_sigprocmask, SIG_SETMASK, 1, 0, 8, 0, 0), -EFAULT);

	signal_with_a_mask_of_all();
	in_signal = 0;
	GIVES(raise(SIGUSR1), 0);
	GIVES(in_signal, ANSWER);
	sigset_t all_but_one = all, one = none;
	sigdelset(&all_but_one, SIGUSR1);
	sigaddset(&one, SIGUSR1);
	for (int way = 0; way < 4; way++) {
		GIVES(sigprocmask(SIG_BLOCK, &one, NULL), 0);
		GIVES(raise(SIGUSR1), 0);
		in_signal = 0;
		struct timespec time = { 5, 0 };
		struct epoll_event event;
		if (way == 0) FAILS(sigsuspend(&all_but_one), EINTR);
		if (way == 1) FAILS(ppoll(NULL, 0, &time, &all_but_one), EINTR);
		if (way == 2) FAILS(pselect(0, NULL, NULL, NULL, &time, &all_but_one), EINTR);
		if (way == 3) FAILS(epoll_pwait(epoll_create1(0), &event, 1, 5000, &all_but_one), EINTR);
		GIVES(in_signal, ANSWER);
		GIVES(sigprocmask(SIG_UNBLOCK, &one, NULL), 0);
	}

	/* Calls whose effect is on the very state that a signal handler's return puts back. */
	static char stack[65536];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof stack }, found;
	GIVES(stray(SYS_sigaltstack, (long)&alternate, 0, 0, 0, 0, 0), 0);
	GIVES(sigaltstack(NULL, &found), 0);
	CHECK(found.ss_sp == stack && found.ss_size == sizeof stack);
	struct { void *handler; long flags; void *restorer; long mask; } raw_action
		= { (void *)on_signal, 0x04000000 | SA_ONSTACK, (void *)own_restorer, -1 };
	GIVES(stray(SYS_rt_sigaction, SIGUSR2, (long)&raw_action, 0, 8, 0, 0), 0);
	in_signal = 0;
	GIVES(raise(SIGUSR2), 0);
	GIVES(in_signal, ANSWER);
	GIVES(STRAY0(SYS_getppid), ANSWER);

	/* The program's own SIGSYS. */
	struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO }, old;
	GIVES(sigaction(SIGSYS, &action, &old), 0);
	CHECK(old.sa_handler == SIG_DFL);
	sigsys_code = 99;
	GIVES(raise(SIGSYS), 0);
	GIVES(sigsys_code, SI_TKILL);
	GIVES(sigaction(SIGSYS, NULL, &old), 0);
	CHECK(old.sa_sigaction == on_sigsys);
	GIVES(STRAY0(SYS_getppid), ANSWER);
	GIVES(sigsys_code, SI_TKILL);
	child = fork();
	if (!child) {
		signal(SIGSYS, SIG_DFL);
		raise(SIGSYS);
		_exit(0);
	}
	GIVES(status_of(child), 1000 + SIGSYS);
	child = fork();
	if (!child) {
		signal(SIGSYS, SIG_IGN);
		raise(SIGSYS);
		_exit(STRAY0(SYS_getppid) == ANSWER ? 36 : 1);
	}
	GIVES(status_of(child), 36);
	return finish();
}
