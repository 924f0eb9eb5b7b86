/*
 * Loaded before a program that edits the kernel's IPVS table (LD_PRELOAD), for measurements on a kernel that has no IPVS: each
 * of its generic-netlink sockets becomes a connection to the local socket "@ipvs" of its network namespace, where the benchmark
 * keeps the table. As with the kernel, the answer is there when a request has been sent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 10000

static unsigned char ours[1 << 20]; /* by descriptor */

static int is_ours(int fd)
{
	return fd >= 0 && (size_t)fd < sizeof ours && ours[fd];
}

static void no_address(void *name, socklen_t *length)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (!name || !length)
		return;
	memcpy(name, &kernel, *length < sizeof kernel ? *length : sizeof kernel);
	*length = sizeof kernel;
}

/* Returns what sending returned, once an answer can be received. */
static ssize_t answered(int fd, ssize_t sent)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int saved = errno;

	if (sent >= 0)
		syscall(SYS_poll, &wait, 1, PATIENCE_MS);
	errno = saved;
	return sent;
}

int socket(int domain, int type, int protocol)
{
	static const char name[] = "\0ipvs";
	struct sockaddr_un table = { .sun_family = AF_UNIX };
	int fd, size = 8 << 20;

	if (domain != AF_NETLINK || protocol != NETLINK_GENERIC) {
		fd = syscall(SYS_socket, domain, type, protocol);
		if (fd >= 0 && (size_t)fd < sizeof ours)
			ours[fd] = 0;
		return fd;
	}
	fd = syscall(SYS_socket, AF_UNIX, SOCK_SEQPACKET | (type & (SOCK_CLOEXEC | SOCK_NONBLOCK)), 0);
	if (fd < 0)
		return fd;
	memcpy(table.sun_path, name, sizeof name - 1);
	if (syscall(SYS_connect, fd, &table, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + sizeof name - 1))) {
		syscall(SYS_close, fd);
		return -1;
	}
	syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size);
	ours[fd] = 1;
	return fd;
}

int close(int fd)
{
	if (is_ours(fd))
		ours[fd] = 0;
	return syscall(SYS_close, fd);
}

int bind(int fd, const struct sockaddr *address, socklen_t length)
{
	return is_ours(fd) ? 0 : syscall(SYS_bind, fd, address, length);
}

int connect(int fd, const struct sockaddr *address, socklen_t length)
{
	return is_ours(fd) ? 0 : syscall(SYS_connect, fd, address, length);
}

int getsockname(int fd, struct sockaddr *address, socklen_t *length)
{
	if (!is_ours(fd))
		return syscall(SYS_getsockname, fd, address, length);
	no_address(address, length);
	return 0;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	return is_ours(fd) ? 0 : syscall(SYS_setsockopt, fd, level, name, value, length);
}

ssize_t sendto(int fd, const void *bytes, size_t count, int flags, const struct sockaddr *address, socklen_t length)
{
	if (!is_ours(fd))
		return syscall(SYS_sendto, fd, bytes, count, flags, address, length);
	return answered(fd, syscall(SYS_sendto, fd, bytes, count, flags, NULL, 0));
}

ssize_t send(int fd, const void *bytes, size_t count, int flags)
{
	return sendto(fd, bytes, count, flags, NULL, 0);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
	struct msghdr plain = *message;

	if (!is_ours(fd))
		return syscall(SYS_sendmsg, fd, message, flags);
	plain.msg_name = NULL;
	plain.msg_namelen = 0;
	plain.msg_control = NULL;
	plain.msg_controllen = 0;
	return answered(fd, syscall(SYS_sendmsg, fd, &plain, flags));
}

ssize_t recvfrom(int fd, void *bytes, size_t count, int flags, struct sockaddr *address, socklen_t *length)
{
	if (!is_ours(fd))
		return syscall(SYS_recvfrom, fd, bytes, count, flags, address, length);
	no_address(address, length);
	return syscall(SYS_recvfrom, fd, bytes, count, flags, NULL, NULL);
}

ssize_t recv(int fd, void *bytes, size_t count, int flags)
{
	return recvfrom(fd, bytes, count, flags, NULL, NULL);
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t received;
	void *name = message->msg_name;
	socklen_t room = message->msg_namelen;

	if (!is_ours(fd))
		return syscall(SYS_recvmsg, fd, message, flags);
	received = syscall(SYS_recvmsg, fd, message, flags);
	no_address(name, &room);
	message->msg_name = name;
	message->msg_namelen = name ? room : 0;
	return received;
}
