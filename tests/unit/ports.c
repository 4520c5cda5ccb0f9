/* swarm/ports.c: what is opened before services are made and closed behind
 * them, what is refused and said, and that somebody else's change is not lost.
 * Azure is two documents here, which take a change from who has their etag. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/ports.h"
#include "swarm/remote.h"
#include "tests/check.h"

#define ALWAYS 99

/* ---- Azure, the engine, and a person ---- */

static struct {
	cJSON *doc[2];		       /* balancer and group; NULL: not there */
	unsigned reads, writes, blind; /* blind: without the etag,
					  or with it in the body */
	unsigned quicker;  /* so many times somebody is, at the balancer */
	unsigned times;	   /* that somebody was */
	const char *takes; /* with this for a rule; NULL: with one of nothing */
	int64_t now_ms;
	const char *services; /* of the engine, a JSON array */
	unsigned deploys;     /* so many deployments end, one after another */
	bool agrees;
	unsigned asked;
	char what[256];
} world;

static size_t side_of(const char *path)
{
	return strstr(path, "networkSecurityGroups") != NULL;
}

static void renew(cJSON *doc)
{
	static unsigned n;
	char etag[24];

	snprintf(etag, sizeof(etag), "W/\"%u\"", ++n);
	json_set(doc, "etag", cJSON_CreateString(etag));
}

char *azure_path(const struct azure *az, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	(void)az;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return xstrdup(text);
}

void azure_reply_release(struct azure_reply *r)
{
	json_free(r->doc);
	r->doc = NULL;
}

int azure_call(struct azure *az, const char *method, const char *path,
	       const cJSON *body, unsigned flags, struct azure_reply *r,
	       struct err *e)
{
	const cJSON *doc = world.doc[side_of(path)];

	(void)az, (void)method, (void)body, (void)flags, (void)e;
	*r = (struct azure_reply){ 0 };
	world.reads++;
	r->http.head.status = doc != NULL ? 200 : 404;
	r->doc = doc != NULL ? cJSON_Duplicate(doc, true) : NULL;
	return 0;
}

int azure_do(struct azure *az, const char *method, const char *path,
	     const cJSON *body, const struct azure_wait *w,
	     struct azure_reply *final, struct err *e)
{
	size_t side = side_of(path);
	cJSON *rules = rules_list(world.doc[side]), *theirs;

	(void)az, (void)method, (void) final;
	if (side == 0 && world.times < world.quicker) {
		theirs = world.takes == NULL ?
				 cJSON_CreateObject() :
				 json_parse(str_of(world.takes), "theirs", e);
		json_add_str(theirs, "name", "theirs");
		cJSON_AddItemToArray(rules, theirs);
		renew(world.doc[side]);
		world.times++;
	}
	world.blind += w->if_match == NULL || json_get(body, "etag") != NULL;
	if (w->if_match != NULL && !json_is(world.doc[side], "etag", w->if_match))
		return err_refused(e, ERR_AZURE, "PreconditionFailedEtagMismatch",
				   "", "Precondition failed.");
	json_free(world.doc[side]);
	world.doc[side] = cJSON_Duplicate(body, true);
	renew(world.doc[side]);
	world.writes++;
	return 0;
}

static int64_t clock_now(void *ctx)
{
	(void)ctx;
	return world.now_ms;
}

static int clock_wait(void *ctx, int64_t until_ms, const char *what,
		      int64_t since_ms, struct err *e)
{
	(void)ctx, (void)what, (void)since_ms, (void)e;
	world.now_ms = until_ms;
	return 0;
}

int docker_each(struct docker *d, const char *path,
		int (*each)(void *ctx, const cJSON *item, struct err *e),
		void *ctx, struct err *e)
{
	cJSON *list = json_parse(str_of(world.services), "services", e);
	const cJSON *item;
	int rc = list != NULL ? 0 : -1;

	(void)d, (void)path;
	cJSON_ArrayForEach(item, list)
		if (rc == 0)
			rc = each(ctx, item, e);
	json_free(list);
	return rc;
}

