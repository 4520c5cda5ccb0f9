/* time: 60
 * node/ask: an agent that is turned away comes again, and says at the door that
 * it belongs to the cluster.  The helper is made here. */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "http.h"
#include "node/ask.h"
#include "node/auth.h"
#include "tests/check.h"
#include "tls/hello.h"
#include "tls/tls.h"

static struct node_config config = { .n_masters = 1 };
static struct tls_identity *identity;
static atomic_uint asked, connections, knocks;
static const char *plan; /* a letter for each request but for nonces; the last
			    * one stays */

static struct stream *wrap(void *ctx, int fd, struct err *e)
{
	(void)ctx;
	return tls_accept(fd, identity, now_ms() + CHECK_PATIENCE_MS, e);
}

static enum http_rank look(void *ctx, int fd, const char *peer)
{
	char bytes[1024];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK);

	(void)ctx;
	(void)peer;
	connections++;
	if (n > 0 &&
	    auth_is_knock(config.worker_secret, unix_time(),
			  tls_hello_name((struct str){ bytes, (size_t)n })))
		knocks++;
	return HTTP_ANYBODY;
}

/* l limited, n the same for the nonce, h hangs up, b busy, o good */
static void answer(void *ctx, struct http_exchange *x)
{
	bool nonce = str_eqz(http_x_path(x), "/nonce");
	unsigned at = asked;
	char what = plan[at < strlen(plan) ? at : strlen(plan) - 1];
	char hex[AUTH_NONCE_HEX + 1], body[128];

	(void)ctx;
	if (nonce && what != 'n') {
		memset(hex, 'a', AUTH_NONCE_HEX);
		hex[AUTH_NONCE_HEX] = '\0';
		snprintf(body, sizeof(body), "{\"nonce\":\"%s\"}", hex);
		http_x_answer(x, 200, NULL, str_of(body));
		return;
	}
	asked++;
	if (what == 'h')
		http_x_abort(x);
	else
		http_x_answer(x,
			      what == 'l' || what == 'n' ? 429 :
			      what == 'b'		 ? 503 :
							   200,
			      NULL, STR("{\"error\":\"no\"}"));
}

static void *serve(void *arg)
{
	struct err e = ERR_INIT;

	if (http_serve(arg, &e) < 0)
		printf("# %s\n", e.msg);
	return NULL;
}

static const struct {
	const char *name, *method, *plan;
	int64_t ms;
	int rc;
	unsigned status, asked; /* 0: more than two */
} cases[] = {
	{ "an answer", "GET", "o", 60000, 0, 200, 1 },
	{ "limited, and again", "GET", "llo", 60000, 0, 200, 3 },
	{ "no nonce, and again", "POST", "nno", 60000, 0, 200, 3 },
	{ "hung up on, and again", "POST", "hho", 60000, 0, 200, 3 },
	{ "one without a swarm is believed", "GET", "b", 60000, 0, 503, 1 },
	{ "limited until the end", "GET", "l", 4000, 0, 429, 0 },
	{ "hung up on until the end", "POST", "h", 4000, -1, 0, 0 },
};

static void one(size_t i)
{
	struct ask a;
	struct err e = ERR_INIT;
	unsigned status = 0;
	cJSON *doc = NULL;
	int64_t began = now_ms();
	bool often;
	int rc;

	asked = 0;
	plan = cases[i].plan;
	ask_init(&a, &config, &e);
	rc = ask(&a, cases[i].method, "/join/worker", false,
		 began + cases[i].ms, &status, &doc, NULL, &e);
	often = cases[i].asked == 0 ? asked > 2 : asked == cases[i].asked;
	checkf(rc == cases[i].rc && status == cases[i].status && often &&
		       (rc == 0) == (e.kind == ERR_NONE) &&
		       now_ms() - began < cases[i].ms + CHECK_PATIENCE_MS,
	       cases[i].name, "%d, %u, %u times, %s", rc, status,
	       (unsigned)asked, e.msg);
	json_burn(doc);
	ask_release(&a);
}

