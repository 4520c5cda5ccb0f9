/*
 * The host's side of provisioning; see wire.h.  Written after what cloud-init
 * (sources/DataSourceAzure.py) and WALinuxAgent (common/protocol/) ask for.
 *
 * There are no certificates, for keys come by the metadata service, and no
 * extensions: an agent that is asked for one wants its package.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "emulator/machines.h"
#include "emulator/ops.h"
#include "emulator/store.h"
#include "emulator/wire.h"

#define REPORT_MAX (16u << 10) /* the agent cuts what it says at 4 KiB */
#define STATUS_MAX (256u << 10)
#define TEXT_MAX 3000 /* of a description, as it is kept */
#define WORD_MAX 40

#define XML "<?xml version=\"1.0\" encoding=\"utf-8\"?>"

/* What a document is made of: names and numbers of ours, nothing to be escaped. */
struct who {
	char *key, *vm_id, *name;
};

static bool who_asks(struct emu *m, struct http_exchange *x, struct who *w)
{
	struct str peer = str_of(http_x_peer(x)), address = STR_NULL;
	ptrdiff_t colon = str_rchr(peer, ':');
	struct entry *n;

	*w = (struct who){ 0 };
	if (colon >= 0)
		address = str_head(peer, (size_t)colon);
	pthread_mutex_lock(&m->lock);
	n = machine_by_address(m, address);
	if (n != NULL) {
		w->key = xstrdup(n->key);
		w->vm_id = xstrdup(json_text(n->doc, "properties.vmId"));
		w->name = xstrdup(
			json_text(n->doc, "properties.osProfile.computerName"));
	}
	pthread_mutex_unlock(&m->lock);
	return n != NULL;
}

static void who_release(struct who *w)
{
	free(w->key);
	free(w->vm_id);
	free(w->name);
}

static void say(struct http_exchange *x, unsigned status, const char *type,
		struct str body)
{
	char kind[64];
	const char *fields[] = { kind, "Server: Microsoft-IIS/10.0",
				 "x-ms-version: 2012-11-30", NULL };

	snprintf(kind, sizeof(kind), "Content-Type: %s", type);
	http_x_answer(x, status, fields, body);
}

static void nothing(struct http_exchange *x, unsigned status)
{
	say(x, status, "text/plain", STR(""));
}

/* ---- documents ---- */

static const char versions[] = XML
	"<Versions><Preferred><Version>2015-04-05</Version></Preferred><Supported>"
	"<Version>2015-04-05</Version><Version>2012-11-30</Version></Supported></Versions>";

static void goal_state(const struct who *w, struct buf *b)
{
	static const char *const configs[][2] = {
		{ "HostingEnvironmentConfig", "hostingEnvironmentConfig" },
		{ "SharedConfig", "sharedConfig" },
		{ "ExtensionsConfig", "extensionsConfig" },
	};

	buf_addf(b,
		 XML
		 "<GoalState><Version>2012-11-30</Version><Incarnation>1</Incarnation>"
		 "<Machine><ExpectedState>Started</ExpectedState>"
		 "<StopRolesDeadlineHint>300000</StopRolesDeadlineHint></Machine>"
		 "<Container><ContainerId>%s</ContainerId><RoleInstanceList><RoleInstance>"
		 "<InstanceId>%s._%s</InstanceId><State>Started</State><Configuration>",
		 w->vm_id, w->vm_id, w->name);
	for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++)
		buf_addf(b,
			 "<%s>http://168.63.129.16:80/machine/%s/%s._%s?comp=config"
			 "&amp;type=%s&amp;incarnation=1</%s>",
			 configs[i][0], w->vm_id, w->vm_id, w->name,
			 configs[i][1], configs[i][0]);
	buf_addf(b,
		 "<ConfigName>%s.1.%s.0.%s._%s.1.xml</ConfigName></Configuration>"
		 "</RoleInstance></RoleInstanceList></Container></GoalState>",
		 w->vm_id, w->vm_id, w->vm_id, w->name);
}

