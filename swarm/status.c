/*
 * status: who is signed in, and the cluster on one screen.  What is read is in
 * survey.c; here is how it is told.
 */
#include "swarm/status.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time.h"
#include "swarm/swarm.h"
#include "swarm/upgrade.h"

#define NAME_WIDTH 18
#define LINE_MAX_N 8192
#define FRAME_MAX (1u << 20)
#define LOOK_MS 2000
/* Compute gives each scale set ten lists a minute, for all who ask. */
#define AZURE_MS 30000
#define PRICE_MS 1000

/* ---- what is counted ---- */

/* How an engine's or Azure's word counts for the bill. */
enum bill { BILL_RUNNING, BILL_STOPPED, BILL_DEALLOCATED, BILL_UNKNOWN, BILLS };

static const char *const bill_names[BILLS] = {
	[BILL_RUNNING] = "running",
	[BILL_STOPPED] = "stopped",
	[BILL_DEALLOCATED] = "deallocated",
	[BILL_UNKNOWN] = "unknown",
};
static const char *const bill_notes[BILLS] = {
	[BILL_RUNNING] = "",
	[BILL_STOPPED] = " (still billed)",
	[BILL_DEALLOCATED] = " (disk only)",
	[BILL_UNKNOWN] = "",
};

static enum bill bill_of(const struct instance *vm)
{
	if (strcmp(vm->power, "deallocated") == 0)
		return BILL_DEALLOCATED;
	if (strcmp(vm->power, "stopped") == 0)
		return BILL_STOPPED;
	/* it has cores on its way up and down, too */
	return strcmp(vm->power, "unknown") == 0 ? BILL_UNKNOWN : BILL_RUNNING;
}

/* Machines of one size that cost the same. */
struct pile {
	const char *size;
	enum bill bill;
	size_t n;
};
#define PILES_MAX 16 /* sizes are two, unless somebody changed some by hand */

static size_t add_piles(const struct instances *a, enum bill bill,
			struct pile *piles, size_t n)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct instance *vm = &a->list[i];
		size_t k = 0;

		if (bill_of(vm) != bill)
			continue;
		while (k < n && (strcmp(piles[k].size, vm->size) != 0 ||
				 piles[k].bill != bill))
			k++;
		if (k == PILES_MAX)
			continue;
		if (k == n)
			piles[n++] = (struct pile){ vm->size, bill, 0 };
		piles[k].n++;
	}
	return n;
}

/* What costs most is first. */
static size_t piles_of(const struct survey *v, struct pile *piles)
{
	size_t n = 0;

	for (enum bill bill = 0; bill < BILLS; bill++) {
		n = add_piles(&v->masters, bill, piles, n);
		n = add_piles(&v->agents, bill, piles, n);
	}
	return n;
}

/* Half of them would be a wrong bill. */
static bool is_counted(const struct survey *v)
{
	return v->no_machines.kind == ERR_NONE || v->no_machines.kind == ERR_DATA;
}

/* How many more may go until there is no majority of all of them. */
static size_t tolerates(const struct survey_quorum *q)
{
	size_t majority = q->managers / 2 + 1;

	return q->reachable > majority ? q->reachable - majority : 0;
}

/* As many tasks run as should, as far as the engine tells. */
static bool is_whole(const struct docker_service *s)
{
	return s->running >= s->desired;
}

static bool is_well(const struct docker_node *n)
{
	return n->state == DOCKER_NODE_READY &&
	       n->availability == DOCKER_ACTIVE && !n->leaving;
}

static const char *role_of(const struct docker_node *n)
{
	return n->leader ? "leader" : n->manager ? "manager" : "worker";
}

static const char *availability_of(const struct docker_node *n)
{
	return n->leaving ? "leaving" : docker_availability_name(n->availability);
}

/* ---- text ---- */

