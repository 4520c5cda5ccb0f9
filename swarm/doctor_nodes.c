/*
 * The machines, each through SSH, and what is between them.  One connection to
 * a master, one through it to each of the others; what takes time on the
 * machines is begun on all of them before the first is waited for.
 *
 * What they say is a stranger's: lines of a bounded text, documents of the
 * engine's API.  Nothing is started, stopped, mounted or written there.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/clock.h"
#include "node/layout.h"
#include "swarm/agents.h"
#include "swarm/doctor.h"
#include "swarm/swarm.h"

#define ENGINE_MS 5000
#define CLOCK_MS 5000
#define LOOK_MS 20000
#define HEALTH_MS 5000
#define TEXT_MAX (64u << 10)
#define ROOT "/var/lib/docker"

#define CLOCK_WARN_MS 3000
#define CLOCK_WRONG_MS 30000
#define DISK_WARN_PERCENT 15
#define DISK_WRONG_PERCENT 5
#define DISK_WRONG_KIB (1 << 20)
#define RESTARTS_WARN 5
#define VXLAN_BYTES \
	50 /* what it puts around a packet: Ethernet, IP, UDP, itself */
#define PEERS_MAX 60 /* that one machine measures */
#define TELL_MAX 10  /* lines of one kind */

enum unit {
	U_HELPER,
	U_AGENT,
	U_DOCKER,
	U_FIREWALL,
	U_AUTOMOUNT,
	U_MOUNT,
	UNITS
};

static const struct {
	const char *id, *name, *restart;
} units[UNITS] = {
	[U_HELPER] = { "swarm-helper.service", "helper", LAYOUT_HELPER_UNIT },
	[U_AGENT] = { "swarm-agent.service", "agent", LAYOUT_AGENT_UNIT },
	[U_DOCKER] = { "docker.service", "engine", "docker" },
	[U_FIREWALL] = { "swarm-firewall.service", "firewall", "swarm-firewall" },
	[U_AUTOMOUNT] = { "srv.automount", "share", NULL },
	[U_MOUNT] = { "srv.mount", "share", NULL },
};

struct machine {
	const char *host;
	char address[REMOTE_ADDRESS_MAX];
	bool master, off;
	struct ssh *ssh; /* NULL: not reached */
	bool hopped;	 /* the connection is ours to close */
	int64_t ssh_ms;
	unsigned bad; /* lines about it that are not ok */

	/* the engine */
	struct docker docker;
	bool has_engine;
	struct err no_engine; /* why not */
	char version[64], root[256];
	char ingress[20]; /* its address in the network of published ports, or "" */

	/* what it says of itself */
	struct ssh_channel *work; /* under way */
	bool looked;
	bool has_clock;
	int64_t clock_ms; /* ahead of Azure's, to a second or so */
	char cloud_init[1024], active[UNITS][16], sub[UNITS][16];
	uint64_t restarts[UNITS];
	uint64_t disk, disk_free, inodes, inodes_free, mtu;
	char link[32], program[64];
	char registry[512]; /* its answer about tags: a document, and the status */

	/* connections from others to its ports: 7946, 2377 */
	unsigned asked[2], closed[2];
	char closed_how[16];
};

struct nodes {
	struct doctor *d;
	struct remote *r;
	struct machine *m;
	size_t n;
	cJSON *addresses;
	bool mounts; /* a share is wanted at /srv */
};

/* A line about that machine.  command: what mends it, run there; NULL: unlock. */
static void tell(struct nodes *ns, struct machine *m, enum doctor_verdict v,
		 const char *what, const char *command, const char *fmt, ...)
	__attribute__((format(printf, 6, 7)));
static void tell(struct nodes *ns, struct machine *m, enum doctor_verdict v,
		 const char *what, const char *command, const char *fmt, ...)
{
	struct buf fact = BUF_INIT(1024);
	char *name = xasprintf("%s %s", m->host, what);
	char *mend = command != NULL ?
			     xasprintf("azswarm ssh %s %s", m->host, command) :
			     xstrdup("azswarm unlock");
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf_cut(&fact, fmt, ap);
	va_end(ap);
	m->bad++;
	doctor_say(ns->d, v, name, mend, "%s", fact.str);
	free(name);
	free(mend);
	buf_release(&fact);
}

/* ---- which there are ---- */

static void add_machine(struct nodes *ns, const struct instance *vm, bool master)
{
	struct machine *m = &ns->m[ns->n];

	*m = (struct machine){ .host = vm->host, .master = master };
	m->off = instance_is_off(vm);
	snprintf(m->root, sizeof(m->root), ROOT);
	if (master)
		remote_private_address(vm->host, m->address);
	else
		snprintf(m->address, sizeof(m->address), "%s",
			 json_str_opt(ns->addresses, vm->host, ""));
	ns->n++;
}

/* Power, which Azure tells; and what it says of a machine that it could not
 * make as it should be. */
static void tell_power(struct nodes *ns, const struct instance *vm, bool master)
{
	char *name = xasprintf("%s power", vm->host);
	char *mend = xasprintf("%s %s",
			       master ? "portal, Virtual machines: start" :
			       instance_is_off(vm) ?
					"azswarm start-agents" :
					"azswarm reimage-agents-serial",
			       vm->host);

	if (instance_is_off(vm))
		doctor_say(ns->d, master ? DOCTOR_WRONG : DOCTOR_WARNING, name,
			   mend, "%s", vm->power);
	else if (str_ieqz(str_of(vm->provisioning), "Failed"))
		doctor_say(ns->d, DOCTOR_WRONG, name, mend,
			   "%s, and Azure could not provision it", vm->power);
	free(name);
	free(mend);
}

