/* time: 240
 * The helper as a process of its own, over TLS, in front of an engine that has
 * a node table.  Whatever has to do with the clock is in helper_auth and
 * helper_table. */
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/net.h"
#include "http.h"
#include "node/ask.h"
#include "node/auth.h"
#include "node/config.h"
#include "node/daemon.h"
#include "node/evict.h"
#include "tests/check.h"
#include "tests/unit/swarm.h"

static struct world world;
static struct swarm swarm = { .state = "inactive" };
static struct node_config config;
static struct tls_trust *trust;
static char host[65];

/* ---- a caller with every fault one may want ---- */

struct fault {
	const char *name; /* another name than ours */
	const uint8_t *secret;
	const char *extra; /* a header line */
	const char *body;
	bool no_auth, replay;
};

static struct stream *dial(void *ctx, bool tls, const char *to, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	int fd = tcp_connect(to, port, deadline_ms, e);

	(void)tls;
	return fd < 0 ? NULL :
			tls_connect(fd, ctx != NULL ? ctx : to, trust,
				    deadline_ms, e);
}

static unsigned once(struct http_client *c, const char *method,
		     const char *path, const char *const *fields,
		     const char *body, struct buf *text)
{
	char url[256];
	struct http_request q = {
		.method = method,
		.url = url,
		.fields = fields,
		.body = body != NULL ? str_of(body) : STR_NULL,
		.deadline_ms = now_ms() + CHECK_PATIENCE_MS,
	};
	struct http_response r;
	struct err e = ERR_INIT;
	unsigned status = 0;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u%s", world.helper_port,
		 path);
	http_response_init(&r, 65536);
	buf_reset(text);
	if (http_exchange(c, &q, &r, &e) < 0) {
		buf_adds(text, e.msg);
	} else {
		status = r.head.status;
		buf_addstr(text, buf_str(&r.body));
	}
	http_response_release(&r);
	return status;
}

/* The status; the answer's text is in text. */
static unsigned call(const char *method, const char *path,
		     const struct fault *f, struct buf *text)
{
	struct http_client c;
	struct buf header = BUF_INIT(1024);
	const char *fields[3] = { NULL, NULL, NULL };
	struct err e = ERR_INIT;
	unsigned status;
	cJSON *doc;

	http_client_init(&c, (struct http_dialer){ dial, NULL }, "test");
	if (!f->no_auth) {
		once(&c, "GET", "/nonce", NULL, NULL, text);
		doc = json_parse(str_trim(buf_str(text)), "nonce", &e);
		auth_header(f->secret != NULL ? f->secret : config.worker_secret,
			    str_of(method), str_of(path),
			    str_of(json_str_opt(doc, "nonce", "")),
			    f->name != NULL ? f->name : host, &header);
		json_free(doc);
		fields[0] = header.str;
		fields[1] = f->extra;
	} else {
		fields[0] = f->extra;
	}
	status = once(&c, method, path, fields, f->body, text);
	if (f->replay)
		status = once(&c, method, path, fields, f->body, text);
	http_client_release(&c);
	buf_release(&header);
	return status;
}

static void expect(const char *name, const char *method, const char *path,
		   struct fault f, unsigned status, const char *words)
{
	struct buf text = BUF_INIT(65536);
	unsigned got = call(method, path, &f, &text);
	char why[1200];

	snprintf(why, sizeof(why), "%u %.1000s", got, text.str);
	check(got == status && strstr(text.str, words) != NULL, name, why);
	buf_release(&text);
}

static bool has_program(const struct row *row, const char *program)
{
	bool has;

	swarm_lock(&swarm);
	has = strcmp(row->program, program) == 0;
	swarm_unlock(&swarm);
	return has;
}

/* How often that is in the engine's notes. */
static unsigned noted(const char *words)
{
	unsigned n = 0;

	swarm_lock(&swarm);
	for (const char *p = swarm.calls; (p = strstr(p, words)) != NULL; p++)
		n++;
	swarm_unlock(&swarm);
	return n;
}

static bool answers(const char *path, unsigned status, const char *words)
{
	struct buf text = BUF_INIT(65536);
	unsigned got = call("GET", path, &(struct fault){ .no_auth = true },
			    &text);
	bool good = got == status && strstr(text.str, words) != NULL;

	buf_release(&text);
	return good;
}

#define GOOD \
	(struct fault) \
	{ \
		0 \
	}

/* The same on the helper's own socket, where nobody is asked who he is. */
static unsigned local(const char *name, const char *method, const char *path,
		      struct buf *text)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char request[400], got[65536];
	struct timeval t = { .tv_sec = 20 };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ssize_t k;
	size_t n;

	buf_reset(text);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/%s.ctl", world.dir, name);
	n = (size_t)snprintf(
		request, sizeof(request),
		"%s %s HTTP/1.1\r\nHost: x\r\n%sConnection: close\r\n\r\n",
		method, path,
		strcmp(method, "POST") == 0 ? "Content-Length: 0\r\n" : "");
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    !engine_send(fd, request, n)) {
		close(fd);
		return 0;
	}
	while ((k = recv(fd, got, sizeof(got), 0)) > 0)
		buf_add(text, got, (size_t)k);
	close(fd);
	return text->n > 12 ? (unsigned)strtoul(text->str + 9, NULL, 10) : 0;
}

