/*
 * From the operator to the machines: where the masters are, Azure tells;
 * which host keys they have, `keys` decided before they were made.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/net.h"
#include "swarm/agents.h"
#include "swarm/lock.h"
#include "swarm/remote.h"

#define SIGN_IN_MS 30000
#define CONNECT_MS 10000
#define ENGINE_MS 5000 /* for an engine that may not be there yet */
#define LOOK_MS 2000
#define DEPLOYMENT_LOOK_MS 5000 /* Azure counts who asks */
/* While there are other masters: for one that is there, as all has to go. */
#define SIGN_IN_ONE_MS 3000
#define CONNECT_ONE_MS 2500
#define ENGINE_ONE_MS 1500
#define PING_MS 1000
#define AGAIN_MS 1000 /* first pause before connecting again */
#define AGAIN_MAX_MS 30000
#define OUTAGE_MS 600000 /* a server that is away longer is given up */
#define LEADER_MS 30000

/* "master0-ip" with an address is a master's; anything else is not. */
int remote_take_master(void *ctx, const cJSON *ip, struct err *e)
{
	struct masters *m = ctx;
	struct str name = str_of(json_str_opt(ip, "name", ""));
	const char *address = json_str_opt(ip, "properties.ipAddress", "");
	struct str fqdn =
		str_of(json_str_opt(ip, "properties.dnsSettings.fqdn", ""));

	(void)e;
	if (str_eqz(name, "agents-lb-ip") && *address != '\0' &&
	    m->balancer == NULL)
		m->balancer = xstrdup(address);
	if (fqdn.n > 0 && str_chr(fqdn, ' ') < 0)
		buf_addf(&m->fqdns, "%.*s ", STR_ARG(fqdn));
	if (m->n < LAYOUT_MASTERS_MAX && *address != '\0' &&
	    str_starts(name, STR("master")) && str_ends(name, STR("-ip"))) {
		m->name[m->n] = str_dup(str_head(name, name.n - 3));
		m->address[m->n++] = xstrdup(address);
	}
	return 0;
}

void remote_masters_release(struct masters *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->name[i]);
		free(m->address[i]);
	}
	free(m->balancer);
	buf_release(&m->fqdns);
	m->n = 0;
}

bool remote_private_address(const char *name, char address[REMOTE_ADDRESS_MAX])
{
	struct str s = str_of(name);
	uint64_t k;

	address[0] = '\0';
	if (!str_starts(s, STR("master")) ||
	    !str_num(str_skip(s, strlen("master")), LAYOUT_MASTERS_MAX - 1, &k))
		return false;
	snprintf(address, REMOTE_ADDRESS_MAX, LAYOUT_MASTER_ADDRESS,
		 LAYOUT_FIRST_MASTER + (unsigned)k);
	return true;
}

static int own_key(struct remote *r, struct err *e)
{
	const char *home = getenv("HOME"), *socket = getenv("SSH_AUTH_SOCK");
	char *path;

	if (socket != NULL && *socket != '\0')
		return 0;
	path = xasprintf("%s/.ssh/id_rsa", home ? home : "");
	r->key = ssh_key_read(path, e);
	free(path);
	return r->key != NULL ? 0 :
				err_in(e, "OWN_KEY=true without an SSH agent");
}

/* A connection that is kept needs none, until it leads on or breaks. */
static int read_keys(struct remote *r, struct err *e)
{
	const struct settings *set = r->s->set;
	char *path;
	bool own;

	if (r->has_keys)
		return 0;
	keys_burn(&r->keys);
	if (keys_load(set, &r->keys, e) < 0 ||
	    settings_bool(set, S_OWN_KEY, &own, e) < 0)
		return -1;
	if (own) {
		r->has_keys = own_key(r, e) == 0;
		return r->has_keys ? 0 : -1;
	}
	path = xasprintf("keys/%s.pem", settings_get(set, S_ADMIN_USERNAME));
	r->key = ssh_key_read(path, e);
	free(path);
	r->has_keys = r->key != NULL;
	return r->has_keys ? 0 : -1;
}

static struct ssh *sign_in(struct remote *r, struct stream *stream,
			   const char *name, bool master, int64_t limit_ms,
			   struct err *e)
{
	enum keys_role role = master ? KEYS_MASTER : KEYS_AGENT;
	struct ssh_config c = {
		.user = settings_get(r->s->set, S_ADMIN_USERNAME),
		.name = name,
		.host_key = r->keys.host[role].ec_public,
		.other_host_key = r->keys.host[role].ec_before,
		.key = r->key,
	};

	if (r->key == NULL) {
		c.agent = getenv("SSH_AUTH_SOCK");
		c.agent_key = r->keys.admin_public;
	}
	return ssh_open(stream, &c, now_ms() + limit_ms, e);
}

static int list_masters(struct remote *r, struct err *e)
{
	char *path = azure_path(&r->s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Network/publicIPAddresses"
				"?api-version=" API_NETWORK,
				settings_get(r->s->set, S_COMPUTE_GROUP));
	int rc = 0;

	if (r->masters.n == 0)
		rc = azure_list(&r->s->az, path, "addresses of masters",
				remote_take_master, &r->masters, e);
	free(path);
	return rc;
}

