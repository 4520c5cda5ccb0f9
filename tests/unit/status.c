/* swarm/status.c: what a survey becomes, as text, as JSON and on a terminal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/buf.h"
#include "swarm/status.h"
#include "tests/check.h"

/* ---- surveys ---- */

static void machine(struct instances *a, const char *name, const char *size,
		    const char *power)
{
	char text[512];
	struct err e = ERR_INIT;
	cJSON *vm;

	snprintf(text, sizeof(text),
		 "{\"name\":\"%s\",\"sku\":{\"name\":\"%s\"},\"properties\":{"
		 "\"osProfile\":{\"computerName\":\"%s\"},"
		 "\"provisioningState\":\"%s\",\"instanceView\":{\"statuses\":["
		 "{\"code\":\"PowerState/%s\"}]}}}",
		 name, size, name,
		 strcmp(power, "deleting") == 0 ? "Deleting" : "Succeeded",
		 strcmp(power, "deleting") == 0 ? "running" : power);
	vm = json_parse(str_of(text), "machine", &e);
	instances_add(a, vm);
	json_free(vm);
}

static struct docker_node *node(struct survey *v, const char *host,
				bool manager, enum docker_node_state state)
{
	struct docker_node *n;

	v->nodes = xrealloc(v->nodes, (v->n_nodes + 1) * sizeof(*v->nodes));
	n = &v->nodes[v->n_nodes++];
	*n = (struct docker_node){ .manager = manager,
				   .reachable = manager &&
						state == DOCKER_NODE_READY,
				   .state = state };
	snprintf(n->id, sizeof(n->id), "id%zu", v->n_nodes);
	snprintf(n->hostname, sizeof(n->hostname), "%s", host);
	strcpy(n->engine, "20.10.24");
	strcpy(n->program, "0.2.0");
	return n;
}

static void service(struct survey *v, const char *name, int64_t running,
		    int64_t desired)
{
	struct docker_work *w = &v->work;

	w->services = xrealloc(w->services,
			       (w->n_services + 1) * sizeof(*w->services));
	w->services[w->n_services] =
		(struct docker_service){ .running = running, .desired = desired };
	snprintf(w->services[w->n_services++].name, 64, "%s", name);
}

static void address(struct survey *v, const char *name, const char *ip,
		    const char *fqdn)
{
	v->addresses = xrealloc(v->addresses,
				(v->n_addresses + 1) * sizeof(*v->addresses));
	v->addresses[v->n_addresses++] = (struct survey_address){
		xstrdup(name), xstrdup(ip), xstrdup(fqdn)
	};
}

/* Both groups, two agents, a balancer. */
static void whole(struct survey *v)
{
	v->compute = (struct survey_group){ true, xstrdup("eastus"),
					    xstrdup("Succeeded") };
	v->storage = (struct survey_group){ true, xstrdup("eastus"),
					    xstrdup("Succeeded") };
	v->account_sku = xstrdup("Standard_LRS");
	v->balancer = xstrdup("agents-lb");
	v->ports = xstrdup("80 81");
	address(v, "master0-ip", "192.0.2.1", "m.example");
	address(v, "agents-lb-ip", "192.0.2.2", "lb.example");
	machine(&v->masters, "master0", "B2", "running");
	machine(&v->agents, "agents0", "B4", "running");
	machine(&v->agents, "agents1", "B4", "running");
}

static void swarm_of(struct survey *v)
{
	whole(v);
	node(v, "agents1", false, DOCKER_NODE_READY);
	node(v, "agents0", false, DOCKER_NODE_READY);
	node(v, "master0", true, DOCKER_NODE_READY)->leader = true;
	service(v, "web", 8, 8);
}

static char *text_of(const struct survey *v, const char *const *names,
		     const char *const *values)
{
	const struct status st = {
		.names = names,
		.values = values,
		.group = "swarm-cluster",
		.storage_group = "swarm-storage",
		.account = "shared0x",
		.v = v,
	};
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	status_text(&st, f);
	fclose(f);
	return text;
}

static cJSON *json_of(const struct survey *v)
{
	const struct status st = {
		.group = "swarm-cluster",
		.storage_group = "swarm-storage",
		.account = "shared0x",
		.v = v,
	};

	return status_json(&st);
}

static void has(const char *name, const char *text, const char *wanted)
{
	check(strstr(text, wanted) != NULL, name, text);
}