static void all_machines(struct nodes *ns)
{
	struct survey *v = &ns->d->survey;
	struct err e = ERR_INIT;
	size_t on = 0, all;

	instances_drop_going(&v->agents);
	all = v->masters.n + v->agents.n;
	ns->m = xcalloc(all, sizeof(*ns->m));
	ns->addresses = cJSON_CreateObject();
	if (v->agents.n > 0 &&
	    agents_addresses(ns->d->s, &v->agents, ns->addresses, &e) < 0)
		doctor_failed(ns->d, "addresses", &e, "");
	for (size_t i = 0; i < v->masters.n; i++)
		add_machine(ns, &v->masters.list[i], true);
	for (size_t i = 0; i < v->agents.n; i++)
		add_machine(ns, &v->agents.list[i], false);
	for (size_t i = 0; i < ns->n; i++)
		on += !ns->m[i].off;
	doctor_say(ns->d, DOCTOR_OK, "power", "", "%zu of %zu machines run", on,
		   all);
	for (size_t i = 0; i < ns->n; i++)
		tell_power(ns,
			   i < v->masters.n ? &v->masters.list[i] :
					      &v->agents.list[i - v->masters.n],
			   i < v->masters.n);
}

/* ---- reaching them ---- */

static struct stream *dial_engine(void *ctx, bool tls, const char *host,
				  unsigned port, int64_t deadline_ms,
				  struct err *e)
{
	(void)tls, (void)host, (void)port;
	return ssh_channel_opened(ssh_unix(ctx, DOCKER_SOCKET, e), deadline_ms, e);
}

static struct stream *dial_node(void *ctx, bool tls, const char *host,
				unsigned port, int64_t deadline_ms, struct err *e)
{
	(void)tls;
	return ssh_channel_opened(ssh_tcp(ctx, host, port, e), deadline_ms, e);
}

static void reach(struct nodes *ns, struct machine *m)
{
	struct err e = ERR_INIT;
	int64_t began = now_ms();
	char *name, *mend;

	if (strcmp(ns->r->name, m->host) == 0) {
		m->ssh = ns->r->ssh;
		return;
	}
	m->hopped = remote_hop_to(ns->r, m->host, m->address, m->master,
				  &m->ssh, &e) == 0;
	m->ssh_ms = now_ms() - began;
	if (m->hopped)
		return;
	name = xasprintf("%s SSH", m->host);
	mend = m->master ? xasprintf("its console: portal, %s, Serial console",
				     m->host) :
			   xasprintf("azswarm restart-agents %s, else "
				     "reimage-agents-serial %s",
				     m->host, m->host);
	m->bad++;
	doctor_say(ns->d, DOCTOR_WRONG, name, mend, "%s", e.msg);
	free(name);
	free(mend);
}

/* ---- the engine ---- */

/* Only what a shell takes for what it is. */
static bool is_plain_path(const char *path)
{
	for (const char *c = path; *c != '\0'; c++)
		if (!is_alnum(*c) && strchr("/_.-", *c) == NULL)
			return false;
	return path[0] == '/';
}

/* It becomes a word of a command on other machines: an address, or nothing. */
static void take_ingress(struct machine *m, struct str text)
{
	struct in_addr ignored;

	if (text.n >= sizeof(m->ingress))
		return;
	snprintf(m->ingress, sizeof(m->ingress), "%.*s", STR_ARG(text));
	if (inet_pton(AF_INET, m->ingress, &ignored) != 1)
		m->ingress[0] = '\0';
}

static void ask_engine(struct nodes *ns, struct machine *m)
{
	struct docker_info info;
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	struct str address;
	const char *root;

	docker_init(&m->docker, (struct http_dialer){ dial_engine, m->ssh });
	m->docker.http.watch = trace_watch(&ns->r->s->trace, TRACE_SWARM);
	m->docker.timeout_ms = ENGINE_MS;
	m->has_engine = true;
	if (docker_call(&m->docker, "GET", "/info", NULL, &doc, &m->no_engine) <
	    0) {
		m->has_engine = false;
		docker_release(&m->docker);
		return;
	}
	root = json_str_opt(doc, "DockerRootDir", ROOT);
	if (is_plain_path(root))
		snprintf(m->root, sizeof(m->root), "%s", root);
	json_free(doc);
	doc = NULL;
	if (docker_info(&m->docker, &info, &e) == 0) {
		snprintf(m->version, sizeof(m->version), "%s", info.version);
		if (info.state != DOCKER_SWARM_ACTIVE)
			tell(ns, m, DOCTOR_WRONG, "engine",
			     info.state == DOCKER_SWARM_LOCKED ?
				     NULL :
				     "sudo systemctl restart " LAYOUT_AGENT_UNIT,
			     "it is in no swarm: %s%s%s",
			     docker_swarm_state_name(info.state),
			     info.error[0] != '\0' ? ": " : "", info.error);
	}
	if (docker_call(&m->docker, "GET", "/networks/ingress", NULL, &doc,
			&e) == 0) {
		address = str_of(json_str_opt(
			json_get(json_get(doc, "Containers"), "ingress-sbox"),
			"IPv4Address", ""));
		address = str_head(address,
				   (size_t)(str_chr(address, '/') < 0 ?
						    0 :
						    str_chr(address, '/')));
		take_ingress(m, address);
	}
	json_free(doc);
}

/* ---- what it says of itself ---- */

