/*
 * Microsoft.Storage and Microsoft.Insights: accounts with keys and signatures,
 * shares, containers; autoscale settings, which are kept and not obeyed.
 */
#include <stdlib.h>

#include "emulator/inner.h"

static bool account_fits(const char *s)
{
	size_t n = strlen(s);

	return n >= 3 && n <= 24 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789") == n;
}

static struct entry *account_named(struct emu *m, const char *name)
{
	struct entry *n;

	for (n = NULL; (n = store_next(m, n, "/subscriptions/")) != NULL;)
		if (json_is(n->doc, "type", "Microsoft.Storage/storageAccounts") &&
		    json_is(n->doc, "name", name))
			return n;
	return NULL;
}

static void new_key(cJSON *hide, const char *name)
{
	uint8_t raw[64];
	struct buf b = BUF_INIT(128);
	char now[40];

	random_bytes(raw, sizeof(raw));
	buf_add_base64(&b, raw, sizeof(raw));
	iso_now(now);
	json_set(hide, name, json_fmt("{'value':%s,'creationTime':%s}", b.str, now));
	burn(raw, sizeof(raw));
	buf_burn(&b);
}

int storage_names(struct call *c)
{
	const char *name = json_text(c->body, "name");

	if (c->method != POST)
		return call_method(c);
	if (!account_fits(name))
		return call_answer(c, 200, json_fmt("{'nameAvailable':false,'reason':'AccountNameInvalid',"
			"'message':%s}", "The specified name is not a valid storage account name. Storage "
			"account name must be between 3 and 24 characters in length and use numbers and "
			"lower-case letters only."));
	if (account_named(c->m, name) != NULL)
		return call_answer(c, 200, json_fmt("{'nameAvailable':false,'reason':'AlreadyExists',"
			"'message':%s}", "The storage account is already taken."));
	return call_answer(c, 200, json_fmt("{'nameAvailable':true}"));
}

static int put_account(struct emu *m, struct put *p)
{
	cJSON *props = json_get_mut(p->doc, "properties");
	const cJSON *old = p->old != NULL ? json_get(p->old->doc, "properties") : NULL;
	struct entry *taken = account_named(m, p->name);
	const char *sku = json_str_opt(p->doc, "sku.name", NULL), *l = json_text(p->doc, "location");
	char now[40];

	if (!account_fits(p->name))
		return fault_set(&p->f, 400, "AccountNameInvalid %.80s: %.80s is not a valid storage "
			      "account name. Storage account name must be between 3 and 24 characters in "
			      "length and use numbers and lower-case letters only.", p->name, p->name);
	if (taken != NULL && taken != p->old)
		return fault_set(&p->f, 409, "StorageAccountAlreadyTaken: "
			      "The storage account named %s is already taken.", p->name);
	if (sku == NULL || json_get(p->doc, "kind") == NULL)
		return fault_set(&p->f, 400, "InvalidValuesForRequestParameters: "
			      "Values for request parameters are invalid: %s.", sku == NULL ? "sku.name" : "kind");
	if (is(json_str_opt(props, "minimumTlsVersion", "TLS1_2"), "TLS1_0") ||
	    is(json_str_opt(props, "minimumTlsVersion", "TLS1_2"), "TLS1_1"))
		return fault_set(&p->f, 400, "InvalidRequestPropertyValue minimumTlsVersion: "
			      "The value '%s' is not allowed for property minimumTlsVersion.",
			      json_text(props, "minimumTlsVersion"));
	iso_now(now);
	json_set(json_sub(p->doc, "sku"), "tier", cJSON_CreateString(str_starts(str_of(sku),
		 STR("Premium")) ? "Premium" : "Standard"));
	json_default(p->doc, "tags", cJSON_CreateObject());
	json_default(props, "allowBlobPublicAccess", cJSON_CreateFalse());
	json_default(props, "minimumTlsVersion", cJSON_CreateString("TLS1_2"));
	json_default(props, "supportsHttpsTrafficOnly", cJSON_CreateTrue());
	json_default(props, "networkAcls", json_fmt("{'bypass':'AzureServices','virtualNetworkRules':[],"
		     "'ipRules':[],'defaultAction':'Allow'}"));
	json_default(props, "privateEndpointConnections", cJSON_CreateArray());
	json_default(props, "encryption", json_fmt("{'services':{'file':{'keyType':'Account','enabled':"
		     "true,'lastEnabledTime':%s},'blob':{'keyType':'Account','enabled':true,"
		     "'lastEnabledTime':%s}},'keySource':'Microsoft.Storage'}", now, now));
	if (json_is(p->doc, "kind", "StorageV2"))
		json_default(props, "accessTier", cJSON_CreateString("Hot"));
	json_put_str(props, "creationTime", json_str_opt(old, "creationTime", now));
	json_set(props, "keyCreationTime", json_fmt("{'key1':%s,'key2':%s}",
		 json_str_opt(old, "creationTime", now), json_str_opt(old, "creationTime", now)));
	json_put_str(props, "primaryLocation", l);
	json_put_str(props, "statusOfPrimary", "available");
	if (p->old == NULL) {
		p->hide = cJSON_CreateObject();
		new_key(p->hide, "key1");
		new_key(p->hide, "key2");
	} else {
		json_put_str(props, "provisioningState", "Succeeded");
		p->unchanged = true;
	}
	return 0;
}

