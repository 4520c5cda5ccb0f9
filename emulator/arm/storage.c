/*
 * Microsoft.Storage: accounts with keys and signatures, shares, containers.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/time.h"
#include "emulator/arm/resource.h"
#include "emulator/arm/storage.h"
#include "emulator/blob.h"
#include "emulator/fault.h"
#include "emulator/inner.h"
#include "emulator/ops.h"
#include "emulator/request.h"
#include "emulator/sas.h"
#include "emulator/store.h"

#define ACCOUNT "Microsoft.Storage/storageAccounts"
#define ACCOUNT_RULE \
	"Storage account name must be between 3 and 24 characters in length and use " \
	"numbers and lower-case letters only."

static bool account_fits(const char *s)
{
	size_t n = strlen(s);

	return n >= 3 && n <= 24 && strspn(s, LOWER DIGITS) == n;
}

struct entry *storage_account(struct emu *m, const char *name)
{
	struct entry *n = NULL;

	while ((n = store_typed(m, n, ACCOUNT)) != NULL &&
	       !json_is(n->doc, "name", name))
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

int storage_route(struct request *r, char **s)
{
	const char *name = json_text(r->body, "name");

	if (!str_is(s[0], "checkNameAvailability"))
		return 1;
	if (r->method != POST)
		return request_bad_method(r);
	if (!account_fits(name))
		return request_answer(
			r, 200,
			json_fmt("{'nameAvailable':false,'reason':'AccountNameInvalid',"
				 "'message':'The specified name is not a valid storage account "
				 "name. " ACCOUNT_RULE "'}"));
	if (storage_account(r->m, name) != NULL)
		return request_answer(
			r, 200,
			json_fmt("{'nameAvailable':false,'reason':'AlreadyExists',"
				 "'message':'The storage account is already taken.'}"));
	return request_answer(r, 200, json_fmt("{'nameAvailable':true}"));
}

static int put_account(struct emu *m, struct put *p)
{
	cJSON *props = p->props;
	struct entry *taken = storage_account(m, p->name);
	const char *sku = json_str_opt(p->doc, "sku.name", NULL), *tls;

	if (!account_fits(p->name))
		return fault_set(&p->f, 400,
				 "AccountNameInvalid %.80s: %.80s is not a valid storage account "
				 "name. " ACCOUNT_RULE,
				 p->name, p->name);
	if (taken != NULL && taken != p->old)
		return fault_set(&p->f, 409,
				 "StorageAccountAlreadyTaken: "
				 "The storage account named %s is already taken.",
				 p->name);
	if (sku == NULL || json_get(p->doc, "kind") == NULL)
		return fault_set(&p->f, 400,
				 "InvalidValuesForRequestParameters: "
				 "Values for request parameters are invalid: %s.",
				 sku == NULL ? "sku.name" : "kind");
	tls = json_text(props, "minimumTlsVersion");
	if (str_listed("TLS1_0 TLS1_1", tls))
		return fault_set(
			&p->f, 400,
			"InvalidRequestPropertyValue minimumTlsVersion: "
			"The value '%s' is not allowed for property minimumTlsVersion.",
			tls);
	json_drop(props, "creationTime");
	json_drop(props, "keyCreationTime");
	if (p->old != NULL)
		json_defaults(props, "{'creationTime':%j,'keyCreationTime':%j}",
			      json_at(p->old->doc, "properties.creationTime"),
			      json_at(p->old->doc, "properties.keyCreationTime"));
	json_defaults(p->doc, "@account",
		      str_starts(str_of(sku), STR("Premium")) ? "Premium" :
								"Standard",
		      json_text(p->doc, "location"));
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

	json_defaults(doc, "@account-endpoints", name, (int)m->port, name,
		      (int)m->port);
	return doc;
}

static void forget_account(struct emu *m, const struct entry *n)
{
	blob_forget(m, json_text(n->doc, "name"), NULL);
}

/* ---- signatures ---- */