/* ---- text ---- */

static void nothing(void)
{
	static const char *const names[] = { "name", "until", NULL };
	static const char *const values[] = { "me\033[31m", "then" };
	struct survey v = { 0 };
	char *text;

	err_set(&v.no_machines, ERR_DATA, "nothing is deployed");
	err_set(&v.no_storage, ERR_DATA, "there is none");
	err_set(&v.no_swarm, ERR_DATA, "there is no master");
	text = text_of(&v, names, values);
	check(strcmp(text, "name               me?[31m\n"
			   "until              then\n"
			   "\n"
			   "cluster            nothing is deployed\n") == 0,
	      "nothing: one line", text);
	free(text);
	text = text_of(NULL, names, values);
	check(strcmp(text, "name               me?[31m\n"
			   "until              then\n") == 0,
	      "nothing was read: the sign-in alone", text);
	free(text);
	survey_release(&v);
}

static void all_of_it(void)
{
	struct survey v = { 0 };
	char *text;

	swarm_of(&v);
	text = text_of(&v, NULL, NULL);
	check(strcmp(text,
		     "cluster            swarm-cluster in eastus\n"
		     "storage            shared0x (Standard_LRS) in swarm-storage\n"
		     "masters            1 of 1 running\n"
		     "agents             2 of 2 running\n"
		     "load balancer      192.0.2.2, ports 80 81\n"
		     "                   lb.example\n"
		     "paid for           1 x B2 running, 2 x B4 running\n"
		     "                   3 disks, 2 public addresses, 1 load "
		     "balancer, 1 storage account\n"
		     "swarm              1 of 1 managers reachable; tolerates the "
		     "loss of 0\n"
		     "nodes              3 of 3 ready and active\n"
		     "services           1, all tasks run\n"
		     "versions           azswarm 0.2.0 on 3, Docker 20.10.24 on 3\n"
		     "\n"
		     "NODE     ROLE    STATE  AVAILABILITY  DOCKER    AZSWARM\n"
		     "master0  leader  ready  active        20.10.24  0.2.0\n"
		     "agents0  worker  ready  active        20.10.24  0.2.0\n"
		     "agents1  worker  ready  active        20.10.24  0.2.0\n"
		     "\n"
		     "SERVICE  TASKS\n"
		     "web      8 of 8\n") == 0,
	      "all of it", text);
	free(text);
	survey_release(&v);
}

/* Three masters: one leads, of one there is an old row, one is off. */
static void missing(void)
{
	struct survey v = { 0 };
	struct docker_node *gone;
	cJSON *doc;
	char *text;

	swarm_of(&v);
	machine(&v.masters, "master1", "B2", "running");
	machine(&v.masters, "master2", "B2", "deallocated");
	gone = node(&v, "master1", true, DOCKER_NODE_DOWN);
	gone->reachable = false;
	v.at[1] = REMOTE_LOCKED;
	text = text_of(&v, NULL, NULL);
	has("missing: locked", text,
	    "missing            master1: its swarm is locked; 'azswarm unlock' "
	    "unlocks it\n");
	has("missing: off", text,
	    "missing            master2: deallocated; start it: 'az vm start', or "
	    "the portal\n");
	check(strstr(text, "missing            master0") == NULL,
	      "missing: not who is there", text);
	free(text);
	v.at[1] = REMOTE_LOST;
	text = text_of(&v, NULL, NULL);
	has("missing: thrown out", text,
	    "master1: its engine does not find its swarm; it comes back by itself, "
	    "else 'azswarm replace-master 1' makes it anew\n");
	free(text);
	doc = json_of(&v);
	check(strcmp(json_str_opt(cJSON_GetArrayItem(json_get(doc, "masters"), 1),
				  "missing", ""),
		     "its engine does not find its swarm") == 0 &&
		      json_get(cJSON_GetArrayItem(json_get(doc, "masters"), 0),
			       "missing") == NULL,
	      "missing: as JSON", "");
	json_free(doc);
	survey_release(&v);
}