/* Where it is reached depends on where we listen, which may change. */
static cJSON *show_account(struct emu *m, const struct entry *n)
{
	cJSON *doc = cJSON_Duplicate(n->doc, true), *ends = cJSON_CreateObject();
	char s[128];

	for (size_t i = 0; i < 2; i++) {
		snprintf(s, sizeof(s), "https://%.24s.%s.core.localhost:%u/", json_text(doc, "name"),
			 i ? "file" : "blob", m->port);
		json_add_str(ends, i ? "file" : "blob", s);
	}
	json_set(json_get_mut(doc, "properties"), "primaryEndpoints", ends);
	return doc;
}

static int remove_account(struct emu *m, const char *key, struct fault *f)
{
	struct entry *n = store_find(m, key);

	(void)f;
	blob_forget(m, json_text(n->doc, "name"), NULL);
	return 0;
}

/* ---- signatures ---- */

void sas_sign(const char *key, struct str text, struct buf *out)
{
	struct buf raw = BUF_INIT(128);
	struct err e = ERR_INIT;
	uint8_t mac[SHA256_LEN];

	buf_add_unbase64(&raw, str_of(key), &e);
	hmac_sha256(raw.str, raw.n, text.p, text.n, mac);
	buf_add_base64(out, mac, sizeof(mac));
	buf_burn(&raw);
}

static void query_add(struct buf *b, const char *name, const char *value)
{
	if (value[0] == '\0')
		return;
	buf_addf(b, "%s%s=", b->n ? "&" : "", name);
	buf_add_pct(b, str_of(value));
}

/* Times are given back without fractions. */
static void sas_time(const cJSON *body, const char *name, char out[32])
{
	int64_t t;

	out[0] = '\0';
	if (time_parse_iso(str_of(json_text(body, name)), &t))
		time_iso(t, out);
}

static const char *sas_key(struct call *c, const struct entry *n)
{
	const char *which = json_str_opt(c->body, "keyToSign", "key1");

	return json_text(json_get(n->hide, is(which, "key2") ? "key2" : "key1"), "value");
}

/* Both strings to sign as they are since version 2020-12-06. */
#define SAS_VERSION "2022-11-02"

static int list_account_sas(struct call *c, struct entry *n)
{
	const char *b = json_text(c->body, "signedServices"), *t = json_text(c->body, "signedResourceTypes");
	const char *sp = json_text(c->body, "signedPermission"), *ip = json_text(c->body, "signedIp");
	const char *pr = json_text(c->body, "signedProtocol");
	struct buf text = BUF_INIT(4096), sig = BUF_INIT(64), q = BUF_INIT(4096);
	char st[32], se[32];

	sas_time(c->body, "signedStart", st);
	sas_time(c->body, "signedExpiry", se);
	if (b[0] == '\0' || t[0] == '\0' || sp[0] == '\0' || se[0] == '\0')
		return fault_set(&c->fault, 400, "InvalidValuesForRequestParameters: "
			      "Values for request parameters are invalid: signedServices, "
			      "signedResourceTypes, signedPermission and signedExpiry are needed.");
	buf_addf(&text, "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n\n", json_text(n->doc, "name"), sp, b,
		 t, st, se, ip, pr, SAS_VERSION);
	sas_sign(sas_key(c, n), buf_str(&text), &sig);
	query_add(&q, "sv", SAS_VERSION);
	query_add(&q, "ss", b);
	query_add(&q, "srt", t);
	query_add(&q, "st", st);
	query_add(&q, "se", se);
	query_add(&q, "sp", sp);
	query_add(&q, "sip", ip);
	query_add(&q, "spr", pr);
	query_add(&q, "sig", sig.str);
	call_answer(c, 200, json_fmt("{'accountSasToken':%s}", q.str));
	buf_release(&text);
	buf_burn(&sig);
	buf_burn(&q);
	return 0;
}

