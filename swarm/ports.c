/*
 * Ports follow: what services publish is let in by the agents' load balancer
 * and their security group, and what none publishes any more is not.  Both are
 * written as a whole, so each is written only as it was read (its etag), and
 * read again when somebody else was quicker.
 *
 * Source: "Optimistic concurrency" of Microsoft.Network: If-Match, and 412 with
 * PreconditionFailed, as in the recordings; Docker Engine API,
 * Service.Endpoint.
 */
#include "swarm/ports.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node/layout.h"
#include "swarm/plan.h"
#include "swarm/remote.h"

#define BOOK_MAX 20000 /* ports that are published */
#define LIST_MAX 2000  /* of a line that names ports */
#define TRIES 6
/* the template's: whom people reach agents by, and agents the Internet */
#define PUBLIC_FRONT "public"
#define OUT_FRONT "outbound"
#define OUT_RULE "outbound"

/* ---- what is published ---- */

static bool is_own(unsigned port)
{
	static const unsigned own[] = { 22,
					LAYOUT_HELPER_PORT,
					LAYOUT_HEALTH_PORT,
					LAYOUT_REGISTRY_PORT,
					DOCKER_PORT_MANAGER,
					DOCKER_PORT_VXLAN,
					DOCKER_PORT_GOSSIP };

	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (own[i] == port)
			return true;
	return false;
}

/* "node.role == ROLE" or "node.role != OTHER", with or without blanks, in any
 * case. */
static bool is_of(const char *constraint, const char *role, const char *other)
{
	struct str s = str_of(constraint), left;
	bool is_not;

	if (!str_cut(&s, '=', &left))
		return false;
	is_not = str_ends(left, STR("!"));
	left.n -= is_not;
	return (is_not || str_starts(s, STR("="))) &&
	       str_ieqz(str_trim(left), "node.role") &&
	       str_ieqz(str_trim(str_skip(s, !is_not)), is_not ? other : role);
}

/* Why not every agent has a task of that one; NULL: each does. */
static const char *why_not_all(const cJSON *spec)
{
	static const char some[] = "it is on the nodes of its tasks alone";
	const char *why = json_at(spec, "Mode.Global") != NULL ? NULL : some;
	const cJSON *c;

	cJSON_ArrayForEach(c, json_at(spec, "TaskTemplate.Placement.Constraints")) {
		const char *text = cJSON_GetStringValue(c);

		if (why == NULL && is_of(text, "manager", "worker"))
			return "it is on masters alone, and the balancer's are "
			       "agents";
		if (!is_of(text, "worker", "manager"))
			why = some;
	}
	return why;
}

/* Why the load balancer brings nobody to that port; NULL: it is to. */
static const char *why_inside(const cJSON *spec, const cJSON *p, bool host)
{
	int64_t port = json_int_opt(p, "PublishedPort", 0);
	const char *why;

	if (port > 0 && is_own((unsigned)port))
		return "it is the cluster's own";
	if (str_is(json_str_opt(p, "Protocol", "tcp"), "sctp"))
		return "Azure balances no SCTP";
	if (host && (why = why_not_all(spec)) != NULL)
		return why;
	if (port > RULES_PORT_MAX)
		return "Azure balances no port above 65534";
	return NULL;
}

static int book_add(struct ports_book *b, const cJSON *spec, const cJSON *p,
		    bool chosen, struct err *e)
{
	int64_t number = json_int_opt(p, "PublishedPort", 0);
	struct ports_published one = {
		.port = { .udp = json_is(p, "Protocol", "udp") },
		.host = json_is(p, "PublishMode", "host"),
		.chosen = chosen,
	};

	if (number < 1 || number > 65535) /* of each task another */
		return 0;
	if (b->n == BOOK_MAX)
		return err_set(e, ERR_DATA, "more than %d ports are published",
			       BOOK_MAX);
	one.port.number = (unsigned)number;
	one.why = why_inside(spec, p, one.host);
	snprintf(one.service, sizeof(one.service), "%s", json_text(spec, "Name"));
	b->list = xrealloc(b->list, (b->n + 1) * sizeof(*b->list));
	b->list[b->n++] = one;
	return 0;
}

/* Did the engine choose the number of that one? */
static bool is_chosen(const cJSON *asked, const cJSON *p)
{
	const cJSON *a;
	bool chosen = false;

	cJSON_ArrayForEach(a, asked) {
		int64_t number = json_int_opt(a, "PublishedPort", 0);

		if (!str_is(json_str_opt(a, "Protocol", "tcp"),
			    json_str_opt(p, "Protocol", "tcp")))
			continue;
		if (number != 0 && number == json_int_opt(p, "PublishedPort", 0))
			return false;
		chosen |= number == 0 && json_int_opt(a, "TargetPort", 0) ==
						 json_int_opt(p, "TargetPort", 0);
	}
	return chosen;
}

