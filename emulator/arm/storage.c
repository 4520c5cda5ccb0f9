/*
 * Microsoft.Storage and Microsoft.Insights: accounts with keys and signatures,
 * shares, containers; autoscale settings, which are kept and not obeyed.
 */
#include <stdlib.h>

#include "emulator/inner.h"

#define ACCOUNT "Microsoft.Storage/storageAccounts"
#define ACCOUNT_RULE "Storage account name must be between 3 and 24 characters in length and use " \
	"numbers and lower-case letters only."

static bool account_fits(const char *s)
{
	size_t n = strlen(s);

	return n >= 3 && n <= 24 && strspn(s, LOWER DIGITS) == n;
}

struct entry *account_named(struct emu *m, const char *name)
{
	struct entry *n = NULL;

	while ((n = store_typed(m, n, ACCOUNT)) != NULL && !json_is(n->doc, "name", name))
		;
	return n;
}

static void new_key(cJSON *hide, const char *name)
{
	uint8_t raw[64];
	struct buf b = BUF_INIT(128);

	random_bytes(raw, sizeof(raw));
	buf_add_base64(&b, raw, sizeof(raw));
	json_set(hide, name, json_fmt("{'value':%s,'creationTime':%t}", b.str));
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
			"'message':'The specified name is not a valid storage account name. " ACCOUNT_RULE
			"'}"));
	if (account_named(c->m, name) != NULL)
		return call_answer(c, 200, json_fmt("{'nameAvailable':false,'reason':'AlreadyExists',"
			"'message':'The storage account is already taken.'}"));
	return call_answer(c, 200, json_fmt("{'nameAvailable':true}"));
}