static void expect_local(const char *name, const char *method, const char *path,
			 unsigned status, const char *words)
{
	struct buf text = BUF_INIT(1 << 20);
	unsigned got = local("m0", method, path, &text);

	checkf(got == status && strstr(text.str, words) != NULL, name,
	       "%u %.1000s", got, text.str);
	buf_release(&text);
}

static bool tells(const char *path, const char *words)
{
	struct buf text = BUF_INIT(1 << 20);
	bool so = local("m0", "GET", path, &text) == 200 &&
		  strstr(text.str, words) != NULL;

	buf_release(&text);
	return so;
}

static void path_of(char *out, const char *what, const struct row *r)
{
	snprintf(out, 64, "%s%s", what, r->id);
}

static struct row *add_row(const char *name, const char *addr)
{
	struct row *r;

	swarm_lock(&swarm);
	r = swarm_add(&swarm, name, addr, false);
	swarm_unlock(&swarm);
	return r;
}

static void drop_row(struct row *r)
{
	swarm_lock(&swarm);
	r->id[0] = '\0';
	swarm_unlock(&swarm);
}

static void set_text(char *field, const char *value)
{
	swarm_lock(&swarm);
	strcpy(field, value);
	swarm_unlock(&swarm);
}

/* ---- cases ---- */

static void founding(void)
{
	check(WITHIN(5000, answers("/healthz", 503, "no swarm")),
	      "answers before there is an engine", "nothing");
	expect("no token before there is a swarm", "GET", "/join/worker", GOOD,
	       503, "there is no swarm here yet");
	swarm_start(&swarm, world.dir, "m0");
	check(WITHIN(5000, swarm_did(&swarm, "init ")),
	      "founds a swarm when the engine answers", swarm.calls);
	check(swarm_did(&swarm, "\"AdvertiseAddr\":\"127.0.0.1\"") &&
		      swarm_did(&swarm,
				"\"DefaultAddrPool\":[\"10.192.0.0/12\"],\"SubnetSize\":24"),
	      "at its own address, with its pool", swarm.calls);
	check(WITHIN(5000, answers("/healthz", 200, "ok")), "is healthy then",
	      "503");
	expect("a worker's token", "GET", "/join/worker", GOOD, 200,
	       "{\"token\":\"token-worker\",\"remote\":\"127.0.0.1:2377\",\"cluster\":\"cl1\",\"generation\":1}");
	expect("a manager's token", "GET", "/join/manager",
	       (struct fault){ .secret = config.manager_secret }, 200,
	       "token-manager");
	expect("a worker's token for a master", "GET", "/join/worker",
	       (struct fault){ .secret = config.manager_secret }, 200,
	       "token-worker");
}

