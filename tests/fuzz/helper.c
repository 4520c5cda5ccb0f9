/*
 * A helper: some passes of its keeper, then one whole connection.  The input's
 * first line is
 *
 *	n PASSES ADDRESS	who calls from the network
 *	l PASSES		the operator, on the unix socket
 *
 * then what he says, up to a line "--", then blocks of peers.h.  In what is
 * said a line end is CR LF, and a line "@w NAME" (or "@m NAME") is the
 * Authorization that NAME makes of the request above it with the secret of the
 * workers (of the managers).
 *
 * Whoever gave no such line got no token and moved no node, and whoever did
 * moved none at another address than his own.
 */
#include "tests/fuzz/node.h"

#include "node/helper.c"

#define life_save forget_life
#include "node/founding.c"
#undef life_save

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define OUT_MAX (16u << 20)
#define NODES "/nodes/"

/* What the hook below is told about the caller. */
static struct {
	bool serving, local, proven;
	char addr[16];
} who_calls;

static unsigned usual(char who, struct str verb, struct str path, struct buf *body)
{
	if (who == 'e')
		return engine_usual(verb, path, body);
	if (who == 'h' && str_starts(path, STR("/join/")))
		return 503;
	buf_adds(body, "{\"nonce\":\"");
	for (int i = 0; who == 'h' && i < AUTH_NONCE_HEX; i++)
		buf_addc(body, 'a');
	buf_adds(body, "\"}");
	return who == 'p' ? 503 : 200;
}

/* The row that an update is about, when the engine is the usual one. */
static void own_row_only(struct str path)
{
	ptrdiff_t at = str_find(path, STR(NODES));
	struct str id;

	if (at < 0 || peers.n > 0)
		return;
	id = str_skip(path, (size_t)at + sizeof(NODES) - 1);
	for (size_t i = 0; i < ENGINE_ROWS; i++)
		if (str_starts(id, str_of(engine_rows[i].id)))
			must(strcmp(engine_rows[i].addr, who_calls.addr) == 0);
}

static void asked(char who, struct str verb, struct str path, struct str body)
{
	(void)body;
	if (!who_calls.serving || who != 'e' || str_eqz(verb, "GET") ||
	    who_calls.local)
		return;
	must(who_calls.proven);
	own_row_only(path);
}

/* ---- what the caller says ---- */

/* The header line for "@w NAME". */
static void prove(struct helper *h, struct str line, struct str request,
		  struct buf *out)
{
	char nonce[AUTH_NONCE_HEX + 1];
	struct str verb = STR_NULL, path = STR_NULL;
	char *name = str_dup(str_skip(line, 3));

	str_next(&request, ' ', &verb);
	str_next(&request, ' ', &path);
	auth_nonce(&h->auth, now_ms(), nonce);
	auth_header(line.p[1] == 'm' ? h->config.manager_secret :
				       h->config.worker_secret,
		    verb, path, str_of(nonce), name, out);
	who_calls.proven = true;
	free(name);
}

static void spell_out(struct helper *h, struct str said, struct buf *out)
{
	struct str line, request = STR_NULL;
	bool first = true;

	while (str_next(&said, '\n', &line)) {
		if (first)
			request = line;
		first = line.n == 0;
		if (str_starts(line, STR("@w ")) || str_starts(line, STR("@m ")))
			prove(h, line, request, out);
		else
			buf_addstr(out, line);
		buf_adds(out, "\r\n");
	}
}

/* ---- one input ---- */

static struct helper *begin(void)
{
	struct helper *h = helper_new();

	node_machine(&h->config, true);
	h->config.grace_ms = 15000;
	h->config.leave_ms = 25000;
	h->config.rebalance = true;
	h->self = 0;
	h->active = true;
	h->good_ms = now_ms();
	memcpy(h->cluster, "cl1", 4);
	table_init(&h->table, h->config.grace_ms, h->config.leave_ms);
	budget_init(&h->budget, h->config.rate);
	h->evictor.health_port = h->config.health_port;
	helper_engine(h, &h->docker);
	return h;
}

/* As keep() does it. */
static void keep_for(struct helper *h, unsigned passes)
{
	for (unsigned i = 0; i < passes; i++) {
		bool active = false, soon = false;
		struct err e = ERR_INIT;
		int rc = pass(h, &active, &soon, &e);

		must(rc == 0 || (e.kind != ERR_NONE && e.msg[0] != '\0'));
		h->active = active;
		if (rc == 0 && active)
			h->good_ms = now_ms();
		daemon_complain(&h->complaint, rc < 0 ? e.msg : "", now_ms());
		peers.now_ms += PASS_MS;
	}
}

static void serve(struct helper *h, struct str said)
{
	const struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.body_max = HELPER_BODY_MAX,
		.idle_ms = IDLE_MS,
		.body_ms = IDLE_MS,
		.handle = who_calls.local ? helper_handle_local : helper_handle,
		.failed = failed,
		.ctx = h,
	};
	struct buf in = BUF_INIT(1u << 20), out = BUF_INIT(OUT_MAX);
	char peer[32];

	snprintf(peer, sizeof(peer), "%s:5", who_calls.addr);
	spell_out(h, said, &in);
	who_calls.serving = true;
	http_serve_stream(&s, caller(buf_str(&in), said.n % 5 == 1, &out),
			  who_calls.local ? "local" : peer);
	who_calls.serving = false;
	whole_answers(buf_str(&in), buf_str(&out));
	if (!who_calls.proven && !who_calls.local &&
	    str_find(said, STR("SWMTKN")) < 0)
		must(str_find(buf_str(&out), STR("SWMTKN")) < 0);
	if (str_find(said, STR("@m ")) < 0 && !who_calls.local &&
	    str_find(said, STR(ENGINE_MANAGER_TOKEN)) < 0)
		must(str_find(buf_str(&out), STR(ENGINE_MANAGER_TOKEN)) < 0);
	buf_release(&in);
	buf_release(&out);
}

/* An IPv4 address, as the kernel would tell it; any other is w1's. */
static void take_address(struct str s)
{
	uint8_t raw[4];

	s = str_head(s, 15);
	snprintf(who_calls.addr, sizeof(who_calls.addr), "%.*s", STR_ARG(s));
	if (inet_pton(AF_INET, who_calls.addr, raw) != 1)
		snprintf(who_calls.addr, sizeof(who_calls.addr), "10.0.0.21");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size }, line = STR_NULL, said;
	struct helper *h;

	json_init();
	str_next(&in, '\n', &line);
	said = peers_first(&in);
	/* an engine that says our token is believed, and quoted */
	if (str_find(in, STR("SWMTKN")) >= 0)
		return 0;
	peers_begin(in);
	peers.usual = usual;
	peers.asked = asked;
	memset(&who_calls, 0, sizeof(who_calls));
	who_calls.local = line.n > 0 && line.p[0] == 'l';
	take_address(str_skip(line, 4));
	h = begin();
	keep_for(h, line.n > 2 ? (unsigned char)line.p[2] % 8 : 0);
	serve(h, said);
	helper_free(h);
	return 0;
}
