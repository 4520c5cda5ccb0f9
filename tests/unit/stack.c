/* Stacks over an Engine that does not do all of it: what is closed all the same.
 * And what a file has otherwise than the service that is there.  How the
 * Engine is reached, and Azure, are not looked at here: doubles. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "swarm/ports.h"
#include "swarm/push.h"
#include "swarm/remote.h"
#include "swarm/stack.h"
#include "swarm/swarm.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

static char dir[] = "/tmp/azswarm-test-XXXXXX";

/* ---- swarm/ports.c, swarm/push.c ---- */

static unsigned closings;
static bool azure_refuses;

int ports_open(struct session *s, const cJSON *specs, struct err *e)
{
	(void)s, (void)specs, (void)e;
	return 0;
}

int ports_refuse(const cJSON *specs, struct err *e)
{
	(void)specs, (void)e;
	return 0;
}

int ports_reached(struct session *s, const cJSON *specs, cJSON *numbers,
		  struct err *e)
{
	(void)s, (void)specs, (void)numbers, (void)e;
	return 0;
}

int ports_close(struct session *s, struct docker *d, struct err *e)
{
	(void)s, (void)d;
	closings++;
	return azure_refuses ? err_set(e, ERR_AZURE, "ports: refused") : 0;
}

int images_pin(struct session *s, const char *image, char **pinned,
	       cJSON **platforms, struct err *e)
{
	(void)s, (void)image, (void)pinned, (void)platforms, (void)e;
	abort();
}

int push_if_local(struct session *s, const char *image, char **pinned,
		  cJSON **platforms, struct err *e)
{
	(void)s, (void)image, (void)pinned, (void)platforms, (void)e;
	abort();
}

void params_say_unread(struct session *s)
{
	(void)s;
	abort();
}

/* ---- swarm/remote.c, without SSH ---- */

static const char *socket_of_engine;

