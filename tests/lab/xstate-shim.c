/*
 * Loaded before the User-Mode Linux kernel (LD_PRELOAD). That kernel saves and restores the extended processor state of its
 * processes in a buffer of fixed size. On processors with a larger state (AMX) the host's kernel refuses to restore from a
 * buffer that is too short, and the guest dies at its first process. Here a short buffer is padded to the full size, with the
 * AMX components marked as being in their initial state.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#define NT_X86_XSTATE 0x202
#define XSTATE_BV 512 /* offset of the bitmap of components that hold something */
#define XFEATURES_AMX ((1ull << 17) | (1ull << 18))
#define CAPACITY 16384

typedef long (*ptrace_call)(enum __ptrace_request, ...);

long ptrace(enum __ptrace_request request, ...)
{
	static ptrace_call real;
	static size_t full;
	static _Alignas(64) unsigned char state[CAPACITY];
	va_list list;

	va_start(list, request);
	pid_t pid = va_arg(list, pid_t);
	void *address = va_arg(list, void *);
	void *data = va_arg(list, void *);
	va_end(list);

	if (!real)
		real = (ptrace_call)dlsym(RTLD_NEXT, "ptrace");
	if (request != PTRACE_SETREGSET || (long)address != NT_X86_XSTATE)
		return real(request, pid, address, data);

	if (!full) {
		struct iovec probe = { state, sizeof state };

		if (real(PTRACE_GETREGSET, pid, address, &probe) < 0)
			return -1;
		full = probe.iov_len;
	}
	const struct iovec *given = data;

	if (given->iov_len >= full)
		return real(request, pid, address, data);
	memset(state, 0, full);
	memcpy(state, given->iov_base, given->iov_len);
	uint64_t present;

	memcpy(&present, state + XSTATE_BV, sizeof present);
	present &= ~XFEATURES_AMX;
	memcpy(state + XSTATE_BV, &present, sizeof present);
	struct iovec padded = { state, full };

	return real(request, pid, address, &padded);
}
