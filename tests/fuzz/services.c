/*
 * The commands for services in front of any engine.  The first line of the
 * input says which, a letter a command; the rest is blocks of peers.h.  A
 * command that fails says why, what it tells moves no cursor, and what the
 * engine is sent is one request with one document, which says what was wanted.
 */
#include "tests/fuzz/engine.h"

#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "tests/no_azure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- swarm/remote.c, without SSH ---- */

int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e)
{
	(void)limit_ms;
	(void)e;
	*r = (struct remote){ .s = s, .has_docker = true };
	docker_init_unix(&r->docker, "/nowhere");
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

int ports_refuse(const cJSON *specs, struct err *e)
{
	(void)specs, (void)e;
	return 0;
}

/* ---- the engine ---- */

static bool scales; /* to three */

static void asked(char who, struct str verb, struct str path, struct str body)
{
	struct err e = ERR_INIT;
	cJSON *doc;

	(void)who;
	for (size_t i = 0; i < path.n; i++)
		must((unsigned char)path.p[i] > ' ' &&
		     (unsigned char)path.p[i] < 0x7f);
	if (!str_eqz(verb, "POST") || body.n == 0)
		return;
	doc = json_parse(body, "body", &e);
	must(cJSON_IsObject(doc));
	must(!scales || json_int_opt(doc, "Mode.Replicated.Replicas", 0) == 3);
	json_free(doc);
}

static unsigned usual(char who, struct str verb, struct str path, struct buf *b)
{
	must(who == 'e');
	if (str_find(path, STR("/distribution/")) >= 0)
		buf_adds(b, "{\"Descriptor\":{\"digest\":\"sha256:0\"}}");
	else if (str_find(path, STR("/services/replicated")) >= 0)
		buf_adds(b, "{\"ID\":\"s1\",\"Version\":{\"Index\":3},"
			    "\"Spec\":{\"Name\":\"replicated\","
			    "\"TaskTemplate\":{\"ContainerSpec\":{"
			    "\"Image\":\"127.0.0.1:1339/azswarm:1\"}},"
			    "\"Mode\":{\"Replicated\":{\"Replicas\":2}}}}");
	else if (str_find(path, STR("/networks/create")) >= 0)
		buf_adds(b, "{\"Id\":\"n1\"}");
	else
		return engine_usual(verb, path, b);
	return 200;
}

/* ---- one command ---- */

static int64_t clock_now(void *ctx)
{
	(void)ctx;
	return now_ms();
}

static int clock_wait(void *ctx, int64_t until_ms, const char *what,
		      int64_t since_ms, struct err *e)
{
	struct session *s = ctx;

	ui_waiting(s->ui, what, until_ms - since_ms, until_ms);
	return sleep_until(until_ms, e);
}

typedef int command(struct session *s, int argc, char **argv, struct err *e);

static command *command_of(char letter)
{
	switch (letter) {
	case 'r':
		return cmd_deploy_replicated_service;
	case 'g':
		return cmd_deploy_global_service;
	case 'm':
		return cmd_deploy_monitor;
	case 's':
		return cmd_scale_service;
	case 'u':
		return cmd_update_service;
	case 't':
		return cmd_deploy_stack;
	case 'x':
		return cmd_destroy_stack;
	default:
		return cmd_destroy_service;
	}
}

static void run(char letter)
{
	char name[] = "command", word[] = "3", *argv[] = { name, word, NULL };
	struct settings set;
	struct ui ui = { .format = UI_TABLE };
	struct session s = { .set = &set, .ui = &ui, .version = "test" };
	struct err e = ERR_INIT;
	char *out = NULL;
	size_t n;
	int rc;

	ui.out = ui.err = open_memstream(&out, &n);
	settings_init(&set);
	s.az.clock = (struct azure_clock){ clock_now, clock_wait, &s };
	scales = letter == 's';
	rc = command_of(letter)(&s, letter == 's' ? 2 : 1, argv, &e);
	fclose(ui.out);
	must((rc == 0) == (e.kind == ERR_NONE));
	must(rc == 0 || e.msg[0] != '\0');
	for (size_t i = 0; i < n; i++)
		must(out[i] == '\n' ||
		     ((unsigned char)out[i] >= ' ' && out[i] != 0x7f));
	free(out);
	settings_release(&set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size }, line = STR_NULL;

	json_init();
	str_next(&in, '\n', &line);
	peers_begin(in);
	peers.usual = usual;
	peers.asked = asked;
	for (size_t i = 0; i < line.n && i < 3; i++)
		run(line.p[i]);
	return 0;
}
