/* Addresses of AF_VSOCK, which libc's headers do not have. */
#include <sys/socket.h>

struct sockaddr_vm {
	sa_family_t svm_family;
	unsigned short svm_reserved1;
	unsigned svm_port, svm_cid;
	unsigned char svm_flags, svm_zero[3];
};
#define ANY -1U