static void ask_clock(struct nodes *ns, struct machine *m)
{
	struct buf out = BUF_INIT(256);
	int64_t began = now_ms(), here;
	struct err e = ERR_INIT;
	struct str s, seconds;
	uint64_t sec, milli;
	int status = 0;

	if (ssh_run(m->ssh, "date +%s.%3N", STR_NULL, &out, NULL, &status,
		    now_ms() + CLOCK_MS, &e) == 0) {
		here = (unix_time() - ns->d->ahead_s) * 1000 -
		       (now_ms() - began) / 2;
		s = str_trim(buf_str(&out));
		if (str_cut(&s, '.', &seconds) &&
		    str_num(seconds, UINT32_MAX, &sec) &&
		    str_num(s, 999, &milli)) {
			m->clock_ms = (int64_t)(sec * 1000 + milli) - here;
			m->has_clock = true;
		}
	}
	buf_release(&out);
}

static void begin_look(struct machine *m)
{
	struct buf command = BUF_INIT(TEXT_MAX), script;
	struct err e = ERR_INIT;

	asset_get("node/look.sh", &script);
	buf_addf(&command, "set -- '%s'\n", m->root);
	buf_addstr(&command, buf_str(&script));
	m->work = ssh_exec(m->ssh, command.str, &e);
	buf_release(&script);
	buf_release(&command);
}

/* All that the command says, until it ends: 0, or -1. */
static int finish(struct machine *m, struct buf *out, int64_t deadline_ms,
		  struct err *e)
{
	struct ssh_channel *c = m->work;
	char piece[4096];
	ssize_t n;
	int rc = -1;

	if (c == NULL)
		return err_set(e, ERR_NET, "the connection is over");
	ssh_channel_eof(c);
	for (;;) {
		while (ssh_channel_read(c, true, piece, sizeof(piece), e) > 0)
			;
		n = ssh_channel_read(c, false, piece, sizeof(piece), e);
		if (n > 0)
			buf_add(out, piece, (size_t)n);
		else if (n == 0 || e->kind != ERR_NONE)
			break;
		else if (now_ms() >= deadline_ms) {
			err_set(e, ERR_TIMEOUT, "no end of it");
			break;
		} else if (ssh_wait(m->ssh, deadline_ms, e) < 0)
			break;
	}
	if (e->kind == ERR_NONE)
		rc = 0;
	ssh_channel_close(c);
	m->work = NULL;
	return rc;
}

static void keep(char *to, size_t size, struct str s)
{
	snprintf(to, size, "%.*s", STR_ARG(str_head(s, size - 1)));
}

static void two_numbers(struct str s, uint64_t *a, uint64_t *b)
{
	struct str first;

	if (!str_cut(&s, ' ', &first) || !str_num(first, INT64_MAX, a) ||
	    !str_num(s, INT64_MAX, b))
		*a = *b = 0;
}

static int unit_of(struct str id)
{
	int u = 0;

	while (u < UNITS && !str_eqz(id, units[u].id))
		u++;
	return u;
}

/* A line; *u: the unit that the lines are about. */
static void take_line(struct machine *m, struct str line, int *u)
{
	struct str name, value = line;

	m->looked |= str_eqz(line, "end");
	if (!str_cut(&value, ' ', &name))
		return;
	if (str_eqz(name, "unit"))
		*u = unit_of(value);
	else if (str_eqz(name, "active") && *u < UNITS)
		keep(m->active[*u], sizeof(m->active[*u]), value);
	else if (str_eqz(name, "sub") && *u < UNITS)
		keep(m->sub[*u], sizeof(m->sub[*u]), value);
	else if (str_eqz(name, "restarts") && *u < UNITS)
		(void)str_num(value, UINT32_MAX, &m->restarts[*u]);
	else if (str_eqz(name, "cloud-init"))
		keep(m->cloud_init, sizeof(m->cloud_init), value);
	else if (str_eqz(name, "disk"))
		two_numbers(value, &m->disk, &m->disk_free);
	else if (str_eqz(name, "inodes"))
		two_numbers(value, &m->inodes, &m->inodes_free);
	else if (str_eqz(name, "program"))
		keep(m->program, sizeof(m->program), value);
	else if (str_eqz(name, "registry"))
		keep(m->registry, sizeof(m->registry), value);
	else if (str_eqz(name, "link") && str_cut(&value, ' ', &name)) {
		keep(m->link, sizeof(m->link), name);
		(void)str_num(value, 65535, &m->mtu);
	}
}

static void end_look(struct nodes *ns, struct machine *m)
{
	struct buf out = BUF_INIT(TEXT_MAX);
	struct err e = ERR_INIT;
	struct str rest, line;
	int u = UNITS;

	if (finish(m, &out, now_ms() + LOOK_MS, &e) < 0) {
		tell(ns, m, DOCTOR_WRONG, "shell", "uptime", "%s", e.msg);
	} else {
		rest = buf_str(&out);
		while (str_next(&rest, '\n', &line))
			take_line(m, line, &u);
		if (!m->looked)
			tell(ns, m, DOCTOR_WRONG, "shell", "uptime",
			     "what it says of itself has no end");
	}
	buf_release(&out);
}

/* ---- what is to be thought of that ---- */

/* A unit that runs may not answer all the same. */
static void judge_engine(struct nodes *ns, struct machine *m)
{
	if (!m->has_engine && strcmp(m->active[U_DOCKER], "active") == 0)
		tell(ns, m, DOCTOR_WRONG, "engine",
		     "sudo systemctl restart docker", "%s", m->no_engine.msg);
}

