/* Boxes: descriptors of a handler's making. A box holds a few bytes, which come out in their order.
 * socket(AF_BOX, …) makes one; recv waits for one byte in the handler itself. */
#ifndef MINTED_H
#define MINTED_H

#include "check.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>

#define AF_BOX 44
#define BOX_BYTES 8
#define EVER (~0ull)

struct box {
	unsigned lock;
	int references;
	int times_closed;
	int length;
	char bytes[BOX_BYTES];
	unsigned long long patience_ns;
	struct muslin_file *file;
};

static unsigned readiness_of(struct box *box)
{
	return (box->length > 0 ? POLLIN : 0) | (box->length < BOX_BYTES ? POLLOUT : 0);
}

static long box_read(void *object, const struct muslin_piece *pieces, unsigned long count)
{
	struct box *box = object;
	long done = 0;
	muslin_lock(&box->lock);
	for (unsigned long i = 0; i < count; i++) {
		char *to = pieces[i].base;
		for (unsigned long j = 0; j < pieces[i].len_bytes && done < box->length; j++)
			to[j] = box->bytes[done++];
	}
	memmove(box->bytes, box->bytes + done, box->length - done);
	box->length -= done;
	if (done > 0)
		muslin_file_changed(box->file, readiness_of(box), POLLOUT);
	muslin_unlock(&box->lock);
	return done > 0 ? done : -EAGAIN;
}

static long box_write(void *object, const struct muslin_piece *pieces, unsigned long count)
{
	struct box *box = object;
	long done = 0;
	muslin_lock(&box->lock);
	for (unsigned long i = 0; i < count; i++) {
		const char *from = pieces[i].base;
		for (unsigned long j = 0; j < pieces[i].len_bytes && box->length < BOX_BYTES; j++) {
			box->bytes[box->length++] = from[j];
			done++;
		}
	}
	if (done > 0)
		muslin_file_changed(box->file, readiness_of(box), POLLIN);
	muslin_unlock(&box->lock);
	return done > 0 ? done : -EAGAIN;
}

static long box_ioctl(void *object, unsigned long request, unsigned long argument)
{
	struct box *box = object;
	if (request != FIONREAD)
		return -ENOTTY;
	if (muslin_user_check((void *)argument, sizeof(int), 1))
		return -EFAULT;
	*(int *)argument = box->length;
	return 0;
}

static unsigned long long box_patience_ns(void *object)
{
	return ((struct box *)object)->patience_ns;
}

static void box_closed(void *object)
{
	struct box *box = object;
	box->times_closed++;
	muslin_file_release(box->file);
}

static void box_retain(void *object)
{
	__atomic_add_fetch(&((struct box *)object)->references, 1, __ATOMIC_RELAXED);
}

static void box_release(void *object)
{
	__atomic_sub_fetch(&((struct box *)object)->references, 1, __ATOMIC_RELAXED);
}

static const struct muslin_file_ops BOXES = {
	.size = sizeof BOXES,
	.name = "a box",
	.mode = S_IFSOCK | 0640,
	.read = box_read,
	.write = box_write,
	.ioctl = box_ioctl,
	.read_timeout_ns = box_patience_ns,
	.write_timeout_ns = box_patience_ns,
	.closed = box_closed,
	.retain = box_retain,
	.release = box_release,
};

static struct box *newest;

static long make_box(const struct muslin_call *call, void *context)
{
	(void)context;
	if (call->args[0] != AF_BOX)
		return muslin_next(call);
	struct box *box = muslin_alloc(sizeof *box, 16);
	memset(box, 0, sizeof *box);
	box->references = 1;
	box->patience_ns = EVER;
	newest = box;
	muslin_lock(&box->lock);
	int fd = muslin_fd_mint(&BOXES, box, O_RDWR | call->args[1], POLLOUT, &box->file);
	muslin_unlock(&box->lock);
	return fd;
}

/* Takes one byte, and waits for it here. */
static long take_byte(const struct muslin_call *call, void *context)
{
	(void)context;
	struct box *box = muslin_fd_get(call->args[0], &BOXES);
	if (!box)
		return muslin_next(call);
	struct muslin_piece piece = { (void *)call->args[1], 1 };
	long result;
	for (;;) {
		unsigned seen = muslin_file_seen(box->file);
		result = box_read(box, &piece, 1);
		if (result != -EAGAIN || muslin_fd_flags(call->args[0]) & O_NONBLOCK)
			break;
		unsigned long long until = box->patience_ns;
		if (until != EVER)
			until += muslin_now_ns();
		result = muslin_file_wait(call, box->file, seen, POLLIN, until);
		if (result < 0)
			break;
	}
	box_release(box);
	return result;
}

static void begin_boxes(void)
{
	GIVES(muslin_register(SYS_socket, make_box, NULL, 0, NULL), 0);
	GIVES(muslin_register(SYS_recvfrom, take_byte, NULL, 0, NULL), 0);
}

static int box_of(int flags)
{
	return socket(AF_BOX, flags, 0);
}

#endif
