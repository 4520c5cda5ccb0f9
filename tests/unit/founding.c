/* time: 200
 * The helper and the marker: it founds once, when the storage account says that
 * nobody has, and moves on when it says that the cluster has.  The storage is a
 * TLS server made here; conformance/azurite and sh/founding have others'. */
#include <netinet/in.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/net.h"
#include "http.h"
#include "node/ask.h"
#include "node/config.h"
#include "node/daemon.h"
#include "node/life.h"
#include "tests/check.h"
#include "tests/unit/swarm.h"
#include "tls/tls.h"

#define OTHER "ffeeddccbbaa99887766554433221100"
#define URL_QUERY "?sv=2021-12-02&sp=rc&sig=do-not-show-me"

static struct world world;
static struct swarm swarm = { .state = "inactive" };
static struct node_config config;
static unsigned port;

/* ---- the storage account ---- */

static struct {
	pthread_mutex_t lock;
	struct buf blob; /* the marker; empty: none */
	unsigned gets, puts;
	bool conditional, known_before; /* of the last PUT */
	/* what it answers, in place of what is so: status and code */
	unsigned get_status, put_status;
	const char *code;
	bool lose;  /* the answer to a PUT */
	pid_t ends; /* with a PUT, before its answer */
	const char *state;
} store = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void say(struct http_exchange *x, unsigned status, const char *code,
		struct str body)
{
	char field[100];
	const char *fields[] = { field, NULL };

	snprintf(field, sizeof(field), "x-ms-error-code: %s", code);
	http_x_answer(x, status, *code != '\0' ? fields : NULL, body);
}

/* The founder's name is on its disk before anybody is asked to keep it. */
static bool is_known_before(const char *marker)
{
	struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;
	struct marker m;
	char path[200];
	bool known;

	snprintf(path, sizeof(path), "%s/%s/" LIFE_FILE, world.dir, store.state);
	known = file_read(path, &b, &e) == 0 &&
		marker_parse(str_of(marker), &m, &e) == 0 &&
		strstr(b.str, m.founder) != NULL;
	buf_release(&b);
	return known;
}

static void put(struct http_exchange *x)
{
	const struct http_head *head = http_x_head(x);
	struct buf body = BUF_INIT(4096);
	struct err e = ERR_INIT;

	http_x_body(x, &body, &e);
	store.puts++;
	store.conditional = str_eqz(http_field(head, "If-None-Match"), "*") &&
			    str_eqz(http_field(head, "x-ms-blob-type"),
				    "BlockBlob");
	store.known_before = store.state == NULL || is_known_before(body.str);
	if (store.put_status != 0) {
		say(x, store.put_status, store.code, STR(""));
	} else if (store.blob.n > 0) {
		say(x, 409, "BlobAlreadyExists", STR(""));
	} else {
		buf_addstr(&store.blob, buf_str(&body));
		if (store.ends != 0)
			kill(store.ends, SIGKILL);
		if (store.lose || store.ends != 0)
			http_x_abort(x);
		else
			say(x, 201, "", STR(""));
	}
	buf_release(&body);
}

static void serve_one(void *ctx, struct http_exchange *x)
{
	const struct http_head *head = http_x_head(x);

	(void)ctx;
	pthread_mutex_lock(&store.lock);
	if (str_eqz(head->method, "PUT")) {
		put(x);
	} else {
		store.gets++;
		if (store.get_status != 0)
			say(x, store.get_status, store.code, STR("<Error/>"));
		else if (store.blob.n == 0)
			say(x, 404, "BlobNotFound", STR("<Error/>"));
		else
			say(x, 200, "", buf_str(&store.blob));
	}
	pthread_mutex_unlock(&store.lock);
}

static struct tls_identity *identity;

static struct stream *wrap(void *ctx, int fd, struct err *e)
{
	(void)ctx;
	return tls_accept(fd, identity, now_ms() + CHECK_PATIENCE_MS, e);
}

static void *serve(void *ctx)
{
	struct err e = ERR_INIT;

	http_serve(ctx, &e);
	return NULL;
}

static struct http_server server = {
	.stop_fd = -1,
	.max_conns = 8,
	.body_max = 4096,
	.idle_ms = 5000,
	.body_ms = 5000,
	.wrap = wrap,
	.handle = serve_one,
};

