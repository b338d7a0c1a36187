/* POSIX message queues, where the kernel has them. */
#include "expect.h"
#include <fcntl.h>
#include <mqueue.h>
#include <semaphore.h>
#include <signal.h>
#include <time.h>

static sem_t told;
static volatile int noticed;
static void notice(union sigval value)
{
	noticed = value.sival_int;
	sem_post(&told);
}

int main(void)
{
	char name[64], text[64];
	unsigned priority = 0;
	struct mq_attr attributes = { .mq_maxmsg = 2, .mq_msgsize = 16 }, now;
	snprintf(name, sizeof name, "/muslin-conformance-%d", getpid());
	mqd_t queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR | O_NONBLOCK, 0600, &attributes);
	if (queue == (mqd_t)-1 && (errno == ENOSYS || errno == EACCES)) {
		say("no message queues here: %s", errno_name(errno));
		return finish();
	}
	OPENED("mq_open", queue);
	FAILS("again", mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, NULL), EEXIST);
	GIVES("mq_send", mq_send(queue, "low", 3, 1), 0);
	GIVES("mq_send", mq_send(queue, "high", 4, 9), 0);
	FAILS("a full one", mq_send(queue, "x", 1, 0), EAGAIN);
	GIVES("mq_getattr", mq_getattr(queue, &now), 0);
	say("%ld messages of %ld, size %ld", now.mq_curmsgs, now.mq_maxmsg, now.mq_msgsize);
	FAILS("too little room", mq_receive(queue, text, 8, NULL), EMSGSIZE);
	GIVES("mq_receive", mq_receive(queue, text, sizeof text, &priority), 4);
	say("%.4s with %u", text, priority);
	GIVES("mq_receive", mq_receive(queue, text, sizeof text, &priority), 3);
	FAILS("an empty one", mq_receive(queue, text, sizeof text, NULL), EAGAIN);
	FAILS("too long", mq_send(queue, text, 17, 0), EMSGSIZE);
	struct sigevent event = { .sigev_notify = SIGEV_THREAD, .sigev_notify_function = notice, .sigev_value.sival_int = 6 };
	sem_init(&told, 0, 0);
	GIVES("mq_notify", mq_notify(queue, &event), 0);
	GIVES("mq_send", mq_send(queue, "x", 1, 0), 0);
	GIVES("told", sem_wait(&told), 0);
	say("the notice: %d", noticed);
	mq_receive(queue, text, sizeof text, NULL);
	attributes.mq_flags = 0;
	GIVES("mq_setattr", mq_setattr(queue, &attributes, &now), 0);
	GIVES("it was O_NONBLOCK", now.mq_flags, O_NONBLOCK);
	struct timespec past = { 1, 0 };
	FAILS("mq_timedreceive", mq_timedreceive(queue, text, sizeof text, NULL, &past), ETIMEDOUT);
	GIVES("mq_unlink", mq_unlink(name), 0);
	FAILS("mq_unlink again", mq_unlink(name), ENOENT);
	GIVES("mq_close", mq_close(queue), 0);
	return finish();
}
