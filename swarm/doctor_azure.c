/*
 * From this machine to what the subscription has and allows: the way to Azure,
 * who we are there, what that may do, what there is room for.
 *
 * Source: Microsoft.Authorization 2022-04-01, Permissions_ListForResourceGroup,
 * for what is permitted; "Azure role definitions" (learn.microsoft.com) for what
 * a wildcard and a NotAction mean.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/time.h"
#include "swarm/doctor.h"
#include "swarm/plan.h"
#include "swarm/swarm.h"

#define LOOKUP_MS 10000
#define CONNECT_MS 10000
#define EXCHANGE_MS 15000
#define ANSWER_MAX (256u << 10)
#define CLOCK_WARN_S 60
#define CLOCK_WRONG_S 300 /* tokens are refused from here on */
#define CERT_WARN_DAYS 7
#define DAY_S 86400
#define UNTOLD "what Azure does not tell"
#define LIST_MAX 400 /* of what is named in one line */

/* ---- the way to Azure ---- */

static const char clock_mend[] =
	"set the clock: 'timedatectl set-ntp true', or 'hwclock --hctosys'";

static void look_at_proxy(struct doctor *d, const struct http_url *arm)
{
	const struct dial *dial = &d->s->dial;
	int64_t began = now_ms();
	struct err e = ERR_INIT;
	char mend[128];
	int fd;

	if (dial->variable == NULL) {
		doctor_say(d, DOCTOR_OK, "proxy", "", "none");
		return;
	}
	if (!dial_proxied(dial, arm->host, arm->port)) {
		doctor_say(d, DOCTOR_OK, "proxy", "",
			   "%s names %s:%u, and NO_PROXY keeps %s off it",
			   dial->variable, dial->host, dial->port, arm->host);
		return;
	}
	snprintf(mend, sizeof(mend), "another %s, or unset it", dial->variable);
	fd = tcp_connect(dial->host, dial->port, now_ms() + CONNECT_MS, &e);
	if (fd < 0) {
		doctor_failed(d, "proxy", &e, mend);
		return;
	}
	stream_close(stream_of_fd(fd));
	doctor_say(d, DOCTOR_OK, "proxy", "", "%s: %s:%u answers in %lld ms",
		   dial->variable, dial->host, dial->port,
		   (long long)(now_ms() - began));
}

static bool look_up(struct doctor *d, const char *host)
{
	char *name = xasprintf("name %s", host), first[64];
	int64_t began = now_ms();
	struct err e = ERR_INIT;
	int n = host_lookup(host, now_ms() + LOOKUP_MS, first, &e);

	if (n < 0)
		doctor_failed(d, name, &e,
			      "the name servers in /etc/resolv.conf, or the "
			      "network");
	else
		doctor_say(d, DOCTOR_OK, name, "", "%s%s in %lld ms", first,
			   n > 1 ? " and others" : "",
			   (long long)(now_ms() - began));
	free(name);
	return n >= 0;
}

static void tell_certificate(struct doctor *d, const char *name,
			     const struct tls_shown *shown, int64_t took_ms)
{
	int64_t days = (shown->not_after - unix_time()) / DAY_S;

	doctor_say(d, days < CERT_WARN_DAYS ? DOCTOR_WARNING : DOCTOR_OK, name,
		   "who runs that host, or the proxy before it, renews it",
		   "certificate of %s, good for %lld days, in %lld ms",
		   shown->issuer, (long long)days, (long long)took_ms);
}

/* Its name, and TLS with it. */
static void look_at_host(struct doctor *d, const struct http_url *u)
{
	struct http_dialer dialer = dial_azure(&d->s->dial);
	int64_t began = now_ms();
	struct tls_shown shown;
	struct err e = ERR_INIT;
	struct stream *st;
	char *name;

	/* through a proxy it is the proxy that asks for the name */
	if (!dial_proxied(&d->s->dial, u->host, u->port)) {
		if (!look_up(d, u->host))
			return;
	}
	name = xasprintf("TLS %s", u->host);
	st = dialer.dial(dialer.ctx, true, u->host, u->port,
			 now_ms() + CONNECT_MS, &e);
	if (st == NULL) {
		doctor_failed(d, name, &e,
			      "a firewall or a proxy between; its CA goes into "
			      "SSL_CERT_FILE");
	} else {
		tls_shown(st, &shown);
		tell_certificate(d, name, &shown, now_ms() - began);
		stream_close(st);
	}
	free(name);
}