/* Its certificate is by an authority of its own, in ca.pem. */
static void store_begin(pthread_t *t)
{
	static const char *const names[] = { "IP:127.0.0.1", NULL };
	struct buf ca_key = BUF_INIT(4096), ca = BUF_INIT(8192),
		   key = BUF_INIT(4096), chain = BUF_INIT(8192);
	struct err e = ERR_INIT;
	static char path[200];

	if (key_make_ec_p256(&ca_key, &e) < 0 || key_make_ec_p256(&key, &e) < 0 ||
	    cert_make(&(struct cert_spec){ .cn = "ca", .ca = true, .days = 2 },
		      buf_str(&ca_key), buf_str(&ca_key), &ca, &e) < 0 ||
	    cert_make(&(struct cert_spec){ .cn = "blob",
					   .issuer_cn = "ca",
					   .names = names,
					   .days = 2 },
		      buf_str(&key), buf_str(&ca_key), &chain, &e) < 0 ||
	    (identity = tls_identity_pem(buf_str(&key), buf_str(&chain), &e)) ==
		    NULL)
		check_give_up("storage", "%s", e.msg);
	world_file(&world, "ca.pem", ca.str, 0600);
	snprintf(path, sizeof(path), "%s/ca.pem", world.dir);
	setenv("SSL_CERT_FILE", path, 1);
	server.listen_fd = tcp_listen("127.0.0.1", &port, NULL, &e);
	server.stop_fd = eventfd(0, EFD_CLOEXEC);
	buf_init(&store.blob, 4096);
	if (server.listen_fd < 0 || pthread_create(t, NULL, serve, &server) != 0)
		check_give_up("storage", "%s", e.msg);
	buf_burn(&ca_key);
	buf_burn(&key);
	buf_release(&ca);
	buf_release(&chain);
}

static void store_lock(void)
{
	pthread_mutex_lock(&store.lock);
}

static void store_unlock(void)
{
	pthread_mutex_unlock(&store.lock);
}

/* As at the beginning, with that marker; "" none. */
static void store_reset(const char *marker)
{
	store_lock();
	buf_reset(&store.blob);
	buf_adds(&store.blob, marker);
	store.gets = store.puts = store.get_status = store.put_status = 0;
	store.lose = false;
	store.ends = 0;
	store.code = "";
	store.state = NULL;
	store_unlock();
}

static void store_says(unsigned get, unsigned put, const char *code)
{
	store_lock();
	store.get_status = get;
	store.put_status = put;
	store.code = code;
	store_unlock();
}

/* ---- what its answers mean ---- */

static void answers(void)
{
	static const struct {
		unsigned status;
		const char *code;
		enum life_known known;
		enum life_made made;
		const char *words;
	} rows[] = {
		{ 404, "BlobNotFound", LIFE_NONE, LIFE_NOT_TOLD,
		  "404 BlobNotFound" },
		{ 404, "ContainerNotFound", LIFE_UNKNOWN, LIFE_NOT_TOLD,
		  "404 ContainerNotFound" },
		{ 404, "", LIFE_UNKNOWN, LIFE_NOT_TOLD, "404 Not Found" },
		{ 403, "AuthenticationFailed", LIFE_UNKNOWN, LIFE_NOT_TOLD,
		  "expired, or its key no more" },
		{ 403, "AuthorizationFailure", LIFE_UNKNOWN, LIFE_NOT_TOLD, "403" },
		{ 403, "UnauthorizedBlobOverwrite", LIFE_UNKNOWN, LIFE_TAKEN, "" },
		{ 409, "BlobAlreadyExists", LIFE_UNKNOWN, LIFE_TAKEN, "" },
		{ 409, "AccountBeingCreated", LIFE_UNKNOWN, LIFE_NOT_TOLD, "409" },
		{ 412, "ConditionNotMet", LIFE_UNKNOWN, LIFE_TAKEN, "" },
		{ 500, "InternalError", LIFE_UNKNOWN, LIFE_NOT_TOLD, "500" },
		{ 503, "ServerBusy", LIFE_UNKNOWN, LIFE_NOT_TOLD, "503" },
		{ 201, "", LIFE_UNKNOWN, LIFE_MADE, "" },
		{ 200, "", LIFE_UNKNOWN, LIFE_NOT_TOLD, "" },
	};
	struct marker m, got;
	char url[200];

	marker_init(&m, "master0");
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/c/b" URL_QUERY, port);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct err look = ERR_INIT, make = ERR_INIT;
		enum life_known known;
		enum life_made made;
		char name[80];

		store_reset("");
		store_says(rows[i].status, rows[i].status, rows[i].code);
		known = life_look(url, &got, &look);
		made = life_make(url, &m, &make);
		snprintf(name, sizeof(name), "%u %s", rows[i].status,
			 rows[i].code);
		check(known == rows[i].known && made == rows[i].made &&
			      strstr(make.msg, rows[i].words) != NULL &&
			      (made == LIFE_NOT_TOLD) == (make.msg[0] != '\0') &&
			      strstr(make.msg, "sig=") == NULL &&
			      strstr(look.msg, "sig=") == NULL,
		      name, make.msg);
	}
	store_reset("");
	{
		struct err e = ERR_INIT;

		check(life_make(url, &m, &e) == LIFE_MADE &&
			      life_make(url, &m, &e) == LIFE_TAKEN &&
			      life_look(url, &got, &e) == LIFE_MARKED &&
			      strcmp(got.founder, m.founder) == 0,
		      "made once, and read", e.msg);
		check(store.conditional, "on condition that it is not there",
		      "without");
	}
	store_reset("not a marker");
	{
		struct err e = ERR_INIT;

		check(life_look(url, &got, &e) == LIFE_UNKNOWN,
		      "no marker at all", "taken for one");
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/c/b" URL_QUERY, port);
	{
		struct err e = ERR_INIT;

		check(life_look(url, &got, &e) == LIFE_UNKNOWN &&
			      strstr(e.msg, "not https") != NULL,
		      "never without TLS", e.msg);
	}
}