/* Nobody listens, or it is another's key: asking again makes no sense. */
static void in_vain(void)
{
	struct ask a;
	struct err e = ERR_INIT, none = ERR_INIT;
	int64_t began = now_ms();
	unsigned status, port = config.helper_port, before = connections;
	cJSON *doc = NULL;

	config.pin[0] ^= 1;
	ask_init(&a, &config, &e);
	check(ask(&a, "GET", "/x", false, began + 600000, &status, &doc, NULL,
		  &e) < 0 &&
		      connections == before + 1,
	      "another's key is not asked again", e.msg);
	check(strstr(e.msg, "TLS with 127.0.0.1: ") != NULL &&
		      strstr(e.msg, ".azswarm") == NULL,
	      "and what was knocked with is not told", e.msg);
	ask_release(&a);
	config.pin[0] ^= 1;
	config.helper_port = 1;
	err_clear(&e);
	ask_init(&a, &config, &e);
	check(ask(&a, "GET", "/x", false, now_ms() + 600000, &status, &doc,
		  NULL, &none) < 0 &&
		      now_ms() - began < 300000,
	      "nor is a port that nobody listens on", none.msg);
	ask_release(&a);
	config.helper_port = port;
}

/* node.json names nobody who answers, and the engine knows another master. */
static void later(void)
{
	const struct docker_managers known = { { "127.0.0.9", "127.0.0.1",
						 "127.0.0.1" },
					       3 };
	const struct docker_managers none = { .n = 0 };
	unsigned status = 0, master = 0;
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	struct ask a;

	asked = 0;
	plan = "o";
	strcpy(config.masters[0], "127.0.0.9");
	ask_init(&a, &config, &e);
	ask_know(&a, &known);
	ask_know(&a, &none);
	checkf(a.later.n == 1, "who is known already is not asked twice",
	       "%u more", a.later.n);
	check(ask(&a, "GET", "/x", false, now_ms() + CHECK_PATIENCE_MS, &status,
		  &doc, &master, &e) == 0 &&
		      status == 200 && master == 1 && asked == 1 &&
		      strcmp(ask_master(&a, master), "127.0.0.1") == 0,
	      "a master that came later is asked", e.msg);
	json_burn(doc);
	config.pin[0] ^= 1;
	ask_release(&a);
	ask_init(&a, &config, &e);
	ask_know(&a, &known);
	check(ask(&a, "GET", "/x", false, now_ms() + CHECK_PATIENCE_MS, &status,
		  &doc, NULL, &e) < 0 &&
		      asked == 1,
	      "and trusted by the pin alone", e.msg);
	ask_release(&a);
	config.pin[0] ^= 1;
	strcpy(config.masters[0], "127.0.0.1");
}

int main(void)
{
	struct http_server s = { .max_conns = 4,
				 .idle_ms = 20000,
				 .body_ms = 20000,
				 .wrap = wrap,
				 .rank = look,
				 .handle = answer };
	struct buf key = BUF_INIT(4096);
	const uint64_t enough = 1;
	struct err e = ERR_INIT;
	pthread_t t;

	json_init();
	strcpy(config.masters[0], "127.0.0.1");
	memset(config.worker_secret, 'w', sizeof(config.worker_secret));
	if (key_make_ec_p256(&key, &e) < 0 ||
	    (identity = tls_identity_key(buf_str(&key), "helper", &e)) == NULL)
		check_give_up("key", "%s", e.msg);
	tls_identity_pin(identity, config.pin);
	s.stop_fd = eventfd(0, EFD_CLOEXEC);
	s.listen_fd = tcp_listen("127.0.0.1", &config.helper_port, NULL, &e);
	if (s.listen_fd < 0 || pthread_create(&t, NULL, serve, &s) != 0)
		check_give_up("server", "%s", e.msg);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		one(i);
	checkf(knocks == connections && knocks > 10,
	       "every connection begins with a knock", "%u of %u",
	       (unsigned)knocks, (unsigned)connections);
	later();
	in_vain();
	if (write(s.stop_fd, &enough, sizeof(enough)) < 0)
		abort();
	pthread_join(t, NULL);
	close(s.listen_fd);
	close(s.stop_fd);
	tls_identity_free(identity);
	buf_burn(&key);
	return check_failed();
}