int swarm_agree(struct session *s, const char *what, struct err *e)
{
	(void)s;
	world.asked++;
	snprintf(world.what, sizeof(world.what), "%s", what);
	return world.agrees ? 0 :
			      err_set(e, ERR_USAGE, "would %s; say --yes", what);
}

/* Each writes the rules that were there when it began. */
int deployment_let_end(struct session *s, struct err *e)
{
	static const char *const lists[] = { "loadBalancingRules",
					     "securityRules" };

	(void)s, (void)e;
	if (world.deploys == 0)
		return 0;
	world.deploys--;
	for (size_t i = 0; i < 2; i++) {
		cJSON *rules = json_get_mut(
			json_get_mut(world.doc[i], "properties"), lists[i]);

		while (cJSON_GetArraySize(rules) > 1)
			cJSON_DeleteItemFromArray(rules, 1);
		renew(world.doc[i]);
	}
	return 1;
}

int remote_open_swarm(struct session *s, struct remote *r, int64_t limit_ms,
		      struct err *e)
{
	(void)s, (void)r, (void)limit_ms, (void)e;
	abort();
}

struct docker *remote_docker(struct remote *r)
{
	(void)r;
	abort();
}

void remote_release(struct remote *r)
{
	(void)r;
	abort();
}

/* ---- as a cluster is made ---- */

static void make(void)
{
	static const char *const texts[] = {
		"{\"properties\":{\"frontendIPConfigurations\":[{\"name\":\"public\",\"id\":\"f\"}],"
		"\"backendAddressPools\":[{\"name\":\"agents\",\"id\":\"p\"}],"
		"\"probes\":[{\"name\":\"healthz\",\"id\":\"h\"}],\"loadBalancingRules\":["
		"{\"name\":\"http-80\",\"properties\":{\"protocol\":\"Tcp\",\"frontendPort\":80,\"backendPort\":80,"
		"\"frontendIPConfiguration\":{\"id\":\"f\"},\"backendAddressPool\":{\"id\":\"p\"}}}]}}",
		"{\"properties\":{\"securityRules\":[{\"name\":\"services\",\"properties\":{\"priority\":100,"
		"\"direction\":\"Inbound\",\"access\":\"Allow\",\"protocol\":\"Tcp\",\"sourceAddressPrefix\":\"Internet\","
		"\"sourcePortRange\":\"*\",\"destinationAddressPrefix\":\"*\",\"destinationPortRanges\":[\"80\",\"81\"]}}]}}"
	};
	struct err e = ERR_INIT;

	for (size_t i = 0; i < 2; i++) {
		json_free(world.doc[i]);
		world.doc[i] = json_parse(str_of(texts[i]), "document", &e);
		renew(world.doc[i]);
	}
	world.reads = world.writes = world.blind = world.times = world.quicker = 0;
	world.asked = world.deploys = 0;
	world.takes = NULL;
	world.now_ms = 0;
	world.agrees = false;
	world.services = "[]";
}

static void names_of(size_t side, char *out, size_t room)
{
	const cJSON *rule;
	size_t n = 0;

	out[0] = '\0';
	cJSON_ArrayForEach(rule, rules_list(world.doc[side]))
		n += (size_t)snprintf(out + n, n < room ? room - n : 0, "%s%s",
				      n > 0 ? " " : "", json_text(rule, "name"));
}

struct run {
	int rc;
	struct err e;
	char *said;
	char rules[256], group[256];
};

/* specs: an array of services' bodies; NULL: they went. */
static struct run run(const char *specs, const char *publish)
{
	static struct settings set;
	struct run r = { .e = ERR_INIT };
	struct ui ui = { .out = stdout };
	struct session s = { .set = &set,
			     .ui = &ui,
			     .az.clock = { clock_now, clock_wait, NULL } };
	cJSON *doc;
	size_t n;