static int find_masters(struct remote *r, struct err *e)
{
	if (list_masters(r, e) < 0)
		return -1;
	return r->masters.n > 0 ?
		       0 :
		       err_set(e, ERR_DATA,
			       "there is no master; 'azswarm up' makes a cluster, "
			       "and 'azswarm restore FILE' brings back what a lost "
			       "one had");
}

void remote_drop_docker(struct remote *r)
{
	if (r->has_docker)
		docker_release(&r->docker);
	r->has_docker = false;
}

static void disconnect(struct remote *r)
{
	remote_drop_docker(r);
	ssh_close(r->ssh);
	r->ssh = NULL;
	r->shared = false;
	free(r->name);
	r->name = NULL;
}

/* ---- which of them ---- */

static const struct {
	const char *found;
	const char *step; /* of one that is being made; NULL: the same */
} at_words[REMOTE_AT_COUNT] = {
	[REMOTE_UNKNOWN] = { "was not asked", NULL },
	[REMOTE_WORKS] = { "works", NULL },
	[REMOTE_SILENT] = { "does not answer", "booting" },
	[REMOTE_STRANGE] = { "does not let us sign in", NULL },
	[REMOTE_NO_ENGINE] = { "Docker does not answer", "installing Docker" },
	[REMOTE_OUTSIDE] = { "its engine is in no swarm", "forming the swarm" },
	[REMOTE_LOST] = { "its engine does not find its swarm", NULL },
	[REMOTE_WORKER] = { "its engine is a worker", "forming the swarm" },
	[REMOTE_LEADERLESS] = { "the swarm has no leader", "waiting for a leader" },
	[REMOTE_LOCKED] = { "its swarm is locked", NULL },
	[REMOTE_NO_HELPER] = { "its helper cannot tell the nodes", NULL },
};

const char *remote_at_words(enum remote_at at)
{
	return at_words[at].found;
}

static const char *at_step(enum remote_at at)
{
	return at_words[at].step != NULL ? at_words[at].step : at_words[at].found;
}

enum remote_at remote_engine_at(struct docker *d, const struct err *why)
{
	struct docker_info info;
	struct err once = ERR_INIT;

	/* it may be its leader's silence: what is not asked of a leader tells */
	if (why->kind == ERR_TIMEOUT) {
		d->timeout_ms = PING_MS;
		return docker_hello(d, &once) < 0 ? REMOTE_NO_ENGINE :
						    REMOTE_LEADERLESS;
	}
	if (docker_info(d, &info, &once) < 0)
		return REMOTE_NO_ENGINE;
	switch (info.state) {
	case DOCKER_SWARM_LOCKED:
		return REMOTE_LOCKED;
	case DOCKER_SWARM_ACTIVE:
		return info.manager ? REMOTE_LEADERLESS : REMOTE_WORKER;
	case DOCKER_SWARM_PENDING:
	case DOCKER_SWARM_ERROR:
		return REMOTE_LOST;
	default:
		return REMOTE_OUTSIDE;
	}
}

static int take_manager(void *ctx, const cJSON *node, struct err *e)
{
	(void)ctx, (void)node, (void)e;
	return 0;
}

bool remote_engine(struct remote *r, int64_t limit_ms, void *ctx,
		   enum remote_at *at)
{
	struct docker *d = remote_docker(r);
	struct buf path = BUF_INIT(256);
	struct err once = ERR_INIT;
	bool works;

	(void)ctx;
	buf_adds(&path, "/nodes");
	docker_filter(&path, "role", "manager");
	d->timeout_ms = limit_ms;
	/* without a leader there is no such list */
	works = docker_each(d, path.str, take_manager, NULL, &once) == 0;
	*at = works ? REMOTE_WORKS : remote_engine_at(d, &once);
	d->timeout_ms = DOCKER_TIMEOUT_MS;
	buf_release(&path);
	return works;
}

static size_t index_of(const struct masters *m, const char *name)
{
	size_t i = 0;

	while (i < m->n && strcmp(m->name[i], name) != 0)
		i++;
	return i;
}

/* Those that may be taken, a bit for each. */
static unsigned all_of(const struct remote *r)
{
	size_t i = r->only != NULL ? index_of(&r->masters, r->only) :
				     r->masters.n;

	return i < r->masters.n ? 1u << i : (1u << r->masters.n) - 1;
}

/* To the first of those left that greets, *which; who was waited for in vain
 * meanwhile is silent. */
static int connect_any(struct remote *r, unsigned left, int64_t limit_ms,
		       size_t *which, struct err *e)
{
	const struct masters *m = &r->masters;
	const char *address[LAYOUT_MASTERS_MAX];
	size_t index[LAYOUT_MASTERS_MAX], n = 0, won = 0;
	int port, fd = -1;

	for (size_t i = 0; i < m->n; i++)
		if ((left >> i & 1) != 0) {
			address[n] = m->address[i];
			index[n++] = i;
		}
	if (settings_int(r->s->set, S_SSH_PORT, &port, e) == 0)
		fd = tcp_greeting(address, n, (unsigned)port,
				  now_ms() + limit_ms, &won, e);
	if (fd < 0)
		won = n;
	for (size_t i = 0; i < won; i++)
		r->at[index[i]] = REMOTE_SILENT;
	if (fd < 0)
		return err_in(e, "%s", m->name[index[0]]);
	*which = index[won];
	return fd;
}