/* What a service's body says; of ports, as the engine has them, only what it
 * chose: they lag behind a body that was changed a moment ago. */
static int take_ports(struct ports_book *b, const cJSON *spec,
		      const cJSON *ports, struct err *e)
{
	const cJSON *p, *asked = json_at(spec, "EndpointSpec.Ports");

	cJSON_ArrayForEach(p, asked)
		if (book_add(b, spec, p, false, e) < 0)
			return -1;
	cJSON_ArrayForEach(p, ports)
		if (is_chosen(asked, p) && book_add(b, spec, p, true, e) < 0)
			return -1;
	return 0;
}

/* An update that is not over may go back, by itself or by hand, to the body that
 * the service had before. */
static bool may_go_back(const cJSON *service)
{
	return str_listed("updating paused rollback_started",
			  json_text(service, "UpdateStatus.State"));
}

static int take_service(void *book, const cJSON *service, struct err *e)
{
	struct ports_book *b = book;
	const cJSON *ports = json_at(service, "Endpoint.Ports");
	size_t n;

	if (take_ports(b, json_get(service, "Spec"), ports, e) < 0)
		return -1;
	n = b->n;
	if (may_go_back(service) &&
	    take_ports(b, json_get(service, "PreviousSpec"), ports, e) < 0)
		return -1;
	for (; n < b->n; n++)
		b->list[n].was = true;
	return 0;
}

int ports_read(struct docker *d, struct ports_book *b, struct err *e)
{
	return docker_each(d, "/services", take_service, b, e);
}

void ports_release(struct ports_book *b)
{
	free(b->list);
	*b = (struct ports_book){ 0 };
}

static bool is_same(const struct rules_port *a, const struct rules_port *b)
{
	return a->number == b->number && a->udp == b->udp;
}

/* Who publishes it, or did before its update, for the balancer to bring people
 * there; NULL: nobody. */
static const struct ports_published *wanted(const struct ports_book *b,
					    const struct rules_port *p, bool was)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->list[i].why == NULL && b->list[i].was == was &&
		    is_same(&b->list[i].port, p))
			return &b->list[i];
	return NULL;
}

static const char *word_of(const struct rules_port *p)
{
	return p->udp ? "udp" : "tcp";
}

/* ---- what there is, against that ---- */

static const struct ports_row *row_of(const struct ports_row *rows, size_t n,
				      const struct rules_port *p)
{
	for (size_t i = 0; i < n; i++)
		if (is_same(&rows[i].port, p))
			return &rows[i];
	return NULL;
}

static int by_number(const void *pa, const void *pb)
{
	const struct ports_row *a = pa, *b = pb;

	if (a->port.number != b->port.number)
		return a->port.number < b->port.number ? -1 : 1;
	return a->port.udp - b->port.udp;
}

/* Is any rule for it ours? */
static bool is_ours(const struct ports_row *r)
{
	struct rules_port ignored;

	return rules_ours(r->rule, &ignored) || rules_ours(r->group, &ignored);
}

static enum ports_state state_of(const struct ports_row *r,
				 enum rules_way balancer, enum rules_way group,
				 bool off)
{
	if (r->by == NULL && (is_ours(r) || *r->rule == '\0'))
		return PORTS_NOBODY;
	if (r->by == NULL)
		return rules_template(r->rule) ? PORTS_KEPT : PORTS_NOT_OURS;
	if (r->by->why != NULL)
		return is_ours(r) ? PORTS_LEFT : PORTS_INSIDE;
	if (balancer == RULES_TAKEN || group == RULES_DENIED)
		return PORTS_TAKEN;
	if (balancer == RULES_OPEN && group == RULES_OPEN)
		return PORTS_OK;
	return off ? PORTS_OFF : PORTS_NO_RULE;
}

/* Ports that a rule of the document is for and no row has yet. */
static size_t add_rules(struct ports_row *rows, size_t n, const cJSON *doc)
{
	const cJSON *rule, *properties = json_get(doc, "properties");
	struct rules_port p;

	cJSON_ArrayForEach(rule, json_get(properties, "loadBalancingRules"))
		if (rules_port_of(doc, rule, &p) && row_of(rows, n, &p) == NULL)
			rows[n++] = (struct ports_row){ .port = p };
	cJSON_ArrayForEach(rule, json_get(properties, "securityRules"))
		if (rules_ours(json_text(rule, "name"), &p) &&
		    row_of(rows, n, &p) == NULL)
			rows[n++] = (struct ports_row){ .port = p };
	return n;
}