	settings_init(&set);
	settings_set(&set, S_PUBLISH, publish, "flag");
	ui.err = open_memstream(&r.said, &n);
	doc = specs != NULL ? json_parse(str_of(specs), "specs", &r.e) : NULL;
	r.rc = specs != NULL ? ports_open(&s, doc, &r.e) :
			       ports_close(&s, NULL, &r.e);
	fclose(ui.err);
	json_free(doc);
	settings_release(&set);
	names_of(0, r.rules, sizeof(r.rules));
	names_of(1, r.group, sizeof(r.group));
	return r;
}

#define PORT(protocol, n, mode) \
	"{\"Protocol\":\"" protocol "\",\"TargetPort\":9,\"PublishedPort\":" n \
	",\"PublishMode\":\"" mode "\"}"
#define SPEC(name, kind, more, ports) \
	"{\"Name\":\"" name "\",\"Mode\":{\"" kind "\":{}}" more \
	",\"EndpointSpec\":{\"Ports\":[" ports "]}}"
#define WEB(ports) "[" SPEC("web", "Replicated", "", ports) "]"
#define EDGE(more) \
	"[" SPEC("edge", "Global", more, PORT("tcp", "443", "host")) "]"
#define MASTERS(text) \
	",\"TaskTemplate\":{\"Placement\":{\"Constraints\":[\"" text "\"]}}"

/* ---- before they are made ---- */

static const struct row {
	const char *name, *specs, *publish;
	unsigned quicker;
	bool agrees;
	enum err_kind kind;
	const char *words; /* of the error, or else of what was said */
	unsigned reads, writes;
	const char *rules, *group;
} rows[] = {
	{ "nothing is published", WEB(""), "auto", 0, false, ERR_NONE, "", 0, 0,
	  "http-80", "services" },
	{ "80 and 81 are open in any case",
	  WEB(PORT("tcp", "80", "ingress") "," PORT("tcp", "81", "")), "ask", 0,
	  false, ERR_NONE, "", 0, 0, "http-80", "services" },
	{ "the same of UDP are not", WEB(PORT("udp", "80", "ingress")), "auto", 0,
	  false, ERR_NONE, "port 80/udp is open to the Internet now: service web",
	  2, 2, "http-80 udp-80", "services udp-80" },
	{ "443", WEB(PORT("tcp", "443", "ingress")), "auto", 0, false, ERR_NONE,
	  "port 443/tcp is open to the Internet now: service web; PUBLISH=off keeps "
	  "ports closed",
	  2, 2, "http-80 tcp-443", "services tcp-443" },
	{ "no mode is the mesh", WEB(PORT("tcp", "443", "")), "auto", 0, false,
	  ERR_NONE, "port 443/tcp is open", 2, 2, "http-80 tcp-443",
	  "services tcp-443" },
	{ "off", WEB(PORT("tcp", "443", "ingress")), "off", 0, false, ERR_NONE,
	  "port 443/tcp of service web stays closed to the Internet: PUBLISH=off",
	  2, 0, "http-80", "services" },
	{ "ask: nobody says yes", WEB(PORT("tcp", "443", "ingress")), "ask", 0,
	  false, ERR_USAGE,
	  "ports: would open 443/tcp (web) to the Internet; say --yes", 2, 0,
	  "http-80", "services" },
	{ "ask: somebody does", WEB(PORT("tcp", "443", "ingress")), "ask", 0,
	  true, ERR_NONE, "port 443/tcp is open", 2, 2, "http-80 tcp-443",
	  "services tcp-443" },
	{ "somebody was quicker", WEB(PORT("tcp", "443", "ingress")), "auto", 1,
	  false, ERR_NONE, "port 443/tcp is open", 3, 2,
	  "http-80 theirs tcp-443", "services tcp-443" },
	{ "five times", WEB(PORT("tcp", "443", "ingress")), "auto", 5, false,
	  ERR_NONE, "port 443/tcp is open", 7, 2,
	  "http-80 theirs theirs theirs theirs theirs tcp-443",
	  "services tcp-443" },
	{ "always", WEB(PORT("tcp", "443", "ingress")), "auto", ALWAYS, false,
	  ERR_AZURE, "load balancer agents-lb: somebody else keeps changing it",
	  7, 1, "http-80 theirs theirs theirs theirs theirs theirs",
	  "services tcp-443" },
	{ "host mode of a global service", EDGE(""), "auto", 0, false, ERR_NONE,
	  "port 443/tcp is open to the Internet now: service edge", 2, 2,
	  "http-80 tcp-443", "services tcp-443" },
	{ "of one on masters alone", EDGE(MASTERS("node.role == manager")),
	  "auto", 0, false, ERR_NONE,
	  "port 443/tcp of service edge is not brought to the load balancer: it is "
	  "on masters alone",
	  2, 0, "http-80", "services" },
	{ "of one on others", EDGE(MASTERS("node.role!=manager")), "auto", 0,
	  false, ERR_NONE, "port 443/tcp is open", 2, 2, "http-80 tcp-443",
	  "services tcp-443" },
	{ "of one on masters alone, said otherwise",
	  EDGE(MASTERS("Node.Role != worker")), "auto", 0, false, ERR_NONE,
	  "it is on masters alone", 2, 0, "http-80", "services" },
	{ "of one on workers", EDGE(MASTERS("node.role==worker")), "auto", 0,
	  false, ERR_NONE, "port 443/tcp is open", 2, 2, "http-80 tcp-443",
	  "services tcp-443" },
	{ "of one on some agents", EDGE(MASTERS("node.labels.edge==true")),
	  "auto", 0, false, ERR_NONE,
	  "port 443/tcp of service edge is not brought to the load balancer: it is "
	  "on the nodes of its tasks alone",
	  2, 0, "http-80", "services" },
	{ "of one on one agent",
	  EDGE(MASTERS("node.role==worker\",\"node.hostname==agents000001")),
	  "auto", 0, false, ERR_NONE, "it is on the nodes of its tasks alone",
	  2, 0, "http-80", "services" },
	{ "of one on all but one", EDGE(MASTERS("node.hostname != agents000001")),
	  "auto", 0, false, ERR_NONE, "it is on the nodes of its tasks alone",
	  2, 0, "http-80", "services" },
	{ "of another", WEB(PORT("tcp", "443", "host")), "auto", 0, false,
	  ERR_NONE, "it is on the nodes of its tasks alone", 2, 0, "http-80",
	  "services" },
	{ "SCTP", WEB(PORT("sctp", "443", "ingress")), "auto", 0, false,
	  ERR_NONE, "Azure balances no SCTP", 2, 0, "http-80", "services" },
	{ "what the engine will choose", WEB(PORT("tcp", "0", "ingress")),
	  "auto", 0, false, ERR_NONE, "", 0, 0, "http-80", "services" },
};

