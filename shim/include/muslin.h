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

/* ---- Descriptors of a handler's making ----
 *
 * A handler can answer with a descriptor of its own making: an object with functions that becomes a
 * number which read, write, readv, writev, poll, select, epoll, dup, fcntl, ioctl, fstat, sendfile
 * and close understand as they do any other.
 *
 * The functions never wait and make no calls: what would have to wait answers -EAGAIN, and the
 * runtime waits, or not, as O_NONBLOCK says. They may run in any thread, so they lock what they
 * share (muslin_lock), and no other function of this part calls them.
 *
 * Readiness is told, not asked: whoever changes what poll would say calls muslin_file_changed. */

/* An open file description of a handler's making. */
struct muslin_file;

/* A piece of the program's memory that has been checked. */
struct muslin_piece {
	void *base;
	unsigned long len_bytes;
};

/* What an object can do. It lives for ever, and its address says which objects are its own. */
struct muslin_file_ops {
	unsigned long size;         /* sizeof(struct muslin_file_ops) */
	const char *name;           /* "TCP socket", for reports */
	unsigned mode;              /* st_mode of fstat, such as S_IFSOCK | 0777 */
	/* Bytes read, 0 at the end, or a negative errno. Null: -EINVAL. */
	long (*read)(void *object, const struct muslin_piece *pieces, unsigned long count);
	/* Bytes written, or a negative errno: a write that waits goes on until all is written. Null:
	 * -EINVAL. */
	long (*write)(void *object, const struct muslin_piece *pieces, unsigned long count);
	/* -ENOTTY: no such request. Null: there is none. */
	long (*ioctl)(void *object, unsigned long request, unsigned long argument);
	/* How many nanoseconds a read or write may wait before it answers -EAGAIN; all ones is for
	 * ever, as is a null. */
	unsigned long long (*read_timeout_ns)(void *object);
	unsigned long long (*write_timeout_ns)(void *object);
	/* The last descriptor has been closed. */
	void (*closed)(void *object);
	/* The runtime's references: it takes one for each muslin_fd_get, and while it uses the
	 * object. */
	void (*retain)(void *object);
	void (*release)(void *object);
};

/* Makes a descriptor, the lowest that is free, for an object that is ready as `readiness` says
 * (POLL* bits). `flags` are O_NONBLOCK, O_CLOEXEC and the access mode (O_RDWR). The descriptor, or
 * -EMFILE, -ENFILE, -ENOMEM, -EINVAL. Takes over a reference to the object if all goes well, and is
 * given back by `closed` and then `release`. *file becomes the caller's, until it calls
 * muslin_file_release, even if the descriptor is closed before. */
int muslin_fd_mint(const struct muslin_file_ops *ops, void *object, unsigned flags,
                   unsigned readiness, struct muslin_file **file);

/* The object of a descriptor, with a reference that the caller releases. Null: it is not open, or
 * not one of `ops`. */
void *muslin_fd_get(int fd, const struct muslin_file_ops *ops);

/* The flags of an open descriptor as F_GETFL says them, or -EBADF. */
long muslin_fd_flags(int fd);

/* The object is now ready as `readiness` says (POLL* bits), and `events` of these happened anew even
 * if they were set before: more has come to read. Wakes who waits for either. Calls no function of
 * the object, so the caller may hold its lock; it should, so that changes are told in their order.
 * What is no longer there is told as well: after a read or write that answered -EAGAIN the bit has to be
 * away until it would go on, or its return is no news and wakes nobody. */
void muslin_file_changed(struct muslin_file *file, unsigned readiness, unsigned events);

/* How often something has happened to a file: see muslin_file_wait. */
unsigned muslin_file_seen(const struct muslin_file *file);