/* ---- the helper ---- */

static unsigned inits(void)
{
	unsigned n = 0;

	swarm_lock(&swarm);
	for (const char *p = swarm.calls; (p = strstr(p, "init ")) != NULL; p++)
		n++;
	swarm_unlock(&swarm);
	return n;
}

/* The engine as it is on a machine that was made anew, or whose swarm is gone. */
static void engine_anew(void)
{
	swarm_lock(&swarm);
	memset(swarm.rows, 0, sizeof(swarm.rows));
	strcpy(swarm.state, "inactive");
	swarm.manager = false;
	swarm.node_id[0] = swarm.calls[0] = '\0';
	swarm_unlock(&swarm);
}

static pid_t run(const char *name)
{
	char more[400];

	snprintf(more, sizeof(more),
		 ",\"rate\":1000,\"marker_url\":\"https://127.0.0.1:%u/c/b" URL_QUERY
		 "\"",
		 port);
	world_config(&world, name, "manager", swarm.engine.path, more);
	return world_run(&world, name, "helper");
}

static bool has_state(const char *name, struct life *l)
{
	struct err e = ERR_INIT;
	char dir[200];

	snprintf(dir, sizeof(dir), "%s/state-%s", world.dir, name);
	return life_load(dir, l, &e) == 0;
}

static bool is_in(const char *name, const char *cluster, unsigned generation)
{
	struct life l;

	return has_state(name, &l) && strcmp(l.cluster, cluster) == 0 &&
	       l.generation == generation;
}

static void ended(pid_t pid, const char *name)
{
	check(world_stop(pid) == 0, "ends well", name);
	check(!world_said(&world, name, "do-not-show-me"),
	      "and never showed the address", name);
}

static void founds(void)
{
	struct marker m;
	struct err e = ERR_INIT;
	struct life l;
	pid_t pid;

	store_reset("");
	store.state = "state-new";
	engine_anew();
	pid = run("new");
	check(WITHIN(5000, inits() == 1), "no marker: it founds", swarm.calls);
	store_lock();
	check(store.puts == 1 && store.conditional && store.known_before,
	      "behind the marker, behind its own disk", "not");
	check(marker_parse(buf_str(&store.blob), &m, &e) == 0 &&
		      m.generation == 1 && m.cluster[0] == '\0',
	      "of the first generation", e.msg);
	store_unlock();
	check(WITHIN(5000, is_in("new", "cl1", 1)), "and knows its swarm", "not");
	check(has_state("new", &l) && l.founded &&
		      strcmp(l.founder, m.founder) == 0,
	      "which it founded", "not");
	ended(pid, "new");

	/* a founder whose swarm is gone */
	engine_anew();
	pid = run("new");
	check(WITHIN(10000, world_said(&world, "new",
				       "this machine is in it no more")) ||
		      world_said(&world, "new", "founds the swarm"),
	      "its swarm is gone: it waits", "not");
	usleep(3000000);
	check(inits() == 0 && store.puts == 1, "and never founds another",
	      swarm.calls);
	ended(pid, "new");
}