static void opened(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *w = &rows[i];
		struct run r;

		make();
		world.quicker = w->quicker;
		world.agrees = w->agrees;
		r = run(w->specs, w->publish);
		checkf(r.e.kind == w->kind && (r.rc < 0) == (w->kind != ERR_NONE) &&
			       strstr(r.rc < 0 ? r.e.msg : r.said, w->words) !=
				       NULL &&
			       (*w->words != '\0' || *r.said == '\0') &&
			       world.reads == w->reads &&
			       world.writes == w->writes && world.blind == 0 &&
			       strcmp(r.rules, w->rules) == 0 &&
			       strcmp(r.group, w->group) == 0,
		       w->name, "%d %s%s, %u reads, %u writes, %s, %s", r.rc,
		       r.e.msg, r.said, world.reads, world.writes, r.rules,
		       r.group);
		free(r.said);
	}
}

/* What the cluster itself talks on, in any mode and whatever is opened. */
static void refused(void)
{
	static const char *const own[] = { "22",   "1337", "1338", "1339",
					   "2377", "4789", "7946" };
	static const char *const publish[] = { "auto", "ask", "off" };
	struct run r;

	for (size_t i = 0; i < 3 * sizeof(own) / sizeof(*own); i++) {
		const char *port = own[i / 3];
		char *specs = xasprintf(
			"[" SPEC("ok", "Replicated", "",
				 PORT("tcp", "443",
				      "")) ",{\"Name\":\"bad\","
					   "\"EndpointSpec\":{\"Ports\":[{\"Protocol\":\"%s\",\"PublishedPort\":%s,"
					   "\"PublishMode\":\"%s\"}]}}]",
			i % 2 ? "udp" : "tcp", port, i % 2 ? "host" : "ingress");
		char *words = xasprintf(
			"ports: service bad: port %s is the cluster's own", port);

		make();
		r = run(specs, publish[i % 3]);
		checkf(r.rc < 0 && r.e.kind == ERR_USAGE &&
			       strstr(r.e.msg, words) != NULL &&
			       world.reads == 0 && world.writes == 0,
		       words, "%s", r.e.msg);
		free(r.said);
		free(words);
		free(specs);
	}
	make();
	json_free(world.doc[0]);
	world.doc[0] = NULL;
	r = run(WEB(PORT("tcp", "443", "")), "auto");
	checkf(r.rc < 0 && r.e.kind == ERR_DATA &&
		       strstr(r.e.msg, "load balancer agents-lb is not there; "
				       "'azswarm deploy-compute' makes it") != NULL,
	       "no balancer", "%s", r.e.msg);
	checkf(world.writes == 0, "no balancer: nor is the group opened", "%u",
	       world.writes);
	free(r.said);
}