static void judge_units(struct nodes *ns, struct machine *m)
{
	for (int u = m->master ? U_HELPER : U_AGENT; u <= U_FIREWALL; u++) {
		char command[80];

		snprintf(command, sizeof(command), "sudo systemctl restart %s",
			 units[u].restart);
		if (strcmp(m->active[u], "active") != 0)
			tell(ns, m, DOCTOR_WRONG, units[u].name, command,
			     "%s is %s (%s)", units[u].id,
			     m->active[u][0] != '\0' ? m->active[u] : "not known",
			     m->sub[u]);
		else if (m->restarts[u] >= RESTARTS_WARN) {
			snprintf(command, sizeof(command),
				 "sudo journalctl -n 50 -u %s", units[u].restart);
			tell(ns, m, DOCTOR_WARNING, units[u].name, command,
			     "%s has ended and begun again %llu times",
			     units[u].id, (unsigned long long)m->restarts[u]);
		}
	}
}

/* By the result that it leaves when it ends: {"v1": {"errors": [TEXT...]}}. */
static void judge_cloud_init(struct nodes *ns, struct machine *m)
{
	struct err e = ERR_INIT;
	cJSON *doc = NULL;
	const cJSON *errors;

	if (m->cloud_init[0] == '\0') {
		tell(ns, m, DOCTOR_WARNING, "cloud-init",
		     "tail /var/log/cloud-init-output.log", "still at work");
		return;
	}
	doc = json_parse(str_of(m->cloud_init), "result.json", &e);
	errors = json_at(doc, "v1.errors");
	if (doc == NULL || !cJSON_IsArray(errors))
		tell(ns, m, DOCTOR_WRONG, "cloud-init", "cloud-init status",
		     "its result cannot be read");
	else if (errors->child != NULL)
		tell(ns, m, DOCTOR_WRONG, "cloud-init",
		     "sudo /usr/local/sbin/azswarm-setup", "ended with errors: %s",
		     json_str_opt(errors, "[0]", "of no text"));
	json_free(doc);
}

/* Where there is next to nothing, all of it is left. */
static unsigned percent_of(uint64_t part, uint64_t all)
{
	return all < 100 ? 100 : (unsigned)(part / (all / 100));
}

static void judge_space(struct nodes *ns, struct machine *m, const char *what,
			uint64_t all, uint64_t left, bool wrong)
{
	unsigned percent = percent_of(left, all);
	char *name;

	if (all == 0 || (!wrong && percent >= DISK_WARN_PERCENT))
		return;
	name = xasprintf("%s %s", m->host, what);
	m->bad++;
	doctor_say(ns->d,
		   wrong || percent < DISK_WRONG_PERCENT ? DOCTOR_WRONG :
							   DOCTOR_WARNING,
		   name, "azswarm images --prune", "%u %% of %s left in %s",
		   percent, strcmp(what, "disk") == 0 ? "the space" : "the files",
		   m->root);
	free(name);
}

static void judge_clock(struct nodes *ns, struct machine *m)
{
	int64_t size = m->clock_ms < 0 ? -m->clock_ms : m->clock_ms;

	if (!m->has_clock)
		tell(ns, m, DOCTOR_WRONG, "clock", "date", "it does not tell");
	else if (size >= CLOCK_WARN_MS)
		tell(ns, m, size >= CLOCK_WRONG_MS ? DOCTOR_WRONG : DOCTOR_WARNING,
		     "clock", "sudo timedatectl set-ntp true",
		     "%lld s %s Azure's", (long long)size / 1000,
		     m->clock_ms < 0 ? "behind" : "ahead of");
}

static void judge_share(struct nodes *ns, struct machine *m)
{
	if (!ns->mounts || strcmp(m->active[U_MOUNT], "active") == 0 ||
	    (strcmp(m->active[U_AUTOMOUNT], "active") == 0 &&
	     strcmp(m->active[U_MOUNT], "failed") != 0))
		return;
	if (strcmp(m->active[U_MOUNT], "failed") == 0)
		tell(ns, m, DOCTOR_WRONG, "share",
		     "sudo systemctl restart srv.mount",
		     "/srv could not be mounted");
	else
		tell(ns, m, DOCTOR_WARNING, "share",
		     "sudo /usr/local/sbin/azswarm-setup",
		     "/srv is not mounted, and is this machine's own");
}

static void judge_link(struct nodes *ns, struct machine *m)
{
	if (m->mtu != 0 && m->mtu < LAYOUT_MTU)
		tell(ns, m, DOCTOR_WRONG, "link", "ip link",
		     "%s carries %llu bytes, and the overlay needs %d", m->link,
		     (unsigned long long)m->mtu, LAYOUT_MTU);
}

/* Whether the agent's registry can read what was pushed: 404 says that it could,
 * and that nothing is called like that. */
static bool reads_pushed(const struct machine *m)
{
	return str_ends(str_of(m->registry), STR(" 404")) ||
	       str_ends(str_of(m->registry), STR(" 200"));
}

static void judge_registry(struct nodes *ns, struct machine *m)
{
	struct str doc_text = str_of(m->registry);
	ptrdiff_t end = str_rchr(doc_text, ' ');
	struct err ignored = ERR_INIT;
	const char *why;
	cJSON *doc;

	if (reads_pushed(m))
		return;
	doc = json_parse(str_head(doc_text, end < 0 ? 0 : (size_t)end),
			 "registry", &ignored);
	why = json_str_opt(json_at(doc, "errors[0]"), "message", "");
	if (*why != '\0')
		tell(ns, m, DOCTOR_WARNING, "registry",
		     "sudo journalctl -n 50 -u " LAYOUT_AGENT_UNIT, "%s", why);
	else
		tell(ns, m, DOCTOR_WRONG, "registry",
		     "sudo journalctl -n 50 -u " LAYOUT_AGENT_UNIT,
		     "the agent's registry, of which the engine has our image and "
		     "what was pushed, does not answer");
	json_free(doc);
}