/* By the Date of an answer for which nobody has to be signed in. */
static void look_at_clock(struct doctor *d)
{
	char *url = xasprintf("%s/metadata/endpoints?api-version=2022-09-01",
			      d->s->az.arm);
	struct http_request q = {
		.method = "GET",
		.url = url,
		.idempotent = true,
		.deadline_ms = now_ms() + EXCHANGE_MS,
	};
	struct http_response r;
	struct err e = ERR_INIT;
	int64_t ahead, off;

	http_response_init(&r, ANSWER_MAX);
	if (http_exchange(&d->s->data, &q, &r, &e) < 0) {
		doctor_skipped(d, "clock", &e);
		goto out;
	}
	ahead = d->ahead_s = http_clock_ahead(&r.head);
	off = ahead < 0 ? -ahead : ahead;
	doctor_say(d,
		   off >= CLOCK_WRONG_S ? DOCTOR_WRONG :
		   off >= CLOCK_WARN_S	? DOCTOR_WARNING :
					  DOCTOR_OK,
		   "clock", clock_mend, "%lld s %s Azure's", (long long)off,
		   ahead < 0 ? "behind" : "ahead of");
out:
	http_response_release(&r);
	free(url);
}

void doctor_network(struct doctor *d)
{
	const char *urls[] = { d->s->az.arm, d->s->entra.o.authority };
	struct err ignored = ERR_INIT;
	struct http_url arm, u;

	if (http_url_parse(str_of(d->s->az.arm), &arm, &ignored) < 0)
		return;
	look_at_proxy(d, &arm);
	look_at_host(d, &arm);
	if (http_url_parse(str_of(urls[1]), &u, &ignored) == 0 &&
	    (strcmp(u.host, arm.host) != 0 || u.port != arm.port))
		look_at_host(d, &u);
	look_at_clock(d);
}

/* ---- who we are ---- */

void doctor_sign_in(struct doctor *d)
{
	struct session *s = d->s;
	struct azure_reply r = { 0 };
	struct entra_who who;
	char until[32], *path;
	const char *state;

	if (entra_who(&s->entra, &who, &d->no_azure) < 0) {
		doctor_failed(d, "credential", &d->no_azure,
			      "'azswarm login', or what it lacks");
		return;
	}
	time_iso(who.expires_on, until);
	doctor_say(d, DOCTOR_OK, "credential", "", "%s%s%s, until %s",
		   who.credential, *who.name != '\0' ? " " : "", who.name, until);
	if (*s->az.subscription == '\0' &&
	    session_subscription(s, &d->no_azure) < 0) {
		doctor_failed(d, "subscription", &d->no_azure,
			      "AZURE_SUBSCRIPTION_ID");
		return;
	}
	path = azure_path(&s->az, "?api-version=" API_SUBSCRIPTIONS);
	if (azure_call(&s->az, "GET", path, NULL, 0, &r, &d->no_azure) < 0) {
		doctor_failed(d, "subscription", &d->no_azure,
			      "AZURE_SUBSCRIPTION_ID, 'azswarm login --tenant'");
	} else {
		state = json_str_opt(r.doc, "state", UNTOLD);
		doctor_say(d,
			   str_ieqz(str_of(state), "Enabled") ? DOCTOR_OK :
								DOCTOR_WRONG,
			   "subscription",
			   "its owner enables it: portal, Subscriptions",
			   "%s (%s) is %s", s->az.subscription,
			   json_str_opt(r.doc, "displayName", ""), state);
	}
	azure_reply_release(&r);
	free(path);
}

/* ---- what that may do ---- */

static bool listed(const cJSON *patterns, const char *action)
{
	const cJSON *p;

	cJSON_ArrayForEach(p, patterns)
		if (cJSON_IsString(p) &&
		    str_glob(str_of(p->valuestring), str_of(action)))
			return true;
	return false;
}

