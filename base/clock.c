/*
 * Clocks, sleeping, the interrupt flag, and the one place that waits for a
 * descriptor.  Knows nothing of what is read or written there.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* A signal handler has no other way to tell: the only state kept here. */
static atomic_bool interrupted;
static atomic_int wake_fd = -1;

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t unix_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec;
}

int interrupt_init(struct err *e)
{
	int fd;

	if (wake_fd >= 0)
		return 0;
	fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, ERR_IO, "eventfd");
	wake_fd = fd;
	return 0;
}

int interrupt_anew(struct err *e)
{
	int old = wake_fd;

	wake_fd = -1;
	if (interrupt_init(e) < 0)
		return -1;
	if (old >= 0)
		close(old);
	if (interrupted)
		interrupt_request();
	return 0;
}

/* Runs in a signal handler. */
void interrupt_request(void)
{
	const uint64_t one = 1;
	int saved = errno, fd = wake_fd;

	interrupted = true;
	/* never read, so that every thread sees it; a full counter is as good */
	if (fd >= 0 && write(fd, &one, sizeof one) < 0)
		errno = 0;
	errno = saved;
}

void interrupt_forget(void)
{
	uint64_t n;

	if (wake_fd >= 0 && read(wake_fd, &n, sizeof(n)) < 0)
		errno = 0;
	interrupted = false;
}

bool interrupt_requested(void)
{
	return interrupted;
}

int interrupt_fd(void)
{
	return wake_fd;
}

int poll_timeout(int64_t deadline_ms)
{
	int64_t left;

	if (deadline_ms == IO_FOREVER)
		return -1;
	left = deadline_ms - now_ms();
	return left <= 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int fd_wait(int fd, short events, int64_t deadline_ms, struct err *e)
{
	struct pollfd p[2] = {
		{ .fd = fd, .events = events },
		{ .fd = wake_fd, .events = POLLIN },
	};

	for (;;) {
		if (interrupted)
			return err_set(e, ERR_INTR, "interrupted");
		int n = poll(p, 2, poll_timeout(deadline_ms));

		if (n < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "poll");
		if (n > 0 && p[0].revents != 0)
			return 0;
		if (n == 0 && deadline_ms != IO_FOREVER && now_ms() >= deadline_ms)
			return err_set(e, ERR_TIMEOUT, "timed out");
	}
}

int sleep_until(int64_t deadline_ms, struct err *e)
{
	struct pollfd p = { .fd = wake_fd, .events = POLLIN };

	for (;;) {
		if (interrupted)
			return err_set(e, ERR_INTR, "interrupted");
		if (deadline_ms != IO_FOREVER && now_ms() >= deadline_ms)
			return 0;
		if (poll(&p, 1, poll_timeout(deadline_ms)) < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, "poll");
	}
}