/* All of it in one line, when there is nothing else to be said. */
static void tell_well(struct nodes *ns, const struct machine *m)
{
	const char *share = !ns->mounts ? "no share" :
			    strcmp(m->active[U_MOUNT], "active") == 0 ?
					  "/srv mounted" :
					  "/srv on demand";

	doctor_say(
		ns->d, DOCTOR_OK, m->host, "",
		"SSH in %lld ms, cloud-init done, %s, agent and Docker %s run, "
		"%u %% of the disk free, clock within %lld s, link of %llu, %s; %s",
		(long long)m->ssh_ms, m->master ? "helper" : "firewall",
		m->version, percent_of(m->disk_free, m->disk),
		(long long)(m->clock_ms < 0 ? -m->clock_ms : m->clock_ms) / 1000 +
			1,
		(unsigned long long)m->mtu, share, m->program);
}

static void judge(struct nodes *ns, struct machine *m)
{
	if (m->looked) {
		judge_cloud_init(ns, m);
		judge_units(ns, m);
		judge_engine(ns, m);
		judge_space(ns, m, "disk", m->disk, m->disk_free,
			    m->disk_free < DISK_WRONG_KIB);
		judge_space(ns, m, "inodes", m->inodes, m->inodes_free, false);
		judge_share(ns, m);
		judge_link(ns, m);
		judge_registry(ns, m);
	}
	judge_clock(ns, m);
	if (m->bad == 0)
		tell_well(ns, m);
}

/* ---- the swarm ---- */

static const struct docker_node *node_of(const struct survey *v, const char *host)
{
	const struct docker_node *found = NULL;

	for (size_t i = 0; i < v->n_nodes; i++)
		if (strcmp(v->nodes[i].hostname, host) == 0 &&
		    (found == NULL || v->nodes[i].state == DOCKER_NODE_READY))
			found = &v->nodes[i];
	return found;
}

void doctor_quorum(struct doctor *d)
{
	struct survey_quorum q = survey_quorum(&d->survey);

	doctor_say(d,
		   q.reachable * 2 <= q.managers ? DOCTOR_WRONG :
		   q.reachable < q.managers	 ? DOCTOR_WARNING :
						   DOCTOR_OK,
		   "quorum",
		   "bring the masters back that are off or do not answer; "
		   "'docker node ls' on a master names them",
		   "%zu of %zu managers answer, %zu are needed, %s leads",
		   q.reachable, q.managers, q.managers / 2 + 1,
		   q.leader != NULL ? q.leader : "nobody");
	for (size_t i = 0; i < d->survey.masters.n; i++) {
		char mend[120];
		const char *why = survey_missing(&d->survey, i, mend);

		if (why != NULL)
			doctor_say(d, DOCTOR_WRONG, d->survey.masters.list[i].name,
				   mend, "missing among the managers: %s", why);
	}
}

static void tell_nodes(struct nodes *ns)
{
	const struct survey *v = &ns->d->survey;
	size_t well = 0, all = 0;

	for (size_t i = 0; i < ns->n; i++) {
		struct machine *m = &ns->m[i];
		const struct docker_node *n = node_of(v, m->host);
		char *name, *mend;

		if (m->off)
			continue;
		all++;
		name = xasprintf("%s node", m->host);
		if (n == NULL || n->state != DOCKER_NODE_READY) {
			mend = xasprintf(
				"azswarm ssh %s sudo systemctl restart docker %s",
				m->host, LAYOUT_AGENT_UNIT);
			doctor_say(ns->d, DOCTOR_WRONG, name, mend, "%s",
				   n == NULL ? "the swarm does not know it" :
					       docker_node_state_name(n->state));
			free(mend);
		} else if (n->availability != DOCKER_ACTIVE) {
			mend = xasprintf("azswarm return %s", m->host);
			doctor_say(ns->d, DOCTOR_WARNING, name, mend,
				   "out of service: %s",
				   docker_availability_name(n->availability));
			free(mend);
		} else {
			well++;
		}
		free(name);
	}
	if (well == all)
		doctor_say(ns->d, DOCTOR_OK, "nodes", "",
			   "all %zu machines that run are Ready and active", all);
}

struct networks {
	struct nodes *ns;
	unsigned n, told;
};

/* Overlay networks whose packets, with VXLAN around them, are larger than what
 * Azure carries unsplit. */
static int take_network(void *ctx, const cJSON *doc, struct err *e)
{
	struct networks *w = ctx;
	const char *name = json_str_opt(doc, "Name", "");
	const char *mtu = json_str_opt(json_get(json_get(doc, "Options"),
						"com.docker.network.driver.mtu"),
				       "", "");
	uint64_t n = 1500; /* the engine's */
	char *line;

	(void)e;
	if (!str_is(json_str_opt(doc, "Driver", ""), "overlay"))
		return 0;
	w->n++;
	(void)str_num(str_of(mtu), 65535, &n);
	if (n <= LAYOUT_MTU || w->told++ >= TELL_MAX)
		return 0;
	line = xasprintf("network %s", name);
	doctor_say(w->ns->d, DOCTOR_WARNING, line,
		   "docker network create --driver overlay "
		   "--opt com.docker.network.driver.mtu=" LAYOUT_TEXT(
			   LAYOUT_MTU) " ..., and the services move there",
		   "its MTU is %llu, and Azure splits what is above %d and "
		   "loses the parts",
		   (unsigned long long)n, LAYOUT_MTU);
	free(line);
	return 0;
}

