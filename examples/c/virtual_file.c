/* Serves a file that is nowhere on disk: /virtual/hello can be opened, read, mapped and looked at.
 *
 *     muslin-cc examples/c/program.c examples/c/virtual_file.c -o program && ./program /virtual/hello
 *
 * An open gets a descriptor of its own from memfd_create, so everything that works on descriptors
 * works. The path is compared as text: "/virtual/../virtual/hello" is another one. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <muslin.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char path_of_file[] = "/virtual/hello";
static const char content[] = "Nobody wrote this to a disk.\nIt comes from a handler.\n";

#define CALL(nr, ...) muslin_passthrough(nr, (long[6]){ __VA_ARGS__ })

/* A new descriptor of the file, or a negative errno. */
static long open_file(int flags)
{
	if ((flags & O_ACCMODE) != O_RDONLY) return -EROFS;
	long fd = CALL(SYS_memfd_create, (long)path_of_file,
		MFD_ALLOW_SEALING | (flags & O_CLOEXEC ? MFD_CLOEXEC : 0));
	if (fd < 0) return fd;
	CALL(SYS_pwrite64, fd, (long)content, sizeof content - 1, 0);
	CALL(SYS_fchmod, fd, 0444);
	CALL(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
	return fd;
}

/* Whether the platform knows no such file and we do. A path that it looked up can be read. */
static int is_ours(const struct muslin_call *call, long result)
{
	return result == -ENOENT && !strcmp(muslin_path(call, 0, NULL), path_of_file);
}

static long opens(const struct muslin_call *call, void *context)
{
	long result = muslin_next(call);
	(void)context;
	if (!is_ours(call, result)) return result;
	switch (call->nr) {
	case SYS_open: return open_file(call->args[1]);
	case SYS_openat: return open_file(call->args[2]);
	case SYS_openat2: return open_file(*(long *)call->args[2]);
	default: return -EROFS;         /* creat */
	}
}

static long stats(const struct muslin_call *call, void *context)
{
	long result = muslin_next(call);
	(void)context;
	/* fstat names no path. */
	if (call->nr == SYS_fstat || !is_ours(call, result)) return result;
	long fd = open_file(O_RDONLY | O_CLOEXEC);
	if (fd < 0) return fd;
	if (call->nr == SYS_statx)
		result = CALL(SYS_statx, fd, (long)"", call->args[2] | AT_EMPTY_PATH, call->args[3], call->args[4]);
	else
		result = CALL(SYS_fstat, fd, call->nr == SYS_newfstatat ? call->args[2] : call->args[1]);
	CALL(SYS_close, fd);
	return result;
}

/* access, faccessat, faccessat2: it can be read. */
static long accesses(const struct muslin_call *call, void *context)
{
	long result = muslin_next(call);
	(void)context;
	if (!is_ours(call, result)) return result;
	long mode = call->nr == SYS_access ? call->args[1] : call->args[2];
	return mode & W_OK ? -EROFS : mode & X_OK ? -EACCES : 0;
}

__attribute__((__constructor__)) static void start(void)
{
	static const long access_calls[] = { SYS_access, SYS_faccessat, SYS_faccessat2, -1 };
	muslin_register_family(muslin_opens, opens, NULL, 0);
	muslin_register_family(muslin_stats, stats, NULL, 0);
	muslin_register_family(access_calls, accesses, NULL, 0);
}
