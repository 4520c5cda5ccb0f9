/*
 * The operator's terminal: raw mode, and a guard that ends it whatever ends
 * us.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "ssh/ssh.h"

struct ssh_tty {
	int fd;
	struct termios before;
	int guard; /* pipe to it: a byte says that all is well */
	pid_t pid;
};

/* The guard's life: the pipe closes without a word when its parent is gone. */
static _Noreturn void guard(int fd, int from, const struct termios *before)
{
	ssize_t n;
	char c;

	/* outside of the terminal's session: it may be set all the same, and sends no signals */
	setsid();
	/* other open descriptors are pipes whose readers wait for their end */
	if (dup2(from, 0) < 0 || dup2(fd, 1) < 0)
		_exit(1);
	if (syscall(SYS_close_range, 2u, ~0u, 0u) < 0)
		for (int i = 2; i < 1024; i++)
			close(i);
	do
		n = read(0, &c, 1);
	while (n < 0 && errno == EINTR);
	if (n != 1)
		tcsetattr(1, TCSANOW, before);
	_exit(0);
}

static int start_guard(struct ssh_tty *t, struct err *e)
{
	int ends[2], high[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, ERR_IO, "pipe");
	/* away from 0 and 1, which the guard takes for itself */
	high[0] = fcntl(ends[0], F_DUPFD_CLOEXEC, 3);
	high[1] = fcntl(t->fd, F_DUPFD_CLOEXEC, 3);
	t->guard = ends[1];
	t->pid = high[0] < 0 || high[1] < 0 ? -1 : fork();
	if (t->pid == 0)
		guard(high[1], high[0], &t->before);
	close(ends[0]);
	if (high[0] >= 0)
		close(high[0]);
	if (high[1] >= 0)
		close(high[1]);
	if (t->pid > 0)
		return 0;
	close(ends[1]);
	return err_sys(e, ERR_IO, "fork");
}

struct ssh_tty *ssh_tty_enter(int fd, struct err *e)
{
	struct ssh_tty *t = xcalloc(1, sizeof(*t));
	struct termios raw;

	t->fd = fd;
	if (tcgetattr(fd, &t->before) < 0) {
		err_sys(e, ERR_IO, "the terminal");
		goto fail;
	}
	if (start_guard(t, e) < 0)
		goto fail;
	raw = t->before;
	cfmakeraw(&raw);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
		err_sys(e, ERR_IO, "the terminal");
		ssh_tty_leave(t);
		return NULL;
	}
	return t;
fail:
	free(t);
	return NULL;
}

void ssh_tty_leave(struct ssh_tty *t)
{
	if (t == NULL)
		return;
	tcsetattr(t->fd, TCSADRAIN, &t->before);
	while (write(t->guard, "", 1) < 0 && errno == EINTR)
		;
	close(t->guard);
	while (waitpid(t->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(t);
}

bool ssh_tty_size(int fd, unsigned *cols, unsigned *rows)
{
	struct winsize w = { 0 };

	*cols = 80;
	*rows = 24;
	if (!isatty(fd))
		return false;
	if (ioctl(fd, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 && w.ws_row > 0) {
		*cols = w.ws_col;
		*rows = w.ws_row;
	}
	return true;
}