static void stopped_between(void)
{
	pid_t pid;

	store_reset("");
	engine_anew();
	swarm_lock(&swarm);
	strcpy(swarm.error, "busy");
	swarm_unlock(&swarm);
	pid = run("cut");
	/* it is killed by the storage, which has the marker then */
	store_lock();
	store.ends = pid;
	store_unlock();
	world_wait(pid, 30000);
	store_lock();
	check(store.blob.n > 0 && store.puts == 1, "killed behind its marker",
	      "not");
	store.ends = 0;
	store_unlock();
	if (inits() != 0)
		check(false, "before it founded", swarm.calls);
	pid = run("cut");
	check(WITHIN(5000, inits() == 1),
	      "started again it knows it, and founds", "not");
	check(world_said(&world, "cut", "the cluster's marker is ours"),
	      "and says why", "not");
	usleep(2500000);
	check(inits() == 1 && store.puts == 1, "once", swarm.calls);
	ended(pid, "cut");
	swarm_lock(&swarm);
	swarm.error[0] = '\0';
	swarm_unlock(&swarm);

	/* the answer is lost, and the request was not */
	store_reset("");
	store.lose = true;
	engine_anew();
	pid = run("lost");
	check(WITHIN(15000, inits() == 1),
	      "an answer that was lost: the marker tells", swarm.calls);
	check(store.puts == 1, "asked for once", "again");
	ended(pid, "lost");
}

static void waits(void)
{
	static const char old[] =
		"{\"founder\":\"" OTHER
		"\",\"by\":\"master0\",\"at\":1790000000,\"generation\":1,\"cluster\":\"\"}";
	pid_t pid;

	store_reset(old);
	engine_anew();
	pid = run("anew");
	check(WITHIN(5000, world_said(&world, "anew",
				      "founded by master0 at 2026-09-21T14:13:20Z, and this "
				      "machine is not the one that had it")) &&
		      world_said(&world, "anew", "azswarm restore FILE"),
	      "another's marker: it waits, and says for what", "not");
	usleep(3000000);
	check(inits() == 0 && store.puts == 0, "and founds nothing", swarm.calls);
	ended(pid, "anew");

	store_reset("");
	store_says(403, 403, "AuthenticationFailed");
	pid = run("expired");
	check(WITHIN(5000,
		     world_said(&world, "expired", "403 AuthenticationFailed")),
	      "an address that has expired: it says so", "not");
	usleep(3000000);
	store_lock();
	check(store.gets <= 2, "and asks no faster than that", "often");
	store_unlock();
	check(inits() == 0, "and founds nothing", swarm.calls);
	store_says(0, 0, "");
	check(WITHIN(15000, inits() == 1), "until it is told", swarm.calls);
	ended(pid, "expired");

	/* what is on the disk cannot be understood */
	store_reset("");
	engine_anew();
	{
		char dir[200];
		struct err e = ERR_INIT;

		snprintf(dir, sizeof(dir), "%s/state-torn", world.dir);
		dir_make(dir, 0700, &e);
	}
	world_file(&world, "state-torn/" LIFE_FILE, "{\"founder\":", 0600);
	pid = run("torn");
	check(WITHIN(5000, world_said(&world, "torn", "none is founded")),
	      "a torn memory founds nothing", "not");
	usleep(1500000);
	check(inits() == 0 && store.puts == 0, "really", swarm.calls);
	ended(pid, "torn");
}

static void set_key(const char *key)
{
	swarm_lock(&swarm);
	strcpy(swarm.key, key);
	swarm_unlock(&swarm);
}

/* What the helper answers, asked by a node of that knowledge. */
static unsigned asks(const char *target, char error[200])
{
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	unsigned status = 0;
	struct ask a;

	error[0] = '\0';
	if (ask_init(&a, &config, &e) == 0 &&
	    ask(&a, "GET", target, false, now_ms() + CHECK_PATIENCE_MS, &status,
		&doc, NULL, &e) == 0)
		snprintf(error, 200, "%s", json_str_opt(doc, "error", ""));
	json_burn(doc);
	ask_release(&a);
	return status;
}