static int list_service_sas(struct call *c, struct entry *n)
{
	const char *res = json_text(c->body, "canonicalizedResource"), *sr = json_text(c->body, "signedResource");
	const char *sp = json_text(c->body, "signedPermission"), *ip = json_text(c->body, "signedIp");
	const char *pr = json_text(c->body, "signedProtocol"), *si = json_text(c->body, "signedIdentifier");
	const char *cc = json_text(c->body, "rscc"), *cd = json_text(c->body, "rscd");
	const char *ce = json_text(c->body, "rsce"), *cl = json_text(c->body, "rscl");
	const char *ct = json_text(c->body, "rsct");
	struct buf text = BUF_INIT(8192), sig = BUF_INIT(64), q = BUF_INIT(8192);
	char st[32], se[32], *want = xasprintf("/blob/%s/", json_text(n->doc, "name"));
	bool fits = str_starts(str_of(res), str_of(want)) && (is(sr, "b") || is(sr, "c"));

	free(want);
	sas_time(c->body, "signedStart", st);
	sas_time(c->body, "signedExpiry", se);
	if (!fits || sp[0] == '\0' || se[0] == '\0')
		return fault_set(&c->fault, 400, "InvalidValuesForRequestParameters: "
			      "Values for request parameters are invalid: canonicalizedResource must be "
			      "/blob/ACCOUNT/CONTAINER[/BLOB], signedResource b or c, and signedPermission and "
			      "signedExpiry are needed.");
	buf_addf(&text, "%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n\n\n%s\n%s\n%s\n%s\n%s", sp, st, se, res, si,
		 ip, pr, SAS_VERSION, sr, cc, cd, ce, cl, ct);
	sas_sign(sas_key(c, n), buf_str(&text), &sig);
	query_add(&q, "sv", SAS_VERSION);
	query_add(&q, "sr", sr);
	query_add(&q, "st", st);
	query_add(&q, "se", se);
	query_add(&q, "sp", sp);
	query_add(&q, "sip", ip);
	query_add(&q, "spr", pr);
	query_add(&q, "si", si);
	query_add(&q, "rscc", cc);
	query_add(&q, "rscd", cd);
	query_add(&q, "rsce", ce);
	query_add(&q, "rscl", cl);
	query_add(&q, "rsct", ct);
	query_add(&q, "sig", sig.str);
	call_answer(c, 200, json_fmt("{'serviceSasToken':%s}", q.str));
	buf_release(&text);
	buf_burn(&sig);
	buf_burn(&q);
	return 0;
}

cJSON *account_keys(const struct entry *n)
{
	cJSON *out = json_fmt("{'keys':[]}");

	for (int i = 1; i <= 2; i++) {
		const cJSON *k = json_get(n->hide, i == 1 ? "key1" : "key2");

		json_push(json_get_mut(out, "keys"), "{'creationTime':%s,'keyName':%s,'value':%s,"
			  "'permissions':'FULL'}", json_text(k, "creationTime"),
			  i == 1 ? "key1" : "key2", json_text(k, "value"));
	}
	return out;
}