static void refusals(void)
{
	static const uint8_t wrong[32] = { 1 };
	static char big[3000], long_header[40000];
	char path[64];
	struct row *other, *far;

	swarm_lock(&swarm);
	other = swarm_add(&swarm, "somebody-else", "127.0.0.1", false);
	far = swarm_add(&swarm, host, "10.1.2.3", false);
	swarm_unlock(&swarm);
	expect("a worker that asks for a manager's token", "GET",
	       "/join/manager", GOOD, 403,
	       "the worker secret does not give what is for managers");
	expect("or for the unlock key", "GET", "/unlock-key", GOOD, 403,
	       "the worker secret does not give what is for managers");
	expect("without authentication", "GET", "/unlock-key",
	       (struct fault){ .no_auth = true }, 401,
	       "an Authorization field is needed");
	expect("by a manager, where masters do not share it", "GET",
	       "/unlock-key", (struct fault){ .secret = config.manager_secret },
	       503, "does not share the unlock key");
	expect("no authentication", "GET", "/join/worker",
	       (struct fault){ .no_auth = true }, 401,
	       "an Authorization field is needed");
	expect("no authentication, another path", "POST", "/drain/node1",
	       (struct fault){ .no_auth = true }, 401,
	       "an Authorization field is needed");
	expect("another secret", "GET", "/join/worker",
	       (struct fault){ .secret = wrong }, 401,
	       "not made with a secret of this cluster");
	expect("a nonce used before", "GET", "/join/worker",
	       (struct fault){ .replay = true }, 401,
	       "the nonce was used before");
	expect("a made-up nonce", "GET", "/join/worker",
	       (struct fault){
		       .no_auth = true,
		       .extra = "Authorization: Azswarm name=a, nonce="
				"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, mac="
				"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
	       401, "expired or is not of this helper");
	expect("another scheme", "GET", "/join/worker",
	       (struct fault){ .no_auth = true,
			       .extra = "Authorization: Bearer x" },
	       401, "malformed Authorization");

	snprintf(path, sizeof(path), "/drain/%s", other->id);
	expect("draining somebody else", "POST", path, GOOD, 403,
	       "that node is somebody-else, not ");
	expect("under his name, from his address", "POST", path,
	       (struct fault){ .name = "somebody-else" }, 200,
	       "\"stage\":\"quiet\",\"by\":\"shutdown\"");
	path_of(path, "/evict/", other);
	expect("evicting somebody else", "POST", path, GOOD, 403,
	       "that node is somebody-else, not ");
	expect("looking how far he is", "GET", path, GOOD, 403,
	       "that node is somebody-else, not ");
	path_of(path, "/return/", other);
	expect("returning somebody else", "POST", path, GOOD, 403,
	       "that node is somebody-else, not ");
	snprintf(path, sizeof(path), "/drain/%s", far->id);
	expect("draining a node at another address", "POST", path, GOOD, 403,
	       "is at 10.1.2.3, and you call from 127.0.0.1");
	path_of(path, "/evict/", far);
	expect("evicting it", "POST", path, GOOD, 403,
	       "is at 10.1.2.3, and you call from 127.0.0.1");
	expect("evicting without authentication", "POST", path,
	       (struct fault){ .no_auth = true }, 401,
	       "an Authorization field is needed");
	expect("a row by its name is for the socket", "POST",
	       "/evict/somebody-else",
	       (struct fault){ .name = "somebody-else" }, 404, "no such node");
	expect("but who has lost his ID may look at it", "GET",
	       "/node/somebody-else?version=test",
	       (struct fault){ .name = "somebody-else" }, 200,
	       "\"role\":\"worker\"");
	expect("at his own", "GET", "/node/somebody-else", GOOD, 404,
	       "no such node");
	expect("the table is for the socket", "GET", "/nodes", GOOD, 404,
	       "no such path");
	expect("even for a master", "GET", "/nodes",
	       (struct fault){ .secret = config.manager_secret }, 404,
	       "no such path");
	path_of(path, "/health/", other);
	expect("so is another's health", "GET", path, GOOD, 404, "no such path");
	path_of(path, "/stop/", other);
	expect("and what is to be stopped", "POST", path, GOOD, 404,
	       "no such path");
	snprintf(path, sizeof(path), "/left/%s", far->id);
	expect("saying for it that it left", "POST", path, GOOD, 403,
	       "is at 10.1.2.3");
	snprintf(path, sizeof(path), "/node/%s", other->id);
	expect("looking at another row", "GET", path, GOOD, 403,
	       "that node is somebody-else");
	expect("a node that is not there", "GET", "/node/none", GOOD, 404,
	       "no such node");
	expect("a master that goes down", "POST", "/drain/node1",
	       (struct fault){ .name = "m0" }, 200,
	       "\"stage\":\"quiet\",\"by\":\"shutdown\"");
	expect("saying that it left, which no table believes", "POST",
	       "/left/node1", (struct fault){ .name = "m0" }, 200, "node1");
	expect("and is up again", "POST", "/return/node1",
	       (struct fault){ .name = "m0" }, 200,
	       "\"availability\":\"active\"");
	check(swarm_did(&swarm, "update m0 active active|quiet ") &&
		      swarm_did(&swarm, "update m0 active ||"),
	      "its row is as it was", swarm.calls);
	expect("a path too many", "POST", "/drain/node1/x", GOOD, 404,
	       "no such path");
	expect("a path too few", "POST", "/drain/", GOOD, 404, "no such path");
	expect("an unknown path", "GET", "/", GOOD, 404, "no such path");
	expect("another method", "DELETE", "/nonce", GOOD, 405,
	       "not with that method");
	expect("a body", "POST", "/drain/node1", (struct fault){ .body = "x" },
	       400, "no body is expected");

	memset(big, 'x', sizeof(big) - 1);
	expect("a body over the limit", "POST", "/drain/node1",
	       (struct fault){ .body = big }, 413, "");
	memset(long_header, 'x', sizeof(long_header) - 1);
	memcpy(long_header, "X-Long: ", 8);
	{
		struct buf text = BUF_INIT(65536);
		unsigned got = call("GET", "/nonce",
				    &(struct fault){ .no_auth = true,
						     .extra = long_header },
				    &text);

		/* refused at once or hung up on, as long as it is not taken */
		check(got == 0 || got >= 400, "a header over the limit", text.str);
		buf_release(&text);
	}
	check(answers("/healthz", 200, "ok"), "goes on after all that", "not");
	swarm_lock(&swarm);
	check(strstr(other->evict, "by=shutdown") != NULL &&
		      strcmp(other->leaving, "active") == 0 &&
		      strcmp(far->availability, "active") == 0 &&
		      far->evict[0] == '\0' && far->leaving[0] == '\0',
	      "nobody is on his way but by his own word", far->evict);
	memset(other->id, 0, sizeof(other->id));
	memset(far->id, 0, sizeof(far->id));
	swarm_unlock(&swarm);
}

/* What a node says of its program is in its row, and written when it is
 * another one. */
static void versions(void)
{
	static const struct {
		const char *name, *query, *row;
		unsigned writes;
		const char *files;
	} rows[] = {
		{ "version: none, of agents before 0.2", "", "", 0, "" },
		{ "version: is kept", "?version=0.2.0-rc1", "0.2.0-rc1", 1, "" },
		{ "version: once", "?version=0.2.0-rc1", "0.2.0-rc1", 1, "" },
		{ "version: another", "?version=0.3.0", "0.3.0", 2, "" },
		{ "version: one that is none", "?version=%1b%5b2J", "", 3, "" },
		{ "version: one again", "?version=1", "1", 4, "" },
		{ "version: too long",
		  "?version=12345678901234567890123456789012", "", 5, "" },
		{ "version: the longest",
		  "?version=1234567890123456789012345678901",
		  "1234567890123456789012345678901", 6, "" },
		{ "version: an older agent than before", "", "", 7, "" },
		{ "files: are kept", "?version=1&files=0123456789abcdef", "1",
		  8, "0123456789abcdef" },
		{ "files: once", "?version=1&files=0123456789abcdef", "1", 8,
		  "0123456789abcdef" },
		{ "files: others", "?version=1&files=1123456789abcdef", "1", 9,
		  "1123456789abcdef" },
		{ "files: what is no hash", "?version=1&files=%22%7d", "1", 10,
		  "" },
		{ "files: too long", "?version=1&files=0123456789abcdef0123",
		  "1", 10, "" },
	};
	char path[160], note[80];
	unsigned before;
	struct row *own;

	swarm_lock(&swarm);
	own = swarm_add(&swarm, host, "127.0.0.1", false);
	swarm_unlock(&swarm);
	/* one that changes nothing is a write, too */
	snprintf(note, sizeof(note), " %s ", host);
	before = noted(note);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(path, sizeof(path), "/node/%s%s", own->id, rows[i].query);
		expect(rows[i].name, "GET", path, GOOD, 200, own->id);
		check(WITHIN(3000, has_program(own, rows[i].row)), rows[i].name,
		      own->program);
		checkf(WITHIN(3000, noted(note) - before == rows[i].writes),
		       rows[i].name, "%u writes, not %u", noted(note) - before,
		       rows[i].writes);
		checkf(rows[i].files == NULL ||
			       strcmp(own->files, rows[i].files) == 0,
		       rows[i].name, "files \"%s\"", own->files);
	}
	swarm_lock(&swarm);
	memset(own->id, 0, sizeof(own->id));
	swarm_unlock(&swarm);
}

