/* An object behind minted descriptors: what is written comes back, a few bytes at a time. */
#ifndef ECHO_OBJECT_H
#define ECHO_OBJECT_H

#include <poll.h>
#include <sys/stat.h>

#define ECHO_BYTES 8

struct echo {
	unsigned lock;
	int references, closed;
	int is_over;                    /* nothing more will come */
	int error;                      /* an errno for the next read */
	unsigned readiness;
	unsigned long count;            /* bytes that wait to be read */
	char bytes[ECHO_BYTES];
	unsigned long long timeout_ns;
	struct muslin_file *file;
};

/* With the lock held: tells what has changed. */
static void echo_changed(struct echo *echo, unsigned events)
{
	unsigned readiness = echo->readiness;
	if (echo->count) readiness |= POLLIN;
	if (echo->count < ECHO_BYTES) readiness |= POLLOUT;
	if (echo->is_over) readiness |= POLLIN | POLLRDHUP;
	if (echo->error) readiness |= POLLERR;
	muslin_file_changed(echo->file, readiness, events);
}

static long echo_read(void *object, const struct muslin_piece *pieces, unsigned long count)
{
	struct echo *echo = object;
	long done = 0;
	muslin_lock(&echo->lock);
	for (unsigned long i = 0; i < count; i++) {
		unsigned long part = pieces[i].len_bytes < echo->count ? pieces[i].len_bytes : echo->count;
		memcpy(pieces[i].base, echo->bytes, part);
		memmove(echo->bytes, echo->bytes + part, echo->count - part);
		echo->count -= part;
		done += part;
	}
	if (!done && echo->error) {
		done = -echo->error;
		echo->error = 0;
	} else if (!done && !echo->is_over) {
		done = -EAGAIN;
	}
	echo_changed(echo, 0);
	muslin_unlock(&echo->lock);
	return done;
}

static long echo_write(void *object, const struct muslin_piece *pieces, unsigned long count)
{
	struct echo *echo = object;
	long done = 0;
	muslin_lock(&echo->lock);
	if (echo->is_over) {
		muslin_unlock(&echo->lock);
		return -EPIPE;
	}
	for (unsigned long i = 0; i < count; i++) {
		unsigned long room = ECHO_BYTES - echo->count;
		unsigned long part = pieces[i].len_bytes < room ? pieces[i].len_bytes : room;
		memcpy(echo->bytes + echo->count, pieces[i].base, part);
		echo->count += part;
		done += part;
	}
	if (!done) done = -EAGAIN;
	echo_changed(echo, POLLIN);
	muslin_unlock(&echo->lock);
	return done;
}

static long echo_ioctl(void *object, unsigned long request, unsigned long argument)
{
	if (request != 0x541b) return -ENOTTY;  /* FIONREAD */
	*(int *)argument = ((struct echo *)object)->count;
	return 0;
}

static unsigned long long echo_timeout(void *object) { return ((struct echo *)object)->timeout_ns; }
static void echo_closed(void *object) { __atomic_add_fetch(&((struct echo *)object)->closed, 1, 5); }
static void echo_retain(void *object) { __atomic_add_fetch(&((struct echo *)object)->references, 1, 5); }
static void echo_release(void *object) { __atomic_sub_fetch(&((struct echo *)object)->references, 1, 5); }

static const struct muslin_file_ops echo_ops = {
	.size = sizeof echo_ops,
	.name = "echo",
	.mode = S_IFCHR | 0640,
	.read = echo_read,
	.write = echo_write,
	.ioctl = echo_ioctl,
	.read_timeout_ns = echo_timeout,
	.write_timeout_ns = echo_timeout,
	.closed = echo_closed,
	.retain = echo_retain,
	.release = echo_release,
};

static int echo_mint(struct echo *echo, unsigned flags)
{
	memset(echo, 0, sizeof *echo);
	echo->references = 1;
	echo->timeout_ns = ~0ull;
	return muslin_fd_mint(&echo_ops, echo, flags, POLLOUT, &echo->file);
}

#endif