static int put_account(struct emu *m, struct put *p)
{
	cJSON *props = p->props;
	struct entry *taken = account_named(m, p->name);
	const char *sku = json_str_opt(p->doc, "sku.name", NULL), *tls;

	if (!account_fits(p->name))
		return fault_set(&p->f, 400, "AccountNameInvalid %.80s: %.80s is not a valid storage account "
			      "name. " ACCOUNT_RULE, p->name, p->name);
	if (taken != NULL && taken != p->old)
		return fault_set(&p->f, 409, "StorageAccountAlreadyTaken: "
			      "The storage account named %s is already taken.", p->name);
	if (sku == NULL || json_get(p->doc, "kind") == NULL)
		return fault_set(&p->f, 400, "InvalidValuesForRequestParameters: "
			      "Values for request parameters are invalid: %s.", sku == NULL ? "sku.name" : "kind");
	tls = json_text(props, "minimumTlsVersion");
	if (str_listed("TLS1_0 TLS1_1", tls))
		return fault_say(&p->f, 400, "InvalidRequestPropertyValue minimumTlsVersion", tls);
	json_drop(props, "creationTime");
	json_drop(props, "keyCreationTime");
	if (p->old != NULL)
		json_defaults(props, "{'creationTime':%j,'keyCreationTime':%j}",
			      json_at(p->old->doc, "properties.creationTime"),
			      json_at(p->old->doc, "properties.keyCreationTime"));
	json_defaults(p->doc, "@account",
		str_starts(str_of(sku), STR("Premium")) ? "Premium" : "Standard", json_text(p->doc, "location"));
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
	cJSON *doc = cJSON_Duplicate(n->doc, true);
	const char *name = json_text(doc, "name");

	json_defaults(doc, "@account-endpoints", name, (int)m->port, name, (int)m->port);
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

/* Each of these fields on a line of its own. */
static void add_lines(struct buf *b, const cJSON *sas, const char *names)
{
	struct str rest = str_of(names), word;
	char name[8];

	while (str_next(&rest, ' ', &word)) {
		snprintf(name, sizeof(name), "%.*s", STR_ARG(word));
		buf_addf(b, "%s\n", json_text(sas, name));
	}
}

void sas_text(const cJSON *sas, const char *account, const char *resource, struct buf *b)
{
	const char *version = json_text(sas, "sv");
	bool ses = strcmp(version, "2020-12-06") >= 0;

	if (json_get(sas, "ss") != NULL) {
		buf_addf(b, "%s\n", account);
		add_lines(b, sas, ses ? "sp ss srt st se sip spr sv ses" : "sp ss srt st se sip spr sv");
		return;
	}
	add_lines(b, sas, "sp st se");
	buf_addf(b, "%s\n", resource);
	add_lines(b, sas, "si sip spr sv");
	if (strcmp(version, "2018-11-09") >= 0)
		add_lines(b, sas, "sr snapshot");
	if (ses)
		add_lines(b, sas, "ses");
	add_lines(b, sas, "rscc rscd rsce rscl rsct");
	buf_truncate(b, b->n - 1);
}

/* The query's names of what the body names otherwise. */
static const char *const sas_names[] = {
	"ss=signedServices srt=signedResourceTypes st=signedStart se=signedExpiry sp=signedPermission "
	"sip=signedIp spr=signedProtocol",
	"sr=signedResource st=signedStart se=signedExpiry sp=signedPermission sip=signedIp spr=signedProtocol "
	"si=signedIdentifier rscc=rscc rscd=rscd rsce=rsce rscl=rscl rsct=rsct",
};

static cJSON *sas_of(const cJSON *body, bool service)
{
	cJSON *sas = json_fmt("{'sv':'2022-11-02'}");
	struct str rest = str_of(sas_names[service]), word, name;
	char iso[32];
	int64_t t;

	while (str_next(&rest, ' ', &word)) {
		char *from, *to;
		const char *value;

		str_cut(&word, '=', &name);
		from = str_dup(word);
		to = str_dup(name);
		value = json_text(body, from);
		/* times are given back without fractions */
		if ((str_is(to, "st") || str_is(to, "se")) && time_parse_iso(str_of(value), &t)) {
			time_iso(t, iso);
			value = iso;
		}
		if (value[0] != '\0')
			json_add_str(sas, to, value);
		free(from);
		free(to);
	}
	return sas;
}

static int list_sas(struct call *c, struct entry *n, bool service)
{
	const char *account = json_text(n->doc, "name"), *resource = json_text(c->body, "canonicalizedResource");
	struct buf text = BUF_INIT(8192), sig = BUF_INIT(64), q = BUF_INIT(8192);
	cJSON *sas = sas_of(c->body, service);
	char *own = xasprintf("/blob/%s/", account);
	const cJSON *v;
	int rc;

	if (json_get(sas, "sp") == NULL || json_get(sas, "se") == NULL ||
	    (service ? !str_starts(str_of(resource), str_of(own)) || !str_listed("b c", json_text(sas, "sr")) :
	     json_get(sas, "ss") == NULL || json_get(sas, "srt") == NULL)) {
		rc = fault_say(&c->fault, 400, "InvalidValuesForRequestParameters", service ?
			"canonicalizedResource /blob/ACCOUNT/CONTAINER[/BLOB] and signedResource b or c" :
			"signedServices and signedResourceTypes");
		goto out;
	}
	sas_text(sas, account, resource, &text);
	sas_sign(json_text(json_get(n->hide, json_is(c->body, "keyToSign", "key2") ? "key2" : "key1"), "value"),
		 buf_str(&text), &sig);
	json_add_str(sas, "sig", sig.str);
	cJSON_ArrayForEach(v, sas) {
		buf_addf(&q, "%s%s=", q.n ? "&" : "", v->string);
		buf_add_pct(&q, str_of(v->valuestring));
	}
	rc = call_answer(c, 200, json_fmt(service ? "{'serviceSasToken':%s}" : "{'accountSasToken':%s}", q.str));
out:
	free(own);
	json_burn(sas);
	buf_release(&text);
	buf_burn(&sig);
	buf_burn(&q);
	return rc;
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

	if (s[1] != NULL || !str_listed("listKeys regenerateKey ListAccountSas ListServiceSas", s[0]))
		return 1;
	if (c->method != POST)
		return call_method(c);
	if (!entry_is(n, "Succeeded"))
		return fault_say(&c->fault, 409, "StorageAccountIsNotProvisioned");
	if (str_is(s[0], "ListAccountSas") || str_is(s[0], "ListServiceSas"))
		return list_sas(c, n, str_is(s[0], "ListServiceSas"));
	if (str_is(s[0], "regenerateKey")) {
		if (!str_listed("key1 key2", name))
			return fault_set(&c->fault, 400, "KeyNotFound: The key '%.20s' was not found.", name);
		new_key(n->hide, str_is(name, "key1") ? "key1" : "key2");
		store_changed(c->m);
	}
	return call_answer(c, 200, account_keys(n));
}

/* ---- shares and containers ---- */

/* 3 to 63 of lower-case letters, digits and single hyphens. */
static int check_child_name(struct put *p, const char *what)
{
	size_t n = strlen(p->name);

	if (n >= 3 && n <= 63 && p->name[0] != '-' && p->name[n - 1] != '-' &&
	    strstr(p->name, "--") == NULL &&
	    strspn(p->name, LOWER DIGITS "-") == n)
		return 0;
	return fault_say(&p->f, 400, "InvalidResourceName", what, p->name);
}

static int put_share(struct emu *m, struct put *p)
{
	int64_t quota;

	(void)m;
	if (check_child_name(p, "share") < 0)
		return -1;
	json_drop(p->props, "lastModifiedTime");
	json_defaults(p->doc, "@share");
	quota = json_int_opt(p->doc, "properties.shareQuota", 0);
	if (quota < 1 || quota > 102400)
		return fault_say(&p->f, 400, "InvalidRequestPropertyValue shareQuota", (long long)quota);
	return 0;
}

static int put_container(struct emu *m, struct put *p)
{
	char *account = xstrdup(p->id);
	struct entry *n;

	*strstr(account, "/blobServices/") = '\0';
	n = store_find(m, account);
	free(account);
	if (check_child_name(p, "container") < 0)
		return -1;
	json_drop(p->props, "lastModifiedTime");
	json_defaults(p->doc, "@container");
	if (!p->dry && !json_is(p->doc, "properties.publicAccess", "None") &&
	    !json_bool_opt(n->doc, "properties.allowBlobPublicAccess", false))
		return fault_set(&p->f, 409, "PublicAccessNotPermitted: "
			      "Public access is not permitted on this storage account.");
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
	"2025-08-01, 2025-06-01, 2025-01-01, 2024-01-01, 2023-05-01, 2023-04-01, 2023-01-01, 2022-09-01, 2022-05-01, " \
	"2021-09-01, 2021-08-01, 2021-06-01, 2021-04-01, 2021-02-01, 2021-01-01, 2019-06-01, 2019-04-01, " \
	"2018-11-01, 2018-07-01, 2018-02-01, 2017-10-01, 2017-06-01, 2016-12-01, 2016-05-01, 2016-01-01, " \
	"2015-06-15"
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
	static const char limits[][17] = { "capacity.minimum", "capacity.default", "capacity.maximum" };
	const char *name = json_text(profile, "name");
	uint64_t v[3];

	for (size_t i = 0; i < 3; i++)
		if (!str_num(str_of(json_text(profile, limits[i])), 1000, &v[i]))
			return fault_set(&p->f, 400, "InvalidRequestContent: "
				      "%s of the profile '%s' must be a number in a string.", limits[i], name);
	if (v[0] > v[1] || v[1] > v[2])
		return fault_say(&p->f, 400, "InvalidAutoscaleProfileCapacity", name,
			(unsigned long long)v[0], (unsigned long long)v[1], (unsigned long long)v[2]);
	if (cJSON_GetArraySize(json_get(profile, "rules")) > 10)
		return fault_set(&p->f, 400, "TooManyAutoscaleRules: "
			      "The profile '%s' has more than 10 rules.", name);
	return 0;
}

static int put_autoscale(struct emu *m, struct put *p)
{
	cJSON *props = p->props, *profile, *rule;
	const char *target = json_str_opt(props, "targetResourceUri", NULL);
	int n = cJSON_GetArraySize(json_get(props, "profiles"));

	json_defaults(p->doc, "{'tags':{},'properties':{'name':%s,'enabled':true}}", p->name);
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
		cJSON_ArrayForEach(rule, json_get(profile, "rules"))
			json_defaults(rule, "{'metricTrigger':{'metricNamespace':'','dividePerInstance':false}}");
	}
	return 0;
}

const struct rtype insights_types[] = {
	{ "Microsoft.Insights/autoscaleSettings", "2022-10-01, 2021-05-01-preview, 2015-04-01, 2014-04-01",
	  OP_NONE, 0, R_TRACKED, NULL, put_autoscale, NULL, NULL, NULL },
	{ .name = NULL },
};