/* Sign in to the first of those left that can be; it is not left any more. */
static int connect_one(struct remote *r, unsigned *left, bool spare, struct err *e)
{
	const struct masters *m = &r->masters;
	size_t i = 0;
	int fd = connect_any(r, *left, spare ? CONNECT_ONE_MS : CONNECT_MS, &i, e);

	if (fd < 0) {
		*left = 0;
		return -1;
	}
	*left &= ~(1u << i);
	r->ssh = sign_in(r, stream_of_fd(fd), m->name[i], true,
			 *left != 0 ? SIGN_IN_ONE_MS : SIGN_IN_MS, e);
	if (r->ssh == NULL) {
		r->at[i] = e->kind == ERR_NET || e->kind == ERR_TIMEOUT ?
				   REMOTE_SILENT :
				   REMOTE_STRANGE;
		return err_in(e, "%s", m->name[i]);
	}
	r->name = xstrdup(m->name[i]);
	return 0;
}

/* A helper that waits for the operator says so to systemd, and names the command
 * that it waits for. */
static void hear_helper(struct remote *r)
{
	struct buf out = BUF_INIT(1024), clean = BUF_INIT(1024);
	struct err ignored = ERR_INIT;
	int status;

	if (ssh_run(r->ssh,
		    "systemctl show --property=StatusText --value " LAYOUT_HELPER_UNIT,
		    STR_NULL, &out, NULL, &status, now_ms() + ENGINE_ONE_MS,
		    &ignored) == 0 &&
	    str_find(buf_str(&out), STR("'azswarm ")) >= 0) {
		buf_add_clean(&clean, str_trim(buf_str(&out)));
		snprintf(r->said, sizeof(r->said), "%s's helper: %.220s",
			 r->name, clean.str);
	}
	buf_release(&out);
	buf_release(&clean);
}

/* Does the master there?  Where there is one alone, the first thing that is
 * wanted of it tells. */
static bool works_there(struct remote *r, int64_t limit_ms)
{
	size_t i = index_of(&r->masters, r->name);
	enum remote_at at = REMOTE_UNKNOWN;
	bool good = true;

	if (r->works != NULL)
		good = r->works(r, limit_ms, r->ctx, &at);
	else if (r->masters.n > 1 && r->only == NULL)
		good = remote_engine(r, limit_ms, NULL, &at);
	if (i < r->masters.n)
		r->at[i] = good ? REMOTE_WORKS : at;
	if (!good && (at == REMOTE_OUTSIDE || at == REMOTE_LOST))
		hear_helper(r);
	if (!good)
		remote_drop_docker(r);
	return good;
}

int remote_still_works(struct remote *r, struct err *e)
{
	if (works_there(r, ENGINE_ONE_MS))
		return 0;
	return err_set(e, ERR_NET, "%s: %s", r->name,
		       at_words[remote_is_at(r)].found);
}

enum remote_at remote_is_at(const struct remote *r)
{
	size_t i = r->name != NULL ? index_of(&r->masters, r->name) :
				     LAYOUT_MASTERS_MAX;

	return i < r->masters.n ? r->at[i] : REMOTE_UNKNOWN;
}

/* What kept the first ones from being it. */
static void say_which(const struct remote *r)
{
	struct buf why = BUF_INIT(512);
	size_t i = index_of(&r->masters, r->name);

	for (size_t k = 0; k < i && k < r->masters.n; k++)
		if (r->at[k] != REMOTE_WORKS && r->at[k] != REMOTE_UNKNOWN)
			buf_addf(&why, "%s%s: %s", why.n > 0 ? ", " : "",
				 r->masters.name[k], at_words[r->at[k]].found);
	if (why.n > 0 && r->only == NULL)
		ui_say(r->s->ui, "through %s (%s)", r->name, why.str);
	buf_release(&why);
}

/* The rest of a look: the first that let us in stands by. */
struct spare {
	struct ssh *ssh;
	char *name;
	bool engine;
};

static void stand_by(struct remote *r, struct spare *sp)
{
	/* an engine without a leader is better than none */
	bool better = remote_is_at(r) == REMOTE_LEADERLESS;

	if (sp->ssh == NULL || (better && !sp->engine)) {
		ssh_close(sp->ssh);
		free(sp->name);
		*sp = (struct spare){ r->ssh, r->name, better };
		r->ssh = NULL;
		r->name = NULL;
	}
	disconnect(r);
}

/*
 * To one of those left that works: 0.  1 when none does, and r is connected to
 * one that lets us in; -1 when none does that.
 */