/* "etag" and what else only Azure writes is in no document that goes back. */
static void not_sent_back(void)
{
	static const char address[] =
		"{\"name\":\"agents\",\"id\":\"p\",\"etag\":\"X\",\"type\":\"X\",\"properties\":{"
		"\"provisioningState\":\"X\",\"loadBalancerBackendAddresses\":[{\"name\":\"a\",\"id\":\"i\","
		"\"etag\":\"X\",\"type\":\"X\",\"properties\":{\"provisioningState\":\"X\",\"ipAddress\":\"10.77.16.4\","
		"\"inboundNatRulesPortMapping\":[\"X\"],\"networkInterfaceIPConfiguration\":{\"id\":\"X\"}}}]}}";
	struct buf text = BUF_INIT(1 << 16);
	struct err e = ERR_INIT;
	cJSON *pools = cJSON_CreateArray();
	struct run r;

	make();
	cJSON_AddItemToArray(pools, json_parse(STR(address), "pool", &e));
	json_set(json_get_mut(world.doc[0], "properties"),
		 "backendAddressPools", pools);
	json_add_str(world.doc[0], "name", "X");
	json_add_str(world.doc[0], "type", "X");
	r = run(WEB(PORT("tcp", "443", "")), "auto");
	json_print(world.doc[0], &text);
	checkf(r.rc == 0 && world.writes == 2 &&
		       strstr(text.str, "\"X\"") == NULL &&
		       strstr(text.str, "10.77.16.4") != NULL,
	       "what only Azure writes is not sent back", "%s", text.str);
	buf_release(&text);
	free(r.said);
}

/* Who was quicker with the port itself has it, and that is said. */
static void taken_meanwhile(void)
{
	struct run r;

	make();
	world.quicker = 2;
	world.takes =
		"{\"properties\":{\"protocol\":\"Tcp\",\"frontendPort\":443,"
		"\"backendPort\":9,\"frontendIPConfiguration\":{\"id\":\"f\"}}}";
	r = run(WEB(PORT("tcp", "443", "") "," PORT("tcp", "8443", "")), "auto");
	checkf(r.rc == 0 &&
		       strcmp(r.rules, "http-80 theirs theirs tcp-8443") == 0 &&
		       strstr(r.said, "443/tcp is open") ==
			       strstr(r.said, "8443/tcp is open") + 1 &&
		       strstr(r.said,
			      "port 443/tcp of service web stays closed to the "
			      "Internet: the rule theirs, which is not "
			      "azswarm's, has it") != NULL,
	       "a port that was taken meanwhile", "%s, %s", r.rules, r.said);
	checkf(world.now_ms == 3000, "a second was waited, and two", "%d ms",
	       (int)world.now_ms);
	free(r.said);
}

