/* Logs every file that a program opens, with the result, to standard error.
 *
 *     muslin-cc examples/c/program.c examples/c/log_opens.c -o program && ./program /etc/hostname
 */
#include <errno.h>
#include <muslin.h>
#include <stdio.h>
#include <string.h>

static long log_open(const struct muslin_call *call, void *context)
{
	char line[4200];
	long fd = muslin_next(call);
	(void)context;
	/* What the kernel could not read, we cannot either. */
	if (fd == -EFAULT) return fd;
	const char *path = muslin_path(call, 0, NULL);
	if (fd < 0) snprintf(line, sizeof line, "open %s: %s\n", path, strerror((int)-fd));
	else snprintf(line, sizeof line, "open %s = %ld\n", path, fd);
	muslin_print(line);
	return fd;
}

/* open, openat, openat2 and creat in one line. snprintf and the line want more stack than some
 * threads have, hence a stack of its own. */
__attribute__((__constructor__)) static void start(void)
{
	muslin_register_family(muslin_opens, log_open, NULL, MUSLIN_OWN_STACK);
}