static bool answers_so(const char *target, unsigned status, const char *words)
{
	char error[200];

	return asks(target, error) == status && strstr(error, words) != NULL;
}

static void raise_to(const char *by, const char *cluster, unsigned generation)
{
	store_lock();
	buf_reset(&store.blob);
	buf_addf(&store.blob,
		 "{\"founder\":\"" OTHER
		 "\",\"by\":\"%s\",\"at\":1790000000,\"generation\":%u,\"cluster\":\"%s\"}",
		 by, generation, cluster);
	store_unlock();
}

static void begun_anew(void)
{
	struct row *other;
	pid_t pid;

	store_reset("");
	engine_anew();
	pid = run("gen");
	check(WITHIN(5000, is_in("gen", "cl1", 1)), "a swarm", swarm.calls);
	check(WITHIN(5000, answers_so("/join/worker?cluster=cl1&generation=1",
				      200, "")),
	      "a node of it", "refused");
	check(answers_so("/join/worker", 200, ""), "one that knows none",
	      "refused");
	check(answers_so("/join/worker?cluster=cl2&generation=1", 503,
			 "the swarm here is another one"),
	      "a node of another", "served");
	check(answers_so("/node/none?cluster=cl2&generation=1", 503,
			 "the swarm here is another one"),
	      "which is not told that nobody knows it", "told");
	check(answers_so("/join/worker?cluster=cl2&generation=2", 503,
			 "the swarm here is an older one"),
	      "a node of a newer", "served");
	check(is_in("gen", "cl1", 1), "nobody's word moves it", "moved");

	/* by the operator, and it is the only manager there */
	raise_to("somebody", "cl1", 2);
	check(WITHIN(15000, answers_so("/join/worker?cluster=cl1&generation=2",
				       200, "")),
	      "begun anew here: it goes on", "not");
	check(is_in("gen", "cl1", 2) &&
		      world_said(&world, "gen", "begun anew by somebody, here"),
	      "as generation 2", "not");

	/* one of the old majority */
	swarm_lock(&swarm);
	other = swarm_add(&swarm, "m1", "10.1.2.3", true);
	swarm_unlock(&swarm);
	raise_to("somebody", "cl1", 3);
	check(WITHIN(15000, answers_so("/join/worker?cluster=cl1&generation=3",
				       503, "")) &&
		      WITHIN(15000,
			     answers_so("/join/worker?cluster=cl1&generation=2",
					503, "there is no swarm here yet")),
	      "begun anew elsewhere: no places here", "there are");
	check(!swarm_did(&swarm, "leave"),
	      "and it leaves when it has somewhere to go", swarm.calls);
	swarm_lock(&swarm);
	other->id[0] = '\0';
	swarm_unlock(&swarm);
	ended(pid, "gen");
}

/* An agent stays in its swarm, whatever a helper says, until the marker says that
 * there is another. */
static void agents(void)
{
	static struct swarm worker = { .state = "inactive", .of = &swarm };
	char more[300];
	pid_t helper, agent;

	store_reset("");
	engine_anew();
	swarm_start(&worker, world.dir, "w");
	helper = run("one");
	snprintf(more, sizeof(more),
		 ",\"probe_s\":1,\"marker_url\":\"https://127.0.0.1:%u/c/b" URL_QUERY
		 "\"",
		 port);
	world_config(&world, "w", "worker", worker.engine.path, more);
	agent = world_run(&world, "w", "agent");
	check(WITHIN(10000, swarm_did(&worker, "join") && is_in("w", "cl1", 1)),
	      "an agent joins, and knows its swarm", worker.calls);
	ended(helper, "one");

	/* a master that has another swarm, which does not know the agent */
	engine_anew();
	strcpy(swarm.cluster, "cl2");
	store_reset("");
	helper = run("two");
	check(WITHIN(10000, is_in("two", "cl2", 1)), "another swarm", swarm.calls);
	check(WITHIN(10000,
		     world_said(&world, "w", "the swarm here is another one")),
	      "the agent hears of it", "not");
	usleep(5000000);
	check(!swarm_did(&worker, "leave") && is_in("w", "cl1", 1),
	      "and stays where it is", worker.calls);
	raise_to("somebody", "cl2", 2);
	check(WITHIN(15000, answers_so("/join/worker?cluster=cl2&generation=2",
				       200, "")),
	      "it is begun anew there", "not");
	check(WITHIN(30000, swarm_did(&worker, "leave by force")) &&
		      WITHIN(20000, is_in("w", "cl2", 2)),
	      "borne out by the marker: the agent leaves and joins",
	      worker.calls);
	check(world_said(&world, "w", "begun anew without this node"),
	      "and says why", "not");
	ended(agent, "w");
	ended(helper, "two");
	swarm.cluster[0] = '\0';
	engine_stop(&worker.engine);
}