static void power(void)
{
	struct survey v = { 0 };
	char *text;

	swarm_of(&v);
	machine(&v.agents, "agents2", "B4", "stopped");
	machine(&v.agents, "agents3", "B4", "deallocated");
	machine(&v.agents, "agents4", "B4", "deallocated");
	machine(&v.agents, "agents5", "B4", "deleting");
	machine(&v.agents, "agents6", "B4", "starting");
	text = text_of(&v, NULL, NULL);
	has("power: each word is counted", text,
	    "3 of 7 running, 1 stopped, 2 deallocated, 1 starting; 1 being "
	    "deleted\n");
	has("power: what is billed", text,
	    "1 x B2 running, 4 x B4 running, 1 x B4 stopped (still billed), "
	    "2 x B4 deallocated (disk only)\n"
	    "                   8 disks, ");
	has("power: who runs and is no node", text,
	    "3 of 3 ready and active; running, and no nodes yet: agents5\n");
	free(text);
	survey_release(&v);
}

static void quorum(void)
{
	static const struct {
		unsigned managers, reachable;
		const char *words;
	} rows[] = {
		{ 1, 1, "1 of 1 managers reachable; tolerates the loss of 0" },
		{ 3, 3, "3 of 3 managers reachable; tolerates the loss of 1" },
		{ 3, 2, "2 of 3 managers reachable; tolerates the loss of 0" },
		{ 5, 5, "5 of 5 managers reachable; tolerates the loss of 2" },
		{ 5, 4, "4 of 5 managers reachable; tolerates the loss of 1" },
		{ 5, 2,
		  "2 of 5 managers reachable: no majority, nothing can be changed" },
		{ 2, 2, "2 of 2 managers reachable; tolerates the loss of 0" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct survey v = { 0 };
		char *text;

		whole(&v);
		for (unsigned k = 0; k < rows[i].managers; k++)
			node(&v, "master0", true,
			     k < rows[i].reachable ? DOCKER_NODE_READY :
						     DOCKER_NODE_DOWN);
		text = text_of(&v, NULL, NULL);
		has("quorum", text, rows[i].words);
		free(text);
		survey_release(&v);
	}
}

static void what_needs_a_look(void)
{
	struct survey v = { 0 };
	char name[32], *text;

	whole(&v);
	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "n%02d", i);
		node(&v, name, false, DOCKER_NODE_READY);
		service(&v, name, i == 29 ? 1 : 2, 2);
	}
	v.nodes[28].state = DOCKER_NODE_DOWN;
	v.nodes[27].availability = DOCKER_DRAIN;
	v.nodes[26].leaving = true;
	strcpy(v.nodes[5].program, "");
	strcpy(v.nodes[6].engine, "29.1.0");
	strcpy(v.nodes[25].lacks, "share");
	strcpy(v.nodes[28].lacks, "room,paused");
	text = text_of(&v, NULL, NULL);
	has("rows: what needs a look is first", text,
	    "AZSWARM\n"
	    "n26   worker  ready  leaving       20.10.24  0.2.0\n"
	    "n27   worker  ready  drain         20.10.24  0.2.0\n"
	    "n28   worker  down   active        20.10.24  0.2.0\n"
	    "n25   worker  ready  active        20.10.24  0.2.0\n"
	    "n00   worker  ready  active        20.10.24  0.2.0\n");
	has("rows: a ceiling", text,
	    "n15   worker  ready  active        20.10.24  0.2.0\n"
	    "and 10 more nodes\n");
	has("rows: a version that nobody told", text,
	    "n05   worker  ready  active        20.10.24  unknown\n");
	has("rows: what nodes go without", text,
	    "\nlacking            n25 (share), n28 (room,paused)\n");
	has("rows: how many are well", text, "27 of 30 ready and active");
	has("rows: versions that differ", text,
	    "azswarm 0.2.0 on 29, azswarm unknown on 1, "
	    "Docker 20.10.24 on 29, Docker 29.1.0 on 1\n");
	has("services: what lacks tasks is first", text,
	    "SERVICE  TASKS\nn29      1 of 2\nn00      2 of 2\n");
	has("services: are counted", text, "30, 1 of them without all tasks\n");
	has("services: a ceiling", text,
	    "n18      2 of 2\nand 10 more services\n");
	free(text);
	survey_release(&v);
}

