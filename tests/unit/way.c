/* swarm/way.h: what is said of machines that come, and when they do not.  The
 * helper is a double; that the real one answers so is sh/moves' to see. */
#include <netinet/in.h>
#include <arpa/inet.h>

#include "base/clock.h"
#include "base/net.h"
#include "node/layout.h"
#include "swarm/way.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

#define HOST "agents000001"
#define ADDRESS "127.66.6.6" /* nothing of ours is there */
#define NODE(id, state) \
	"[{\"id\":\"" id "\",\"hostname\":\"" HOST "\",\"role\":\"worker\"," \
	"\"state\":\"" state "\",\"availability\":\"active\",\"stage\":\"\"}]"

static char dir[] = "/tmp/azswarm-test-XXXXXX";
static struct engine helper;
static const char *nodes;
static unsigned refused; /* with that status; 0: not */

static void answer(void *ctx, const char *method, const char *target,
		   const char *body, struct engine_reply *r)
{
	(void)ctx, (void)method, (void)body;
	if (refused != 0)
		r->status = refused;
	r->body = strcmp(target, "/nodes") == 0 ?
			  nodes :
			  "{\"status\":200,\"probe_s\":1}";
}

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	int fd = unix_connect(helper.path, deadline_ms, e);

	(void)ctx, (void)tls, (void)host, (void)port;
	return fd < 0 ? NULL : stream_of_fd(fd);
}

/* Something that listens where an agent would. */
static int listen_at(unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	inet_pton(AF_INET, ADDRESS, &a.sin_addr);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 8) < 0)
		abort();
	return fd;
}

static const struct row {
	const char *name;
	const char *nodes, *before; /* before: it is made anew */
	bool agent;		    /* its agent listens */
	bool new_one, in_service;
	const char *talk[3]; /* each is in what was said */
} rows[] = {
	{ "one whose agent answers, and that does not join",
	  "[]",
	  NULL,
	  true,
	  true,
	  false,
	  { "  " HOST ": joining the swarm\n",
	    "  " HOST ": joining the swarm for 1 s already; 'azswarm ssh " HOST
	    " journalctl -fu swarm-agent' shows why\n",
	    "not in service within 0 minutes: " HOST " (joining the swarm); "
	    "'azswarm ssh " HOST " journalctl -u swarm-agent'" } },
	{ "one that is made anew and not yet gone",
	  NODE("a", "ready"),
	  NODE("a", "ready"),
	  false,
	  false,
	  false,
	  { "  " HOST ": going down\n", "not back in service",
	    HOST " (going down)" } },
	{ "one that is made anew, and back",
	  NODE("b", "ready"),
	  NODE("a", "ready"),
	  false,
	  false,
	  true,
	  { "  " HOST ": Ready, soon in the load balancer\n",
	    "  " HOST ": back in service (", " s)\n" } },
	{ "a new one that was there from the beginning: nothing is said",
	  NODE("b", "ready"),
	  NULL,
	  false,
	  true,
	  true,
	  { "" } },
};

static void run_row(const struct row *row)
{
	const char *const hosts[] = { HOST };
	cJSON *addresses = cJSON_CreateObject(), *before = NULL;
	struct buf why = BUF_INIT(8192);
	struct err e = ERR_INIT;
	char *said = NULL;
	size_t said_n;
	struct ui ui = { .err = open_memstream(&said, &said_n) };
	struct session s = { .ui = &ui };
	struct way w = { .s = &s, .here = true, .new_ones = row->new_one };
	int fd = row->agent ? listen_at(LAYOUT_HEALTH_PORT) : -1, rc;

	nodes = row->nodes;
	if (row->before != NULL)
		before = json_parse(str_of(row->before), "before", &e);
	json_add_str(addresses, HOST, ADDRESS);
	way_set_addresses(&w, addresses);
	http_client_init(&w.http, (struct http_dialer){ .dial = dial }, NULL);
	rc = way_back(&w, hosts, 1, before, before != NULL,
		      row->in_service ? CHECK_PATIENCE_MS : 5000, &e);
	fprintf(ui.err, "%s\n", e.msg);
	fclose(ui.err);
	if ((rc == 0) != row->in_service)
		buf_addf(&why, "%d; ", rc);
	for (size_t i = 0; i < 3 && row->talk[i] != NULL; i++)
		if (*row->talk[i] == '\0' ? strstr(said, "  " HOST) != NULL :
					    strstr(said, row->talk[i]) == NULL)
			buf_addf(&why, "no \"%s\" in: %s", row->talk[i], said);
	check_why(row->name, why.n > 0 ? why.str : "");
	http_client_release(&w.http);
	way_set_addresses(&w, NULL);
	json_free(before);
	buf_release(&why);
	free(said);
	if (fd >= 0)
		close(fd);
}

/* A helper without a swarm, and no other master that can be asked: a refusal, and
 * nothing is left in the caller's hands. */
static void run_alone(void)
{
	struct settings set;
	struct err e = ERR_INIT;
	struct ui ui = { .err = stderr };
	struct session s = { .ui = &ui, .set = &set };
	struct way w = { .s = &s, .remote = { .s = &s, .has_keys = true } };
	cJSON *rows_of = NULL;
	int rc;

	settings_init(&set);
	settings_set(&set, S_SSH_PORT, "1", "a test");
	for (size_t i = 0; i < 2; i++) {
		w.remote.masters.name[i] = xasprintf("master%zu", i);
		w.remote.masters.address[i] = xstrdup(ADDRESS);
	}
	w.remote.masters.n = 2;
	http_client_init(&w.http, (struct http_dialer){ .dial = dial }, NULL);
	nodes = "{\"error\":\"there is no swarm here yet\"}";
	refused = 503;
	rc = way_nodes(&w, &rows_of, &e);
	checkf(rc < 0 && rows_of == NULL &&
		       strstr(e.msg, "no master works") != NULL,
	       "no swarm there, and no other master", "%d %s", rc, e.msg);
	refused = 0;
	way_close(&w);
	settings_release(&set);
}

int main(void)
{
	json_init();
	if (mkdtemp(dir) == NULL)
		abort();
	snprintf(helper.path, sizeof(helper.path), "%s/helper.sock", dir);
	helper.answer = answer;
	engine_start(&helper);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		run_row(&rows[i]);
	run_alone();
	engine_stop(&helper);
	rmdir(dir);
	return check_failed();
}