static void hosting_environment(const struct who *w, struct buf *b)
{
	buf_addf(b,
		 XML "<HostingEnvironmentConfig version=\"1.0.0.0\" goalStateIncarnation=\"1\">"
		     "<Deployment name=\"%s\" guid=\"{%s}\" incarnation=\"0\"/>"
		     "<Incarnation number=\"1\" instance=\"%s\" guid=\"{%s}\"/>"
		     "<Role guid=\"{%s}\" name=\"%s\" settleTimeSeconds=\"0\"/>"
		     "</HostingEnvironmentConfig>",
		 w->vm_id, w->vm_id, w->name, w->vm_id, w->vm_id, w->name);
}

static void shared_config(const struct who *w, struct buf *b)
{
	buf_addf(b,
		 XML "<SharedConfig version=\"1.0.0.0\" goalStateIncarnation=\"1\">"
		     "<Deployment name=\"%s\" guid=\"{%s}\" incarnation=\"0\"/>"
		     "<Incarnation number=\"1\" instance=\"%s\" guid=\"{%s}\"/>"
		     "</SharedConfig>",
		 w->vm_id, w->vm_id, w->name, w->vm_id);
}

/* Where the agent puts its status: through the host, which is asked first. */
static void extensions_config(const struct who *w, struct buf *b)
{
	buf_addf(b,
		 XML
		 "<Extensions version=\"1.0.0.0\" goalStateIncarnation=\"1\">"
		 "<GuestAgentExtension><GAFamilies><GAFamily><Name>Prod</Name><Uris/>"
		 "</GAFamily></GAFamilies></GuestAgentExtension>"
		 "<StatusUploadBlob statusBlobType=\"BlockBlob\">"
		 "https://md-status.blob.core.localhost/$system/%s.status</StatusUploadBlob>"
		 "</Extensions>",
		 w->vm_id);
}

static const struct {
	const char *type;
	void (*write)(const struct who *w, struct buf *b);
} configs[] = {
	{ "hostingEnvironmentConfig", hosting_environment },
	{ "sharedConfig", shared_config },
	{ "extensionsConfig", extensions_config },
};

/* ---- what they say ---- */

/* The text between <NAME> and </NAME>, as it is there. */
static struct str element(struct str xml, const char *name)
{
	char tag[40];
	ptrdiff_t at;

	snprintf(tag, sizeof(tag), "<%s>", name);
	if ((at = str_find(xml, str_of(tag))) < 0)
		return STR_NULL;
	xml = str_skip(xml, (size_t)at + strlen(tag));
	snprintf(tag, sizeof(tag), "</%s>", name);
	if ((at = str_find(xml, str_of(tag))) < 0)
		return STR_NULL;
	return str_trim(str_head(xml, (size_t)at));
}

static void keep_text(cJSON *doc, const char *name, struct str text, size_t max)
{
	struct buf b = BUF_INIT(TEXT_MAX);

	buf_add_clean(&b, str_whole(str_head(text, max)));
	json_put_str(doc, name, b.str != NULL ? b.str : "");
	buf_release(&b);
}

bool wire_provisioned(const struct entry *n)
{
	return json_is(n->hide, "provisioned", "Ready");
}

/* Of Ready and NotReady, and what it is about.  False: none of them. */
static bool take_health(struct emu *m, const char *key, struct str xml)
{
	struct str state = element(xml, "State"), sub = element(xml, "SubStatus");
	bool ready = str_eqz(state, "Ready"),
	     failed = str_eqz(sub, "ProvisioningFailed");
	struct entry *n = store_find(m, key);

	if (n == NULL || (!ready && !str_eqz(state, "NotReady")))
		return false;
	emu_log(m, "machine %s: reports %.*s %.*s", json_text(n->hide, "machine"),
		STR_ARG(state), STR_ARG(str_head(sub, WORD_MAX)));
	/* what was provisioned stays so, whatever its agent finds later */
	if (wire_provisioned(n))
		return true;
	if (ready || failed) {
		json_put_str(n->hide, "provisioned", ready ? "Ready" : "Failed");
		keep_text(n->hide, "provisioned_why",
			  element(xml, "Description"), TEXT_MAX);
		store_changed(m);
	}
	return true;
}

