/*
 * The metadata service of a machine, known by the address it calls from:
 * what it is, and what is announced to it (notice.c).
 *
 * Source: "Azure Instance Metadata Service", "Scheduled Events for Linux VMs"
 * (learn.microsoft.com).
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "emulator/arm/groups.h"
#include "emulator/arm/network.h"
#include "emulator/arm/vmss.h"
#include "emulator/dhcp.h"
#include "emulator/entra_server.h"
#include "emulator/imds.h"
#include "emulator/inner.h"
#include "emulator/machines.h"
#include "emulator/notice.h"
#include "emulator/store.h"
#include "http.h"

/* ---- the machine ---- */

static cJSON *instance_document(struct emu *m, struct entry *n)
{
	const cJSON *p = json_get(n->doc, "properties");
	struct entry *set = vmss_of(m, n), *group = group_of(m, n->key);
	const char *address = machine_address(m, n);
	struct in_addr net = { 0 };
	char zone[8], subnet[16] = "", bits[8], mac_text[13];
	const cJSON *key;
	uint8_t mac[6];
	cJSON *doc;
	uint32_t range = 0;
	unsigned prefix = 0;

	snprintf(zone, sizeof(zone), "%.4s", json_text(n->doc, "zones[0]"));
	network_subnet_range(m, machine_subnet(m, n), &range, &prefix);
	net.s_addr = htonl(range);
	inet_ntop(AF_INET, &net, subnet, sizeof(subnet));
	snprintf(bits, sizeof(bits), "%u", prefix);
	dhcp_mac(address != NULL ? address : "", mac);
	snprintf(mac_text, sizeof(mac_text), "%02X%02X%02X%02X%02X%02X", mac[0],
		 mac[1], mac[2], mac[3], mac[4], mac[5]);
	doc = json_fmt("@imds", json_text(n->doc, "location"),
		       json_text(n->doc, "name"),
		       json_text(p, "storageProfile.imageReference.offer"),
		       json_text(p, "osProfile.adminUsername"),
		       json_text(p, "osProfile.computerName"),
		       json_text(p, "storageProfile.imageReference.publisher"),
		       group != NULL ? json_text(group->doc, "name") : "",
		       json_text(n->doc, "id"),
		       json_text(p, "storageProfile.imageReference.sku"),
		       m->subscription,
		       json_text(p, "storageProfile.imageReference.exactVersion"),
		       json_text(p, "vmId"),
		       set != NULL ? json_text(set->doc, "name") : "",
		       json_text(p, "hardwareProfile.vmSize"), zone,
		       address != NULL ? address : "", subnet, bits, mac_text);
	cJSON_ArrayForEach(
		key, json_at(p, "osProfile.linuxConfiguration.ssh.publicKeys"))
		json_push(json_get_mut(json_get_mut(doc, "compute"), "publicKeys"),
			  "{'keyData':%s,'path':%s}", json_text(key, "keyData"),
			  json_text(key, "path"));
	return doc;
}

/* ---- requests ---- */

static void say(struct http_exchange *x, unsigned status, const char *type,
		struct str body)
{
	char kind[64];
	const char *fields[] = { kind, "Server: IMDS/150.870.65.1324", NULL };

	snprintf(kind, sizeof(kind), "Content-Type: %s", type);
	http_x_answer(x, status, fields, body);
}

static void say_json(struct http_exchange *x, unsigned status, cJSON *doc)
{
	struct buf b = BUF_INIT(1u << 20);

	json_print(doc, &b);
	say(x, status, "application/json; charset=utf-8", buf_str(&b));
	buf_release(&b);
	json_free(doc);
}

static void bad(struct http_exchange *x, unsigned status, const char *why)
{
	say_json(x, status, json_fmt("{'error':%s}", why));
}

/* instance/compute/name?format=text: down the document, by names and numbers. */
static void say_part(struct http_exchange *x, cJSON *doc, struct str path)
{
	const cJSON *v = doc;
	struct buf format = BUF_INIT(16);
	struct str word;
	uint64_t i;
	char *name;
	bool text;

	while (v != NULL && str_next(&path, '/', &word)) {
		if (word.n == 0)
			continue;
		name = str_dup(word);
		v = cJSON_IsArray(v) && str_num(word, 1000, &i) ?
			    cJSON_GetArrayItem(v, (int)i) :
			    json_get_i(v, name);
		free(name);
	}
	text = http_x_param(x, "format", &format) && str_is(format.str, "text");
	if (v == NULL)
		bad(x, 404, "Not found");
	else if (cJSON_IsString(v) && text)
		say(x, 200, "text/plain; charset=utf-8", str_of(v->valuestring));
	else if (cJSON_IsString(v) || text)
		bad(x, 400,
		    "Bad request: a leaf is given as format=text, a node as format=json");
	else
		say_json(x, 200, cJSON_Duplicate(v, true));
	buf_release(&format);
}