/* A worker whose node.json names none of the masters that there are now. */
static void later(void)
{
	static struct swarm worker = { .state = "active",
				       .of = &swarm,
				       .remote = "127.0.0.1:2377" };
	pid_t helper, agent;
	char name[65] = "";
	struct row *row;

	store_reset("");
	engine_anew();
	helper = run("came");
	check(WITHIN(10000, is_in("came", "cl1", 1)), "a swarm", swarm.calls);
	gethostname(name, sizeof(name) - 1);
	swarm_lock(&swarm);
	row = swarm_add(&swarm, name, "127.0.0.1", false);
	strcpy(worker.node_id, row->id);
	swarm_unlock(&swarm);
	swarm_start(&worker, world.dir, "v");
	world.masters = "127.0.0.9";
	world_config(&world, "v", "worker", worker.engine.path, ",\"probe_s\":1");
	world.masters = NULL;
	agent = world_run(&world, "v", "agent");
	check(WITHIN(15000, swarm_did(&swarm, "version ")),
	      "a master that only the engine knows hears of the agent",
	      swarm.calls);
	ended(agent, "v");
	ended(helper, "came");
	engine_stop(&worker.engine);
}

/* Two masters; the engine of one has started, and waits for the swarm's key. */
static void shared_key(void)
{
	static struct swarm other = { .state = "locked",
				      .node_id = "node9",
				      .key = "SWMKEY-1-right" };
	pid_t first, second;
	char more[200];

	snprintf(more, sizeof(more), ",\"rate\":1000,\"share_unlock_key\":true");
	store_reset("");
	engine_anew();
	strcpy(swarm.key, "SWMKEY-1-wrong");
	world_config(&world, "tells", "manager", swarm.engine.path, more);
	first = world_run(&world, "tells", "helper");
	check(WITHIN(10000, is_in("tells", "cl1", 1)), "a swarm", swarm.calls);
	swarm_start(&other, world.dir, "m1");
	world.listen = "127.0.0.2";
	world.masters = "127.0.0.1\",\"127.0.0.2";
	world_config(&world, "own", "manager", other.engine.path,
		     ",\"rate\":1000");
	world_config(&world, "locked", "manager", other.engine.path, more);
	world.listen = world.masters = NULL;

	second = world_run(&world, "own", "helper");
	check(WITHIN(5000, world_said(&world, "own", "'azswarm unlock'")),
	      "locked: it says who has the key", "not");
	usleep(1500000);
	check(!swarm_did(&other, "unlock") && !world_said(&world, "tells", "key"),
	      "and asks nobody, unless masters share it", other.calls);
	ended(second, "own");

	second = world_run(&world, "locked", "helper");
	check(WITHIN(5000, world_said(&world, "locked", "invalid key")),
	      "shared: another's key that is not right is said", other.calls);
	set_key("SWMKEY-1-right");
	check(WITHIN(10000, world_said(&world, "locked",
				       "with the key that another master told")),
	      "the right one unlocks the engine", other.calls);
	check(world_said(&world, "tells", "unlock key handed to "),
	      "which the other says", "not");
	check(!world_said(&world, "locked", "SWMKEY") &&
		      !world_said(&world, "tells", "SWMKEY"),
	      "and nobody shows it", "shown");
	ended(second, "locked");
	ended(first, "tells");
	engine_stop(&other.engine);
}

/* A cluster of before: no address of a marker. */
static void unmarked(void)
{
	pid_t pid;

	store_reset("");
	engine_anew();
	world_config(&world, "old", "manager", swarm.engine.path, "");
	pid = world_run(&world, "old", "helper");
	check(WITHIN(5000, inits() == 1 && is_in("old", "cl1", 1)),
	      "no marker is told of: the only master founds", swarm.calls);
	ended(pid, "old");
	engine_anew();
	pid = world_run(&world, "old", "helper");
	check(WITHIN(5000, world_said(&world, "old", "no other is founded")),
	      "and not again", "not");
	usleep(1500000);
	check(inits() == 0 && store.gets == 0, "really", swarm.calls);
	ended(pid, "old");
}