static bool opens(const struct ports_row *r)
{
	return r->state == PORTS_NO_RULE;
}

static bool closes(const struct ports_row *r)
{
	return r->state == PORTS_NOBODY || r->state == PORTS_LEFT;
}

static size_t count_rules(const cJSON *doc)
{
	const cJSON *properties = json_get(doc, "properties");

	return (size_t)cJSON_GetArraySize(
		       json_get(properties, "loadBalancingRules")) +
	       (size_t)cJSON_GetArraySize(json_get(properties, "securityRules"));
}

size_t ports_compare(const struct ports_book *b, const cJSON *balancer,
		     const cJSON *group, bool off, struct ports_row **out)
{
	size_t most = b->n + count_rules(balancer) + count_rules(group), n = 0;
	struct ports_row *rows = xcalloc(most + 1, sizeof(*rows));
	const struct ports_published *was;

	for (size_t i = 0; i < b->n; i++) {
		const struct ports_published *p = &b->list[i];
		const struct ports_published *w = wanted(b, &p->port, false);

		if (!p->was && row_of(rows, n, &p->port) == NULL)
			rows[n++] = (struct ports_row){ .port = p->port,
							.by = w ? w : p };
	}
	n = add_rules(rows, n, balancer);
	n = add_rules(rows, n, group);
	for (size_t i = 0; i < n; i++) {
		struct ports_row *r = &rows[i];
		enum rules_way in_balancer, in_group = RULES_OPEN;

		in_balancer = rules_balancer(balancer, &r->port, &r->rule);
		r->group = "";
		if (group != NULL)
			in_group = rules_group(group, &r->port, &r->group);
		r->state = state_of(r, in_balancer, in_group, off);
		if (closes(r) && (was = wanted(b, &r->port, true)) != NULL) {
			r->by = was;
			r->state = PORTS_OK;
		}
		r->taken = in_balancer == RULES_TAKEN ? r->rule : r->group;
	}
	qsort(rows, n, sizeof(*rows), by_number);
	*out = rows;
	return n;
}

bool ports_off(const struct settings *set)
{
	return strcmp(settings_get(set, S_PUBLISH), "off") == 0;
}

bool ports_pending(const struct ports_row *r)
{
	return opens(r) || closes(r);
}

static const char *const state_words[] = {
	[PORTS_OK] = "ok",
	[PORTS_NO_RULE] = "no rule",
	[PORTS_OFF] = "closed, by PUBLISH=off",
	[PORTS_TAKEN] = "taken by a rule of others",
	[PORTS_INSIDE] = "not balanced",
	[PORTS_LEFT] = "open, and not balanced any more",
	[PORTS_KEPT] = "open, and nobody publishes",
	[PORTS_NOBODY] = "nobody publishes",
	[PORTS_NOT_OURS] = "not ours",
};

size_t ports_tell(const struct ports_book *b, const cJSON *balancer,
		  const cJSON *group, bool off, struct buf *out)
{
	struct ports_row *rows;
	size_t n = ports_compare(b, balancer, group, off, &rows), told = 0;

	for (size_t i = 0; i < n; i++) {
		const struct ports_row *r = &rows[i];

		if (!ports_pending(r) && r->state != PORTS_TAKEN)
			continue;
		buf_addf(out, "%s%u/%s", told++ > 0 ? ", " : "", r->port.number,
			 word_of(&r->port));
		if (r->by != NULL)
			buf_addf(out, " (%s)", r->by->service);
		buf_addf(out, ": %s", state_words[r->state]);
	}
	free(rows);
	return told;
}

/* ---- the two documents in Azure ---- */

static const struct side {
	const char *type, *name, *words;
} balancers = { "loadBalancers", RULES_BALANCER, "load balancer " RULES_BALANCER },
  groups = { "networkSecurityGroups", RULES_GROUP, "security group " RULES_GROUP };

static char *side_path(const struct session *s, const struct side *side)
{
	return azure_path(&s->az,
			  "/resourceGroups/%s/providers/Microsoft.Network/%s/%s"
			  "?api-version=" API_NETWORK,
			  settings_get(s->set, S_COMPUTE_GROUP), side->type,
			  side->name);
}

/* *doc: NULL when it is not there. */
static int side_read(struct session *s, const struct side *side, cJSON **doc,
		     struct err *e)
{
	char *path = side_path(s, side);
	struct azure_reply r = { 0 };
	int rc = azure_call(&s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e);

	*doc = NULL;
	if (rc == 0 && r.http.head.status != 404) {
		*doc = r.doc;
		r.doc = NULL;
	}
	azure_reply_release(&r);
	free(path);
	return rc < 0 ? err_in(e, "%s", side->words) : 0;
}

