/* muslin.h: system call handlers in C.
 *
 * A program linked by `muslin cc` sends every system call through a table of handlers. This header
 * puts handlers of its own there. Numbers are those of <sys/syscall.h>; results are values, or
 * negative errnos.
 *
 * What a handler may do: it runs where the call was made, possibly in a signal handler, before
 * main, on a small stack, or while libc holds a lock. Calls that it makes itself, through libc or
 * not, go to the platform and not to handlers, unless these are MUSLIN_REENTRANT. errno is kept
 * around it. It must not allocate with malloc if it answers calls that are made inside malloc (mmap,
 * brk, munmap, mremap, madvise; fork, which stops malloc meanwhile): the process would end with a
 * line that says so. muslin_alloc is always safe. It must not print with stdio if it answers the
 * calls that stdio makes: muslin_print is always safe. A lock of its own may be held by a thread
 * that a child of fork does not have.
 *
 * Thread-locals: in a process's calls before arch_prctl and in the last two calls of a detached
 * thread, the first 4 KiB of them read as zero and what is written is lost; more must not be
 * touched.
 *
 * Cancellation: a wait below muslin_next can be cancelled if the program's call was a cancellation
 * point. It ends with -EINTR, which the handler has to answer; one that calls muslin_next again
 * gets -EINTR again. muslin_passthrough and muslin_call wait undisturbed. */
#ifndef MUSLIN_H
#define MUSLIN_H

#ifdef __cplusplus
extern "C" {
#endif

/* A call on its way through a chain of handlers. A handler may copy it and change nr's arguments
 * before it passes it on. */
struct muslin_handler;
struct muslin_call {
	const struct muslin_handler *handler;   /* the one that is being called */
	long nr;
	long args[6];
	long state;                             /* the runtime's own */
};

/* Answers a call: a value, or a negative errno. */
typedef long (*muslin_handler_fn)(const struct muslin_call *call, void *context);

/* A registration. It is never freed and does not change. */
struct muslin_handler {
	muslin_handler_fn function;
	void *context;
	long nr;
	long flags;
	const struct muslin_handler *next;
	void *bottom;
	void *direct;
};

/* Call the handler also for calls that are made inside another handler. */
#define MUSLIN_REENTRANT 1u
/* Run it on a stack of 64 KiB that the runtime keeps for the thread. */
#define MUSLIN_OWN_STACK 2u

/* Registers a handler on top of what answers nr now; calls that begin after the return find it.
 * *previous, unless previous is null, becomes the handler that was the top, or null.
 * 0, -EINVAL (no such number; 15, rt_sigreturn, cannot be handled; unknown flags), -ENOMEM, -EPERM
 * (something refuses to let the sealed table be opened). Not for the child of a vfork. */
int muslin_register(long nr, muslin_handler_fn function, void *context, unsigned flags,
                    const struct muslin_handler **previous);

/* The same for all numbers of a list that ends with -1: for all of them, or, with an error, none
 * (but for -ENOMEM). */
int muslin_register_family(const long *family, muslin_handler_fn function, void *context,
                           unsigned flags);

/* The platform's own code answers nr again: 0 or -EINVAL. */
int muslin_restore(long nr);

/* Makes a handler that was the previous one the top again: 0 or -EINVAL. */
int muslin_reinstate(const struct muslin_handler *handler);

/* Passes a call on to the handler below; below the last one is the platform. */
long muslin_next(const struct muslin_call *call);

/* Calls a handler that muslin_register gave back, and what is below it; null: the platform. */
long muslin_call(const struct muslin_handler *handler, long nr, const long args[6]);

/* Makes a call of the platform, past all handlers. */
long muslin_passthrough(long nr, const long args[6]);

/* Writes a string to file descriptor 2: no lock, no buffer, past the table. */
void muslin_print(const char *text);

/* Writes a line to file descriptor 2 and ends the process as abort(3) does, past the table. */
__attribute__((__noreturn__)) void muslin_abort(const char *why);

/* The runtime's heap: safe in every handler. align_bytes is a power of two. Null: no memory. */
void *muslin_alloc(unsigned long size_bytes, unsigned long align_bytes);
void muslin_free(void *memory);

/* The path that a call names: `which` counts its paths from 0. Null if it has none; *dirfd, unless
 * dirfd is null, becomes the descriptor that a relative path starts from (AT_FDCWD, -100, if the
 * call has none). The string is the program's own memory. */
const char *muslin_path(const struct muslin_call *call, int which, int *dirfd);

/* Families: what one libc function or one purpose may turn into. Each ends with -1. */
extern const long muslin_opens[];       /* open, openat, openat2, creat */
extern const long muslin_closes[];      /* close, close_range */
extern const long muslin_reads[];       /* read, readv, pread64, preadv, preadv2 */
extern const long muslin_writes[];      /* write, writev, pwrite64, pwritev, pwritev2 */
extern const long muslin_stats[];       /* stat, lstat, fstat, newfstatat, statx */
extern const long muslin_paths[];       /* every call that names a path */
extern const long muslin_processes[];   /* fork, vfork, clone, clone3, execve, execveat */
extern const long muslin_sockets[];     /* every call of sockets alone */
extern const long muslin_memory[];      /* mmap, munmap, mprotect, mremap, madvise, brk … */
extern const long muslin_sleeps[];      /* nanosleep, clock_nanosleep, pause */

/* Registers a handler before the process's first call. `name` is unique in the program. A handler
 * in an archive must be linked in: `muslin cc` warns of one that was dropped. */
#define MUSLIN_STATIC(name, nr, function, context, flags) \
	static struct muslin_handler __muslin_handler_##name = \
		{ function, context, nr, flags, 0, 0, 0 }; \
	void __muslin_static_##name(void); \
	void __muslin_static_##name(void) { muslin_register_static(&__muslin_handler_##name); } \
	__attribute__((__used__, __section__(".preinit_array"))) \
	static void (*__muslin_preinit_##name)(void) = __muslin_static_##name

void muslin_register_static(const struct muslin_handler *handler);

#ifdef __cplusplus
}
#endif

#endif