static void engine_manages(void)
{
	engine_anew();
	swarm_lock(&swarm);
	strcpy(swarm.node_id, swarm_add(&swarm, "m0", "127.0.0.1", true)->id);
	strcpy(swarm.state, "active");
	swarm.manager = true;
	swarm_unlock(&swarm);
}

static void knows(const char *name, unsigned generation)
{
	struct life l = { .cluster = "cl1", .node = "n1", .generation = generation };
	struct err e = ERR_INIT;
	char dir[200];

	snprintf(dir, sizeof(dir), "%s/state-%s", world.dir, name);
	if (life_save(dir, &l, &e) < 0)
		check_give_up(name, "%s", e.msg);
}

/* A master that speaks of a newer swarm, which the marker does not. */
static void newer_by_word(void)
{
	static struct swarm second = { .state = "inactive", .of = &swarm };
	pid_t word, pid;
	char more[200];

	store_reset("");
	raise_to("master0", "", 1);
	engine_manages();
	knows("word", 5);
	world_config(&world, "word", "manager", swarm.engine.path,
		     ",\"rate\":1000");
	word = world_run(&world, "word", "helper");
	swarm_start(&second, world.dir, "second");
	knows("second", 1);
	snprintf(more, sizeof(more),
		 ",\"marker_url\":\"https://127.0.0.1:%u/c/b" URL_QUERY "\"",
		 port);
	world_master(&world, "second", "127.0.0.2", second.engine.path, more);
	pid = world_run(&world, "second", "helper");
	check(WITHIN(5000, world_said(&world, "second",
				      "speaks of a newer swarm, and the "
				      "cluster's marker does not")),
	      "a newer swarm by its word alone", "not");
	store_lock();
	store.gets = 0;
	store_unlock();
	usleep(9000000);
	store_lock();
	check(store.gets >= 1 && store.gets <= 4,
	      "the marker is read again, and not each time", "not so");
	store_unlock();
	check(!swarm_did(&second, "join"), "and it is not joined", second.calls);
	ended(pid, "second");
	ended(word, "word");
	engine_stop(&second.engine);
}

/* What it knows cannot be written down: it keeps its swarm all the same, and its
 * nodes, who know the generation, are not sent away. */
static void unsaved(void)
{
	pid_t pid;

	store_reset("");
	engine_manages();
	world_file(&world, "state-full", "", 0600);
	world_config(&world, "full", "manager", swarm.engine.path,
		     ",\"rate\":1000");
	pid = world_run(&world, "full", "helper");
	check(WITHIN(5000, world_said(&world, "full", "is not a directory")),
	      "no room for its memory: it says so", "not");
	check(WITHIN(5000, answers_so("/join/worker?cluster=cl1&generation=1",
				      200, "")),
	      "and keeps its swarm", "not");
	ended(pid, "full");
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	char path[160];
	pthread_t t;

	world_main(argc, argv);
	world_begin(&world);
	store_begin(&t);
	swarm_start(&swarm, world.dir, "m0");
	world_config(&world, "config", "manager", swarm.engine.path, "");
	snprintf(path, sizeof(path), "%s/config.json", world.dir);
	if (node_config_read(&config, path, &e) < 0)
		check_give_up("configuration", "%s", e.msg);
	answers();
	founds();
	stopped_between();
	waits();
	begun_anew();
	agents();
	later();
	shared_key();
	unmarked();
	newer_by_word();
	unsaved();
	if (check_failed())
		for (int i = 0; i < 19; i++)
			world_show(&world, (const char *const[]){
						   "new", "cut", "lost", "anew",
						   "one", "two", "w", "expired",
						   "torn", "gen", "old", "came",
						   "v", "tells", "own", "locked",
						   "full", "word", "second" }[i]);
	(void)!write(server.stop_fd, &(uint64_t){ 1 }, 8);
	pthread_join(t, NULL);
	close(server.stop_fd);
	close(server.listen_fd);
	engine_stop(&swarm.engine);
	tls_identity_free(identity);
	buf_release(&store.blob);
	node_config_burn(&config);
	world_end(&world);
	return check_failed();
}