int ports_group(struct session *s, cJSON **doc, struct err *e)
{
	return side_read(s, &groups, doc, e);
}

/* What GET adds to either, and PUT does not take. */
static void drop_read_only(cJSON *doc)
{
	static const char *const of_doc[] = { "name", "type", NULL };
	static const char *const of_all[] = { "provisioningState",
					      "resourceGuid",
					      "defaultSecurityRules",
					      "networkInterfaces",
					      "subnets",
					      "flowLogs",
					      NULL };
	cJSON *properties = json_get_mut(doc, "properties"), *list;

	for (size_t i = 0; of_doc[i] != NULL; i++)
		cJSON_DeleteItemFromObjectCaseSensitive(doc, of_doc[i]);
	for (size_t i = 0; of_all[i] != NULL; i++)
		cJSON_DeleteItemFromObjectCaseSensitive(properties, of_all[i]);
	cJSON_ArrayForEach(list, properties)
		rules_bare(list);
}

/* doc is without its etag then, which is sent as a header. */
static int side_write(struct session *s, const struct side *side, cJSON *doc,
		      struct err *e)
{
	cJSON *etag = cJSON_DetachItemFromObjectCaseSensitive(doc, "etag");
	struct azure_wait w = { .what = side->words,
				.limit_ms = OPERATION_LIMIT_MS,
				.if_match = cJSON_GetStringValue(etag) };
	char *path = side_path(s, side);
	int rc;

	drop_read_only(doc);
	rc = azure_do(&s->az, "PUT", path, doc, &w, NULL, e);
	json_free(etag);
	free(path);
	return rc;
}

static int side_missing(const struct side *side, struct err *e)
{
	return err_set(e, ERR_DATA,
		       "%s is not there; 'azswarm deploy-compute' makes it",
		       side->words);
}

/* Before another try: 1, 2 and then 4 s. */
static int side_pause(struct session *s, const struct side *side, int tried,
		      struct err *e)
{
	const struct azure_clock *clock = &s->az.clock;
	int64_t now = clock->now(clock->ctx);

	return clock->wait(clock->ctx,
			   now + (1000 << (tried < 3 ? tried - 1 : 2)),
			   side->words, now, e);
}

/*
 * Have edit change the document, as long as it says 1, and write that: as it
 * was read, or else read again.  *doc: what was read before, which this takes,
 * NULL for nothing; and then what is there.
 */
static int side_edit(struct session *s, const struct side *side, cJSON **doc,
		     int (*edit)(const void *ctx, cJSON *doc, struct err *e),
		     const void *ctx, struct err *e)
{
	int rc = 0;

	for (int i = 0; i < TRIES; i++) {
		if (i > 0 && side_pause(s, side, i, e) < 0)
			return -1;
		if (*doc == NULL && side_read(s, side, doc, e) < 0)
			return -1;
		if (*doc == NULL)
			return side_missing(side, e);
		if ((rc = edit(ctx, *doc, e)) <= 0)
			return rc;
		if ((rc = side_write(s, side, *doc, e)) == 0)
			return 0;
		json_free(*doc);
		*doc = NULL;
		if (!azure_changed(e))
			return rc;
		err_clear(e);
	}
	return err_set(e, ERR_AZURE, "%s: somebody else keeps changing it",
		       side->words);
}

struct sides {
	cJSON *balancer, *group;
};

static int sides_read(struct session *s, struct sides *in, struct err *e)
{
	return side_read(s, &balancers, &in->balancer, e) < 0 ?
		       -1 :
		       side_read(s, &groups, &in->group, e);
}

/* Both are there: half a way in would be of no use. */
static int sides_need(const struct sides *in, struct err *e)
{
	if (in->balancer == NULL)
		return side_missing(&balancers, e);
	return in->group == NULL ? side_missing(&groups, e) : 0;
}

static void sides_release(struct sides *in)
{
	json_free(in->balancer);
	json_free(in->group);
}

/* ---- to change them ---- */

/* What is to be opened, and closed: rows that were compared. */
struct work {
	const struct ports_row *rows;
	size_t n;
};

/* Ours for those ports go. */
static int drop_rules(const struct work *w, cJSON *doc)
{
	cJSON *rule, *next, *list = rules_list(doc);
	const struct ports_row *r;
	struct rules_port p;
	int changed = 0;

	for (rule = list != NULL ? list->child : NULL; rule != NULL; rule = next) {
		next = rule->next;
		if (!rules_ours(json_text(rule, "name"), &p) ||
		    (r = row_of(w->rows, w->n, &p)) == NULL || !closes(r))
			continue;
		json_free(cJSON_DetachItemViaPointer(list, rule));
		changed = 1;
	}
	return changed;
}