int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e)
{
	(void)limit_ms, (void)e;
	*r = (struct remote){ .s = s, .has_docker = true };
	docker_init_unix(&r->docker, socket_of_engine);
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

/* ---- the Engine ---- */

#define FILE_TEXT \
	"services:\n  web:\n    image: 127.0.0.1:1339/azswarm:1\n" \
	"    ports: [\"8081:80\"]\n"
#define LABELS "\"Labels\":{\"com.docker.stack.namespace\":\"t\"}"
#define SERVICE \
	"{\"ID\":\"s1\",\"Version\":{\"Index\":3},\"UpdatedAt\":\"2026\"," \
	"\"UpdateStatus\":{\"State\":\"%s\",\"Message\":\"because\"}," \
	"\"Spec\":{\"Name\":\"t_web\"," LABELS "," \
	"\"Mode\":{\"Replicated\":{\"Replicas\":1}}}}"

static const struct row {
	const char *name;
	int (*run)(struct session *s, int argc, char **argv, struct err *e);
	const char *update; /* how that of t_web stands */
	unsigned config;    /* the answer to who removes the config; 0: none */
	bool azure_refuses; /* to close anything */
	enum err_kind kind;
	const char *words;
	unsigned closings;
} rows[] = {
	{ "destroyed", cmd_destroy_stack, "completed", 200, false, ERR_NONE, "",
	  1 },
	{ "destroyed, and nothing can be closed", cmd_destroy_stack,
	  "completed", 200, true, ERR_AZURE, "ports: refused", 1 },
	{ "what does not go: its services' ports are closed", cmd_destroy_stack,
	  "completed", 400, false, ERR_DOCKER, "config t_c: ", 1 },
	{ "the first error stays", cmd_destroy_stack, "completed", 400, true,
	  ERR_DOCKER, "config t_c: ", 1 },
	{ "nobody answers any more: nothing is closed", cmd_destroy_stack,
	  "completed", 0, false, ERR_NET, "config t_c: ", 0 },
	{ "deployed", cmd_deploy_stack, "completed", 200, false, ERR_NONE, "", 1 },
	{ "one that was pruned, and another that fails", cmd_deploy_stack,
	  "paused", 200, false, ERR_DOCKER,
	  "service t_web: its update is paused: because", 1 },
	{ "what the file has no more, and does not go", cmd_deploy_stack,
	  "completed", 400, false, ERR_DOCKER, "config t_c: ", 1 },
};

struct world {
	struct engine engine;
	const struct row *row;
	bool removed; /* t_old, which the file has not */
};

static void answer(void *ctx, const char *method, const char *target,
		   const char *body, struct engine_reply *r)
{
	struct world *w = ctx;
	bool removes = strcmp(method, "DELETE") == 0;

	(void)body;
	if (strncmp(target, "/v1.", 4) == 0)
		target += strcspn(target + 1, "/") + 1;
	r->body = r->buf;
	if (strcmp(target, "/_ping") == 0) {
		r->body = "OK";
	} else if (strcmp(target, "/networks") == 0 ||
		   strcmp(target, "/secrets") == 0) {
		r->body = "[]";
	} else if (strcmp(target, "/configs") == 0) {
		r->body = "[{\"ID\":\"c1\",\"Spec\":{\"Name\":\"t_c\"," LABELS
			  "}}]";
	} else if (strcmp(target, "/services") == 0) {
		snprintf(r->buf, sizeof(r->buf),
			 "[" SERVICE ",{\"ID\":\"s2\",\"Spec\":{"
			 "\"Name\":\"t_old\"," LABELS "}}]",
			 w->row->update);
	} else if (strncmp(target, "/services?", 10) == 0) {
		snprintf(r->buf, sizeof(r->buf), "[" SERVICE "]", w->row->update);
	} else if (strcmp(target, "/services/t_web") == 0 && !removes) {
		snprintf(r->buf, sizeof(r->buf), SERVICE, w->row->update);
	} else if (strncmp(target, "/tasks?", 7) == 0) {
		r->body = "[{\"ServiceID\":\"s1\",\"DesiredState\":\"running\","
			  "\"Status\":{\"State\":\"running\"}}]";
	} else if (removes && strcmp(target, "/configs/c1") == 0) {
		r->body = "{\"message\":\"in use\"}";
		r->status = w->row->config;
		r->hang_up = w->row->config == 0;
	} else {
		r->body = "{}";
		w->removed |= removes && strcmp(target, "/services/t_old") == 0;
	}
}

/* ---- rows ---- */

static int64_t no_time(void *ctx)
{
	(void)ctx;
	return 0;
}

static int no_wait(void *ctx, int64_t until_ms, const char *what,
		   int64_t since_ms, struct err *e)
{
	(void)ctx, (void)until_ms, (void)what, (void)since_ms, (void)e;
	return 0;
}

static void run_row(struct world *w, const struct row *row, char *file)
{
	char command[] = "command", name[] = "t",
	     *deploys[] = { command, file, name, NULL },
	     *destroys[] = { command, name, NULL }, *out = NULL;
	bool destroy = row->run == cmd_destroy_stack, said;
	size_t n;
	struct settings set;
	struct ui ui = { .out = open_memstream(&out, &n) };
	struct session s = { .set = &set,
			     .ui = &ui,
			     .version = "test",
			     .prune = true };
	struct buf why = BUF_INIT(4096);
	struct err e = ERR_INIT;
	int rc;

	ui.err = ui.out;
	w->row = row;
	w->removed = false;
	closings = 0;
	azure_refuses = row->azure_refuses;
	settings_init(&set);
	s.az.clock = (struct azure_clock){ no_time, no_wait, NULL };
	rc = row->run(&s, destroy ? 2 : 3, destroy ? destroys : deploys, &e);
	fclose(ui.out);
	/* the second error, which is not the one that comes back */
	said = strstr(out, "ports: refused\n") != NULL;
	if (rc != (row->kind == ERR_NONE ? 0 : -1) || e.kind != row->kind ||
	    strstr(e.msg, row->words) == NULL)
		buf_addf(&why, "rc %d, kind %d, \"%s\"", rc, e.kind, e.msg);
	else if (closings != row->closings)
		buf_addf(&why, "closed %u times", closings);
	else if (said != (row->azure_refuses && row->kind == ERR_DOCKER))
		buf_addf(&why, "it said: %s", out);
	else if (!w->removed)
		buf_adds(&why, "t_old is there");
	check_why(row->name, why.str);
	free(out);
	settings_release(&set);
	buf_release(&why);
}

/* ---- what differs ---- */

/* A service's Spec as the Engine has it, and as a file does. */
static const struct {
	const char *name, *has, *spec;
	const char *row; /* the first, "" for none */
} diffs[] = {
	{ "killed at once: not what nothing is",
	  "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"a\"}}}",
	  "{\"Name\":\"a\",\"TaskTemplate\":{\"ContainerSpec\":{\"Image\":\"a\",\"StopGracePeriod\":0}}}",
	  "create TaskTemplate.ContainerSpec.StopGracePeriod  0" },
	{ "begun again at once",
	  "{\"Name\":\"a\",\"TaskTemplate\":{\"RestartPolicy\":{}}}",
	  "{\"Name\":\"a\",\"TaskTemplate\":{\"RestartPolicy\":{\"Delay\":0}}}",
	  "create TaskTemplate.RestartPolicy.Delay  0" },
	{ "and no more",
	  "{\"Name\":\"a\",\"TaskTemplate\":{\"RestartPolicy\":{\"Delay\":0}}}",
	  "{\"Name\":\"a\",\"TaskTemplate\":{}}",
	  "delete TaskTemplate.RestartPolicy.Delay 0 " },
	{ "updated all at once", "{\"Name\":\"a\"}",
	  "{\"Name\":\"a\",\"UpdateConfig\":{\"Parallelism\":0}}",
	  "create UpdateConfig.Parallelism  0" },
	{ "and not one by one",
	  "{\"Name\":\"a\",\"UpdateConfig\":{\"Parallelism\":1}}",
	  "{\"Name\":\"a\",\"UpdateConfig\":{\"Parallelism\":0}}",
	  "modify UpdateConfig.Parallelism 1 0" },
	{ "rolled back all at once", "{\"Name\":\"a\"}",
	  "{\"Name\":\"a\",\"RollbackConfig\":{\"Parallelism\":0}}",
	  "create RollbackConfig.Parallelism  0" },
	{ "the same zeros",
	  "{\"Name\":\"a\",\"UpdateConfig\":{\"Parallelism\":0},\"TaskTemplate\":{\"RestartPolicy\":{\"Delay\":0}}}",
	  "{\"Name\":\"a\",\"UpdateConfig\":{\"Parallelism\":0},\"TaskTemplate\":{\"RestartPolicy\":{\"Delay\":0}}}",
	  "" },
	{ "zeros that are nothing", "{\"Name\":\"a\"}",
	  "{\"Name\":\"a\",\"UpdateConfig\":{\"Delay\":0,\"MaxFailureRatio\":0},"
	  "\"TaskTemplate\":{\"RestartPolicy\":{\"MaxAttempts\":0,\"Window\":0}}}",
	  "" },
};

static void compare(size_t i)
{
	struct err e = ERR_INIT;
	cJSON *has = cJSON_CreateObject(),
	      *spec = json_parse(str_of(diffs[i].spec), "spec", &e);
	struct stack_has all = { 0 };
	struct stack_rows r = { 0 };
	struct buf text = BUF_INIT(1024);
	const cJSON *row;

	cJSON_AddItemToObject(has, "Spec",
			      json_parse(str_of(diffs[i].has), "has", &e));
	stack_diff(&r, has, spec, &all);
	row = cJSON_GetArrayItem(r.list, 0);
	if (row != NULL)
		buf_addf(&text, "%s %s %s %s",
			 json_text(cJSON_GetArrayItem(row, 0), ""),
			 json_text(cJSON_GetArrayItem(row, 3), ""),
			 json_text(cJSON_GetArrayItem(row, 4), ""),
			 json_text(cJSON_GetArrayItem(row, 5), ""));
	check(r.n == (diffs[i].row[0] != '\0') &&
		      str_eqz(buf_str(&text), diffs[i].row),
	      diffs[i].name, text.n > 0 ? text.str : "no row");
	stack_rows_release(&r);
	json_free(has);
	json_free(spec);
	buf_release(&text);
}

int main(void)
{
	static struct world w;
	struct err e = ERR_INIT;
	char *file;

	json_init();
	if (mkdtemp(dir) == NULL)
		abort();
	file = xasprintf("%s/t.yml", dir);
	if (file_write(file, STR(FILE_TEXT), 0644, &e) < 0)
		abort();
	snprintf(w.engine.path, sizeof(w.engine.path), "%s/engine.sock", dir);
	w.engine.answer = answer;
	w.engine.ctx = &w;
	w.row = rows;
	engine_start(&w.engine);
	socket_of_engine = w.engine.path;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_row(&w, &rows[i], file);
	for (size_t i = 0; i < sizeof(diffs) / sizeof(*diffs); i++)
		compare(i);
	engine_stop(&w.engine);
	free(file);
	dir_remove(dir, &e);
	return check_failed();
}