bool doctor_permits(const cJSON *permissions, const char *action)
{
	const cJSON *p;

	cJSON_ArrayForEach(p, permissions)
		if (listed(json_get(p, "actions"), action) &&
		    !listed(json_get(p, "notActions"), action))
			return true;
	return false;
}

static int take_permission(void *ctx, const cJSON *item, struct err *e)
{
	cJSON *all = ctx;

	(void)e;
	cJSON_AddItemToArray(all, cJSON_Duplicate(item, true));
	return 0;
}

/* What we may do there; group NULL: in the subscription.  Caller frees. */
static cJSON *permissions(struct doctor *d, const char *group, struct err *e)
{
	char *path = azure_path(&d->s->az,
				"%s%s/providers/Microsoft.Authorization/"
				"permissions?api-version=" API_AUTHORIZATION,
				group != NULL ? "/resourcegroups/" : "",
				group != NULL ? group : "");
	cJSON *all = cJSON_CreateArray();

	if (azure_list(&d->s->az, path, "permissions", take_permission, all, e) <
	    0) {
		json_free(all);
		all = NULL;
	}
	free(path);
	return all;
}

/*
 * The actions that the commands need, and which of them are missing.  What is
 * not permitted in the subscription may be in the groups, once they are there;
 * making groups, and what has no group, is the subscription's.
 */
struct rights {
	cJSON *subscription, *compute, *storage; /* NULL: no such group */
	struct buf missing;
	unsigned n_missing, n_all, in_groups;
};

static bool in_group_only(const struct rights *r, const char *action)
{
	struct str a = str_of(action);
	bool groups = str_istarts(a, STR("Microsoft.Resources/subscriptions/"
					 "resourceGroups/"));

	if (str_ends(a, STR("/register/action")) ||
	    (!groups && str_istarts(a, STR("Microsoft.Resources/subscriptions/"))) ||
	    str_find(a, STR("/locations/")) >= 0 ||
	    str_find(a, STR("/skus/")) >= 0)
		return false;
	if (groups)
		return doctor_permits(r->compute, action) &&
		       doctor_permits(r->storage, action);
	return doctor_permits(str_istarts(a, STR("Microsoft.Storage/")) ?
				      r->storage :
				      r->compute,
			      action);
}

static void need(struct rights *r, const char *action)
{
	r->n_all++;
	if (doctor_permits(r->subscription, action))
		return;
	if (in_group_only(r, action)) {
		r->in_groups++;
		return;
	}
	if (r->missing.n < LIST_MAX)
		buf_addf(&r->missing, "%s%s", r->n_missing > 0 ? ", " : "",
			 action);
	else if (!str_ends(buf_str(&r->missing), STR("...")))
		buf_adds(&r->missing, ", ...");
	r->n_missing++;
}

static cJSON *needed_actions(void)
{
	struct err ignored = ERR_INIT;
	struct buf text;
	cJSON *role;

	asset_get("azure/role.json", &text);
	role = json_parse(buf_str(&text), "role.json", &ignored);
	buf_release(&text);
	return role;
}

static int ask_rights(struct doctor *d, struct rights *r, struct err *e)
{
	const struct settings *set = d->s->set;
	const char *compute = settings_get(set, S_COMPUTE_GROUP);
	const char *storage = settings_get(set, S_STORAGE_GROUP);

	if ((r->subscription = permissions(d, NULL, e)) == NULL ||
	    (d->survey.compute.there &&
	     (r->compute = permissions(d, compute, e)) == NULL) ||
	    (d->survey.storage.there &&
	     (r->storage = permissions(d, storage, e)) == NULL))
		return -1;
	return 0;
}