static void tell_networks(struct nodes *ns)
{
	struct networks w = { .ns = ns };
	struct err e = ERR_INIT;

	if (docker_each(remote_docker(ns->r), "/networks", take_network, &w,
			&e) < 0)
		doctor_failed(ns->d, "networks", &e, "");
	else if (w.told == 0)
		doctor_say(ns->d, DOCTOR_OK, "networks", "",
			   "%u of the swarm, none larger than %d bytes", w.n,
			   LAYOUT_MTU);
}

/* ---- between them ---- */

/* What a way carried: nothing, small packets, all. */
enum carried { C_UNKNOWN, C_NOTHING, C_SMALL, C_ALL };

struct ways {
	struct nodes *ns;
	enum carried *way; /* from i to j at i * n + j */
	int64_t slowest_us;
	unsigned mtu; /* the smallest */
	unsigned ports;
};

static struct machine *by_ingress(struct nodes *ns, struct str address)
{
	for (size_t i = 0; i < ns->n; i++)
		if (str_eqz(address, ns->m[i].ingress) && address.n > 0)
			return &ns->m[i];
	return NULL;
}

static struct machine *by_address(struct nodes *ns, struct str address)
{
	for (size_t i = 0; i < ns->n; i++)
		if (str_eqz(address, ns->m[i].address) && address.n > 0)
			return &ns->m[i];
	return NULL;
}

static void begin_ways(struct ways *w, size_t from)
{
	struct buf command = BUF_INIT(TEXT_MAX);
	struct nodes *ns = w->ns;
	struct err e = ERR_INIT;

	buf_adds(&command, "sudo -n /usr/local/bin/azswarm reach");
	for (size_t i = 1; i < ns->n && i <= PEERS_MAX; i++) {
		const struct machine *to = &ns->m[(from + i) % ns->n];

		if (to->ssh == NULL)
			continue;
		buf_addf(&command, " tcp:%s:%d", to->address, DOCKER_PORT_GOSSIP);
		if (to->master)
			buf_addf(&command, " tcp:%s:%d", to->address,
				 DOCKER_PORT_MANAGER);
		if (to->ingress[0] != '\0' && ns->m[from].ingress[0] != '\0')
			buf_addf(&command, " echo:%s", to->ingress);
	}
	ns->m[from].work = ssh_exec(ns->m[from].ssh, command.str, &e);
	buf_release(&command);
}

/* "10.77.0.10:2377 215", or a word instead of a number */
static void take_tcp(struct ways *w, struct str rest)
{
	struct str where;
	struct machine *to;
	uint64_t us;
	bool manager;

	if (!str_cut(&rest, ' ', &where) ||
	    (to = by_address(w->ns, str_host(where))) == NULL)
		return;
	manager = str_ends(where, STR(":" LAYOUT_TEXT(DOCKER_PORT_MANAGER)));
	w->ports++;
	to->asked[manager]++;
	if (str_num(rest, INT64_MAX, &us))
		return;
	to->closed[manager]++;
	keep(to->closed_how, sizeof(to->closed_how), rest);
}

static void tell_ports(struct ways *w)
{
	static const int ports[] = { DOCKER_PORT_GOSSIP, DOCKER_PORT_MANAGER };
	unsigned wrong = 0;

	for (size_t i = 0; i < w->ns->n; i++)
		for (int p = 0; p < 2; p++) {
			struct machine *m = &w->ns->m[i];

			if (m->closed[p] == 0)
				continue;
			wrong++;
			tell(w->ns, m, DOCTOR_WRONG, "ports",
			     "sudo systemctl restart docker",
			     "TCP %d: %s for %u of %u other machines", ports[p],
			     m->closed_how, m->closed[p], m->asked[p]);
		}
	if (w->ports > 0 && wrong == 0)
		doctor_say(w->ns->d, DOCTOR_OK, "ports", "",
			   "%u connections between machines, to %d and %d: all "
			   "are taken",
			   w->ports, DOCKER_PORT_MANAGER, DOCKER_PORT_GOSSIP);
}

/* "10.208.0.4 1350 188 125" */
static void take_echo(struct ways *w, size_t from, struct str rest)
{
	struct str address, mtu, small;
	struct machine *to;
	uint64_t bytes, us = 0;
	enum carried *way;

	if (!str_cut(&rest, ' ', &address) || !str_cut(&rest, ' ', &mtu) ||
	    !str_cut(&rest, ' ', &small) || !str_num(mtu, 65535, &bytes) ||
	    (to = by_ingress(w->ns, address)) == NULL)
		return;
	way = &w->way[from * w->ns->n + (size_t)(to - w->ns->m)];
	*way = C_NOTHING;
	if (str_num(small, INT32_MAX, &us))
		*way = C_SMALL;
	if (str_num(rest, INT32_MAX, &us))
		*way = C_ALL;
	if (*way == C_ALL && (int64_t)us > w->slowest_us)
		w->slowest_us = (int64_t)us;
	if (w->mtu == 0 || bytes < w->mtu)
		w->mtu = (unsigned)bytes;
}

static void end_ways(struct ways *w, size_t from)
{
	struct machine *m = &w->ns->m[from];
	struct buf out = BUF_INIT(TEXT_MAX);
	struct err e = ERR_INIT;
	struct str rest, line, kind;
	unsigned lines = 0;

	if (finish(m, &out, now_ms() + LAYOUT_REACH_MS + LOOK_MS, &e) < 0) {
		doctor_failed(w->ns->d, m->host, &e, "");
		goto out;
	}
	rest = buf_str(&out);
	while (str_next(&rest, '\n', &line)) {
		if (!str_cut(&line, ' ', &kind))
			continue;
		lines++;
		if (str_eqz(kind, "tcp"))
			take_tcp(w, line);
		else if (str_eqz(kind, "echo"))
			take_echo(w, from, line);
	}
	if (lines == 0)
		doctor_say(w->ns->d, DOCTOR_SKIPPED, m->host, "",
			   "not measured from there: its program does not know "
			   "how (%s), or sudo asks for a password",
			   m->program);
out:
	buf_release(&out);
}