static void scheduled(struct emu *m, struct http_exchange *x, const char *key)
{
	struct str method = http_x_head(x)->method;
	struct buf body = BUF_INIT(64u << 10);
	struct err e = ERR_INIT;
	struct entry *n;
	cJSON *doc = NULL;
	bool ok;

	if (str_eqz(method, "GET")) {
		pthread_mutex_lock(&m->lock);
		n = store_find(m, key);
		doc = n != NULL ? notice_document(m, n) : cJSON_CreateObject();
		pthread_mutex_unlock(&m->lock);
		say_json(x, 200, doc);
	} else if (!str_eqz(method, "POST")) {
		bad(x, 405, "Method not allowed");
	} else if (http_x_body(x, &body, &e) == 0) {
		doc = json_parse(buf_str(&body), "request", &e);
		pthread_mutex_lock(&m->lock);
		n = store_find(m, key);
		ok = n != NULL && notice_approve(m, n, doc);
		pthread_mutex_unlock(&m->lock);
		json_free(doc);
		if (ok)
			say(x, 200, "text/plain", STR(""));
		else
			bad(x, 400,
			    "Bad request: no event of that EventId to start");
	}
	buf_release(&body);
}

/* What every request but that for the versions must have.  False: it was answered. */
static bool check_headers(struct http_exchange *x)
{
	const struct http_head *h = http_x_head(x);
	struct buf api = BUF_INIT(32);
	bool dated = http_x_param(x, "api-version", &api) && api.n == 10;

	buf_release(&api);
	if (!str_ieq(http_field(h, "Metadata"), STR("true")))
		bad(x, 400, "Bad request. Required metadata header not specified");
	else if (http_field(h, "X-Forwarded-For").p != NULL)
		bad(x, 400, "Bad request. X-Forwarded-For is not allowed");
	else if (!dated)
		say_json(x, 400, json_fmt("@imds-version"));
	else
		return true;
	return false;
}

static void say_identity(struct emu *m, struct http_exchange *x, bool has_one)
{
	unsigned status = 400;
	cJSON *doc =
		has_one ?
			entra_server_identity(m, x, &status) :
			json_fmt("{'error':'invalid_request','error_description':'Identity not found'}");

	say_json(x, status, doc);
}

void imds_handle(void *ctx, struct http_exchange *x)
{
	struct emu *m = ctx;
	struct str path = http_x_path(x), peer = str_of(http_x_peer(x)),
		   address = STR_NULL;
	ptrdiff_t colon = str_rchr(peer, ':');
	cJSON *doc = NULL;
	bool identity = false;
	char *key = NULL;
	struct entry *n;

	if (str_eqz(path, "/metadata/versions")) {
		say_json(x, 200,
			 json_fmt("{'apiVersions':['2017-08-01','2018-02-01','2019-03-11',"
				  "'2019-06-01','2020-07-01','2021-02-01','2021-08-01',"
				  "'2021-12-13']}"));
		return;
	}
	if (!check_headers(x))
		return;
	if (colon >= 0)
		address = str_head(peer, (size_t)colon);
	pthread_mutex_lock(&m->lock);
	n = machine_by_address(m, address);
	if (n != NULL) {
		key = xstrdup(n->key);
		doc = instance_document(m, n);
		identity = json_get(n->doc, "identity") != NULL;
	}
	pthread_mutex_unlock(&m->lock);
	if (key == NULL)
		bad(x, 404, "No machine has the address this request comes from");
	else if (str_istarts(path, STR("/metadata/instance")) &&
		 (path.n == 18 || path.p[18] == '/'))
		say_part(x, doc, str_skip(path, 18));
	else if (str_ieq(path, STR("/metadata/scheduledevents")))
		scheduled(m, x, key);
	else if (str_ieq(path, STR("/metadata/identity/oauth2/token")))
		say_identity(m, x, identity);
	else
		bad(x, 404, "Not found");
	json_free(doc);
	free(key);
}