void doctor_role(struct doctor *d)
{
	struct rights r = { .missing = BUF_INIT(LIST_MAX + 256) };
	cJSON *role = needed_actions();
	struct err e = ERR_INIT;
	const cJSON *a;

	if (ask_rights(d, &r, &e) < 0) {
		doctor_failed(d, "permissions", &e, "");
		goto out;
	}
	cJSON_ArrayForEach(a, json_get(role, "Actions"))
		if (cJSON_IsString(a))
			need(&r, a->valuestring);
	if (r.n_missing > 0)
		doctor_say(d, DOCTOR_WRONG, "permissions",
			   "'azswarm role >role.json', and an owner runs 'az role "
			   "definition create --role-definition @role.json' and "
			   "assigns it",
			   "%u of %u actions are not permitted: %s",
			   r.n_missing, r.n_all, r.missing.str);
	else
		doctor_say(d, DOCTOR_OK, "permissions", "",
			   "all %u actions that the commands need%s", r.n_all,
			   r.in_groups > 0 ? ", some in the two groups only" : "");
out:
	json_free(role);
	json_free(r.subscription);
	json_free(r.compute);
	json_free(r.storage);
	buf_release(&r.missing);
}

void doctor_providers(struct doctor *d)
{
	const char *const *names = provider_names;

	for (size_t i = 0; i < PROVIDERS; i++) {
		char *path = azure_path(&d->s->az,
					"/providers/%s?api-version=" API_RESOURCES,
					names[i]);
		struct azure_reply r = { 0 };
		struct err e = ERR_INIT;
		const char *state;

		if (azure_call(&d->s->az, "GET", path, NULL, 0, &r, &e) < 0) {
			doctor_failed(d, names[i], &e, "");
		} else {
			state = json_str_opt(r.doc, "registrationState", UNTOLD);
			doctor_say(d,
				   str_ieqz(str_of(state), "Registered") ?
					   DOCTOR_OK :
					   DOCTOR_WARNING,
				   names[i],
				   "'azswarm deploy-compute' registers it, where it may; "
				   "else its owner: portal, Resource providers",
				   "%s", state);
		}
		azure_reply_release(&r);
		free(path);
	}
}

/* ---- what there is room for ---- */

/* Machines to come: as many as are wanted now, and at MAX_AGENT_COUNT. */
struct room {
	struct doctor *d;
	struct plan now, most;
	int64_t addresses; /* public ones to come */
	int max_agents;
	unsigned quotas;
};

static int64_t at_least_0(int64_t n)
{
	return n < 0 ? 0 : n;
}

static const struct survey_address *address_named(const struct survey *v,
						  const char *name)
{
	for (size_t i = 0; i < v->n_addresses; i++)
		if (str_ieqz(str_of(name), v->addresses[i].name))
			return &v->addresses[i];
	return NULL;
}

/* Of what is there, which keeps its size. */
static void take_sizes(const struct doctor *d)
{
	const struct instances *there[] = { &d->survey.masters,
					    &d->survey.agents };
	static const enum setting which[] = { S_MASTER_SIZE, S_AGENT_SIZE };

	for (size_t i = 0; i < 2; i++)
		if (there[i]->n > 0 && *there[i]->list[0].size != '\0' &&
		    *settings_get(d->s->set, which[i]) == '\0')
			settings_set(d->s->set, which[i],
				     there[i]->list[0].size, "the cluster");
}

static int count_room(struct room *room, struct err *e)
{
	const struct doctor *d = room->d;
	const struct settings *set = d->s->set;
	const struct survey *v = &d->survey;
	const char *master, *agent;
	int64_t masters = (int64_t)v->masters.n, agents = 0;
	int n_masters, n_agents;
	char name[32];

	take_sizes(d);
	if (sizes_choose(d->s, NULL, e) < 0 ||
	    settings_int(set, S_MASTER_COUNT, &n_masters, e) < 0 ||
	    settings_int(set, S_AGENT_COUNT, &n_agents, e) < 0 ||
	    settings_int(set, S_MAX_AGENT_COUNT, &room->max_agents, e) < 0)
		return -1;
	master = settings_get(set, S_MASTER_SIZE);
	agent = settings_get(set, S_AGENT_SIZE);
	/* what is deallocated uses no cores, and will when it starts */
	for (size_t i = 0; i < v->agents.n; i++)
		agents += !instance_is_warm(&v->agents.list[i]);
	/* once there are agents, their number is autoscale's */
	if (v->agents.n > 0)
		n_agents = (int)agents;
	plan_more(&room->now, master, at_least_0(n_masters - masters));
	plan_more(&room->now, agent, at_least_0(n_agents - agents));
	for (int i = 0; i < n_masters; i++) {
		snprintf(name, sizeof(name), "master%d-ip", i);
		room->addresses += address_named(v, name) == NULL;
	}
	room->addresses += address_named(v, "agents-lb-ip") == NULL;
	if (plan_ask_sizes(&room->now, d->s, e) < 0)
		return -1;
	room->most = room->now;
	plan_more(&room->most, agent,
		  at_least_0(room->max_agents -
			     (n_agents > agents ? n_agents : agents)));
	return 0;
}