static int account_action(struct call *c, struct entry *n, char **s)
{
	const char *name = json_text(c->body, "keyName");

	if (s[1] != NULL)
		return 1;
	if (is(s[0], "fileServices") || is(s[0], "blobServices"))
		return 1;
	if (!is(s[0], "listKeys") && !is(s[0], "regenerateKey") && !is(s[0], "ListAccountSas") &&
	    !is(s[0], "ListServiceSas"))
		return 1;
	if (c->method != POST)
		return call_method(c);
	if (!json_is(n->doc, "properties.provisioningState", "Succeeded"))
		return fault_set(&c->fault, 409, "StorageAccountIsNotProvisioned: "
			      "The storage account provisioning state must be 'Succeeded' before executing "
			      "the operation.");
	if (is(s[0], "listKeys"))
		return call_answer(c, 200, account_keys(n));
	if (is(s[0], "ListAccountSas"))
		return list_account_sas(c, n);
	if (is(s[0], "ListServiceSas"))
		return list_service_sas(c, n);
	if (!is(name, "key1") && !is(name, "key2"))
		return fault_set(&c->fault, 400, "KeyNotFound: " "The key '%.20s' was not found.", name);
	new_key(n->hide, is(name, "key1") ? "key1" : "key2");
	store_changed(c->m);
	return call_answer(c, 200, account_keys(n));
}

/* ---- shares and containers ---- */