static int
edit_with(const struct work *w, cJSON *doc,
	  enum rules_way (*way)(const cJSON *doc, const struct rules_port *p,
				const char **by),
	  int (*add)(cJSON *doc, const struct rules_port *p, struct err *e),
	  struct err *e)
{
	int changed = drop_rules(w, doc);
	const char *ignored;

	for (size_t i = 0; i < w->n; i++) {
		const struct ports_row *r = &w->rows[i];

		if (!opens(r) || way(doc, &r->port, &ignored) != RULES_NONE)
			continue;
		if (add(doc, &r->port, e) < 0)
			return -1;
		changed = 1;
	}
	return changed;
}

static int edit_balancer(const void *w, cJSON *doc, struct err *e)
{
	return edit_with(w, doc, rules_balancer, rules_add_balancer, e);
}

static int edit_group(const void *w, cJSON *doc, struct err *e)
{
	return edit_with(w, doc, rules_group, rules_add_group, e);
}

/* "443/tcp (web), 5353/udp (dns)" of those that which() has. */
static void name_ports(const struct work *w,
		       bool (*which)(const struct ports_row *r), struct buf *out)
{
	for (size_t i = 0; i < w->n; i++) {
		const struct ports_row *r = &w->rows[i];

		if (which(r))
			buf_addf(out, "%s%u/%s%s%s%s", out->n > 0 ? ", " : "",
				 r->port.number, word_of(&r->port),
				 r->by != NULL ? " (" : "",
				 r->by != NULL ? r->by->service : "",
				 r->by != NULL ? ")" : "");
	}
}

static bool is_ask(const struct session *s)
{
	return strcmp(settings_get(s->set, S_PUBLISH), "ask") == 0;
}

/* With PUBLISH=ask, whether somebody agrees. */
static int agree(struct session *s, const struct work *w, struct err *e)
{
	struct buf names = BUF_INIT(LIST_MAX);
	char *what;
	int rc;

	name_ports(w, opens, &names);
	if (names.n == 0 || !is_ask(s)) {
		buf_release(&names);
		return 0;
	}
	what = xasprintf("open %s%s to the Internet", names.str,
			 names.over ? " and more" : "");
	rc = swarm_agree(s, what, e);
	free(what);
	buf_release(&names);
	return rc;
}

/* What stays closed, of what was to be made. */
static void say_closed(struct session *s, const struct ports_row *r)
{
	unsigned n = r->port.number;
	const char *word = word_of(&r->port);

	if (r->state == PORTS_OFF)
		ui_say(s->ui,
		       "port %u/%s of service %s stays closed to the Internet: "
		       "PUBLISH=off",
		       n, word, r->by->service);
	else if (r->state == PORTS_TAKEN)
		ui_say(s->ui,
		       "port %u/%s of service %s stays closed to the Internet: "
		       "the rule %s, which is not azswarm's, has it",
		       n, word, r->by->service, r->taken);
	else if (r->state == PORTS_INSIDE)
		ui_say(s->ui,
		       "port %u/%s of service %s is not brought to the load "
		       "balancer: %s",
		       n, word, r->by->service, r->by->why);
}

static bool has_work(const struct work *w)
{
	for (size_t i = 0; i < w->n; i++)
		if (ports_pending(&w->rows[i]))
			return true;
	return false;
}

/* What is published, what there is, and how the two compare. */
struct view {
	struct ports_book b;
	struct sides in;
	struct ports_row *rows;
	struct work w;
};

static void view_compare(const struct session *s, struct view *v)
{
	v->w.n = ports_compare(&v->b, v->in.balancer, v->in.group,
			       ports_off(s->set), &v->rows);
	v->w.rows = v->rows;
}

static void view_release(struct view *v)
{
	sides_release(&v->in);
	free(v->rows);
	ports_release(&v->b);
	*v = (struct view){ 0 };
}

/* What Azure has, and how it compares; adjust, which may be NULL, leaves out what
 * is not to be done.  A deployment that runs writes both as it found them when it
 * began, so that what is done meanwhile is lost: it ends first. */
static int view_read(struct session *s, struct view *v,
		     void (*adjust)(struct session *s, struct view *v),
		     struct err *e)
{
	int rc = 0;

	do {
		sides_release(&v->in);
		free(v->rows);
		v->rows = NULL;
		v->in = (struct sides){ 0 };
		v->w = (struct work){ 0 };
		if (sides_read(s, &v->in, e) < 0)
			return -1;
		view_compare(s, v);
		if (adjust != NULL)
			adjust(s, v);
	} while (has_work(&v->w) && (rc = deployment_let_end(s, e)) > 0);
	return rc;
}