/* Is there a file of this program for it?  What nobody knows may have one. */
static bool may_run(struct doctor *d, const char *architecture)
{
	struct program other;
	struct err none = ERR_INIT, ignored = ERR_INIT;
	bool found = program_other(d->s->set, &other, &none, &ignored) == 1;

	program_release(&other);
	if (*architecture == '\0' || elf_of_azure(architecture) == ELF_OWN)
		return true;
	return elf_of_azure(architecture) != ELF_MACHINES && found;
}

static void tell_size(struct doctor *d, const struct plan_size *z)
{
	char *name = xasprintf("size %s", z->name);
	const char *location = settings_get(d->s->set, S_LOCATION);
	static const char mend[] = "'azswarm sizes' shows what LOCATION has, for "
				   "AGENT_SIZE and MASTER_SIZE";

	if (z->why[0] != '\0')
		doctor_say(d, DOCTOR_WRONG, name, mend, "%s in %s", z->why,
			   location);
	else if (!may_run(d, z->architecture))
		doctor_say(d, DOCTOR_WRONG, name, mend,
			   "%s, and the file of this program for it is not at hand",
			   z->architecture);
	else
		doctor_say(d, DOCTOR_OK, name, "", "%lld vCPUs, %s, in %s",
			   (long long)z->vcpus, z->family, location);
	free(name);
}

static void tell_quota(struct room *room, const char *name, int64_t used,
		       int64_t limit, int64_t now, int64_t most)
{
	static const struct err refused = { .kind = ERR_AZURE,
					    .code = "QuotaExceeded" };
	enum doctor_verdict v = now > 0 && used + now > limit	? DOCTOR_WRONG :
				most > 0 && used + most > limit ? DOCTOR_WARNING :
								  DOCTOR_OK;
	struct buf mend = BUF_INIT(1024);

	room->quotas++;
	advice(&refused, &mend);
	doctor_say(room->d, v, name, mend.str,
		   "%lld of %lld in use, %lld more wanted, %lld at "
		   "MAX_AGENT_COUNT=%d",
		   (long long)used, (long long)limit, (long long)now,
		   (long long)most, room->max_agents);
	buf_release(&mend);
}

static int64_t bounded(const cJSON *o, const char *member)
{
	int64_t n = json_int_opt(o, member, 0);

	return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : n;
}

static int take_cores(void *ctx, const cJSON *usage, struct err *e)
{
	struct room *room = ctx;
	const char *name = json_str_opt(usage, "name.value", "");
	int64_t now, most;

	(void)e;
	if (plan_cores(&room->now, name, &now) &&
	    plan_cores(&room->most, name, &most))
		tell_quota(room, name, bounded(usage, "currentValue"),
			   bounded(usage, "limit"), at_least_0(now),
			   at_least_0(most));
	return 0;
}

static int take_addresses(void *ctx, const cJSON *usage, struct err *e)
{
	struct room *room = ctx;
	const char *name = json_str_opt(usage, "name.value", "");

	(void)e;
	if (plan_addresses(name))
		tell_quota(room, name, bounded(usage, "currentValue"),
			   bounded(usage, "limit"), room->addresses,
			   room->addresses);
	return 0;
}

static void tell_quotas(struct room *room, const char *path, const char *what,
			int (*take)(void *ctx, const cJSON *usage, struct err *e))
{
	struct err e = ERR_INIT;

	room->quotas = 0;
	if (azure_list(&room->d->s->az, path, what, take, room, &e) < 0)
		doctor_failed(room->d, what, &e, "");
	else if (room->quotas == 0)
		doctor_say(room->d, DOCTOR_SKIPPED, what, "",
			   "Azure names no quota of them in %s",
			   settings_get(room->d->s->set, S_LOCATION));
}