static void leaving(void)
{
	char drain[64], left[64], node[64];
	struct row *own;

	swarm_lock(&swarm);
	own = swarm_add(&swarm, host, "127.0.0.1", false);
	own->tasks = 3;
	strcpy(own->availability, "pause");
	swarm_unlock(&swarm);
	snprintf(drain, sizeof(drain), "/drain/%s", own->id);
	snprintf(left, sizeof(left), "/left/%s", own->id);
	snprintf(node, sizeof(node), "/node/%s", own->id);
	expect("a node's own row", "GET", node, GOOD, 200,
	       "\"role\":\"worker\",\"state\":\"ready\","
	       "\"availability\":\"pause\",\"leaving\":false,\"ask_again_s\":5");
	expect("no way out", "GET", drain, GOOD, 200,
	       "\"availability\":\"pause\"}");
	expect("having left without a word", "POST", left, GOOD, 409,
	       "never said that it goes");
	expect("saying that it goes, as agents of 0.1 do", "POST", drain, GOOD,
	       200,
	       "\"availability\":\"pause\",\"stage\":\"quiet\",\"by\":\"shutdown\"");
	expect("at once no answer is from before", "GET", drain, GOOD, 200,
	       "\"stage\":\"quiet\"");
	expect("nor of its row", "GET", node, GOOD, 200,
	       "\"leaving\":true,\"stage\":\"quiet\"");
	check(swarm_did(&swarm, "pause pause|quiet "),
	      "is let go first, and kept what it was", swarm.calls);
	expect("saying so twice", "POST", drain, GOOD, 200, "\"stage\":\"quiet\"");
	check(!swarm_did(&swarm, "drain pause|drain "), "not drained before",
	      swarm.calls);
	check(WITHIN(EVICT_QUIET_S * 1000 + 5000,
		     swarm_did(&swarm, "drain pause|drain ")),
	      "then it is drained", swarm.calls);
	check(!swarm_did(&swarm, "drain drain|"),
	      "and what it was is kept still", swarm.calls);
	check(WITHIN(4000, tells(drain, "\"tasks\":3")),
	      "the tasks are still here", swarm.calls);
	expect("progress", "GET", drain, GOOD, 200, "\"stage\":\"drain\"");
	swarm_lock(&swarm);
	own->tasks = 0;
	swarm_unlock(&swarm);
	check(WITHIN(8000, swarm_did(&swarm, "drain pause|out ")),
	      "out when they are gone", swarm.calls);
	expect("which is told", "GET", drain, GOOD, 200,
	       "\"cut\":false,\"tasks\":0,\"missing\":0");
	expect("its row tells", "GET", node, GOOD, 200,
	       "\"availability\":\"drain\",\"leaving\":true,"
	       "\"stage\":\"out\"");
	expect("having left", "POST", left, GOOD, 200, own->id);
	check(!swarm_did(&swarm, "remove "), "is not removed while it is up",
	      swarm.calls);
	swarm_lock(&swarm);
	strcpy(own->state, "down");
	swarm_unlock(&swarm);
	check(WITHIN(8000, swarm_did(&swarm, "remove ")),
	      "is removed once it is down", swarm.calls);
	check(WITHIN(2000,
		     world_said(&world, "m0", "it said that it goes, and went")),
	      "and told", "not");
}