static int pick(struct remote *r, unsigned left, struct err *e)
{
	struct spare sp = { NULL, NULL, false };
	struct err why = ERR_INIT;
	int rc = -1;

	disconnect(r);
	r->said[0] = '\0';
	while (left != 0 && rc < 0) {
		struct err once = ERR_INIT;

		if (connect_one(r, &left, sp.ssh != NULL, &once) < 0) {
			/* a key that is wrong tells more than silence */
			if (why.kind == ERR_NONE || why.kind == ERR_NET ||
			    why.kind == ERR_TIMEOUT || once.kind == ERR_INTR)
				why = once;
			if (once.kind == ERR_INTR)
				break;
		} else if (works_there(r, left != 0 ? ENGINE_ONE_MS : ENGINE_MS)) {
			rc = 0;
		} else {
			stand_by(r, &sp);
		}
		if (interrupt_requested())
			left = 0;
	}
	if (rc < 0 && sp.ssh != NULL && why.kind != ERR_INTR) {
		r->ssh = sp.ssh;
		r->name = sp.name;
		return 1;
	}
	ssh_close(sp.ssh);
	free(sp.name);
	if (rc < 0)
		*e = why;
	return rc;
}

/* What mends that, from what is worst. */
static const char *advice_for(const struct remote *r, char text[160])
{
	size_t n[REMOTE_AT_COUNT] = { 0 };
	const char *leaderless = NULL;

	for (size_t i = 0; i < r->masters.n; i++) {
		n[r->at[i]]++;
		if ((r->at[i] == REMOTE_LEADERLESS || r->at[i] == REMOTE_LOST) &&
		    leaderless == NULL)
			leaderless = r->masters.name[i];
	}
	if (r->said[0] != '\0')
		return r->said;
	if (n[REMOTE_LOCKED] > 0)
		return "'azswarm unlock' unlocks it";
	if (leaderless != NULL && r->masters.n > 1) {
		snprintf(text, 160,
			 "it has one again when most masters are back; if they "
			 "are lost, 'azswarm recover --from %s'",
			 leaderless);
		return text;
	}
	if (n[REMOTE_OUTSIDE] == r->masters.n)
		return "one that was just made forms it soon; of one that was "
		       "lost, 'azswarm restore FILE' brings back what it had";
	if (n[REMOTE_SILENT] == r->masters.n)
		return "'azswarm status' shows whether they run, 'azswarm "
		       "doctor' more";
	return "'azswarm ssh MASTER' and 'journalctl -u docker -u swarm-helper' "
	       "there say more";
}

int remote_why(const struct remote *r, struct err *e)
{
	struct buf all = BUF_INIT(400);
	char text[160];

	for (size_t i = 0; i < r->masters.n; i++)
		buf_addf(&all, "%s%s: %s", i > 0 ? ", " : "",
			 r->masters.name[i], at_words[r->at[i]].found);
	err_set(e, ERR_DATA,
		r->masters.n > 1 ? "no master works (%s); %s" : "%s; %s",
		all.str, advice_for(r, text));
	buf_release(&all);
	return -1;
}

/* What the local Azure's agent of a machine says when there is none. */
bool remote_says_paper(const cJSON *vm)
{
	const cJSON *st;

	cJSON_ArrayForEach(st,
			   json_at(vm, "properties.instanceView.vmAgent.statuses"))
		if (strstr(json_str_opt(st, "message", ""), "exists on paper"))
			return true;
	return false;
}

static int ask_master(struct session *s, const char *name, const char *query,
		      unsigned flags, struct azure_reply *r, struct err *e)
{
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Compute/virtualMachines/%s"
				"?%sapi-version=" API_COMPUTE,
				settings_get(s->set, S_COMPUTE_GROUP), name,
				query);
	int rc = azure_call(&s->az, "GET", path, NULL, flags, r, e);

	free(path);
	return rc;
}

/* Of those that are masters the first by name. */
static int take_lowest(void *ctx, const cJSON *vm, struct err *e)
{
	char **lowest = ctx, address[REMOTE_ADDRESS_MAX];
	const char *name = json_str_opt(vm, "name", "");

	(void)e;
	if (!remote_private_address(name, address) ||
	    (*lowest != NULL && strcmp(*lowest, name) < 0))
		return 0;
	free(*lowest);
	*lowest = xstrdup(name);
	return 0;
}

static bool no_group(const struct azure_reply *r)
{
	return json_is(r->doc, "error.code", "ResourceGroupNotFound");
}

/* master0, or another one where that is lost; the answer is 404 where there is
 * none at all. */
static int ask_first(struct session *s, const char *query,
		     struct azure_reply *r, struct err *e)
{
	static const char *const want[] = { "name", NULL };
	char *path, *lowest = NULL;
	int rc = ask_master(s, "master0", query, AZURE_MISSING_OK, r, e);

	if (rc < 0 || r->http.head.status != 404 || no_group(r))
		return rc;
	path = azure_path(&s->az,
			  "/resourceGroups/%s/providers/Microsoft.Compute/"
			  "virtualMachines?api-version=" API_COMPUTE,
			  settings_get(s->set, S_COMPUTE_GROUP));
	rc = azure_list_of(&s->az, path, want, "masters", take_lowest, &lowest, e);
	if (rc == 0 && lowest != NULL) {
		azure_reply_release(r);
		/* gone meanwhile is not the same as none */
		rc = ask_master(s, lowest, query, 0, r, e);
	}
	free(lowest);
	free(path);
	return rc;
}