/* How many ways to and from that one are known, and how many carry less. */
static void count_ways(const struct ways *w, size_t i, enum carried less,
		       size_t *known, size_t *bad)
{
	size_t n = w->ns->n;

	*known = *bad = 0;
	for (size_t j = 0; j < n; j++)
		for (int back = 0; back < 2; back++) {
			enum carried c = w->way[back ? j * n + i : i * n + j];

			*known += c != C_UNKNOWN;
			*bad += c != C_UNKNOWN && c < less;
		}
}

static void tell_way(struct ways *w, const char *name, const char *host,
		     enum carried c)
{
	char *mend =
		c == C_SMALL ?
			xasprintf("azswarm ssh %s ip link", host) :
			xasprintf("rules that drop UDP %d, there or between; else "
				  "azswarm ssh %s sudo systemctl restart docker",
				  DOCKER_PORT_VXLAN, host);

	if (c == C_SMALL)
		doctor_say(w->ns->d, DOCTOR_WRONG, name, mend,
			   "small packets arrive, and none of %u bytes", w->mtu);
	else
		doctor_say(w->ns->d, DOCTOR_WRONG, name, mend,
			   "nothing comes back through VXLAN");
	free(mend);
}

/* One that nothing goes to or comes from is told once; then what is left. */
static void tell_ways(struct ways *w)
{
	size_t n = w->ns->n, known = 0, all = 0, bad;
	unsigned wrong = 0;
	char *name;

	for (size_t k = 0; k < n * n; k++)
		all += w->way[k] != C_UNKNOWN;
	for (int c = C_NOTHING; c <= C_SMALL; c++)
		for (size_t i = 0; i < n; i++) {
			count_ways(w, i, (enum carried)(c + 1), &known, &bad);
			if (known < 2 || bad < known)
				continue;
			name = xasprintf("%s and all others", w->ns->m[i].host);
			tell_way(w, name, w->ns->m[i].host, (enum carried)c);
			free(name);
			wrong++;
			for (size_t j = 0; j < n; j++)
				w->way[i * n + j] = w->way[j * n + i] = C_UNKNOWN;
		}
	for (size_t k = 0; k < n * n && wrong < TELL_MAX; k++) {
		if (w->way[k] == C_UNKNOWN || w->way[k] == C_ALL)
			continue;
		name = xasprintf("%s to %s", w->ns->m[k / n].host,
				 w->ns->m[k % n].host);
		tell_way(w, name, w->ns->m[k % n].host, w->way[k]);
		free(name);
		wrong++;
	}
	if (all == 0)
		doctor_say(w->ns->d, DOCTOR_SKIPPED, "VXLAN", "",
			   "not asked: there are no two nodes to measure between");
	else if (wrong == 0)
		doctor_say(w->ns->d, DOCTOR_OK, "VXLAN", "",
			   "%zu ways between nodes carry packets of %u bytes "
			   "unsplit, back in %.1f ms at most",
			   all, w->mtu, (double)w->slowest_us / 1000);
}

static void measure(struct nodes *ns)
{
	struct ways w = { .ns = ns };

	w.way = xcalloc(ns->n * ns->n, sizeof(*w.way));
	for (size_t i = 0; i < ns->n; i++) {
		struct machine *m = &ns->m[i];

		if (m->ssh == NULL)
			continue;
		/* the load balancer sends nobody to a master */
		if (m->has_engine && m->ingress[0] == '\0')
			tell(ns, m, m->master ? DOCTOR_WARNING : DOCTOR_WRONG,
			     "overlay", "sudo systemctl restart docker",
			     "it has no place in the network of published ports: "
			     "none answers there");
		begin_ways(&w, i);
	}
	for (size_t i = 0; i < ns->n; i++)
		if (ns->m[i].ssh != NULL)
			end_ways(&w, i);
	tell_ports(&w);
	tell_ways(&w);
	free(w.way);
}

/* ---- the load balancer's question ---- */

static bool is_out(const struct nodes *ns, const struct machine *m)
{
	const struct docker_node *n = node_of(&ns->d->survey, m->host);

	return n != NULL && n->availability != DOCKER_ACTIVE;
}

static void ask_health(struct nodes *ns, struct machine *m, unsigned *well,
		       unsigned *all)
{
	char *url = xasprintf("http://%s:%d/healthz", m->address,
			      LAYOUT_HEALTH_PORT);
	struct http_request q = { .method = "GET",
				  .url = url,
				  .idempotent = true,
				  .deadline_ms = now_ms() + HEALTH_MS };
	struct err e = ERR_INIT, ignored = ERR_INIT;
	struct http_client client;
	struct http_response r;
	cJSON *doc = NULL;

	http_client_init(&client, (struct http_dialer){ dial_node, ns->r->ssh },
			 NULL);
	client.watch = trace_watch(&ns->r->s->trace, TRACE_SWARM);
	http_response_init(&r, TEXT_MAX);
	if (http_exchange(&client, &q, &r, &e) < 0) {
		tell(ns, m, DOCTOR_WRONG, "probe",
		     "sudo systemctl restart " LAYOUT_AGENT_UNIT,
		     "no answer to /healthz: %s", e.msg);
	} else if (r.head.status == 200) {
		++*well;
	} else if (is_out(ns, m)) {
		--*all; /* nobody is to be sent there */
	} else {
		doc = json_parse(buf_str(&r.body), "healthz", &ignored);
		tell(ns, m, DOCTOR_WRONG, "probe",
		     "sudo journalctl -n 50 -u " LAYOUT_AGENT_UNIT,
		     "HTTP %u, %s: the load balancer sends nobody there",
		     r.head.status, json_str_opt(doc, "status", "and no reason"));
	}
	json_free(doc);
	http_response_release(&r);
	http_client_release(&client);
	free(url);
}