static void stayed(void)
{
	struct row *own = add_row("old", "127.0.0.1");

	/* as a helper of 0.1 left it */
	set_text(own->availability, "drain");
	set_text(own->leaving, "active");
	check(WITHIN(22000, swarm_did(&swarm, "update old active ||")),
	      "marked by an older helper and staying: active again", swarm.calls);
	swarm_lock(&swarm);
	check(own->leaving[0] == '\0' && strcmp(own->availability, "active") == 0,
	      "without the label", own->leaving);
	own->id[0] = '\0';
	swarm_unlock(&swarm);
}

/* ---- the way out ---- */

/* What a machine says about itself is never the operator's word. */
static void event(void)
{
	struct row *own = add_row(host, "127.0.0.1");
	char evict[64], back[64], query[96];

	path_of(evict, "/evict/", own);
	path_of(back, "/return/", own);
	snprintf(query, sizeof(query), "%s?by=operator&limit=60", evict);
	expect("a node that says it were the operator", "POST", query, GOOD,
	       200, "\"stage\":\"quiet\",\"by\":\"event\"");
	swarm_lock(&swarm);
	check(strstr(own->evict, "limit=60 by=event") != NULL,
	      "within its own time", own->evict);
	swarm_unlock(&swarm);
	expect("progress, for itself", "GET", evict, GOOD, 200,
	       "\"stage\":\"quiet\",\"by\":\"event\"");
	expect("and back", "POST", back, GOOD, 200, "\"availability\":\"active\"");
	expect("at once it is not on its way", "GET", evict, GOOD, 200,
	       "\"availability\":\"active\"}");
	expect("back once more", "POST", back, GOOD, 200,
	       "\"availability\":\"active\"}");
	swarm_lock(&swarm);
	check(own->evict[0] == '\0' && own->leaving[0] == '\0' &&
		      strcmp(own->availability, "active") == 0,
	      "no label is left", own->evict);
	swarm_unlock(&swarm);
	drop_row(own);
}

static void operators(void)
{
	struct row *a = add_row("a", "127.0.0.1"), *b = add_row("b", "127.0.0.1");
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/m0.ctl", world.dir);
	check(stat(path, &st) == 0 && (st.st_mode & 07777) == 0660,
	      "the socket is for its group", path);
	swarm_lock(&swarm);
	a->tasks = 2;
	swarm.replicas = 1;
	swarm_unlock(&swarm);
	usleep(2100000); /* answers of before the rows came may be two seconds old */
	expect_local("the table, without authentication", "GET", "/nodes", 200,
		     "\"hostname\":\"a\"");
	expect_local("a method that is not", "POST", "/nodes", 405,
		     "not with that method");
	expect_local("a node that is not there", "POST", "/evict/none", 404,
		     "no such node");
	expect_local("nothing to stop", "POST", "/stop/a", 400, "which one");
	expect_local("a name too long for a task", "POST",
		     "/stop/a?task=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
		     400, "which one");
	expect_local("a task to stop", "POST", "/stop/a?task=t1", 200, "\"id\"");
	path_of(path, "/node/", a);
	expect("which its agent is told", "GET", path,
	       (struct fault){ .name = "a" }, 200, "\"stop\":\"t1\"");
	expect_local("no task to stop", "POST", "/stop/a?task=", 200, "\"id\"");
	expect("is told, too", "GET", path, (struct fault){ .name = "a" }, 200,
	       "\"leaving\":false,\"ask_again_s\":5,");
	expect_local("health of a machine that is not there", "GET",
		     "/health/b", 200, "\"status\":0,\"why\"");

	expect_local("evicting by name tells what will be noticed", "POST",
		     "/evict/a", 200, "\"noticed\":[\"web has one task");
	expect_local("evicting another", "POST", "/evict/b", 200,
		     "\"noticed\":[]");
	check(WITHIN(12000, tells("/evict/a",
				  "\"stage\":\"quiet\",\"by\":\"operator\"")),
	      "the first has its turn", swarm.calls);
	sleep(5);
	check(tells("/evict/b", "\"stage\":\"asked\""),
	      "the second waits for its own", swarm.calls);
	swarm_lock(&swarm);
	check(b->leaving[0] == '\0', "and is not marked as leaving", b->leaving);
	swarm_unlock(&swarm);
	path_of(path, "/node/", b);
	expect("nor told so, as agents of 0.1 read it", "GET", path,
	       (struct fault){ .name = "b" }, 200,
	       "\"leaving\":false,\"stage\":\"asked\"");
	expect_local("the second, once more", "POST", "/evict/b", 200,
		     "\"stage\":\"asked\"");

	/* a shutdown takes over */
	path_of(path, "/evict/", a);
	strcat(path, "?by=shutdown&limit=40");
	expect("the first is shut down", "POST", path,
	       (struct fault){ .name = "a" }, 200,
	       "\"stage\":\"quiet\",\"by\":\"shutdown\"");
	expect_local("the operator joins it", "POST", "/evict/a", 200,
		     "\"by\":\"shutdown\"");
	swarm_lock(&swarm);
	check(strstr(a->evict, "limit=40 by=shutdown") != NULL,
	      "with a shutdown's time", a->evict);
	swarm_unlock(&swarm);
	expect_local("the first stays after all", "POST", "/return/a", 200,
		     "\"availability\":\"active\"");
	check(WITHIN(12000, tells("/evict/b", "\"stage\":\"quiet\"")),
	      "then it is the second's turn", swarm.calls);
	expect_local("which stays, too", "POST", "/return/b", 200,
		     "\"availability\":\"active\"");
	swarm_lock(&swarm);
	swarm.replicas = 0;
	swarm_unlock(&swarm);
	drop_row(a);
	drop_row(b);
}