const cJSON *remote_first_machine(struct session *s, struct err *e)
{
	struct azure_reply r;

	if (s->first != NULL)
		return s->first;
	if (ask_first(s, "", &r, e) == 0) {
		bool there = r.http.head.status == 200 && r.doc != NULL;

		s->first = there ? r.doc : cJSON_CreateNull();
		if (there)
			r.doc = NULL;
	}
	azure_reply_release(&r);
	return s->first;
}

int remote_on_paper(struct session *s, bool *paper, struct err *e)
{
	struct azure_reply r;
	int rc = ask_first(s, "$expand=instanceView&", &r, e);

	*paper = rc == 0 && remote_says_paper(r.doc);
	azure_reply_release(&r);
	return rc;
}

bool remote_is_away(const struct err *why)
{
	return why->kind == ERR_NET || why->kind == ERR_TIMEOUT ||
	       why->kind == ERR_DATA || why->kind == ERR_DOCKER;
}

/* Waiting for what is on paper would be for ever. */
static int refuse_paper(struct session *s, struct err *e)
{
	bool paper;

	if (remote_on_paper(s, &paper, e) < 0)
		return -1;
	return !paper ? 0 : err_set(e, ERR_DATA, REMOTE_PAPER);
}

/* Whatever is asked there, the command has its lock then, which a connection that
 * is kept would not take: it needs nothing of Azure. */
