/*
 * What an engine would be sent for an image's registry.  For tests/sh/auth.sh.
 *
 *	auth_tool IMAGE		the header's length modulo 4, and what is in it
 *
 * The exit code and the last line are azswarm's.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "swarm/stack.h"
#include "swarm/swarm.h"

static int run(struct session *s, const char *image, struct err *e)
{
	struct buf raw = BUF_INIT(65536);
	char *header = NULL;
	int rc = -1;

	if (trace_open(&s->trace, s->ui, NULL, e) == 0 && session_open(s, e) == 0)
		rc = stack_auth(s, image, &header, e);
	if (header != NULL) {
		rc = buf_add_unbase64(&raw, str_of(header), e);
		printf("%zu %s\n", str_of(header).n % 4, raw.str);
	}
	burn_str(header);
	buf_burn(&raw);
	session_close(s);
	return rc;
}

int main(int argc, char **argv)
{
	struct settings set;
	struct ui ui = { .out = stdout, .err = stderr };
	struct session s = { .set = &set, .ui = &ui, .version = "test" };
	struct err e = ERR_INIT;
	int rc;

	if (argc != 2)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	json_init();
	if (interrupt_init(&e) < 0)
		return 1;
	settings_init(&set);
	settings_take_env(&set);
	rc = run(&s, argv[1], &e);
	if (rc < 0)
		fprintf(stderr, "azswarm: %s\n", e.msg);
	settings_release(&set);
	return rc < 0 ? err_exit_code(&e) : 0;
}