/* Killed on the way: the label is in the swarm, and whoever leads goes on. */
static void survives(pid_t *pid)
{
	struct row *c = add_row("c", "127.0.0.1");

	expect_local("evicting", "POST", "/evict/c?limit=77", 200,
		     "\"stage\":\"asked\"");
	check(WITHIN(12000, tells("/evict/c", "\"stage\":\"quiet\"")), "begins",
	      swarm.calls);
	kill(*pid, SIGKILL);
	world_wait(*pid, 5000);
	*pid = world_run(&world, "m0", "helper");
	check(WITHIN(10000, tells("/evict/c", "\"by\":\"operator\"")),
	      "a helper that was killed finds it", swarm.calls);
	check(WITHIN(25000, swarm_did(&swarm, "update c drain active|out ")),
	      "and brings it to its end", swarm.calls);
	check(swarm_did(&swarm, "update c drain active|drain ") &&
		      strstr(c->evict, "limit=77") != NULL,
	      "by way of the drain", c->evict);
	check(!swarm_did(&swarm, "update c active ||"),
	      "and has not come back in between", swarm.calls);
	expect_local("back", "POST", "/return/c", 200,
		     "\"availability\":\"active\"");
	check(swarm_did(&swarm, "update c active ||"), "as it was before",
	      swarm.calls);
	drop_row(c);
}

/* Begun by somebody who is not there any more. */
static void unfinished(void)
{
	struct row *d = add_row("d", "127.0.0.1"), *e = add_row("e", "127.0.0.1");
	struct evict ev = evict_begin(EVICT_BY_OPERATOR, 5, unix_time());
	struct buf text = BUF_INIT(EVICT_TEXT_MAX);

	ev.stage = EVICT_OUT;
	ev.until_s = unix_time() + 4;
	evict_write(&ev, &text);
	swarm_lock(&swarm);
	strcpy(d->evict, text.str);
	strcpy(d->leaving, "pause");
	strcpy(d->availability, "drain");
	/* a label that nobody can read */
	strcpy(e->evict, "nonsense");
	strcpy(e->leaving, "active");
	strcpy(e->availability, "drain");
	swarm_unlock(&swarm);
	check(WITHIN(16000, swarm_did(&swarm, "update d pause ||")),
	      "who is out and stays comes back in time", swarm.calls);
	check(world_said(&world, "m0", "was to go and is still here"),
	      "which is told", "not");
	check(WITHIN(16000, swarm_did(&swarm, "update e active ||")),
	      "and so does one with a label that nobody can read", swarm.calls);
	buf_release(&text);
	drop_row(d);
	drop_row(e);
}

static unsigned ghosts(void)
{
	unsigned n = 0;

	swarm_lock(&swarm);
	for (int i = 0; i < ROWS; i++)
		n += swarm.rows[i].id[0] != '\0' &&
		     strcmp(swarm.rows[i].hostname, "ghost") == 0;
	swarm_unlock(&swarm);
	return n;
}