static int begin(struct session *s, struct remote *r, remote_works *works,
		 void *ctx, struct err *e)
{
	*r = (struct remote){ .s = s,
			      .works = works,
			      .ctx = ctx,
			      .must = works != NULL,
			      .masters.fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
	return lock_take(s, e);
}

/* To those of the masters that are not avoided, then to any. */
static int pick_any(struct remote *r, unsigned avoid, struct err *e)
{
	unsigned all = all_of(r);
	int rc = 1;

	if ((all & ~avoid) != 0)
		rc = pick(r, all & ~avoid, e);
	if (rc != 0 && (avoid & all) != 0 && e->kind != ERR_INTR) {
		err_clear(e);
		rc = pick(r, all, e);
	}
	return rc;
}

/* A connection of our own; a master that was just found not to work is the
 * last. */
static int connect_own(struct remote *r, unsigned avoid, struct err *e)
{
	struct err why = ERR_INIT;
	int rc;

	if (read_keys(r, e) < 0 || find_masters(r, e) < 0)
		return -1;
	rc = pick_any(r, avoid, &why);
	if (rc == 0)
		say_which(r);
	if (rc > 0 && !r->must) {
		remote_why(r, &why);
		ui_say(r->s->ui, "through %s: %s", r->name, why.msg);
		rc = 0;
	}
	if (rc > 0 || (rc < 0 && r->masters.n > 1 && r->only == NULL &&
		       (why.kind == ERR_NET || why.kind == ERR_TIMEOUT)))
		return remote_why(r, e);
	if (rc < 0)
		*e = why;
	return rc;
}

static int open_own(struct remote *r, unsigned avoid, struct err *e)
{
	struct err why = ERR_INIT;
	bool silent = true;

	if (connect_own(r, avoid, &why) == 0)
		return 0;
	for (size_t i = 0; i < r->masters.n; i++)
		silent &= r->at[i] == REMOTE_SILENT || r->at[i] == REMOTE_UNKNOWN;
	/* a connection that is refused there says nothing to anybody */
	if (r->masters.n > 0 && silent && why.kind != ERR_INTR)
		refuse_paper(r->s, e);
	if (e->kind == ERR_NONE)
		*e = why;
	return -1;
}

/* Is there a connection that is kept, to a master that works?  *avoid: that one
 * does not. */
static bool use_kept(struct remote *r, unsigned *avoid)
{
	bool asked = r->works != NULL || (r->masters.n > 1 && !share_is_fresh(r));

	if (asked && !works_there(r, ENGINE_ONE_MS)) {
		*avoid = 1u << index_of(&r->masters, r->name);
		if (r->works == NULL || r->works == remote_engine)
			share_checked(r, false);
		disconnect(r);
		return false;
	}
	if (asked)
		share_checked(r, true);
	if (r->masters.n > 0 && strcmp(r->masters.name[0], r->name) != 0)
		ui_say(r->s->ui, "through %s", r->name);
	return true;
}

static int open_rest(struct remote *r, bool kept, struct err *e)
{
	unsigned avoid = 0;

	if (kept && use_kept(r, &avoid))
		return 0;
	if (open_own(r, avoid, e) < 0)
		return -1;
	/* one that does not work is nobody else's to use */
	if (remote_is_at(r) > REMOTE_WORKS)
		return 0;
	return share_begin(r) ? 0 : remote_reopen(r, e);
}

int remote_open_alone(struct session *s, struct remote *r, struct err *e)
{
	return begin(s, r, NULL, NULL, e) < 0 ? -1 : open_own(r, 0, e);
}

int remote_open(struct session *s, struct remote *r, struct err *e)
{
	return remote_open_for(s, r, NULL, NULL, e);
}

int remote_open_for(struct session *s, struct remote *r, remote_works *works,
		    void *ctx, struct err *e)
{
	return begin(s, r, works, ctx, e) < 0 ? -1 :
						open_rest(r, share_join(r), e);
}

int remote_open_named(struct session *s, struct remote *r, const char *name,
		      struct err *e)
{
	bool kept;

	if (begin(s, r, NULL, NULL, e) < 0)
		return -1;
	kept = share_join(r);
	if (name == NULL)
		return open_rest(r, kept, e);
	if (!kept && (read_keys(r, e) < 0 || list_masters(r, e) < 0))
		return -1;
	if (r->masters.n == 1 || index_of(&r->masters, name) == r->masters.n)
		return open_rest(r, kept, e);
	if (kept && strcmp(r->name, name) == 0)
		return 0;
	r->only = name;
	return open_own(r, 0, e);
}

int remote_know(struct session *s, struct remote *r, struct err *e)
{
	return begin(s, r, NULL, NULL, e) < 0 || read_keys(r, e) < 0 ?
		       -1 :
		       find_masters(r, e);
}

int remote_to(struct remote *r, size_t master, struct err *e)
{
	r->only = r->masters.name[master];
	return connect_own(r, 0, e);
}

enum remote_at remote_look(struct remote *r, size_t master)
{
	struct err ignored = ERR_INIT;
	struct remote own;

	if (read_keys(r, &ignored) < 0)
		return REMOTE_UNKNOWN;
	own = *r;
	r->ssh = NULL;
	r->name = NULL;
	r->has_docker = false;
	r->works = remote_engine;
	pick(r, 1u << master, &ignored);
	disconnect(r);
	own.at[master] = r->at[master];
	*r = own;
	return r->at[master];
}

int remote_open_known(struct session *s, struct remote *r, struct masters *known,
		      remote_works *works, void *ctx, struct err *e)
{
	if (begin(s, r, works, ctx, e) < 0 || read_keys(r, e) < 0)
		return -1;
	r->masters = *known;
	*known = (struct masters){ .fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
	return connect_own(r, 0, e);
}

int remote_check(const struct remote *r, struct err *e)
{
	return r->ssh != NULL ? 0 :
				err_set(e, ERR_NET, "no connection to a master");
}

int remote_reopen(struct remote *r, struct err *e)
{
	return connect_own(r,
			   remote_is_at(r) > REMOTE_WORKS ?
				   1u << index_of(&r->masters, r->name) :
				   0,
			   e);
}

bool remote_is_lost(const struct err *e)
{
	return e->kind == ERR_NET || e->kind == ERR_PROTO ||
	       e->kind == ERR_TIMEOUT;
}

int remote_again(struct remote *r, bool engine, const struct err *lost,
		 struct err *e)
{
	const struct azure_clock *clock = &r->s->az.clock;
	struct ui *ui = r->s->ui;
	int64_t began = now_ms(), pause = AGAIN_MS;

	ui_say(ui, "connection lost: %s; connecting again", lost->msg);
	for (;;) {
		struct err why = ERR_INIT;

		/* a leader may be about to be elected */
		r->must = engine && now_ms() - began < LEADER_MS;
		if (remote_reopen(r, &why) == 0) {
			ui_say(ui, "connected again");
			return 0;
		}
		if (why.kind == ERR_INTR || now_ms() - began > OUTAGE_MS) {
			if (why.kind != ERR_INTR)
				why.kind = ERR_TIMEOUT;
			*e = why;
			return -1;
		}
		if (clock->wait(clock->ctx, now_ms() + pause,
				"the master to answer", began, e) < 0)
			return -1;
		if (!r->must)
			pause = 2 * pause > AGAIN_MAX_MS ? AGAIN_MAX_MS :
							   2 * pause;
	}
}

void remote_release(struct remote *r)
{
	disconnect(r);
	remote_masters_release(&r->masters);
	ssh_key_free(r->key);
	keys_burn(&r->keys);
	*r = (struct remote){ 0 };
}

/* ---- the Engine ---- */

static struct stream *dial(void *ctx, bool tls, const char *host, unsigned port,
			   int64_t deadline_ms, struct err *e)
{
	struct remote *r = ctx;
	struct stream *st;

	(void)tls, (void)host, (void)port;
	if (remote_check(r, e) < 0)
		return NULL;
	st = ssh_channel_opened(ssh_unix(r->ssh, DOCKER_SOCKET, e), deadline_ms,
				e);
	if (st == NULL)
		err_in(e, "Docker's socket on %s", r->name);
	return st;
}

struct docker *remote_docker(struct remote *r)
{
	if (!r->has_docker) {
		docker_init(&r->docker, (struct http_dialer){ dial, r });
		r->docker.http.watch = trace_watch(&r->s->trace, TRACE_SWARM);
	}
	r->has_docker = true;
	return &r->docker;
}

/* ---- a swarm that is on its way ---- */

/* One look at all masters: 0, 1 when none is as far, or -1. */
static int look_for_swarm(struct remote *r, unsigned avoid, struct err *e)
{
	struct err once = ERR_INIT;
	int rc;

	/* one alone, which was connected to before */
	if (r->ssh != NULL) {
		r->said[0] = '\0';
		if (works_there(r, ENGINE_MS))
			return 0;
		if (r->at[0] != REMOTE_NO_ENGINE)
			return 1;
	}
	rc = pick_any(r, avoid, &once);
	/* one alone stays connected unless that is what is broken */
	if (rc > 0 && (r->masters.n > 1 || r->at[0] == REMOTE_NO_ENGINE))
		disconnect(r);
	if (rc >= 0 || once.kind == ERR_NET || once.kind == ERR_TIMEOUT)
		return rc < 0 ? 1 : rc;
	*e = once;
	return -1;
}

static bool any_at(const struct remote *r, enum remote_at at)
{
	for (size_t i = 0; i < r->masters.n; i++)
		if (r->at[i] == at)
			return true;
	return false;
}

/* One that was there, and not one that is being made. */
static bool was_there(const struct remote *r)
{
	return any_at(r, REMOTE_LEADERLESS) || any_at(r, REMOTE_LOST) ||
	       any_at(r, REMOTE_LOCKED) || r->said[0] != '\0';
}

bool remote_may_lead(const struct remote *r)
{
	return was_there(r) && r->said[0] == '\0' && !any_at(r, REMOTE_LOCKED);
}

/* Each master's step, where it is another than was told. */
static void say_steps(const struct remote *r, const char **told)
{
	for (size_t i = 0; i < r->masters.n; i++) {
		const char *step = was_there(r) ? at_words[r->at[i]].found :
						  at_step(r->at[i]);

		if (told[i] != step)
			ui_say(r->s->ui, "  %s: %s", r->masters.name[i], step);
		told[i] = step;
	}
}

static int take_deployment(void *ctx, const cJSON *d, struct err *e)
{
	const char *state = json_str_opt(d, "properties.provisioningState", "");
	bool *running = ctx;

	(void)e;
	*running |= str_ieqz(str_of(state), "Accepted") ||
		    str_ieqz(str_of(state), "Running");
	return 0;
}

/* Whoever makes the machines may still be at it.  Until nobody is any more:
 * 1 when somebody was, else 0; or -1. */
static int wait_deployed(struct session *s, int64_t began_ms, int64_t limit_ms,
			 struct err *e)
{
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/"
				"Microsoft.Resources/deployments"
				"?api-version=" API_RESOURCES,
				settings_get(s->set, S_COMPUTE_GROUP));
	bool running, was = false;
	int rc;

	do {
		running = false;
		rc = azure_list(&s->az, path, "deployments", take_deployment,
				&running, e);
		if (rc < 0 || !running)
			break;
		was = true;
		if (now_ms() - began_ms >= limit_ms) {
			rc = err_set(e, ERR_TIMEOUT,
				     "the machines are not deployed after %lld "
				     "minutes; 'azswarm view-deployment' says how "
				     "far that is",
				     (long long)limit_ms / 60000);
			break;
		}
		ui_waiting(s->ui, "the deployment of the machines",
			   now_ms() - began_ms, now_ms());
		rc = sleep_until(now_ms() + DEPLOYMENT_LOOK_MS, e);
	} while (rc == 0);
	ui_clear(s->ui);
	free(path);
	return rc < 0 ? -1 : was;
}

/* The first look: 0, 1 when there is something to wait for, or -1. */
static int first_look(struct remote *r, unsigned avoid, int64_t began_ms,
		      int64_t limit_ms, struct err *e)
{
	int rc;

	if (read_keys(r, e) < 0 || list_masters(r, e) < 0)
		return -1;
	rc = r->masters.n > 0 ? look_for_swarm(r, avoid, e) : 1;
	if (rc <= 0)
		return rc;
	rc = wait_deployed(r->s, began_ms, limit_ms, e);
	if (rc > 0) { /* there may be more of them */
		disconnect(r);
		remote_masters_release(&r->masters);
		r->masters =
			(struct masters){ .fqdns = BUF_INIT(REMOTE_FQDNS_MAX) };
		memset(r->at, 0, sizeof(r->at));
	}
	if (rc < 0 || find_masters(r, e) < 0 || refuse_paper(r->s, e) < 0)
		return -1;
	return 1;
}

static int wait_for_swarm(struct remote *r, int64_t began_ms, int64_t limit_ms,
			  struct err *e)
{
	const char *told[LAYOUT_MASTERS_MAX] = { NULL };
	int64_t lost_ms = 0; /* since when it is there without a leader */
	int rc;

	while ((rc = look_for_swarm(r, 0, e)) > 0) {
		if (!was_there(r))
			lost_ms = 0;
		else if (lost_ms == 0)
			lost_ms = now_ms();
		if (any_at(r, REMOTE_LOCKED) ||
		    (lost_ms != 0 && now_ms() - lost_ms >= REMOTE_LEADER_MS)) {
			rc = remote_why(r, e);
			break;
		}
		say_steps(r, told);
		if (now_ms() - began_ms >= limit_ms) {
			rc = err_set(e, ERR_TIMEOUT,
				     "no master has a swarm with a leader after "
				     "%lld minutes (%s: %s); 'azswarm ssh' and "
				     "/var/log/cloud-init-output.log there say more",
				     (long long)limit_ms / 60000,
				     r->masters.name[0], told[0]);
			break;
		}
		ui_waiting(r->s->ui, "the swarm", now_ms() - began_ms, now_ms());
		if ((rc = sleep_until(now_ms() + LOOK_MS, e)) < 0)
			break;
	}
	ui_clear(r->s->ui);
	return rc;
}

int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e)
{
	int64_t began = now_ms();
	unsigned avoid = 0;
	int rc;

	if (begin(s, r, remote_engine, NULL, e) < 0)
		return -1;
	if (share_join(r) && use_kept(r, &avoid))
		return 0;
	disconnect(r);
	rc = first_look(r, avoid, began, limit_ms, e);
	if (rc > 0)
		rc = wait_for_swarm(r, began, limit_ms, e);
	if (rc < 0)
		return -1;
	say_which(r);
	return share_begin(r) ? 0 : remote_reopen(r, e);
}