static void probe(struct nodes *ns)
{
	unsigned well = 0, all = 0;

	if (ns->d->survey.balancer == NULL)
		doctor_say(ns->d, DOCTOR_WRONG, "load balancer",
			   "azswarm deploy-compute", "there is none");
	for (size_t i = 0; i < ns->n; i++)
		if (!ns->m[i].off && !ns->m[i].master &&
		    ns->m[i].address[0] != '\0') {
			all++;
			ask_health(ns, &ns->m[i], &well, &all);
		}
	if (well == all)
		doctor_say(ns->d, DOCTOR_OK, "probe", "",
			   "%u agents say 200 to what the load balancer asks",
			   all);
}

/* ---- what is published, and let in ---- */

static void ports(struct nodes *ns)
{
	const struct survey *v = &ns->d->survey;
	struct session *s = ns->d->s;
	struct buf text = BUF_INIT(TEXT_MAX);
	struct err e = ERR_INIT;
	cJSON *group = NULL;

	if (v->rules == NULL || v->no_swarm.kind != ERR_NONE)
		return;
	if (ports_group(s, &group, &e) < 0)
		doctor_failed(ns->d, "ports", &e, "");
	else if (group == NULL)
		doctor_say(ns->d, DOCTOR_WRONG, "ports", "azswarm deploy-compute",
			   "there is no security group " RULES_GROUP);
	else if (ports_tell(&v->published, v->rules, group, ports_off(s->set),
			    &text) > 0)
		doctor_say(ns->d, DOCTOR_WARNING, "ports",
			   "azswarm ports --apply; a rule of others is yours to change",
			   "%s", text.str);
	else
		doctor_say(ns->d, DOCTOR_OK, "ports", "",
			   "what services publish is what is let in: %s",
			   v->ports);
	json_free(group);
	buf_release(&text);
}

/* ---- all of it ---- */

static void look_at_all(struct nodes *ns)
{
	for (size_t i = 0; i < ns->n && !interrupt_requested(); i++)
		if (!ns->m[i].off)
			reach(ns, &ns->m[i]);
	for (size_t i = 0; i < ns->n && !interrupt_requested(); i++)
		if (ns->m[i].ssh != NULL) {
			ask_clock(ns, &ns->m[i]);
			ask_engine(ns, &ns->m[i]);
			begin_look(&ns->m[i]);
		}
	for (size_t i = 0; i < ns->n && !interrupt_requested(); i++)
		if (ns->m[i].ssh != NULL) {
			end_look(ns, &ns->m[i]);
			judge(ns, &ns->m[i]);
		}
}

static void tell_registries(struct nodes *ns)
{
	size_t all = 0, well = 0;

	for (size_t i = 0; i < ns->n; i++) {
		all += ns->m[i].looked;
		well += ns->m[i].looked && reads_pushed(&ns->m[i]);
	}
	if (all > 0 && well == all)
		doctor_say(ns->d, DOCTOR_OK, "registry", "",
			   "the engines of %zu machines have our image and what "
			   "was pushed from their own agents",
			   all);
}

static void nodes_release(struct nodes *ns)
{
	for (size_t i = 0; i < ns->n; i++) {
		if (ns->m[i].has_engine)
			docker_release(&ns->m[i].docker);
		if (ns->m[i].work != NULL)
			ssh_channel_close(ns->m[i].work);
		if (ns->m[i].hopped)
			ssh_close(ns->m[i].ssh);
	}
	json_free(ns->addresses);
	free(ns->m);
}

void doctor_machines(struct doctor *d)
{
	struct nodes ns = { .d = d,
			    .r = &d->survey.remote,
			    .mounts = settings_mounts(d->s->set) };
	struct survey *v = &d->survey;
	struct err e = ERR_INIT;

	if (v->no_machines.kind != ERR_NONE) {
		doctor_say(d, DOCTOR_OK, "machines", "", "%s", v->no_machines.msg);
		return;
	}
	all_machines(&ns);
	survey_swarm(d->s, v, &e);
	if (v->no_swarm.kind != ERR_NONE) {
		d->layer = "swarm";
		if (v->paper)
			doctor_skipped(d, "machines", &v->no_swarm);
		else
			doctor_failed(d, "manager", &v->no_swarm,
				      "azswarm ssh, and journalctl -u docker -u "
				      "swarm-helper there");
	}
	if (!v->remote_used || ns.r->ssh == NULL)
		goto out;
	d->layer = "machines";
	look_at_all(&ns);
	tell_registries(&ns);
	d->layer = "swarm";
	if (v->no_swarm.kind == ERR_NONE && !interrupt_requested()) {
		doctor_quorum(d);
		tell_nodes(&ns);
		tell_networks(&ns);
	}
	d->layer = "overlay";
	if (!interrupt_requested())
		measure(&ns);
	d->layer = "balancer";
	if (!interrupt_requested())
		probe(&ns);
	if (!interrupt_requested())
		ports(&ns);
out:
	nodes_release(&ns);
}