/* Twenty rows that are true no more: not all of them in one pass. */
static void many(void)
{
	char most[32];

	swarm_lock(&swarm);
	for (int i = 0; i < 20; i++)
		strcpy(swarm_add(&swarm, "ghost", "10.1.2.3", false)->state,
		       "down");
	swarm_add(&swarm, "ghost", "10.1.2.3", false); /* who has taken their place */
	swarm.removed_most = 0;
	swarm_unlock(&swarm);
	check(WITHIN(40000, ghosts() == 1), "twenty rows go", swarm.calls);
	swarm_lock(&swarm);
	snprintf(most, sizeof(most), "%u", swarm.removed_most);
	check(swarm.removed_most == 16, "sixteen of them in one pass, at most",
	      most);
	for (int i = 0; i < ROWS; i++)
		if (strcmp(swarm.rows[i].hostname, "ghost") == 0)
			swarm.rows[i].id[0] = '\0';
	swarm_unlock(&swarm);
}

static void metrics(void)
{
	check(answers("/metrics", 200,
		      "# TYPE azswarm_nodes gauge\n"
		      "azswarm_nodes{state=\"unknown\"} 0\nazswarm_nodes{state=\"down\"} 0\n"
		      "azswarm_nodes{state=\"ready\"} "),
	      "metrics", "not");
	check(answers("/metrics", 200, "azswarm_requests_refused_total "),
	      "metrics of refusals", "not");
	check(!world_said(&world, "m0", "token-") &&
		      !world_said(&world, "m0", world.worker) &&
		      !world_said(&world, "m0", world.manager),
	      "no secret in its log", "one");
}

/* ---- a slow engine ---- */

static atomic_bool asker_done;

static void *asker(void *path)
{
	struct buf text = BUF_INIT(65536);

	call("GET", path, &GOOD, &text);
	asker_done = true;
	buf_release(&text);
	return NULL;
}

/* Whoever asks for the table waits for the engine, and nobody else does. */
static void slow(void)
{
	enum { MANY = 4 };
	char path[64];
	pthread_t t[MANY];
	bool before = true;

	swarm_lock(&swarm);
	swarm.slow_ms = 8000;
	swarm_unlock(&swarm);
	/* whatever is known is older than a new node */
	snprintf(path, sizeof(path), "/node/none");
	for (int i = 0; i < MANY; i++)
		pthread_create(&t[i], NULL, asker, path);
	usleep(1500000);
	for (int i = 0; i < 3; i++)
		before = answers("/healthz", 200, "ok") && before;
	check(before && !asker_done,
	      "health is told while others wait for the engine", "later");
	expect("a token, too", "GET", "/join/worker", GOOD, 200, "token-");
	check(!asker_done, "before those who wait have their answer", "after");
	swarm_lock(&swarm);
	swarm.slow_ms = 0;
	swarm_unlock(&swarm);
	for (int i = 0; i < MANY; i++)
		pthread_join(t[i], NULL);
}

static int silent(void)
{
	struct err e = ERR_INIT;
	int fd = tcp_connect("127.0.0.1", world.helper_port,
			     now_ms() + CHECK_PATIENCE_MS, &e);

	return fd;
}

/* Connections that say nothing, or half of something, hold nobody up. */
static void loris(void)
{
	enum { MANY = 70 };
	int fds[MANY], open_fds = 0;
	struct err e = ERR_INIT;
	struct stream *s;
	int64_t began = now_ms();
	char c, why[64];
	int fd;

	for (int i = 0; i < MANY; i++)
		fds[i] = silent();
	check(WITHIN(20000, answers("/healthz", 200, "ok")),
	      "a caller behind 70 silent ones", "not served");
	for (int i = 0; i < MANY; i++) {
		struct pollfd p = { .fd = fds[i], .events = POLLIN };

		if (fds[i] < 0)
			continue;
		open_fds += poll(&p, 1, 15000) <= 0;
		close(fds[i]);
	}
	snprintf(why, sizeof(why), "%d open after %d ms", open_fds,
		 (int)(now_ms() - began));
	check(open_fds == 0 && now_ms() - began < 40000,
	      "the silent ones are hung up on", why);

	/* half a request head, a byte a second */
	fd = silent();
	s = fd < 0 ? NULL :
		     tls_connect(fd, "127.0.0.1", trust,
				 now_ms() + CHECK_PATIENCE_MS, &e);
	began = now_ms();
	for (const char *p =
		     "GET /nonce HTTP/1.1\r\nHost: x\r\nX: yyyyyyyyyyyyyyyy";
	     s != NULL && *p != '\0'; p++) {
		struct err gone = ERR_INIT;
		ssize_t n;

		if (stream_write(s, p, 1, now_ms() + 1000, &gone) < 0 ||
		    stream_flush(s, now_ms() + 1000, &gone) < 0)
			break;
		n = stream_read(s, &c, 1, now_ms() + 700, &gone);
		if (n >= 0 || gone.kind != ERR_TIMEOUT)
			break;
	}
	check(s != NULL && now_ms() - began < 20000,
	      "a byte now and then is not enough", "still open");
	stream_close(s);
}