/* was: as it was, to be opened or closed; r: as it is now, NULL: nobody has to do
 * with it any more. */
static void say_done(struct session *s, const struct ports_row *was,
		     const struct ports_row *r)
{
	unsigned n = was->port.number;
	const char *word = word_of(&was->port);

	if (closes(was))
		ui_say(s->ui, "port %u/%s is closed: %s", n, word,
		       was->by != NULL ? was->by->why :
					 "no service publishes it any more");
	else if (opens(was) && r != NULL && r->state == PORTS_OK)
		ui_say(s->ui,
		       "port %u/%s is open to the Internet now: service %s; "
		       "PUBLISH=off keeps ports closed",
		       n, word, r->by->service);
	else if (opens(was) && r != NULL)
		say_closed(s, r);
}

/* The group first: what the balancer brings then is let in.  What is said is what
 * there is then, for somebody may have been quicker. */
static int work_do(struct session *s, struct view *v, struct err *e)
{
	struct ports_row *were = v->rows;
	size_t n = v->w.n;

	if (side_edit(s, &groups, &v->in.group, edit_group, &v->w, e) < 0 ||
	    side_edit(s, &balancers, &v->in.balancer, edit_balancer, &v->w, e) < 0)
		return -1;
	view_compare(s, v);
	for (size_t i = 0; i < n; i++)
		say_done(s, &were[i], row_of(v->rows, v->w.n, &were[i].port));
	free(were);
	return 0;
}

/* Do what there is to be done, where somebody agrees. */
static int view_apply(struct session *s, struct view *v, struct err *e)
{
	if (!has_work(&v->w))
		return 0;
	return sides_need(&v->in, e) < 0 || agree(s, &v->w, e) < 0 ?
		       -1 :
		       work_do(s, v, e);
}

/* ---- before services are made, and after they went ---- */

static int take_specs(struct ports_book *b, const cJSON *specs, struct err *e)
{
	const cJSON *spec;

	cJSON_ArrayForEach(spec, specs)
		if (take_ports(b, spec, NULL, e) < 0)
			return -1;
	for (size_t i = 0; i < b->n; i++)
		if (is_own(b->list[i].port.number))
			return err_set(e, ERR_USAGE,
				       "service %s: port %u is the cluster's own "
				       "(22, 1337 to 1339, 2377, 4789, 7946); "
				       "publish another",
				       b->list[i].service,
				       b->list[i].port.number);
	return 0;
}

int ports_refuse(const cJSON *specs, struct err *e)
{
	struct ports_book b = { 0 };
	int rc = take_specs(&b, specs, e);

	ports_release(&b);
	return rc < 0 ? err_in(e, "ports") : 0;
}

/* The template opens those for everybody, whatever is published. */
static bool all_are_open(const struct ports_book *b)
{
	for (size_t i = 0; i < b->n; i++) {
		const struct ports_published *p = &b->list[i];

		if (p->why != NULL || p->port.udp ||
		    (p->port.number != LAYOUT_REPLICATED_PORT &&
		     p->port.number != LAYOUT_GLOBAL_PORT))
			return false;
	}
	return true;
}

/* What is only in the way of nobody is not closed by who opens. */
static void keep_others(struct session *s, struct view *v)
{
	(void)s;
	for (size_t i = 0; i < v->w.n; i++)
		if (closes(&v->rows[i]))
			v->rows[i].state = PORTS_KEPT;
}

int ports_open(struct session *s, const cJSON *specs, struct err *e)
{
	struct view v = { 0 };
	int rc = take_specs(&v.b, specs, e);

	if (rc == 0 && !all_are_open(&v.b) &&
	    (rc = view_read(s, &v, keep_others, e)) == 0) {
		for (size_t i = 0; i < v.w.n; i++)
			say_closed(s, &v.rows[i]);
		rc = view_apply(s, &v, e);
	}
	view_release(&v);
	return rc < 0 ? err_in(e, "ports") : 0;
}

int ports_reached(struct session *s, const cJSON *specs, cJSON *numbers,
		  struct err *e)
{
	struct view v = { 0 };
	int rc = take_specs(&v.b, specs, e);
	bool all = rc == 0 && all_are_open(&v.b);

	if (rc == 0 && !all && (rc = sides_read(s, &v.in, e)) == 0)
		view_compare(s, &v);
	for (size_t i = 0; rc == 0 && i < v.b.n; i++) {
		const struct ports_published *p = &v.b.list[i];
		const struct ports_row *r = row_of(v.rows, v.w.n, &p->port);

		if (!p->port.udp &&
		    (all || (r != NULL && r->by == p && r->state == PORTS_OK)))
			json_add_int(numbers, NULL, p->port.number);
	}
	view_release(&v);
	return rc < 0 ? err_in(e, "ports") : 0;
}