/* The time that is left of what machines fetch the program by. */
static void addresses(void)
{
	static const struct {
		int64_t left_s;
		const char *words;
	} rows[] = {
		{ 3 * 86400 + 60,
		  "fetch the program end in 3 days; 'azswarm params'" },
		{ 60, "fetch the program end in 0 days; 'azswarm params'" },
		{ -60, "fetch the program have ended; 'azswarm params'" },
		{ -3 * 86400, "fetch the program have ended; 'azswarm params'" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct survey v = { 0 };
		struct status st = { .group = "g",
				     .storage_group = "s",
				     .account = "a",
				     .v = &v,
				     .addresses_end = unix_time() +
						      rows[i].left_s };
		char *text = NULL;
		size_t n;
		FILE *f = open_memstream(&text, &n);

		whole(&v);
		status_text(&st, f);
		fclose(f);
		has("addresses: how long they are good", text, rows[i].words);
		free(text);
		survey_release(&v);
	}
}

/* Machines that are not what a new one would get. */
/* What is published, against what the balancer brings. */
static void ports(void)
{
	struct survey v = { 0 };
	struct status st = { .group = "g",
			     .storage_group = "s",
			     .account = "a",
			     .v = &v };
	struct ports_published dns = { .port = { .number = 53, .udp = true },
				       .service = "dns" };
	struct err e = ERR_INIT;
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	cJSON *doc;

	whole(&v);
	v.rules = json_parse(
		STR("{\"properties\":{\"loadBalancingRules\":[{\"name\":\"tcp-443\","
		    "\"properties\":{\"protocol\":\"Tcp\",\"frontendPort\":443,"
		    "\"backendPort\":443,\"frontendIPConfiguration\":{\"id\":\"f\"}}}],"
		    "\"frontendIPConfigurations\":[{\"name\":\"public\",\"id\":\"f\"}]}}"),
		"rules", &e);
	v.published.list = xcalloc(1, sizeof(dns));
	v.published.list[v.published.n++] = dns;
	status_text(&st, f);
	fclose(f);
	has("ports: out of step", text,
	    "ports              53/udp (dns): no rule, 443/tcp: nobody publishes; "
	    "'azswarm ports' shows them");
	free(text);
	st.publish_off = true;
	doc = status_json(&st);
	check(json_is(doc, "loadBalancer.outOfStep", "443/tcp: nobody publishes"),
	      "ports: nothing is missed with PUBLISH=off",
	      json_text(doc, "loadBalancer.outOfStep"));
	json_free(doc);
	survey_release(&v);
}

static void drifts(void)
{
	struct survey v = { 0 };
	struct status st = { .group = "g",
			     .storage_group = "s",
			     .account = "a",
			     .v = &v,
			     .drift = "n01, m0",
			     .n_drift = 2 };
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	cJSON *doc;

	whole(&v);
	status_text(&st, f);
	fclose(f);
	has("drift: is named, with what mends it", text,
	    "machines are not what a new one would get: n01, m0; 'azswarm "
	    "upgrade'");
	free(text);
	doc = status_json(&st);
	check(strcmp(json_str_opt(doc, "drift[0]", ""), "n01") == 0 &&
		      strcmp(json_str_opt(doc, "drift[1]", ""), "m0") == 0 &&
		      json_at(doc, "drift[2]") == NULL,
	      "drift: for programs", "not");
	json_free(doc);
	st.drift = NULL;
	st.n_drift = 0;
	doc = status_json(&st);
	check(json_at(doc, "drift") != NULL && json_at(doc, "drift[0]") == NULL,
	      "drift: none", "not");
	json_free(doc);
	survey_release(&v);
}

static void not_had(void)
{
	struct survey v = { 0 };
	char *text;

	whole(&v);
	err_set(&v.no_swarm, ERR_NET, "master0: connection refused");
	text = text_of(&v, NULL, NULL);
	has("no swarm: the machines all the same", text,
	    "agents             2 of 2 ");
	check(strcmp(strstr(text, "swarm  "),
		     "swarm              master0: connection refused\n") == 0,
	      "no swarm: why, and no more", text);
	free(text);
	survey_release(&v);

	v = (struct survey){ 0 };
	swarm_of(&v);
	service(&v, "old", -1, -1);
	strcpy(v.nodes[0].hostname, "a\033]0;x\007b");
	text = text_of(&v, NULL, NULL);
	has("an engine that does not count", text, "old      unknown\n");
	has("a hostile name", text, "a?]0;x?b ");
	check(strchr(text, '\033') == NULL, "moves no cursor", text);
	free(text);
	survey_release(&v);
}

/* ---- JSON ---- */

static const char *at(const cJSON *doc, const char *path)
{
	static char number[32];
	const cJSON *v = json_at(doc, path);

	if (cJSON_IsNumber(v)) {
		snprintf(number, sizeof(number), "%lld",
			 (long long)v->valuedouble);
		return number;
	}
	if (cJSON_IsBool(v))
		return cJSON_IsTrue(v) ? "true" : "false";
	return json_str_opt(v, "", "(none)");
}

static void json(void)
{
	static const struct {
		const char *path, *value;
	} rows[] = {
		{ "cluster.group", "swarm-cluster" },
		{ "cluster.there", "true" },
		{ "cluster.location", "eastus" },
		{ "cluster.why", "(none)" },
		{ "storage.account", "shared0x" },
		{ "storage.sku", "Standard_LRS" },
		{ "masters[0].size", "B2" },
		{ "agents[1].host", "agents1" },
		{ "agents[1].power", "running" },
		{ "addresses[1].fqdn", "lb.example" },
		{ "loadBalancer.ports", "80 81" },
		{ "paidFor[1].size", "B4" },
		{ "paidFor[1].count", "2" },
		{ "paidFor[2].kind", "disk" },
		{ "paidFor[2].count", "3" },
		{ "swarm.managers", "1" },
		{ "swarm.tolerates", "0" },
		{ "swarm.leader", "master0" },
		{ "nodes[2].leader", "true" },
		{ "nodes[2].reachable", "true" },
		{ "nodes[0].reachable", "(none)" },
		{ "nodes[0].availability", "drain" },
		{ "nodes[0].leaving", "true" },
		{ "nodes[1].leaving", "false" },
		{ "nodes[0].docker", "20.10.24" },
		{ "nodes[0].azswarm", "(none)" },
		{ "nodes[0].lacks", "share" },
		{ "nodes[1].lacks", "(none)" },
		{ "services[0].running", "8" },
		{ "services[0].mode", "replicated" },
		{ "services[1].desired", "(none)" },
	};
	struct survey v = { 0 };
	cJSON *doc;

	swarm_of(&v);
	service(&v, "old", -1, -1);
	strcpy(v.nodes[0].program, "");
	strcpy(v.nodes[0].lacks, "share");
	v.nodes[0].leaving = true;
	v.nodes[0].availability = DOCKER_DRAIN;
	doc = json_of(&v);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		check(strcmp(at(doc, rows[i].path), rows[i].value) == 0,
		      rows[i].path, at(doc, rows[i].path));
	json_free(doc);
	err_set(&v.no_swarm, ERR_DATA, "no master is running");
	doc = json_of(&v);
	check(strcmp(at(doc, "swarm.why"), "no master is running") == 0,
	      "swarm.why", at(doc, "swarm.why"));
	check(json_at(doc, "swarm.managers") == NULL, "swarm: nothing else", "");
	json_free(doc);
	survey_release(&v);
}

/* ---- a terminal ---- */

static void frame(void)
{
	static const struct {
		const char *name, *text;
		size_t rows, columns;
		const char *wanted;
	} rows[] = {
		{ "room enough", "a\nb\n", 10, 80,
		  "\033[Ha\033[K\nb\033[K\n\033[J" },
		{ "to the last row but one", "a\nb\n", 3, 80,
		  "\033[Ha\033[K\nb\033[K\n\033[J" },
		{ "too few rows", "a\nb\nc\nd\n", 4, 80,
		  "\033[Ha\033[K\nb\033[K\n... 2 more lines\033[K\n\033[J" },
		{ "too few columns", "abcdef\n", 10, 3, "\033[Habc\033[K\n\033[J" },
		{ "characters, not bytes", "\xc3\xa4\xc3\xb6\xc3\xbc\n", 10, 2,
		  "\033[H\xc3\xa4\xc3\xb6\033[K\n\033[J" },
		{ "a size that nobody tells", "abc\nd\n", 0, 0,
		  "\033[Habc\033[K\nd\033[K\n\033[J" },
		{ "nothing", "", 24, 80, "\033[H\033[J" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct buf b = BUF_INIT(4096);

		status_frame(str_of(rows[i].text), rows[i].rows,
			     rows[i].columns, &b);
		check(strcmp(b.str, rows[i].wanted) == 0, rows[i].name, b.str);
		buf_release(&b);
	}
}

int main(void)
{
	json_init();
	nothing();
	all_of_it();
	missing();
	power();
	quorum();
	what_needs_a_look();
	addresses();
	ports();
	drifts();
	not_had();
	json();
	frame();
	return check_failed();
}