/* Few requests a second, then a refusal, then good again. */
static void rate(void)
{
	unsigned ok = 0, limited = 0;
	struct buf text = BUF_INIT(65536);
	struct http_client c, proven;
	char name[64], knock[AUTH_KNOCK_LEN + 1];
	pid_t pid;
	int fd;

	snprintf(name, sizeof(name), "@azswarm-test-%d", (int)getpid());
	fd = notify_socket(name);
	world_config(&world, "rate", "manager", swarm.engine.path, ",\"rate\":2");
	pid = world_run(&world, "rate", "helper");
	check(notified(fd, "READY=1"),
	      "says that it is ready, in the abstract name space, too",
	      "nothing");
	close(fd);
	unsetenv("NOTIFY_SOCKET");
	/* over one connection: handshakes alone may be slow enough here */
	http_client_init(&c, (struct http_dialer){ dial, NULL }, "test");
	for (int i = 0; i < 16; i++) {
		unsigned got = once(&c, "GET", "/healthz", NULL, NULL, &text);

		ok += got == 200 || got == 503;
		limited += got == 429 &&
			   strstr(text.str,
				  "too many requests from this address") != NULL;
	}
	/* as an agent does, from the same address */
	auth_knock(config.worker_secret, unix_time(), knock);
	http_client_init(&proven, (struct http_dialer){ dial, knock }, "test");
	check(once(&proven, "GET", "/nonce", NULL, NULL, &text) == 200,
	      "which who has knocked does not notice", text.str);
	http_client_release(&proven);
	http_client_release(&c);
	check(ok >= 8 && limited >= 1, "a caller in a hurry is slowed down",
	      text.str);
	usleep(1500000);
	check(answers("/healthz", 200, "ok"), "and served a second later", "not");
	buf_release(&text);
	check(world_stop(pid) == 0, "ends on SIGTERM", "not");
}

static void starts_not(void)
{
	struct buf key = BUF_INIT(4096);
	struct err e = ERR_INIT;
	char path[128];

	world_config(&world, "open", "manager", swarm.engine.path, "");
	snprintf(path, sizeof(path), "%s/open.json", world.dir);
	chmod(path, 0644);
	check(world_wait(world_run(&world, "open", "helper"),
			 CHECK_PATIENCE_MS) == 1 &&
		      world_said(&world, "open", "others may read it"),
	      "not with secrets that others can read", "started");
	world_config(&world, "worker", "worker", swarm.engine.path, "");
	check(world_wait(world_run(&world, "worker", "helper"),
			 CHECK_PATIENCE_MS) == 1 &&
		      world_said(&world, "worker", "the helper is for managers"),
	      "not on a worker", "started");
	key_make_ec_p256(&key, &e);
	world_file(&world, "other.key", key.str, 0600);
	buf_burn(&key);
	snprintf(path, sizeof(path), ",\"helper_key\":\"%s/other.key\"",
		 world.dir);
	world_config(&world, "key", "manager", swarm.engine.path, path);
	check(world_wait(world_run(&world, "key", "helper"),
			 CHECK_PATIENCE_MS) == 1 &&
		      world_said(&world, "key",
				 "not the key that helper_pin names"),
	      "not with another key than the pinned one", "started");
	/* unlinks the socket of nobody: the port is taken */
	world_config(&world, "taken", "manager", swarm.engine.path, "");
	check(world_wait(world_run(&world, "taken", "helper"),
			 CHECK_PATIENCE_MS) == 1 &&
		      world_said(&world, "taken", "failed: "),
	      "not on a port that is taken", "started");
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	char path[160], notify_path[128];
	pid_t pid;
	int fd;

	world_main(argc, argv);
	world_begin(&world);
	snprintf(path, sizeof(path), "%s/m0.sock", world.dir);
	/* no pause between requests here; leaving nodes are given up soon */
	world_config(&world, "m0", "manager", path,
		     ",\"rate\":1000,\"leave_s\":4");
	snprintf(path, sizeof(path), "%s/m0.json", world.dir);
	if (node_config_read(&config, path, &e) < 0 ||
	    daemon_own_name(host, &e) < 0) {
		check_give_up("configuration", "%s", e.msg);
	}
	trust = tls_trust_pin(config.pin);
	snprintf(notify_path, sizeof(notify_path), "%s/notify", world.dir);
	fd = notify_socket(notify_path);
	pid = world_run(&world, "m0", "helper");
	unsetenv("NOTIFY_SOCKET");
	check(notified(fd, "READY=1"), "says that it is ready", "nothing");
	founding();
	check(notified(fd, "STATUS=manager of a swarm"),
	      "and that there is a swarm", "nothing");
	close(fd);
	refusals();
	versions();
	leaving();
	stayed();
	event();
	operators();
	unfinished();
	survives(&pid);
	metrics();
	slow();
	loris();
	many();
	starts_not();
	check(!swarm_did(&swarm, "unexpected"),
	      "nothing was asked of the engine that it does not have",
	      swarm.calls);
	check(world_stop(pid) == 0, "ends on SIGTERM, without a leak", "not");
	rate();
	if (check_failed())
		world_show(&world, "m0");
	engine_stop(&swarm.engine);
	tls_trust_free(trust);
	node_config_burn(&config);
	world_end(&world);
	return check_failed();
}