/* ---- other nodes ---- */

/* The node that somebody names, by host name or address. */
struct wanted {
	const char *name;
	struct remote_node node;
	bool ambiguous;
	struct remote_node silent; /* one that is not Ready, the last */
};

static int take_node(void *ctx, const cJSON *doc, struct err *e)
{
	struct wanted *w = ctx;
	struct remote_node *to;
	struct docker_node n;

	if (docker_node_read(doc, &n, e) < 0)
		return -1;
	if (strcmp(n.hostname, w->name) != 0 && strcmp(n.addr, w->name) != 0)
		return 0;
	to = n.state == DOCKER_NODE_READY ? &w->node : &w->silent;
	w->ambiguous |= w->node.address[0] != '\0' && to == &w->node;
	snprintf(to->address, sizeof(to->address), "%s", n.addr);
	to->manager = n.manager;
	return 0;
}

static int find(struct docker *d, const char *name, bool silent_too,
		struct remote_node *node, struct err *e)
{
	struct wanted w = { .name = name };

	if (docker_each(d, "/nodes", take_node, &w, e) < 0)
		return err_in(e, "list of nodes");
	if (w.node.address[0] == '\0' && silent_too)
		w.node = w.silent;
	if (w.node.address[0] == '\0')
		return err_set(e, ERR_USAGE,
			       "there is no node \"%s\" that is Ready", name);
	if (w.ambiguous)
		return err_set(e, ERR_USAGE,
			       "there are several nodes \"%s\"; give an address",
			       name);
	*node = w.node;
	return 0;
}

