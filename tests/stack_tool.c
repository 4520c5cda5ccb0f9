/*
 * deploy-stack and its kin in front of an engine's socket, without a cluster around
 * it: swarm/remote.c has a double here.  For tests/sh/stack.sh.
 *
 *	stack_tool SOCKET COMMAND [ARGUMENT | --FLAG]...
 *
 * The exit code and the last line are azswarm's.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "tests/no_azure.h"

/* ---- swarm/remote.c, without SSH ---- */

static const char *engine;

int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e)
{
	(void)limit_ms, (void)e;
	*r = (struct remote){ .s = s, .has_docker = true };
	r->masters.balancer = xstrdup("192.0.2.8");
	docker_init_unix(&r->docker, engine);
	return 0;
}

void remote_release(struct remote *r)
{
	docker_release(&r->docker);
	free(r->masters.balancer);
}

struct docker *remote_docker(struct remote *r)
{
	return &r->docker;
}

/* ---- swarm/ports.c: the one refusal that sh/stack asks for ---- */

int ports_refuse(const cJSON *specs, struct err *e)
{
	const cJSON *spec;

	cJSON_ArrayForEach(spec, specs)
		if (json_int_opt(spec, "EndpointSpec.Ports[0].PublishedPort",
				 0) == 2377)
			return err_set(e, ERR_USAGE, "the cluster's own");
	return 0;
}

/* ---- the rest of a session ---- */

static int64_t clock_now(void *ctx)
{
	(void)ctx;
	return now_ms();
}

static int clock_wait(void *ctx, int64_t until_ms, const char *what,
		      int64_t since_ms, struct err *e)
{
	(void)ctx, (void)what, (void)since_ms;
	return sleep_until(until_ms, e);
}

static void interrupted(int signal)
{
	(void)signal;
	interrupt_request();
}

static const struct {
	const char *name;
	int (*run)(struct session *s, int argc, char **argv, struct err *e);
} commands[] = {
	{ "deploy-stack", cmd_deploy_stack },
	{ "destroy-stack", cmd_destroy_stack },
	{ "stacks", cmd_stacks },
	{ "ps", cmd_ps },
};

static int run(struct session *s, int argc, char **argv, struct err *e)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(argv[0], commands[i].name) == 0)
			return commands[i].run(s, argc, argv, e);
	return err_set(e, ERR_USAGE, "no such command");
}

int main(int argc, char **argv)
{
	struct settings set;
	struct ui ui = { .out = stdout, .err = stderr };
	struct session s = { .set = &set, .ui = &ui, .version = "test" };
	struct {
		const char *name;
		bool *at;
	} flags[] = { { "--no-wait", &s.no_wait },
		      { "--dry-run", &s.dry_run },
		      { "--prune", &s.prune },
		      { "--push", &s.push },
		      { "--with-registry-auth", &s.with_registry_auth } };
	char *words[16];
	int n = 0, rc;
	struct err e = ERR_INIT;

	if (argc < 3)
		return 2;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, interrupted);
	json_init();
	if (interrupt_init(&e) < 0)
		return 1;
	engine = argv[1];
	for (int i = 2; i < argc && n < 16; i++) {
		size_t f = 0, all = sizeof(flags) / sizeof(*flags);

		while (f < all && strcmp(argv[i], flags[f].name) != 0)
			f++;
		if (f < all)
			*flags[f].at = true;
		else if (strcmp(argv[i], "--json") == 0)
			ui.format = UI_JSON;
		else if (strcmp(argv[i], "--tsv") == 0)
			ui.format = UI_TSV;
		else
			words[n++] = argv[i];
	}
	settings_init(&set);
	settings_take_env(&set);
	s.az.clock = (struct azure_clock){ clock_now, clock_wait, NULL };
	rc = run(&s, n, words, &e);
	if (rc < 0)
		fprintf(stderr, "azswarm: %s: %s\n", words[0], e.msg);
	settings_release(&set);
	return rc < 0 ? err_exit_code(&e) : s.exit_status;
}