/* Nothing is opened here that a service asked for, which was ports_open's, and
 * nobody is asked. */
static void open_chosen_alone(struct session *s, struct view *v)
{
	/* where there is no way in, none is to be closed */
	if (v->in.balancer == NULL || v->in.group == NULL)
		v->w.n = 0;
	for (size_t i = 0; i < v->w.n; i++) {
		struct ports_row *r = &v->rows[i];

		if (opens(r) && (!r->by->chosen || is_ask(s)))
			r->state = PORTS_OFF;
	}
}

static void say_unasked(struct session *s, const struct ports_row *r)
{
	if (r->state == PORTS_OFF && r->by->chosen && is_ask(s))
		ui_say(s->ui,
		       "port %u/%s of service %s stays closed to the "
		       "Internet: 'azswarm ports --apply' opens it",
		       r->port.number, word_of(&r->port), r->by->service);
}

int ports_close(struct session *s, struct docker *d, struct err *e)
{
	struct view v = { 0 };
	int rc = ports_read(d, &v.b, e) < 0 ?
			 -1 :
			 view_read(s, &v, open_chosen_alone, e);

	for (size_t i = 0; rc == 0 && i < v.w.n; i++)
		say_unasked(s, &v.rows[i]);
	if (rc == 0 && has_work(&v.w))
		rc = work_do(s, &v, e);
	view_release(&v);
	return rc < 0 ? err_in(e, "ports") : 0;
}

/* ---- deployments ---- */

/* What leaves by an address that the template's own rule has is no rule beside
 * it: Azure takes one of the two.  told: it was said. */
static void drop_outbound(struct session *s, cJSON *rules, const char *front,
			  bool told)
{
	cJSON *rule, *next;

	for (rule = rules->child; rule != NULL; rule = next) {
		next = rule->next;
		if (!rules_leaves_by(rule, front))
			continue;
		if (!told)
			ui_say(s->ui,
			       "outbound rule %s is not kept: it is by the "
			       "address %s, and so is the template's own",
			       json_text(rule, "name"), front);
		json_free(cJSON_DetachItemViaPointer(rules, rule));
	}
}

/* The frontends that the template has, or had: with several placement groups it
 * has a second one, and one of that name may be somebody's own. */
static cJSON *own_fronts(const cJSON *variables, const cJSON *balancer, bool single)
{
	cJSON *own = cJSON_Duplicate(json_get(variables, "lbFrontends"), true);
	const cJSON *f = json_named(
		json_at(balancer, "properties.frontendIPConfigurations"),
		OUT_FRONT);

	if (!single || rules_id_ends(json_text(f, "properties.publicIPPrefix.id"),
				     "/publicIPPrefixes/agents-out"))
		json_add_str(json_add_obj(own, NULL), "name", OUT_FRONT);
	return own;
}

/* What of the outbound rules is to stay. */
static void keep_outbound(struct session *s, cJSON *properties,
			  const cJSON *balancer, bool told)
{
	cJSON *parameters = json_get_mut(properties, "parameters");
	bool single = json_bool_opt(parameters, "singlePlacementGroup.value",
				    true);
	const cJSON *variables = json_at(properties, "template.variables");
	cJSON *fronts = own_fronts(variables, balancer, single), *rules;

	azure_parameter(parameters, "moreLbFrontends",
			rules_others(balancer, "frontendIPConfigurations",
				     fronts));
	azure_parameter(parameters, "moreOutboundAddresses",
			rules_more_ways(balancer, OUT_RULE, fronts));
	rules = rules_others(balancer, "outboundRules",
			     json_get(variables, "lbOutboundRules"));
	drop_outbound(s, rules, single ? PUBLIC_FRONT : OUT_FRONT, told);
	azure_parameter(parameters, "moreLbOutboundRules", rules);
	json_free(fronts);
}

/* What the template does not speak of, and a deployment would take away.  Tags are a
 * parameter, for one that begins with [ would be an expression. */
static void keep_rest(cJSON *properties, const struct side *side,
		      const cJSON *doc, const char *parameter)
{
	cJSON *template = json_get_mut(properties, "template"), *r;
	const cJSON *tags = json_get(doc, "tags");
	char *value = xasprintf("[parameters('%s')]", parameter);
	cJSON *declared;

	cJSON_ArrayForEach(r, json_get_mut(template, "resources"))
		if (json_is(r, "name", side->name))
			break;
	if (json_bool_opt(doc, "properties.flushConnection", false))
		json_set(json_get_mut(r, "properties"), "flushConnection",
			 cJSON_CreateTrue());
	cJSON_DeleteItemFromObjectCaseSensitive(r, "tags");
	if (tags != NULL && tags->child != NULL) {
		json_set(r, "tags", cJSON_CreateString(value));
		declared = cJSON_CreateObject();
		json_add_str(declared, "type", "object");
		json_set(json_get_mut(template, "parameters"), parameter,
			 declared);
		azure_parameter(json_get_mut(properties, "parameters"),
				parameter, cJSON_Duplicate(tags, true));
	}
	free(value);
}