int remote_find(struct docker *d, const char *name, struct remote_node *node,
		struct err *e)
{
	return find(d, name, false, node, e);
}

int remote_hop_to(struct remote *r, const char *name, const char *address,
		  bool manager, struct ssh **out, struct err *e)
{
	struct stream *st;

	*out = NULL;
	if (read_keys(r, e) < 0)
		return -1;
	if (address[0] == '\0')
		return err_set(e, ERR_DATA, "%s: Azure tells no address of it",
			       name);
	st = ssh_channel_opened(ssh_tcp(r->ssh, address, 22, e),
				now_ms() + CONNECT_MS, e);
	if (st != NULL)
		*out = sign_in(r, st, name, manager, SIGN_IN_MS, e);
	return *out != NULL ? 0 : err_in(e, "%s", name);
}

/* The agent of that host name, as Azure has it. */
static int find_agent(struct remote *r, const char *host,
		      struct remote_node *node, struct err *e)
{
	cJSON *addresses = cJSON_CreateObject();
	struct instances a = { 0 };
	int rc = -1;

	if (instances_list(r->s, &a, e) == 0 &&
	    agents_addresses(r->s, &a, addresses, e) == 0) {
		snprintf(node->address, sizeof(node->address), "%s",
			 json_str_opt(addresses, host, ""));
		node->manager = false;
		rc = node->address[0] != '\0' ? 0 : -1;
	}
	instances_release(&a);
	json_free(addresses);
	return rc;
}

/* Who is looked for here is often who does not join. */
static int find_anywhere(struct remote *r, const char *name,
			 struct remote_node *node, struct err *e)
{
	struct err ignored = ERR_INIT;

	if (find(remote_docker(r), name, true, node, e) == 0)
		return 0;
	if (e->kind == ERR_INTR || find_agent(r, name, node, &ignored) < 0)
		return -1;
	err_clear(e);
	return 0;
}

int remote_hop(struct remote *r, const char *node, struct ssh **out, struct err *e)
{
	struct remote_node n;

	if (find_anywhere(r, node, &n, e) < 0)
		return -1;
	return remote_hop_to(r, node, n.address, n.manager, out, e);
}
