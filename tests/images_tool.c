/*
 * What services are to name, and which images they use, in front of an engine's
 * socket, without a cluster around it: swarm/remote.c has a double here.  For
 * tests/sh/push.sh.
 *
 *	images_tool SOCKET pin IMAGE
 *	images_tool SOCKET push IMAGE	as deploy-stack --push does
 *	images_tool SOCKET images [ARGUMENT | --yes]...
 *
 * The exit code and the last line are azswarm's.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "swarm/push.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"

/* ---- swarm/remote.c, without SSH ---- */

static const char *engine;

bool remote_engine(struct remote *r, int64_t limit_ms, void *ctx,
		   enum remote_at *at)
{
	(void)r, (void)limit_ms, (void)ctx, (void)at;
	return true;
}

int remote_open_for(struct session *s, struct remote *r, remote_works *works,
		    void *ctx, struct err *e)
{
	(void)works, (void)ctx, (void)e;
	*r = (struct remote){ .s = s, .has_docker = true };
	docker_init_unix(&r->docker, engine);
	return 0;
}

void remote_release(struct remote *r)
{
	docker_release(&r->docker);
}

struct docker *remote_docker(struct remote *r)
{
	return &r->docker;
}

const cJSON *remote_first_machine(struct session *s, struct err *e)
{
	(void)e;
	if (s->first == NULL)
		s->first = cJSON_CreateObject();
	return s->first;
}

/* which the lock's keeper calls; and with it comes swarm/share.c, and SSH */
void remote_close_others(const int *kept, size_t n)
{
	(void)kept, (void)n;
}

int images_prune_nodes(struct session *s, struct err *e)
{
	(void)s;
	return err_set(e, ERR_USAGE, "there are no nodes");
}

/* ---- the rest of a session ---- */

/* And behind it, what it runs on. */
static void print_pinned(const char *pinned, const cJSON *platforms)
{
	char *text = platforms != NULL ? cJSON_PrintUnformatted(platforms) : NULL;

	printf("%s%s%s\n", pinned != NULL ? pinned : "not ours",
	       text != NULL ? " " : "", text != NULL ? text : "");
	cJSON_free(text);
}

static int run(struct session *s, int argc, char **argv, struct err *e)
{
	char *pinned = NULL;
	cJSON *platforms = NULL;
	int rc;

	if (strcmp(argv[0], "images") == 0)
		return cmd_images(s, argc, argv, e);
	if (argc == 2 && strcmp(argv[0], "pin") == 0)
		rc = images_pin(s, argv[1], &pinned, &platforms, e);
	else if (argc == 2 && strcmp(argv[0], "push") == 0)
		rc = push_if_local(s, argv[1], &pinned, &platforms, e);
	else
		rc = err_set(e, ERR_USAGE, "no such command");
	if (rc == 0)
		print_pinned(pinned, platforms);
	json_free(platforms);
	free(pinned);
	return rc;
}

int main(int argc, char **argv)
{
	struct settings set;
	struct ui ui = { .out = stdout, .err = stderr };
	struct session s = { .set = &set, .ui = &ui, .version = "test" };
	char *words[16] = { NULL };
	int n = 0, rc;
	struct err e = ERR_INIT;

	if (argc < 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	json_init();
	engine = argv[1];
	for (int i = 2; i < argc && n < 15; i++)
		if (strcmp(argv[i], "--yes") == 0)
			s.yes = true;
		else
			words[n++] = argv[i];
	settings_init(&set);
	settings_take_env(&set);
	rc = interrupt_init(&e) < 0 ? -1 : session_open(&s, &e);
	if (rc == 0)
		rc = run(&s, n, words, &e);
	if (rc < 0)
		fprintf(stderr, "azswarm: %s: %s\n", words[0], e.msg);
	session_close(&s);
	settings_release(&set);
	return rc < 0 ? err_exit_code(&e) : s.exit_status;
}
