/* Something refuses mprotect: the sealed table cannot be opened. Registration says so, and the program
 * goes on as before. */
#include "check.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

static long answer(const struct muslin_call *call, void *context)
{
	(void)call;
	return (long)context;
}

int main(void)
{
	struct sock_filter lines[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof lines / sizeof *lines, lines };
	long parent = getppid();
	GIVES(muslin_register(SYS_getuid, answer, (void *)7, 0, NULL), 0);
	GIVES(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	GIVES(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
	GIVES(muslin_register(SYS_getppid, answer, (void *)7, 0, NULL), -EPERM);
	GIVES(muslin_restore(SYS_getuid), -EPERM);
	GIVES(getppid(), parent);
	GIVES(getuid(), 7);
	return finish();
}