/* Waits until something has happened to a file since muslin_file_seen answered `seen`: 0, and the
 * caller looks again, as something else may have happened, or somebody else taken it. `events` is
 * what it waits for (POLL* bits; POLLERR and POLLHUP are among them in any case). -EAGAIN: the
 * monotonic clock has passed `deadline_ns` (all ones: none); with 0 it does not wait, but services look
 * at their devices first, as in every wait. -EINTR: a function of a signal has run
 * that is not SA_RESTART, or there was a deadline, or the thread is to be cancelled. `call` is the
 * call that waits; null if it is nobody's. No lock may be held: functions of signals run meanwhile, and what
 * they call are the program's calls, which come to handlers again.
 *
 *     for (;;) {
 *             unsigned seen = muslin_file_seen(file);
 *             long result = try(object);
 *             if (result != -EAGAIN || is_nonblocking)
 *                     return result;
 *             result = muslin_file_wait(call, file, seen, POLLIN, ~0ull);
 *             if (result < 0)
 *                     return result;
 *     } */
long muslin_file_wait(const struct muslin_call *call, struct muslin_file *file, unsigned seen,
                      unsigned events, unsigned long long deadline_ns);

/* Gives a file back that muslin_fd_mint gave. */
void muslin_file_release(struct muslin_file *file);

/* ---- What runs beside the calls ---- */

/* Runs a function from now on when a network device may be ready, when the monotonic clock has
 * passed what it answered last (all ones: no such time), and after muslin_service_kick. It makes no
 * calls and does not wait, and runs in one thread at a time, without signals. On Linux that is a thread of
 * the runtime, which is none of libc's, or one of the program's in epoll_wait: it must not call libc; on
 * other platforms whichever thread waits or has made many calls. 0, -EBUSY (there is one already), -ENOMEM. */
int muslin_service(unsigned long long (*run)(void *context, unsigned long long now_ns), void *context);

/* There is something for the service to do: it runs soon. May be called from it and with a lock held. */
void muslin_service_kick(void);

/* A lock: a word that is 0 at the start. Signals are held back while it is held. It is not recursive,
 * and nothing waits or makes calls while it is held. */
void muslin_lock(unsigned *word);
void muslin_unlock(unsigned *word);

/* The monotonic clock, as clock_gettime(CLOCK_MONOTONIC). */
unsigned long long muslin_now_ns(void);

/* Fills memory with random bytes that are fit for keys: 0, or -EIO. */
int muslin_random(void *bytes, unsigned long len_bytes);

/* Whether the program's memory may be read, or written: 0 or -EFAULT. On Linux always 0: a bad address
 * is a fault of the program there. */
int muslin_user_check(const void *address, unsigned long len_bytes, int is_write);

/* The value of an option by its name, such as "ipv4": the environment variable MUSLIN_IPV4 or, in a
 * guest, the word --ipv4=value among those before the program's own arguments. Null: not given. The
 * string lives for ever. */
const char *muslin_option(const char *name);

/* ---- Network devices: Ethernet frames in and out ---- */
struct muslin_net_device {
	char name[68];              /* "service" */
	unsigned char mac[6];
	unsigned short mtu_bytes;   /* of what is behind the 14 bytes of the Ethernet header */
};

/* What the device of this number is, counted from 0 without gaps: 0 or -ENODEV. */
int muslin_net_device(unsigned index, struct muslin_net_device *device);

/* From now on each frame has a `struct virtio_net_hdr` (linux/virtio_net.h, 10 bytes) in front, both ways, which
 * says what is left to whoever takes it: checksums, and the cutting of TCP segments that are longer than the
 * MTU. A buffer for frames has 10 + 14 + 65535 bytes then. 0; -EOPNOTSUPP the device cannot, and frames stay
 * as they are; -ENODEV. */
int muslin_net_offload(unsigned index);

/* Takes a frame that has come: its length in bytes; -EAGAIN none is there; -EINVAL `len_bytes` is less
 * than 14 and the MTU; -ENODEV; -EIO. */
long muslin_net_receive(unsigned index, void *frame, unsigned long len_bytes);

/* Sends a frame: its length in bytes; -EAGAIN the device takes no more now; -EINVAL it is too long or
 * has no header; -ENODEV; -EIO. */
long muslin_net_send(unsigned index, const void *frame, unsigned long len_bytes);

#ifdef __cplusplus
}
#endif

#endif