/* The query's names of what the body names otherwise. */
static const char *const sas_names[] = {
	"ss=signedServices srt=signedResourceTypes st=signedStart se=signedExpiry "
	"sp=signedPermission sip=signedIp spr=signedProtocol",
	"sr=signedResource st=signedStart se=signedExpiry sp=signedPermission sip=signedIp "
	"spr=signedProtocol si=signedIdentifier rscc=rscc rscd=rscd rsce=rsce rscl=rscl rsct=rsct",
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
		if ((str_is(to, "st") || str_is(to, "se")) &&
		    time_parse_iso(str_of(value), &t)) {
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

static int list_sas(struct request *r, struct entry *n, bool service)
{
	const char *account = json_text(n->doc, "name");
	const char *resource = json_text(r->body, "canonicalizedResource");
	const char *key = json_is(r->body, "keyToSign", "key2") ? "key2" : "key1";
	struct buf text = BUF_INIT(8192), sig = BUF_INIT(64), q = BUF_INIT(8192);
	cJSON *sas = sas_of(r->body, service);
	char *own = xasprintf("/blob/%s/", account);
	const cJSON *v;
	int rc;

	if (json_get(sas, "sp") == NULL || json_get(sas, "se") == NULL ||
	    (service ? !str_starts(str_of(resource), str_of(own)) ||
			       !str_listed("b c", json_text(sas, "sr")) :
		       json_get(sas, "ss") == NULL ||
			       json_get(sas, "srt") == NULL)) {
		rc = fault_set(
			&r->fault, 400,
			"InvalidValuesForRequestParameters: Values for "
			"request parameters are invalid: signedPermission and signedExpiry are "
			"needed, and %s.",
			service ? "canonicalizedResource "
				  "/blob/ACCOUNT/CONTAINER[/BLOB] and signedResource b or c" :
				  "signedServices and signedResourceTypes");
		goto out;
	}
	sas_text(sas, account, resource, &text);
	sas_sign(json_text(json_get(n->hide, key), "value"), buf_str(&text), &sig);
	json_add_str(sas, "sig", sig.str);
	cJSON_ArrayForEach(v, sas) {
		buf_addf(&q, "%s%s=", q.n ? "&" : "", v->string);
		buf_add_pct(&q, str_of(v->valuestring));
	}
	rc = request_answer(r, 200,
			    json_fmt(service ? "{'serviceSasToken':%s}" :
					       "{'accountSasToken':%s}",
				     q.str));
out:
	free(own);
	json_burn(sas);
	buf_release(&text);
	buf_burn(&sig);
	buf_burn(&q);
	return rc;
}

static cJSON *account_keys(const struct entry *n)
{
	cJSON *out = json_fmt("{'keys':[]}");

	for (int i = 1; i <= 2; i++) {
		const cJSON *k = json_get(n->hide, i == 1 ? "key1" : "key2");

		json_push(json_get_mut(out, "keys"),
			  "{'creationTime':%s,'keyName':%s,'value':%s,"
			  "'permissions':'FULL'}",
			  json_text(k, "creationTime"),
			  i == 1 ? "key1" : "key2", json_text(k, "value"));
	}
	return out;
}

static cJSON *account_list(const struct entry *n, const char *name)
{
	return str_is(name, "listKeys") ? account_keys(n) : NULL;
}

static int account_action(struct request *r, struct entry *n, char **s)
{
	const char *name = json_text(r->body, "keyName");

	if (s[1] != NULL ||
	    !str_listed("listKeys regenerateKey ListAccountSas ListServiceSas",
			s[0]))
		return 1;
	if (r->method != POST)
		return request_bad_method(r);
	if (!entry_is(n, "Succeeded"))
		return fault_set(&r->fault, 409,
				 "StorageAccountIsNotProvisioned: The storage "
				 "account provisioning state must be 'Succeeded' before executing the "
				 "operation.");
	if (str_is(s[0], "ListAccountSas") || str_is(s[0], "ListServiceSas"))
		return list_sas(r, n, str_is(s[0], "ListServiceSas"));
	if (str_is(s[0], "regenerateKey")) {
		if (!str_listed("key1 key2", name))
			return fault_set(&r->fault, 400,
					 "KeyNotFound: The key '%.20s' was not found.",
					 name);
		new_key(n->hide, str_is(name, "key1") ? "key1" : "key2");
		store_changed(r->m);
	}
	return request_answer(r, 200, account_keys(n));
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
	return fault_set(&p->f, 400,
			 "InvalidResourceName: The specified %s name '%.80s' "
			 "contains invalid characters or has an invalid length: 3 to 63 lower-case "
			 "letters, digits and single hyphens.",
			 what, p->name);
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
		return fault_set(
			&p->f, 400,
			"InvalidRequestPropertyValue shareQuota: The "
			"value '%lld' is not allowed for property shareQuota.",
			(long long)quota);
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
		return fault_set(
			&p->f, 409,
			"PublicAccessNotPermitted: "
			"Public access is not permitted on this storage account.");
	return 0;
}

static void forget_container(struct emu *m, const struct entry *n)
{
	char *account = xstrdup(strstr(n->key, "/storageaccounts/") +
				strlen("/storageaccounts/"));

	*strchr(account, '/') = '\0';
	blob_forget(m, account, json_text(n->doc, "name"));
	free(account);
}

#define STORAGE_VERSIONS \
	"2025-08-01, 2025-06-01, 2025-01-01, 2024-01-01, 2023-05-01, 2023-04-01, 2023-01-01, " \
	"2022-09-01, 2022-05-01, 2021-09-01, 2021-08-01, 2021-06-01, 2021-04-01, 2021-02-01, " \
	"2021-01-01, 2019-06-01, 2019-04-01, 2018-11-01, 2018-07-01, 2018-02-01, 2017-10-01, " \
	"2017-06-01, 2016-12-01, 2016-05-01, 2016-01-01, 2015-06-15"

const struct rtype storage_types[] = {
	{
		.name = ACCOUNT,
		.versions = STORAGE_VERSIONS,
		.style = OP_STORAGE,
		.work_ms = 800,
		.flags = R_TRACKED | R_DELETE_AT_ONCE,
		.put = put_account,
		.forget = forget_account,
		.show = show_account,
		.action = account_action,
		.list = account_list,
	},
	{
		.name = ACCOUNT "/fileServices/shares",
		.versions = STORAGE_VERSIONS,
		.missing = "ShareNotFound: The specified share does not exist.",
		.put = put_share,
	},
	{
		.name = ACCOUNT "/blobServices/containers",
		.versions = STORAGE_VERSIONS,
		.missing = "ContainerNotFound: The specified container does not exist.",
		.put = put_container,
		.forget = forget_container,
	},
	{ .name = NULL },
};