void doctor_sizes(struct doctor *d)
{
	struct room room = { .d = d };
	struct err e = ERR_INIT;
	char *cores, *addresses;

	plan_init(&room.now);
	if (count_room(&room, &e) < 0) {
		doctor_failed(d, "sizes", &e, "");
		goto out;
	}
	for (size_t i = 0; i < room.now.n_sizes; i++)
		tell_size(d, &room.now.sizes[i]);
	cores = plan_quota_path(d->s);
	addresses = plan_addresses_path(d->s);
	tell_quotas(&room, cores, "cores", take_cores);
	tell_quotas(&room, addresses, "public addresses", take_addresses);
	free(cores);
	free(addresses);
out:
	plan_release(&room.now);
}

/* ---- names that all of Azure shares ---- */

static void tell_account(struct doctor *d, const char *name)
{
	struct err e = ERR_INIT;

	doctor_say(d, DOCTOR_OK, name, "", "is there, and ours");
	if (d->survey.masters.n > 0 && params_fetchable(d->s, &e) < 0)
		doctor_say(d, DOCTOR_WRONG, "new machines",
			   "azswarm params && azswarm deploy-compute", "%s",
			   e.msg);
}

static void look_at_account(struct doctor *d)
{
	char *name = xasprintf("storage account %s", storage_account_name(d->s));
	struct err e = ERR_INIT;

	if (d->survey.account_sku != NULL)
		tell_account(d, name);
	else if (survey_elsewhere(d->s, &d->survey.storage))
		doctor_say(d, DOCTOR_WRONG, name,
			   "LOCATION in .env, or as a flag: also the sizes and "
			   "quotas are of that region",
			   "is not there: resource group %s is in %s, LOCATION "
			   "is %s",
			   settings_get(d->s->set, S_STORAGE_GROUP),
			   d->survey.storage.location,
			   settings_get(d->s->set, S_LOCATION));
	else if (d->survey.masters.n > 0)
		doctor_say(d, DOCTOR_WRONG, name, "azswarm deploy-storage",
			   "is not there, and new machines fetch this program "
			   "from it");
	else if (storage_name_free(d->s, &e) < 0)
		doctor_failed(d, name, &e,
			      "another STORAGE_ACCOUNT_NAME, or azswarm "
			      "deploy-storage, which proposes one");
	else
		doctor_say(d, DOCTOR_OK, name, "", "is free");
	free(name);
}

static void look_at_label(struct doctor *d, const char *label)
{
	char *name = xasprintf("DNS label %s", label);
	struct err e = ERR_INIT;
	bool is_free, told;

	if (names_label_free(d->s, label, &is_free, &told, &e) < 0)
		doctor_failed(d, name, &e, "another COMPUTE_GROUP");
	else
		doctor_say(d, is_free ? DOCTOR_OK : DOCTOR_WRONG, name,
			   "another COMPUTE_GROUP: public names are made of it; "
			   "or azswarm params, which proposes one",
			   "is %s in %s",
			   is_free ? "free" :
			   told	   ? "taken by somebody else" :
				     UNTOLD,
			   settings_get(d->s->set, S_LOCATION));
	free(name);
}

/* The labels of cluster.json, and what has them. */
static void look_at_labels(struct doctor *d)
{
	char *prefix = names_prefix(d->s);
	struct err ignored = ERR_INIT;
	int masters = 0;
	char ip[32], *label;

	(void)settings_int(d->s->set, S_MASTER_COUNT, &masters, &ignored);
	for (int i = -1; i < masters; i++) {
		if (i < 0)
			snprintf(ip, sizeof(ip), "agents-lb-ip");
		else
			snprintf(ip, sizeof(ip), "master%d-ip", i);
		if (address_named(&d->survey, ip) != NULL)
			continue;
		label = names_label(prefix, i);
		look_at_label(d, label);
		free(label);
	}
	free(prefix);
}

void doctor_names(struct doctor *d)
{
	look_at_account(d);
	look_at_labels(d);
}