/* 3 to 63 of lower-case letters, digits and single hyphens. */
static int check_child_name(struct put *p, const char *what)
{
	size_t n = strlen(p->name);

	if (n >= 3 && n <= 63 && p->name[0] != '-' && p->name[n - 1] != '-' &&
	    strstr(p->name, "--") == NULL &&
	    strspn(p->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == n)
		return 0;
	return fault_set(&p->f, 400, "InvalidResourceName: The specified %s name '%.80s' contains invalid characters or "
		      "has an invalid length: 3 to 63 lower-case letters, digits and single hyphens.", what,
		      p->name);
}

static int put_share(struct emu *m, struct put *p)
{
	cJSON *props = json_get_mut(p->doc, "properties");
	int64_t quota;
	char now[40];

	(void)m;
	if (check_child_name(p, "share") < 0)
		return -1;
	iso_now(now);
	json_default(props, "shareQuota", cJSON_CreateNumber(102400));
	json_default(props, "accessTier", cJSON_CreateString("TransactionOptimized"));
	json_default(props, "enabledProtocols", cJSON_CreateString("SMB"));
	json_default(props, "leaseStatus", cJSON_CreateString("unlocked"));
	json_default(props, "leaseState", cJSON_CreateString("available"));
	json_default(props, "accessTierChangeTime", cJSON_CreateString(now));
	json_set(props, "lastModifiedTime", cJSON_CreateString(now));
	quota = json_int_opt(props, "shareQuota", 0);
	if (quota < 1 || quota > 102400)
		return fault_set(&p->f, 400, "InvalidRequestPropertyValue shareQuota: "
			      "The value '%lld' is not allowed for property shareQuota.", (long long)quota);
	json_add_str(p->doc, "etag", "\"0x8DD5A343C601E8C\"");
	return 0;
}

static int put_container(struct emu *m, struct put *p)
{
	cJSON *props = json_get_mut(p->doc, "properties");
	char *account = xstrdup(p->id), now[40];
	struct entry *n;
	bool public_ok;

	*strstr(account, "/blobServices/") = '\0';
	n = store_find(m, account);
	public_ok = p->dry || json_bool_opt(n->doc, "properties.allowBlobPublicAccess", false);
	free(account);
	if (check_child_name(p, "container") < 0)
		return -1;
	if (!public_ok && !is(json_str_opt(props, "publicAccess", "None"), "None"))
		return fault_set(&p->f, 409, "PublicAccessNotPermitted: "
			      "Public access is not permitted on this storage account.");
	iso_now(now);
	json_default(props, "publicAccess", cJSON_CreateString("None"));
	json_default(props, "leaseStatus", cJSON_CreateString("Unlocked"));
	json_default(props, "leaseState", cJSON_CreateString("Available"));
	json_default(props, "hasImmutabilityPolicy", cJSON_CreateFalse());
	json_default(props, "hasLegalHold", cJSON_CreateFalse());
	json_set(props, "lastModifiedTime", cJSON_CreateString(now));
	json_add_str(p->doc, "etag", "\"0x8DD5A343C601E8D\"");
	return 0;
}

static int remove_container(struct emu *m, const char *key, struct fault *f)
{
	struct entry *n = store_find(m, key);
	char *account = xstrdup(strstr(key, "/storageaccounts/") + strlen("/storageaccounts/"));

	(void)f;
	*strchr(account, '/') = '\0';
	blob_forget(m, account, json_text(n->doc, "name"));
	free(account);
	return 0;
}

#define STORAGE_VERSIONS \
	"2025-06-01, 2025-01-01, 2024-01-01, 2023-05-01, 2023-04-01, 2023-01-01, 2022-09-01, 2022-05-01, " \
	"2021-09-01, 2021-08-01, 2021-06-01, 2021-04-01, 2021-02-01, 2021-01-01, 2019-06-01, 2019-04-01, " \
	"2018-11-01, 2018-07-01, 2018-02-01, 2017-10-01, 2017-06-01, 2016-12-01, 2016-05-01, 2016-01-01, " \
	"2015-06-15"
#define ACCOUNT "Microsoft.Storage/storageAccounts"

const struct rtype storage_types[] = {
	{ ACCOUNT, STORAGE_VERSIONS, OP_STORAGE, 800, R_TRACKED, NULL, put_account, remove_account,
	  show_account, account_action },
	{ ACCOUNT "/fileServices/shares", STORAGE_VERSIONS, OP_NONE, 0, 0, NULL, put_share, NULL, NULL, NULL },
	{ ACCOUNT "/blobServices/containers", STORAGE_VERSIONS, OP_NONE, 0, 0, NULL, put_container,
	  remove_container, NULL, NULL },
	{ .name = NULL },
};

/* ---- autoscale ---- */

static int check_profile(struct put *p, const cJSON *profile)
{
	static const char *const limits[] = { "minimum", "maximum", "default" };
	uint64_t v[3];

	for (size_t i = 0; i < 3; i++) {
		const cJSON *s = json_get(json_get(profile, "capacity"), limits[i]);

		if (!cJSON_IsString(s) || !str_num(str_of(s->valuestring), 1000, &v[i]))
			return fault_set(&p->f, 400, "InvalidRequestContent: "
				      "capacity.%s of the profile '%s' must be a number in a string.", limits[i],
				      json_text(profile, "name"));
	}
	if (v[0] > v[1] || v[2] < v[0] || v[2] > v[1])
		return fault_set(&p->f, 400, "InvalidAutoscaleProfileCapacity: "
			      "The capacity of the profile '%s' is invalid: minimum %llu, default %llu, maximum "
			      "%llu must not fall.", json_text(profile, "name"),
			      (unsigned long long)v[0], (unsigned long long)v[2], (unsigned long long)v[1]);
	if (cJSON_GetArraySize(json_get(profile, "rules")) > 10)
		return fault_set(&p->f, 400, "TooManyAutoscaleRules: "
			      "The profile '%s' has more than 10 rules.", json_text(profile, "name"));
	return 0;
}

static int put_autoscale(struct emu *m, struct put *p)
{
	cJSON *props = json_get_mut(p->doc, "properties"), *profile, *rule;
	const char *target = json_str_opt(props, "targetResourceUri", NULL);
	int n = cJSON_GetArraySize(json_get(props, "profiles"));

	json_default(props, "name", cJSON_CreateString(p->name));
	json_default(props, "enabled", cJSON_CreateTrue());
	json_default(p->doc, "tags", cJSON_CreateObject());
	if (n < 1 || n > 20)
		return fault_set(&p->f, 400, "InvalidRequestContent: "
			      "An autoscale setting has 1 to 20 profiles; this one has %d.", n);
	if (target == NULL || (!p->dry && store_doc(m, target) == NULL))
		return fault_set(&p->f, 404, "ResourceNotFound: "
			      "The target resource id '%.300s' of the autoscale setting was not found.",
			      target != NULL ? target : "");
	cJSON_ArrayForEach(profile, json_get(props, "profiles")) {
		if (check_profile(p, profile) < 0)
			return -1;
		cJSON_ArrayForEach(rule, json_get(profile, "rules")) {
			cJSON *t = json_sub(rule, "metricTrigger");

			json_default(t, "metricNamespace", cJSON_CreateString(""));
			json_default(t, "dividePerInstance", cJSON_CreateFalse());
		}
	}
	return 0;
}

const struct rtype insights_types[] = {
	{ "Microsoft.Insights/autoscaleSettings", "2022-10-01, 2021-05-01-preview, 2015-04-01, 2014-04-01",
	  OP_NONE, 0, R_TRACKED, NULL, put_autoscale, NULL, NULL, NULL },
	{ .name = NULL },
};