static void health(struct emu *m, struct http_exchange *x, const char *key)
{
	struct buf body = BUF_INIT(REPORT_MAX);
	struct err e = ERR_INIT;
	bool ok = false;

	if (http_x_body(x, &body, &e) == 0) {
		pthread_mutex_lock(&m->lock);
		ok = take_health(m, key, buf_str(&body));
		pthread_mutex_unlock(&m->lock);
		nothing(x, ok ? 200 : 400);
	}
	buf_release(&body);
}

/* The blob that the agent would write: what it says of itself and of extensions. */
static bool take_status(struct emu *m, const char *key, const cJSON *put)
{
	struct buf text = BUF_INIT(STATUS_MAX);
	struct err ignored = ERR_INIT;
	const cJSON *agent;
	struct entry *n;
	cJSON *doc = NULL, *kept;
	bool ok;

	if (buf_add_unbase64(&text, str_of(json_str_opt(put, "content", "")),
			     &ignored) == 0)
		doc = json_parse(buf_str(&text), "status", &ignored);
	agent = json_at(doc, "aggregateStatus.guestAgentStatus");
	pthread_mutex_lock(&m->lock);
	n = store_find(m, key);
	ok = n != NULL && agent != NULL;
	if (ok) {
		kept = cJSON_CreateObject();
		keep_text(kept, "version",
			  str_of(json_str_opt(agent, "version", "")), WORD_MAX);
		keep_text(kept, "status",
			  str_of(json_str_opt(agent, "status", "")), WORD_MAX);
		keep_text(kept, "message",
			  str_of(json_str_opt(agent, "formattedMessage.message",
					      "")),
			  TEXT_MAX);
		json_set(n->hide, "agent", kept);
		store_changed(m);
	}
	pthread_mutex_unlock(&m->lock);
	json_free(doc);
	buf_release(&text);
	return ok;
}

static void status(struct emu *m, struct http_exchange *x, const char *key)
{
	struct buf body = BUF_INIT(2 * STATUS_MAX);
	struct err e = ERR_INIT;
	cJSON *doc;

	if (http_x_body(x, &body, &e) == 0) {
		doc = json_parse(buf_str(&body), "request", &e);
		nothing(x, doc != NULL && take_status(m, key, doc) ? 200 : 400);
		json_free(doc);
	}
	buf_release(&body);
}

/* Telemetry, logs and health of the host: taken, and forgotten. */
static void swallow(struct http_exchange *x)
{
	char piece[4096];
	struct err e = ERR_INIT;
	ssize_t n;

	do
		n = http_x_read(x, piece, sizeof(piece), &e);
	while (n > 0);
	if (n == 0)
		nothing(x, 200);
}

/* ---- requests ---- */

static bool is_method(const struct http_exchange *x, const char *method)
{
	return str_eqz(http_x_head(x)->method, method);
}

static void machine_get(struct http_exchange *x, const struct who *w,
			const char *comp)
{
	struct buf b = BUF_INIT(8192), type = BUF_INIT(64);

	if (strcmp(comp, "goalstate") == 0)
		goal_state(w, &b);
	else if (strcmp(comp, "config") == 0 && http_x_param(x, "type", &type))
		for (size_t i = 0; i < sizeof(configs) / sizeof(*configs); i++)
			if (str_is(type.str, configs[i].type))
				configs[i].write(w, &b);
	if (b.n > 0 && !b.over)
		say(x, 200, "text/xml; charset=utf-8", buf_str(&b));
	else
		nothing(x, 404);
	buf_release(&b);
	buf_release(&type);
}

