/* memfd, shm_open and System V: memory, semaphores and messages between processes. */
#include "expect.h"
#include <fcntl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/wait.h>

int main(void)
{
	int fd = OPENED("memfd_create", memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING)), status;
	struct stat st;
	GIVES("flags", fcntl(fd, F_GETFD), FD_CLOEXEC);
	GIVES("write", write(fd, "memory", 6), 6);
	GIVES("size", (fstat(fd, &st), st.st_size), 6);
	char *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	say("map: %.6s", map);
	munmap(map, 4096);
	GIVES("F_ADD_SEALS", fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
	GIVES("F_GET_SEALS", fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
	FAILS("write to a sealed one", pwrite(fd, "x", 1, 0), EPERM);
	FAILS("grow a sealed one", ftruncate(fd, 100), EPERM);
	FAILS("memfd_create of nonsense", memfd_create("name", 0x4000), EINVAL);

	char name[64];
	snprintf(name, sizeof name, "/muslin-conformance-%d", getpid());
	fd = OPENED("shm_open", shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600));
	FAILS("shm_open again", shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	GIVES("ftruncate", ftruncate(fd, 4096), 0);
	GIVES("shm_unlink", shm_unlink(name), 0);
	FAILS("shm_unlink again", shm_unlink(name), ENOENT);
	FAILS("shm_open with a slash inside", shm_open("/a/b", O_RDWR, 0600), EINVAL);

	int id = OPENED("shmget", shmget(IPC_PRIVATE, 4096, 0600 | IPC_CREAT));
	volatile int *shared = shmat(id, NULL, 0);
	CHECK("shmat", shared != (void *)-1);
	int sem = OPENED("semget", semget(IPC_PRIVATE, 1, 0600));
	int queue = OPENED("msgget", msgget(IPC_PRIVATE, 0600));
	struct { long type; char text[16]; } message = { 5, "a message" };
	pid_t child = fork();
	if (!child) {
		*shared = 77;
		if (msgsnd(queue, &message, sizeof message.text, 0)) _exit(1);
		_exit(semop(sem, &(struct sembuf){ 0, 1, 0 }, 1) ? 2 : 0);
	}
	GIVES("semop waits for the child", semop(sem, &(struct sembuf){ 0, -1, 0 }, 1), 0);
	say("shared: %d", *shared);
	waitpid(child, &status, 0);
	GIVES("the child is content", WEXITSTATUS(status), 0);
	memset(&message, 0, sizeof message);
	FAILS("msgrcv of another type", msgrcv(queue, &message, sizeof message.text, 6, IPC_NOWAIT), ENOMSG);
	GIVES("msgrcv", msgrcv(queue, &message, sizeof message.text, 5, IPC_NOWAIT), 16);
	say("message: %s", message.text);
	FAILS("semop without waiting", semop(sem, &(struct sembuf){ 0, -1, IPC_NOWAIT }, 1), EAGAIN);
	GIVES("semctl SETVAL", semctl(sem, 0, SETVAL, 4), 0);
	GIVES("semctl GETVAL", semctl(sem, 0, GETVAL), 4);
	GIVES("semctl IPC_RMID", semctl(sem, 0, IPC_RMID), 0);
	GIVES("msgctl IPC_RMID", msgctl(queue, IPC_RMID, NULL), 0);
	struct shmid_ds facts;
	GIVES("shmctl IPC_STAT", shmctl(id, IPC_STAT, &facts), 0);
	GIVES("attached", facts.shm_nattch, 1);
	GIVES("size", facts.shm_segsz, 4096);
	GIVES("shmdt", shmdt((void *)shared), 0);
	GIVES("shmctl IPC_RMID", shmctl(id, IPC_RMID, NULL), 0);
	FAILS("shmget of nothing", shmget(0x7e57ab1e, 1, 0), ENOENT);
	return finish();
}
