/* membarrier: commands, and those that must be announced. */
#include "expect.h"
#include <linux/membarrier.h>
#include <sys/syscall.h>

static long barrier(int command, unsigned flags)
{
	return syscall(SYS_membarrier, (long)command, (long)flags, 0L);
}

int main(void)
{
	const int needed = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED | MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED
		| MEMBARRIER_CMD_PRIVATE_EXPEDITED | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
		| MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE | MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE;
	long commands = barrier(MEMBARRIER_CMD_QUERY, 0);

	CHECK("the usual commands are there", (commands & needed) == needed);
	FAILS("flags", barrier(MEMBARRIER_CMD_QUERY, 1), EINVAL);
	FAILS("two commands", barrier(MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0), EINVAL);
	FAILS("no command", barrier(1 << 30, 0), EINVAL);
	GIVES("all processes", barrier(MEMBARRIER_CMD_GLOBAL, 0), 0);
	GIVES("those that have announced it", barrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0), 0);
	GIVES("announced", barrier(MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0), 0);
	FAILS("the process, unannounced", barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), EPERM);
	GIVES("announced", barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
	GIVES("the process", barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
	FAILS("its code, unannounced", barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0), EPERM);
	GIVES("announced", barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0), 0);
	GIVES("its code", barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0), 0);
	return finish();
}
