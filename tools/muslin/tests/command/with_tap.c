/* Makes the interface tap7 with the address 10.77.0.1 in a network of its own, and becomes the program that
 * the arguments name: for machines without ip(8). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static struct ifreq request = { .ifr_name = "tap7" };

static void ask(int fd, unsigned long number, const char *what)
{
	if (ioctl(fd, number, &request)) {
		perror(what);
		_exit(77);
	}
}

static void set_address(int fd, unsigned long number, const char *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(address) };
	memcpy(&request.ifr_addr, &in, sizeof in);
	ask(fd, number, address);
}

int main(int argc, char **argv)
{
	if (unshare(CLONE_NEWNET)) {
		perror("a network of its own");
		return 77;
	}
	int tun = open("/dev/net/tun", O_RDWR | O_CLOEXEC), fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	request.ifr_flags = IFF_TAP | IFF_NO_PI;
	ask(tun, TUNSETIFF, "/dev/net/tun");
	if (ioctl(tun, TUNSETPERSIST, 1))
		return 77;
	request.ifr_hwaddr = (struct sockaddr){ ARPHRD_ETHER, "\2\0\0\0\0\x77" };
	ask(fd, SIOCSIFHWADDR, "its hardware address");
	request.ifr_mtu = 1400;
	ask(fd, SIOCSIFMTU, "its packets");
	set_address(fd, SIOCSIFADDR, "10.77.0.1");
	set_address(fd, SIOCSIFNETMASK, "255.255.255.0");
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	ask(fd, SIOCSIFFLAGS, "up");
	close(tun);
	if (argc > 1)
		execvp(argv[1], argv + 1);
	return 77;
}