static void line(FILE *out, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void line(FILE *out, const char *name, const char *fmt, ...)
{
	struct buf text = BUF_INIT(LINE_MAX_N), clean = BUF_INIT(2 * LINE_MAX_N);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf_cut(&text, fmt, ap);
	va_end(ap);
	buf_add_clean(&clean, buf_str(&text));
	fprintf(out, "%-*s %s\n", NAME_WIDTH, name, clean.str);
	buf_release(&text);
	buf_release(&clean);
}

/* "3 of 4 running, 1 deallocated" */
static void power_line(FILE *out, const char *name, const struct instances *a)
{
	struct buf text = BUF_INIT(LINE_MAX_N);
	size_t going = 0, running = 0;

	for (size_t i = 0; i < a->n; i++) {
		going += instance_is_going(&a->list[i]);
		running += strcmp(a->list[i].power, "running") == 0;
	}
	buf_addf(&text, "%zu of %zu running", running, a->n);
	/* each word once, at the first that has it */
	for (size_t i = 0; i < a->n; i++) {
		const char *power = a->list[i].power;
		size_t n = 0, first = 0;

		while (strcmp(a->list[first].power, power) != 0)
			first++;
		for (size_t k = i; k < a->n; k++)
			n += strcmp(a->list[k].power, power) == 0;
		if (first == i && strcmp(power, "running") != 0)
			buf_addf(&text, ", %zu %s", n, power);
	}
	if (going > 0)
		buf_addf(&text, "; %zu being deleted", going);
	line(out, name, "%s", text.str);
	buf_release(&text);
}

static const struct survey_address *balancer_address(const struct survey *v)
{
	for (size_t i = 0; i < v->n_addresses; i++)
		if (strcmp(v->addresses[i].name, "agents-lb-ip") == 0)
			return &v->addresses[i];
	return NULL;
}

/* "4 disks, ", or nothing for none. */
static void add_count(struct buf *text, size_t n, const char *one, const char *many)
{
	if (n > 0)
		buf_addf(text, "%s%zu %s", text->n > 0 ? ", " : "", n,
			 n == 1 ? one : many);
}

static void bill_lines(FILE *out, const struct survey *v)
{
	struct buf machines = BUF_INIT(LINE_MAX_N), rest = BUF_INIT(LINE_MAX_N);
	struct pile piles[PILES_MAX];
	size_t n = piles_of(v, piles);
	const char *name = "paid for";

	for (size_t i = 0; i < n; i++)
		buf_addf(&machines, "%s%zu x %s %s%s", i > 0 ? ", " : "",
			 piles[i].n, piles[i].size, bill_names[piles[i].bill],
			 bill_notes[piles[i].bill]);
	add_count(&rest, v->masters.n + v->agents.n, "disk", "disks");
	add_count(&rest, v->n_addresses, "public address", "public addresses");
	add_count(&rest, v->balancer != NULL, "load balancer", "");
	add_count(&rest, v->account_sku != NULL, "storage account", "");
	if (machines.n > 0)
		line(out, name, "%s", machines.str);
	if (rest.n > 0)
		line(out, machines.n > 0 ? "" : name, "%s", rest.str);
	buf_release(&machines);
	buf_release(&rest);
}

static void azure_lines(const struct status *st, FILE *out)
{
	const struct survey *v = st->v;
	const struct survey_address *ip = balancer_address(v);

	if (v->no_machines.kind != ERR_NONE)
		line(out, "cluster", "%s", v->no_machines.msg);
	else
		line(out, "cluster", "%s in %s", st->group, v->compute.location);
	if (v->no_storage.kind == ERR_NONE)
		line(out, "storage", "%s (%s) in %s", st->account,
		     v->account_sku, st->storage_group);
	else if (v->compute.there || v->storage.there ||
		 v->no_storage.kind != ERR_DATA)
		line(out, "storage", "%s", v->no_storage.msg);
	if (st->addresses_end > 0) {
		int64_t left = st->addresses_end - unix_time();
		char end[40] = "have ended";

		if (left >= 0)
			snprintf(end, sizeof(end), "end in %lld days",
				 (long long)left / 86400);
		line(out, "addresses",
		     "by which machines fetch the program %s; 'azswarm params', "
		     "'azswarm upgrade' and 'azswarm deploy-compute' renew them",
		     end);
	}
	if (v->no_machines.kind == ERR_NONE) {
		power_line(out, "masters", &v->masters);
		power_line(out, "agents", &v->agents);
	}
	if (v->balancer != NULL)
		line(out, "load balancer", "%s, ports %s",
		     ip != NULL ? ip->address : "without an address", v->ports);
	if (v->balancer != NULL && ip != NULL)
		line(out, "", "%s", ip->fqdn);
	if (is_counted(v))
		bill_lines(out, v);
	if (st->price != NULL)
		line(out, "costs",
		     "%lld USD a month by list prices, " PRICE_LEFT_OUT,
		     (long long)(st->price->sum + 50) / 100);
	else if (st->no_price != NULL && st->no_price->kind != ERR_NONE)
		line(out, "costs", "price not known: %s", st->no_price->msg);
}

/* "0.2.0 on 4 nodes", several where nodes differ. */
static void versions_of(const struct survey *v, size_t at, const char *what,
			struct buf *text)
{
	for (size_t i = 0; i < v->n_nodes; i++) {
		const char *own = (const char *)&v->nodes[i] + at;
		size_t n = 0, first = 0;

		while (strcmp((const char *)&v->nodes[first] + at, own) != 0)
			first++;
		for (size_t k = i; k < v->n_nodes; k++)
			n += strcmp((const char *)&v->nodes[k] + at, own) == 0;
		if (first == i)
			buf_addf(text, "%s%s %s on %zu", text->n > 0 ? ", " : "",
				 what, *own != '\0' ? own : "unknown", n);
	}
}

/* Machines that run and that the swarm does not know. */
static void strangers(const struct survey *v, const struct instances *a,
		      struct buf *text)
{
	for (size_t i = 0; i < a->n; i++) {
		const struct instance *vm = &a->list[i];
		size_t k = 0;

		while (k < v->n_nodes &&
		       strcmp(v->nodes[k].hostname, vm->host) != 0)
			k++;
		if (k == v->n_nodes && strcmp(vm->power, "running") == 0)
			buf_addf(text, " %s", vm->host);
	}
}

static void node_line(FILE *out, const struct survey *v)
{
	struct buf others = BUF_INIT(LINE_MAX_N);
	size_t well = 0;

	for (size_t i = 0; i < v->n_nodes; i++)
		well += is_well(&v->nodes[i]);
	strangers(v, &v->agents, &others);
	line(out, "nodes", "%zu of %zu ready and active%s%s", well, v->n_nodes,
	     others.n > 0 ? "; running, and no nodes yet:" : "", others.str);
	buf_release(&others);
}

/* Masters that Azure has and the swarm does not reach, and why. */
static void missing_lines(FILE *out, const struct survey *v)
{
	char mend[120];

	for (size_t i = 0; i < v->masters.n; i++) {
		const char *why = survey_missing(v, i, mend);

		if (why != NULL)
			line(out, "missing", "%s: %s; %s",
			     v->masters.list[i].name, why, mend);
	}
}

/* What nodes say that they go without: "n05 (share), n06 (room,paused)". */
static void lacks_line(FILE *out, const struct survey *v)
{
	struct buf text = BUF_INIT(LINE_MAX_N);

	for (size_t i = 0; i < v->n_nodes; i++)
		if (v->nodes[i].lacks[0] != '\0')
			buf_addf(&text, "%s%s (%s)", text.n > 0 ? ", " : "",
				 v->nodes[i].hostname, v->nodes[i].lacks);
	if (text.n > 0)
		line(out, "lacking", "%s", text.str);
	buf_release(&text);
}

/* What services publish and is not let in, or the other way round. */
static size_t out_of_step(const struct status *st, struct buf *text)
{
	const struct survey *v = st->v;

	return v->rules == NULL || v->no_swarm.kind != ERR_NONE ?
		       0 :
		       ports_tell(&v->published, v->rules, NULL,
				  st->publish_off, text);
}

static void ports_line(const struct status *st, FILE *out)
{
	struct buf text = BUF_INIT(LINE_MAX_N);

	if (out_of_step(st, &text) > 0)
		line(out, "ports", "%s; 'azswarm ports' shows them", text.str);
	buf_release(&text);
}

static void drift_line(const struct status *st, FILE *out)
{
	if (st->n_drift > 0)
		line(out, "drift",
		     "%zu of %zu machines are not what a new one would get: %s; "
		     "'azswarm upgrade' brings them there",
		     st->n_drift, st->v->n_nodes, st->drift);
}

static void swarm_lines(const struct status *st, FILE *out)
{
	const struct survey *v = st->v;
	struct survey_quorum q = survey_quorum(v);
	struct buf versions = BUF_INIT(LINE_MAX_N);
	size_t lacking = 0;

	if (v->no_swarm.kind != ERR_NONE) {
		line(out, "swarm", "%s", v->no_swarm.msg);
		return;
	}
	if (q.reachable < q.managers / 2 + 1)
		line(out, "swarm",
		     "%zu of %zu managers reachable: no majority, nothing can "
		     "be changed",
		     q.reachable, q.managers);
	else
		line(out, "swarm",
		     "%zu of %zu managers reachable; tolerates the loss of %zu",
		     q.reachable, q.managers, tolerates(&q));
	missing_lines(out, v);
	node_line(out, v);
	lacks_line(out, v);
	for (size_t i = 0; i < v->work.n_services; i++)
		lacking += !is_whole(&v->work.services[i]);
	if (lacking > 0)
		line(out, "services", "%zu, %zu of them without all tasks",
		     v->work.n_services, lacking);
	else
		line(out, "services", "%zu%s", v->work.n_services,
		     v->work.n_services > 0 ? ", all tasks run" : "");
	versions_of(v, offsetof(struct docker_node, program), "azswarm",
		    &versions);
	versions_of(v, offsetof(struct docker_node, engine), "Docker", &versions);
	line(out, "versions", "%s", versions.str);
	ports_line(st, out);
	drift_line(st, out);
	buf_release(&versions);
}

/* What needs a look first, then by role and name. */
static int by_need(const void *x, const void *y)
{
	const struct docker_node *a = *(const struct docker_node *const *)x;
	const struct docker_node *b = *(const struct docker_node *const *)y;

	if (is_well(a) != is_well(b))
		return is_well(a) - is_well(b);
	if (is_well(a) && (*a->lacks == '\0') != (*b->lacks == '\0'))
		return *a->lacks == '\0' ? 1 : -1;
	if (a->manager != b->manager)
		return b->manager - a->manager;
	return strcmp(a->hostname, b->hostname);
}

static int by_lack(const void *x, const void *y)
{
	const struct docker_service *a = *(const struct docker_service *const *)x;
	const struct docker_service *b = *(const struct docker_service *const *)y;

	if (is_whole(a) != is_whole(b))
		return is_whole(a) - is_whole(b);
	return strcmp(a->name, b->name);
}

/* The table of so many rows, and of how many more there are. */
static void print_rows(struct listing *t, size_t all, const char *what, FILE *out)
{
	struct ui ui = { .out = out, .err = out };
	struct err ignored = ERR_INIT;

	if (all > 0)
		putc('\n', out);
	listing_print(t, &ui, &ignored);
	if (all > STATUS_ROWS)
		fprintf(out, "and %zu more %s\n", all - STATUS_ROWS, what);
	listing_release(t);
}

static void node_table(const struct survey *v, FILE *out)
{
	static const char *const columns[] = { "node",	 "role",
					       "state",	 "availability",
					       "docker", "azswarm",
					       NULL };
	const struct docker_node **rows = xcalloc(v->n_nodes + 1, sizeof(*rows));
	struct listing t;

	for (size_t i = 0; i < v->n_nodes; i++)
		rows[i] = &v->nodes[i];
	qsort(rows, v->n_nodes, sizeof(*rows), by_need);
	listing_init(&t, columns);
	for (size_t i = 0; i < v->n_nodes && i < STATUS_ROWS; i++) {
		const struct docker_node *n = rows[i];

		listing_row(&t);
		listing_cell(&t, "%s", n->hostname);
		listing_cell(&t, "%s", role_of(n));
		listing_cell(&t, "%s", docker_node_state_name(n->state));
		listing_cell(&t, "%s", availability_of(n));
		listing_cell(&t, "%s", *n->engine ? n->engine : "unknown");
		listing_cell(&t, "%s", *n->program ? n->program : "unknown");
	}
	print_rows(&t, v->n_nodes, "nodes", out);
	free(rows);
}

static void service_table(const struct survey *v, FILE *out)
{
	static const char *const columns[] = { "service", "tasks", NULL };
	const struct docker_work *w = &v->work;
	const struct docker_service **rows = xcalloc(w->n_services + 1,
						     sizeof(*rows));
	struct listing t;

	for (size_t i = 0; i < w->n_services; i++)
		rows[i] = &w->services[i];
	qsort(rows, w->n_services, sizeof(*rows), by_lack);
	listing_init(&t, columns);
	for (size_t i = 0; i < w->n_services && i < STATUS_ROWS; i++) {
		const struct docker_service *s = rows[i];

		listing_row(&t);
		listing_cell(&t, "%s", s->name);
		if (s->desired < 0)
			listing_cell(&t, "unknown");
		else
			listing_cell(&t, "%lld of %lld", (long long)s->running,
				     (long long)s->desired);
	}
	print_rows(&t, w->n_services, "services", out);
	free(rows);
}

void status_text(const struct status *st, FILE *out)
{
	for (size_t i = 0; st->names != NULL && st->names[i] != NULL; i++)
		line(out, st->names[i], "%s", st->values[i]);
	if (st->v == NULL)
		return;
	if (st->names != NULL)
		putc('\n', out);
	azure_lines(st, out);
	if (st->v->no_machines.kind == ERR_DATA)
		return;
	swarm_lines(st, out);
	if (st->v->no_swarm.kind != ERR_NONE)
		return;
	node_table(st->v, out);
	service_table(st->v, out);
}

/* ---- JSON ---- */

static void add_why(cJSON *o, const struct err *e)
{
	if (e->kind != ERR_NONE)
		json_add_str(o, "why", e->msg);
}

static void add_group(cJSON *doc, const char *key, const char *name,
		      const struct survey_group *g, const struct err *e)
{
	cJSON *o = json_add_obj(doc, key);

	json_add_str(o, "group", name);
	json_add_bool(o, "there", g->there);
	if (g->there) {
		json_add_str(o, "location", g->location);
		json_add_str(o, "state", g->state);
	}
	add_why(o, e);
}

static void add_machines(cJSON *doc, const char *key, const struct instances *a)
{
	cJSON *list = json_add_arr(doc, key);

	for (size_t i = 0; i < a->n; i++) {
		cJSON *o = json_add_obj(list, NULL);

		if (*a->list[i].id != '\0')
			json_add_str(o, "id", a->list[i].id);
		json_add_str(o, "name", a->list[i].name);
		json_add_str(o, "host", a->list[i].host);
		json_add_str(o, "size", a->list[i].size);
		json_add_str(o, "power", a->list[i].power);
		json_add_str(o, "provisioning", a->list[i].provisioning);
	}
}

static void add_missing(cJSON *masters, const struct survey *v)
{
	char mend[120];

	for (size_t i = 0; i < v->masters.n; i++) {
		const char *why = survey_missing(v, i, mend);

		if (why != NULL)
			json_add_str(cJSON_GetArrayItem(masters, (int)i),
				     "missing", why);
	}
}

static void add_network(cJSON *doc, const struct status *st)
{
	const struct survey *v = st->v;
	struct buf text = BUF_INIT(LINE_MAX_N);
	cJSON *list = json_add_arr(doc, "addresses"), *o;

	for (size_t i = 0; i < v->n_addresses; i++) {
		o = json_add_obj(list, NULL);
		json_add_str(o, "name", v->addresses[i].name);
		json_add_str(o, "address", v->addresses[i].address);
		json_add_str(o, "fqdn", v->addresses[i].fqdn);
	}
	if (v->balancer != NULL) {
		o = json_add_obj(doc, "loadBalancer");
		json_add_str(o, "name", v->balancer);
		json_add_str(o, "ports", v->ports);
		out_of_step(st, &text);
		json_add_str(o, "outOfStep", text.str);
	}
	buf_release(&text);
}

static void add_bill(cJSON *doc, const struct survey *v)
{
	cJSON *list = json_add_arr(doc, "paidFor"), *o;
	struct pile piles[PILES_MAX];
	size_t n = is_counted(v) ? piles_of(v, piles) : 0;
	const struct {
		const char *kind;
		size_t n;
	} rest[] = {
		{ "disk", v->masters.n + v->agents.n },
		{ "publicAddress", v->n_addresses },
		{ "loadBalancer", v->balancer != NULL },
		{ "storageAccount", v->account_sku != NULL },
	};

	for (size_t i = 0; i < n; i++) {
		o = json_add_obj(list, NULL);
		json_add_str(o, "kind", "machine");
		json_add_str(o, "size", piles[i].size);
		json_add_str(o, "state", bill_names[piles[i].bill]);
		json_add_int(o, "count", (int64_t)piles[i].n);
	}
	for (size_t i = 0; i < sizeof(rest) / sizeof(*rest); i++) {
		if (rest[i].n == 0 || !is_counted(v))
			continue;
		o = json_add_obj(list, NULL);
		json_add_str(o, "kind", rest[i].kind);
		json_add_int(o, "count", (int64_t)rest[i].n);
	}
}

static void add_costs(cJSON *doc, const struct status *st)
{
	cJSON *o;

	if (st->price == NULL &&
	    (st->no_price == NULL || st->no_price->kind == ERR_NONE))
		return;
	o = json_add_obj(doc, "costs");
	if (st->price == NULL) {
		add_why(o, st->no_price);
		return;
	}
	json_add_str(o, "currency", "USD");
	json_set(o, "month", cJSON_CreateNumber((double)st->price->sum / 100));
}

static void add_swarm(cJSON *doc, const struct survey *v)
{
	cJSON *o = json_add_obj(doc, "swarm");
	struct survey_quorum q = survey_quorum(v);

	add_why(o, &v->no_swarm);
	if (v->no_swarm.kind != ERR_NONE)
		return;
	json_add_int(o, "managers", (int64_t)q.managers);
	json_add_int(o, "reachable", (int64_t)q.reachable);
	json_add_int(o, "tolerates", (int64_t)tolerates(&q));
	if (q.leader != NULL)
		json_add_str(o, "leader", q.leader);
}

static void add_nodes(cJSON *doc, const struct survey *v)
{
	cJSON *list = json_add_arr(doc, "nodes");

	for (size_t i = 0; i < v->n_nodes; i++) {
		const struct docker_node *n = &v->nodes[i];
		cJSON *o = json_add_obj(list, NULL);

		json_add_str(o, "id", n->id);
		json_add_str(o, "hostname", n->hostname);
		json_add_str(o, "address", n->addr);
		json_add_str(o, "role", n->manager ? "manager" : "worker");
		json_add_bool(o, "leader", n->leader);
		json_add_str(o, "state", docker_node_state_name(n->state));
		json_add_str(o, "availability",
			     docker_availability_name(n->availability));
		json_add_bool(o, "leaving", n->leaving);
		if (n->manager)
			json_add_bool(o, "reachable", n->reachable);
		if (*n->engine != '\0')
			json_add_str(o, "docker", n->engine);
		if (*n->program != '\0')
			json_add_str(o, "azswarm", n->program);
		if (*n->lacks != '\0')
			json_add_str(o, "lacks", n->lacks);
	}
}

static void add_services(cJSON *doc, const struct survey *v)
{
	cJSON *list = json_add_arr(doc, "services");

	for (size_t i = 0; i < v->work.n_services; i++) {
		const struct docker_service *s = &v->work.services[i];
		cJSON *o = json_add_obj(list, NULL);

		json_add_str(o, "name", s->name);
		json_add_str(o, "mode",
			     s->job    ? "job" :
			     s->global ? "global" :
					 "replicated");
		if (s->desired >= 0) {
			json_add_int(o, "running", s->running);
			json_add_int(o, "desired", s->desired);
		}
	}
}

static void add_drift(cJSON *doc, const struct status *st)
{
	cJSON *list = json_add_arr(doc, "drift");
	struct str rest = str_of(st->drift), name;

	while (st->n_drift > 0 && str_next(&rest, ',', &name))
		json_add_strn(list, NULL, str_trim(name));
}

cJSON *status_json(const struct status *st)
{
	const struct survey *v = st->v;
	cJSON *doc = cJSON_CreateObject();

	for (size_t i = 0; st->names != NULL && st->names[i] != NULL; i++)
		json_add_str(doc, st->names[i], st->values[i]);
	if (v == NULL)
		return doc;
	add_group(doc, "cluster", st->group, &v->compute, &v->no_machines);
	add_group(doc, "storage", st->storage_group, &v->storage, &v->no_storage);
	if (v->account_sku != NULL) {
		json_add_str(json_get_mut(doc, "storage"), "account", st->account);
		json_add_str(json_get_mut(doc, "storage"), "sku", v->account_sku);
	}
	if (st->addresses_end > 0) {
		char end[32];

		time_iso(st->addresses_end, end);
		json_add_str(json_get_mut(doc, "storage"), "addressesEnd", end);
	}
	add_machines(doc, "masters", &v->masters);
	add_missing(json_get_mut(doc, "masters"), v);
	add_machines(doc, "agents", &v->agents);
	add_network(doc, st);
	add_bill(doc, v);
	add_costs(doc, st);
	add_swarm(doc, v);
	add_nodes(doc, v);
	add_services(doc, v);
	add_drift(doc, st);
	return doc;
}

/* ---- a terminal ---- */

/* So much of a line as there are columns for, a character each. */
static struct str cut(struct str l, size_t columns)
{
	size_t n = 0;

	for (size_t k = 0; n < l.n && k < columns; k++) {
		size_t width = str_utf8(str_skip(l, n));

		n += width > 0 ? width : 1;
	}
	return str_head(l, n);
}

void status_frame(struct str text, size_t rows, size_t columns, struct buf *out)
{
	size_t lines = 0, shown = 0;
	struct str rest = text, l;

	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	/* the cursor rests in a row of its own, and nothing scrolls */
	rows = rows < 3 ? lines : rows - 1;
	buf_adds(out, "\033[H");
	while (shown < (lines > rows ? rows - 1 : lines) &&
	       str_next(&rest, '\n', &l)) {
		buf_addstr(out, columns > 0 ? cut(l, columns) : l);
		buf_adds(out, "\033[K\n");
		shown++;
	}
	if (shown < lines)
		buf_addf(out, "... %zu more lines\033[K\n", lines - shown);
	buf_adds(out, "\033[J");
}

/* ---- what it costs ---- */

struct costs {
	struct price price;
	struct err why;
};

/* Of what is billed now; what is deallocated keeps its disk. */
static void ask_costs(struct session *s, struct status *st, struct costs *c)
{
	const struct survey *v = st->v;
	struct pile piles[PILES_MAX];
	struct price_parts parts = { 0 };
	struct price_list list;
	size_t n = is_counted(v) ? piles_of(v, piles) : 0;

	*c = (struct costs){ .why = ERR_INIT };
	st->price = NULL;
	st->no_price = &c->why;
	for (size_t i = 0; i < n; i++)
		if (piles[i].bill != BILL_DEALLOCATED)
			price_add(&parts, piles[i].size, (int64_t)piles[i].n);
	if (n == 0)
		return;
	parts.disks = (int64_t)(v->masters.n + v->agents.n);
	parts.addresses = (int64_t)v->n_addresses + (v->range ? PRICE_RANGE : 0);
	parts.balancers = v->balancer != NULL;
	if (price_ask(s, v->compute.location, &parts, PRICE_MS, &list,
		      &c->why) == 0 &&
	    price_sum(&list, &parts, &c->price, &c->why) == 0)
		st->price = &c->price;
}

/* ---- the command ---- */

static const char *const who_names[] = {
	"name",	    "object",	    "credential",
	"tenant",   "subscription", "subscriptionName",
	"endpoint", "until",	    NULL
};
#define WHO (sizeof(who_names) / sizeof(*who_names) - 1)

/* For programs that read lines: what it was before there was more. */
static int print_tsv(const struct status *st, struct session *s, struct err *e)
{
	struct listing t;
	int rc;

	listing_init(&t, st->names);
	listing_row(&t);
	for (size_t i = 0; st->names[i] != NULL; i++)
		listing_cell(&t, "%s", st->values[i]);
	rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}

static int print(const struct status *st, struct session *s, struct err *e)
{
	struct buf text = BUF_INIT(16u << 20);
	cJSON *doc;

	if (s->ui->format == UI_TSV)
		return print_tsv(st, s, e);
	ui_clear(s->ui);
	if (s->ui->format == UI_JSON) {
		doc = status_json(st);
		json_print_pretty(doc, &text);
		fprintf(s->ui->out, "%s\n", text.str);
		json_free(doc);
		buf_release(&text);
	} else {
		status_text(st, s->ui->out);
	}
	if (fflush(s->ui->out) != 0 || ferror(s->ui->out))
		return err_sys(e, ERR_IO, "standard output");
	return 0;
}

/* What the swarm says, and what of it is not as a new machine would be. */
static void ask_swarm(struct session *s, struct status *st, struct survey *v,
		      struct buf *drift, struct err *e)
{
	survey_swarm(s, v, e);
	buf_reset(drift);
	st->n_drift = upgrade_drift(s, v->nodes, v->n_nodes, drift);
	st->drift = drift->str;
}

/* All there is; the first thing that could not be read does not keep the rest
 * from being shown, but is how it ends. */
static int look(struct session *s, struct status *st, struct survey *v,
		struct costs *c, struct buf *drift, struct err *e)
{
	struct err first = ERR_INIT, second = ERR_INIT;

	survey_azure(s, v, &first);
	if (first.kind != ERR_INTR)
		ask_costs(s, st, c);
	if (first.kind != ERR_INTR)
		ask_swarm(s, st, v, drift, &second);
	if (first.kind == ERR_NONE || second.kind == ERR_INTR)
		first = second;
	*e = first;
	return first.kind == ERR_NONE ? 0 : -1;
}

static int draw(struct session *s, const struct status *st, int64_t azure_ms,
		struct err *e)
{
	struct winsize size = { 0 };
	struct buf frame = BUF_INIT(FRAME_MAX);
	char *text = NULL, when[32];
	size_t n = 0;
	FILE *page = open_memstream(&text, &n);

	if (page == NULL)
		return err_sys(e, ERR_IO, "memory");
	time_iso(unix_time(), when);
	fprintf(page, "%s; Azure as of %lld s ago; Ctrl-C ends\n\n", when,
		(long long)(now_ms() - azure_ms) / 1000);
	status_text(st, page);
	fclose(page);
	ioctl(fileno(s->ui->out), TIOCGWINSZ, &size);
	status_frame((struct str){ text, n }, size.ws_row, size.ws_col, &frame);
	ui_clear(s->ui);
	fwrite(frame.str, 1, frame.n, s->ui->out);
	buf_release(&frame);
	free(text);
	if (fflush(s->ui->out) != 0 || ferror(s->ui->out))
		return err_sys(e, ERR_IO, "standard output");
	return 0;
}

/* Until Ctrl-C, which is how it ends.  What fails is on the screen, and may
 * pass; who is not signed in any more ends it. */
static int watch(struct session *s, struct status *st, struct survey *v,
		 struct costs *c, struct buf *drift, struct err *e)
{
	int64_t azure_ms = 0;
	int rc = 0;

	st->names = NULL;
	fputs("\033[2J", s->ui->out);
	while (rc == 0) {
		struct err once = ERR_INIT;

		if (azure_ms == 0 || now_ms() - azure_ms >= AZURE_MS) {
			survey_azure(s, v, &once);
			st->account = storage_account_name(s);
			if (once.kind != ERR_INTR)
				ask_costs(s, st, c);
			azure_ms = now_ms();
		}
		if (once.kind != ERR_INTR && once.kind != ERR_AUTH)
			ask_swarm(s, st, v, drift, &once);
		if (once.kind == ERR_INTR || once.kind == ERR_AUTH) {
			*e = once;
			rc = -1;
		} else if ((rc = draw(s, st, azure_ms, e)) == 0) {
			rc = sleep_until(now_ms() + LOOK_MS, e);
		}
	}
	if (e->kind != ERR_INTR)
		return -1;
	err_clear(e);
	return 0;
}

static int may_watch(struct session *s, struct err *e)
{
	const char *term = getenv("TERM");

	if (s->ui->format != UI_TABLE)
		return err_set(e, ERR_USAGE,
			       "--watch draws a table; run status again for "
			       "another one");
	if (!isatty(fileno(s->ui->out)) || term == NULL ||
	    strcmp(term, "dumb") == 0)
		return err_set(e, ERR_USAGE,
			       "--watch draws on a terminal, and stdout is none; "
			       "run 'azswarm status' again and again");
	return 0;
}

/*
 * Which subscription is meant, and its name; *why when Azure does not tell.
 * Where none is, that is said, and the sign-in is shown all the same.
 */
static void find_subscription(struct session *s, char **name, struct err *why)
{
	struct azure_reply r = { 0 };
	struct err none = ERR_INIT;
	char *path;

	if (*s->az.subscription == '\0' && session_subscription(s, &none) < 0) {
		if (none.kind == ERR_INTR || s->watch)
			*why = none;
		else
			ui_say(s->ui, "the cluster is not shown: %s", none.msg);
		return;
	}
	path = azure_path(&s->az, "?api-version=" API_SUBSCRIPTIONS);
	azure_call(&s->az, "GET", path, NULL, 0, &r, why);
	*name = xstrdup(json_str_opt(r.doc, "displayName", ""));
	azure_reply_release(&r);
	free(path);
}

/* What is below the sign-in, if that can be. */
static int show(struct session *s, struct status *st, struct err *why,
		struct err *e)
{
	struct buf drift = BUF_INIT(LINE_MAX_N);
	struct survey v = { 0 };
	struct costs costs;
	int rc = 0;

	if (*s->az.subscription != '\0' && why->kind == ERR_NONE &&
	    s->ui->format != UI_TSV)
		st->v = &v;
	if (st->v != NULL && s->watch)
		rc = watch(s, st, &v, &costs, &drift, e);
	else if (st->v != NULL)
		look(s, st, &v, &costs, &drift, why);
	/* which of its names it has is known now */
	st->account = storage_account_name(s);
	if (!s->watch && why->kind != ERR_INTR)
		rc = print(st, s, e);
	survey_release(&v);
	buf_release(&drift);
	return rc;
}

int cmd_status(struct session *s, int argc, char **argv, struct err *e)
{
	struct entra_who who;
	struct err why = ERR_INIT;
	char until[32], *name = NULL;
	int rc;

	(void)argc, (void)argv;
	if ((s->watch && may_watch(s, e) < 0) || session_reach(s, e) < 0 ||
	    entra_who(&s->entra, &who, e) < 0)
		return -1;
	time_iso(who.expires_on, until);
	find_subscription(s, &name, &why);

	const char *const values[WHO] = {
		who.name,	    who.object_id,
		who.credential,	    who.tenant,
		s->az.subscription, name != NULL ? name : "",
		s->az.arm,	    until
	};
	struct status st = {
		.names = who_names,
		.values = values,
		.group = settings_get(s->set, S_COMPUTE_GROUP),
		.storage_group = settings_get(s->set, S_STORAGE_GROUP),
		.addresses_end = params_end_soon(),
		.publish_off = ports_off(s->set),
	};

	rc = show(s, &st, &why, e);
	if (rc == 0 && why.kind != ERR_NONE) {
		*e = why;
		rc = -1;
	}
	free(name);
	return rc;
}
