/* Denies everything below one directory: EACCES for each call that names a path in it.
 *
 *     muslin-cc examples/c/program.c examples/c/deny_dir.c -o program
 *     MUSLIN_DENY=/etc ./program /etc/hostname /usr/../etc/passwd
 *
 * A path counts as what it leads to: the handler opens it as the kernel does, with "..", symbolic
 * links, the current directory and directory descriptors, and asks where that is. It needs /proc.
 *
 * This keeps honest programs out; it is no wall. What it does not see: descriptors that are open
 * already; a path that leads through the directory and out again by a symbolic link; a symbolic
 * link that somebody changes between our look and the call; names of Unix sockets; `syscall`
 * instructions that the program brings along (unless MUSLIN_CATCH_STRAY=1). */
#include <errno.h>
#include <fcntl.h>
#include <muslin.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/syscall.h>

#define PATH_BYTES 4096

static char denied[PATH_BYTES];

/* Where a path leads, as a path from the root without links; 0 or a negative errno. */
static long real_path(int dirfd, const char *path, char *real)
{
	char link[40];
	long fd = muslin_passthrough(SYS_openat,
		(long[6]){ dirfd, (long)path, O_PATH | O_CLOEXEC });
	if (fd < 0) return fd;
	snprintf(link, sizeof link, "/proc/self/fd/%ld", fd);
	long length = muslin_passthrough(SYS_readlinkat,
		(long[6]){ AT_FDCWD, (long)link, (long)real, PATH_BYTES - 1 });
	muslin_passthrough(SYS_close, (long[6]){ fd });
	if (length < 0) return length;
	real[length] = 0;
	return 0;
}

static int is_denied(const char *real)
{
	size_t length = strlen(denied);
	return !strncmp(real, denied, length) && (real[length] == '/' || !real[length]);
}

/* Whether a path leads to a denied place, or to a new name in one. */
static int leads_there(int dirfd, const char *path)
{
	char real[PATH_BYTES], parent[PATH_BYTES];
	long error = real_path(dirfd, path, real);
	if (!error && is_denied(real)) return 1;
	/* Not a path at all: the kernel will say so. An empty one means a descriptor that is open. */
	if (error == -EFAULT || error == -ENAMETOOLONG || !*path) return 0;
	/* The directory that holds the name: it may be a new one, or a link that leads out. */
	strncpy(parent, path, sizeof parent - 1);
	parent[sizeof parent - 1] = 0;
	char *slash = strrchr(parent, '/');
	if (!slash) strcpy(parent, ".");
	else if (slash == parent) strcpy(parent, "/");
	else *slash = 0;
	return !real_path(dirfd, parent, real) && is_denied(real);
}

static long deny(const struct muslin_call *call, void *context)
{
	int dirfd;
	const char *path;
	(void)context;
	for (int i = 0; (path = muslin_path(call, i, &dirfd)); i++)
		if (leads_there(dirfd, path)) return -EACCES;
	return muslin_next(call);
}

__attribute__((__constructor__)) static void start(void)
{
	const char *directory = getenv("MUSLIN_DENY");
	if (!directory) return;
	if (real_path(AT_FDCWD, directory, denied)) {
		fprintf(stderr, "deny_dir: MUSLIN_DENY=%s: no such directory\n", directory);
		exit(1);
	}
	/* Every call that names a path. The buffers want a stack of their own. */
	if (muslin_register_family(muslin_paths, deny, NULL, MUSLIN_OWN_STACK)) {
		fprintf(stderr, "deny_dir: cannot register\n");
		exit(1);
	}
}