static void wire_answer(struct emu *m, struct http_exchange *x,
			const struct who *w)
{
	struct str path = http_x_path(x);
	struct buf comp = BUF_INIT(64);
	const char *c = http_x_param(x, "comp", &comp) ? comp.str : "";
	bool machine = str_starts(path, STR("/machine"));

	if (is_method(x, "GET") && str_eqz(path, "/") && str_is(c, "versions"))
		say(x, 200, "text/xml; charset=utf-8", STR(versions));
	else if (machine && http_field(http_x_head(x), "x-ms-version").p == NULL)
		nothing(x, 400);
	else if (machine && is_method(x, "GET"))
		machine_get(x, w, c);
	else if (machine && is_method(x, "POST") && str_is(c, "health"))
		health(m, x, w->key);
	else if (is_method(x, "POST") &&
		 (str_eqz(path, "/HealthService") ||
		  (machine &&
		   (str_is(c, "telemetrydata") || str_is(c, "roleProperties")))))
		swallow(x);
	else
		nothing(x, 404);
	buf_release(&comp);
}

static void plugin_answer(struct emu *m, struct http_exchange *x,
			  const struct who *w)
{
	struct str path = http_x_path(x);

	/* 404 for vmSettings: then the goal state's own extensions are asked for */
	if (is_method(x, "GET") && str_eqz(path, "/versions"))
		say(x, 200, "application/json", STR("[\"2015-09-01\"]"));
	else if (is_method(x, "GET") && str_eqz(path, "/health"))
		nothing(x, 200);
	else if (is_method(x, "PUT") && str_eqz(path, "/status"))
		status(m, x, w->key);
	else if (is_method(x, "PUT") && str_eqz(path, "/vmAgentLog"))
		swallow(x);
	else
		nothing(x, 404);
}

static void answer(struct emu *m, struct http_exchange *x,
		   void (*what)(struct emu *m, struct http_exchange *x,
				const struct who *w))
{
	struct who w;

	if (who_asks(m, x, &w))
		what(m, x, &w);
	else
		nothing(x, 403); /* no machine has that address */
	who_release(&w);
}

void wire_handle(void *emu, struct http_exchange *x)
{
	answer(emu, x, wire_answer);
}

void wire_plugin_handle(void *emu, struct http_exchange *x)
{
	answer(emu, x, plugin_answer);
}

/* ---- for who made the machine ---- */

void wire_begin(struct entry *n, bool anew)
{
	json_drop(n->hide, "agent");
	if (anew)
		json_drop(n->hide, "provisioned");
}

const cJSON *wire_agent(const struct entry *n)
{
	return json_get(n->hide, "agent");
}

int wire_await(struct emu *m, const char *key, struct fault *f)
{
	int64_t end = now_ms() + (int64_t)m->o.provision_s * 1000;
	const char *state;
	struct entry *n;

	while ((n = store_find(m, key)) != NULL) {
		state = json_str_opt(n->hide, "provisioned", "");
		if (strcmp(state, "Ready") == 0)
			return 0;
		if (strcmp(state, "Failed") == 0)
			return fault_set(
				f, 409,
				"OSProvisioningInternalError %s: OS Provisioning "
				"failed for VM '%s' due to an internal error: %s",
				key, json_text(n->doc, "name"),
				json_text(n->hide, "provisioned_why"));
		if (now_ms() >= end)
			return fault_set(
				f, 409,
				"OSProvisioningTimedOut %s: OS Provisioning for "
				"VM '%s' did not finish in the allotted time. The "
				"VM may still finish provisioning successfully. "
				"Please check provisioning state later.",
				key, json_text(n->doc, "name"));
		if (op_wait(m, 500) < 0)
			return -1;
	}
	return 0; /* who deleted it meanwhile knows */
}