int ports_keep(struct session *s, cJSON *body, bool there, struct err *e)
{
	static const struct {
		const char *member; /* of the balancer, or else of the group */
		const char *own; /* the template's variable; NULL: it has none */
		const char *parameter;
		bool of_group;
	} kept[] = {
		{ "loadBalancingRules", "lbRules", "moreLbRules", false },
		{ "inboundNatRules", NULL, "moreLbNatRules", false },
		{ "inboundNatPools", NULL, "moreLbNatPools", false },
		{ "backendAddressPools", "lbPools", "moreLbPools", false },
		{ "probes", "lbProbes", "moreLbProbes", false },
		{ "securityRules", "agentsRules", "moreAgentsRules", true },
	};
	cJSON *properties = json_get_mut(body, "properties");
	cJSON *parameters = json_get_mut(properties, "parameters");
	const cJSON *own = json_at(properties, "template.variables");
	bool again = json_get(parameters, kept[0].parameter) != NULL;
	struct sides in = { 0 };

	if (!there)
		return 0;
	if (sides_read(s, &in, e) < 0) {
		sides_release(&in);
		return -1;
	}
	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
		const cJSON *doc = kept[i].of_group ? in.group : in.balancer;

		if (doc != NULL)
			azure_parameter(parameters, kept[i].parameter,
					rules_others(doc, kept[i].member,
						     json_get(own, kept[i].own)));
	}
	if (in.balancer != NULL)
		keep_outbound(s, properties, in.balancer, again);
	keep_rest(properties, &balancers, in.balancer, "balancerTags");
	keep_rest(properties, &groups, in.group, "groupTags");
	sides_release(&in);
	return 0;
}

/* ---- the command ---- */

static int show(struct session *s, const struct work *w, struct err *e)
{
	static const char *const columns[] = { "port",	  "protocol", "mode",
					       "service", "rule",     "group",
					       "state",	  NULL };
	struct listing t;
	int rc;

	listing_init(&t, columns);
	for (size_t i = 0; i < w->n; i++) {
		const struct ports_row *r = &w->rows[i];
		bool inside = r->state == PORTS_INSIDE || r->state == PORTS_LEFT;

		listing_row(&t);
		listing_cell(&t, "%u", r->port.number);
		listing_cell(&t, "%s", word_of(&r->port));
		listing_cell(&t, "%s",
			     r->by == NULL ? "" :
			     r->by->host   ? "host" :
					     "ingress");
		listing_cell(&t, "%s", r->by != NULL ? r->by->service : "");
		listing_cell(&t, "%s", r->rule);
		listing_cell(&t, "%s", r->group);
		listing_cell(&t, "%s%s%s", state_words[r->state],
			     inside ? ": " : "", inside ? r->by->why : "");
	}
	rc = listing_print(&t, s->ui, e);
	listing_release(&t);
	return rc;
}

static int look(struct session *s, struct docker *d, struct view *v, struct err *e)
{
	if (ports_read(d, &v->b, e) < 0 || sides_read(s, &v->in, e) < 0 ||
	    sides_need(&v->in, e) < 0)
		return -1;
	view_compare(s, v);
	return 0;
}

int cmd_ports(struct session *s, int argc, char **argv, struct err *e)
{
	struct view v = { 0 };
	struct remote r;
	int rc = -1;

	(void)argc, (void)argv;
	if (remote_open_swarm(s, &r, REMOTE_SWARM_MS, e) < 0)
		goto out;
	if (s->apply && !s->dry_run &&
	    (ports_read(remote_docker(&r), &v.b, e) < 0 ||
	     view_read(s, &v, NULL, e) < 0 || view_apply(s, &v, e) < 0))
		goto out;
	view_release(&v);
	if (look(s, remote_docker(&r), &v, e) < 0)
		goto out;
	rc = show(s, &v.w, e);
	if (rc == 0 && has_work(&v.w)) {
		ui_say(s->ui, "out of step; 'azswarm ports --apply' mends it");
		s->exit_status = s->dry_run ? EXIT_PENDING : 0;
	}
out:
	view_release(&v);
	remote_release(&r);
	return rc;
}