/* A deployment that runs would write rules without those of meanwhile. */
static void deployed(void)
{
	struct run r;

	make();
	world.deploys = 2;
	r = run(WEB(PORT("tcp", "443", "")), "auto");
	checkf(r.rc == 0 && world.deploys == 0 && world.writes == 2 &&
		       strcmp(r.rules, "http-80 tcp-443") == 0 &&
		       strcmp(r.group, "services tcp-443") == 0,
	       "what is opened waits for deployments", "%u, %u writes, %s, %s",
	       world.deploys, world.writes, r.rules, r.group);
	free(r.said);
	world.deploys = 1;
	world.writes = 0;
	r = run(NULL, "auto");
	checkf(r.rc == 0 && world.deploys == 0 && world.writes == 0 &&
		       *r.said == '\0',
	       "and what they closed is not closed again", "%u, %u writes, %s",
	       world.deploys, world.writes, r.said);
	free(r.said);
	world.deploys = 1;
	r = run(NULL, "auto");
	checkf(r.rc == 0 && world.deploys == 1,
	       "where nothing is to be done nobody waits", "%s", r.e.msg);
	free(r.said);
	make();
}

/* ---- after they went ---- */

#define SERVICE(name, ports, asked) \
	"{\"Spec\":{\"Name\":\"" name "\",\"Mode\":{\"Replicated\":{}}," \
	"\"EndpointSpec\":{\"Ports\":[" asked \
	"]}},\"Endpoint\":{\"Ports\":[" ports "]}}"

/* What the engine tells of ports lags behind what services are told to have. */
static void lagging(void)
{
	struct run r;

	make();
	r = run(WEB(PORT("tcp", "443", "") "," PORT("tcp", "8443", "")), "auto");
	free(r.said);
	world.services = "[" SERVICE("web", PORT("tcp", "443", "ingress"),
				     PORT("tcp", "8443", "ingress")) "]";
	r = run(NULL, "auto");
	checkf(r.rc == 0 && strcmp(r.rules, "http-80 tcp-8443") == 0 &&
		       strcmp(r.group, "services tcp-8443") == 0,
	       "a port that was changed a moment ago", "%s, %s", r.rules,
	       r.group);
	free(r.said);

	world.services = "[" SERVICE("web", "", PORT("tcp", "8443", "host")) "]";
	r = run(NULL, "auto");
	checkf(r.rc == 0 && strcmp(r.rules, "http-80") == 0 &&
		       strcmp(r.group, "services") == 0 &&
		       strstr(r.said, "port 8443/tcp is closed: it is on the "
				      "nodes of its tasks alone") != NULL,
	       "what is not for the balancer any more is closed", "%s, %s, %s",
	       r.rules, r.group, r.said);
	free(r.said);
}

/* What another's update may go back to is not closed under it, nor opened. */
static void updating(void)
{
	static const struct {
		const char *state;
		bool stays;
	} states[] = {
		{ "updating", true },	{ "paused", true },
		{ "completed", false }, { "rollback_started", true },
		{ "", false },
	};
	char *services;
	struct run r;

	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++) {
		make();
		r = run(WEB(PORT("tcp", "443", "")), "auto");
		free(r.said);
		services = xasprintf(
			"[{\"Spec\":" SPEC("web", "Replicated", "", "") ",\"PreviousSpec\":" SPEC(
				"web", "Replicated", "",
				PORT("tcp", "443", "") "," PORT(
					"tcp", "8443",
					"")) ",\"UpdateStatus\":{\"State\":\"%s\"}}]",
			states[i].state);
		world.services = services;
		r = run(NULL, "auto");
		checkf(r.rc == 0 && strcmp(r.rules, states[i].stays ?
							    "http-80 tcp-443" :
							    "http-80") == 0,
		       states[i].state, "%s, %s", r.rules, r.said);
		free(r.said);
		free(services);
	}
}

static enum ports_state state_of(const char *services)
{
	struct ports_book b = { 0 };
	struct ports_row *found;
	struct err e = ERR_INIT;
	enum ports_state state;

	world.services = services;
	check(ports_read(NULL, &b, &e) == 0, "what is published is read", e.msg);
	ports_compare(&b, world.doc[0], world.doc[1], false, &found);
	state = found[0].state;
	free(found);
	ports_release(&b);
	return state;
}

/* Made by hand, past azswarm: --apply opens nothing of the cluster's own. */
static void by_hand(void)
{
	cJSON *rule;

	make();
	check(state_of("[" SERVICE("ssh", "", PORT("tcp", "22", "ingress")) "]") ==
		      PORTS_INSIDE,
	      "the cluster's own port is not opened", "");
	check(state_of("[" SERVICE("dns", "", PORT("tcp", "53", "ingress")) "]") ==
		      PORTS_NO_RULE,
	      "another is", "");
	/* the group's is ours, the balancer's somebody's own */
	free(run(WEB(PORT("tcp", "79", "")), "auto").said);
	cJSON_ArrayForEach(rule, rules_list(world.doc[0]))
		if (json_is(rule, "name", "tcp-79"))
			json_set(rule, "name", cJSON_CreateString("own"));
	check(state_of("[]") == PORTS_NOBODY,
	      "the group's rule goes though the balancer's is not ours", "");
}

static void closed(void)
{
	struct run r;

	make();
	r = run(WEB(PORT("tcp", "443", "") "," PORT("udp", "53", "")), "auto");
	free(r.said);
	world.services = "[" SERVICE("dns", PORT("udp", "53", "ingress"),
				     PORT("udp", "53", "ingress")) "]";
	world.writes = world.reads = 0;
	r = run(NULL, "ask");
	checkf(r.rc == 0 && world.writes == 2 && world.asked == 0 &&
		       strcmp(r.rules, "http-80 udp-53") == 0 &&
		       strcmp(r.group, "services udp-53") == 0 &&
		       strstr(r.said,
			      "port 443/tcp is closed: no service publishes it "
			      "any more") != NULL,
	       "what nobody publishes any more is closed", "%s%s, %s, %s",
	       r.e.msg, r.said, r.rules, r.group);
	free(r.said);
	world.writes = 0;
	r = run(NULL, "auto");
	checkf(r.rc == 0 && world.writes == 0 && *r.said == '\0', "once", "%s",
	       r.said);
	free(r.said);

	/* made with docker, or with PUBLISH=off: not ours to open */
	world.services = "[" SERVICE("own", PORT("tcp", "8443", "ingress"),
				     PORT("tcp", "8443", "ingress")) "]";
	r = run(NULL, "auto");
	checkf(r.rc == 0 && strcmp(r.rules, "http-80") == 0,
	       "what was asked for elsewhere is not opened", "%s", r.rules);
	free(r.said);

	world.services = "[" SERVICE("any", PORT("tcp", "30000", "ingress"),
				     PORT("tcp", "0", "ingress")) "]";
	r = run(NULL, "ask");
	checkf(r.rc == 0 && strcmp(r.rules, "http-80") == 0 &&
		       strstr(r.said, "'azswarm ports --apply' opens it") != NULL,
	       "nobody is asked for what the engine chose", "%s", r.said);
	free(r.said);
	r = run(NULL, "auto");
	checkf(r.rc == 0 && strcmp(r.rules, "http-80 tcp-30000") == 0,
	       "what the engine chose is opened", "%s", r.rules);
	free(r.said);

	lagging();

	json_free(world.doc[1]);
	world.doc[1] = NULL;
	r = run(NULL, "auto");
	checkf(r.rc == 0 && *r.said == '\0',
	       "without a group nothing is to be closed", "%s", r.e.msg);
	free(r.said);
}

int main(void)
{
	json_init();
	opened();
	refused();
	not_sent_back();
	taken_meanwhile();
	deployed();
	closed();
	updating();
	by_hand();
	for (size_t i = 0; i < 2; i++)
		json_free(world.doc[i]);
	return check_failed();
}
