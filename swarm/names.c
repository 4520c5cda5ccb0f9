/*
 * Names that all of Azure shares: the storage account's and the public DNS
 * labels.  The usual ones are made of COMPUTE_GROUP and LOCATION, so they are
 * the same for everybody who chose the same; where one is another's, the same
 * name with a suffix takes its place, which is made of the subscription and so
 * is the same each time.  Which of those are in use is kept in parameters/.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "swarm/swarm.h"

#define NAMES_FILE "parameters/names.json"
#define NAMES_MAX (64u << 10)
#define SUFFIX_LEN 6	/* hex digits */
#define ACCOUNT_HEAD 17 /* of its usual 23 characters: Azure takes 24 */
#define PREFIX_HEAD \
	45 /* with the longest rest a label has 62, Azure takes 63 */

static void suffix(const struct session *s, char out[SUFFIX_LEN + 1])
{
	struct buf text = BUF_INIT(256), hex = BUF_INIT(80);
	uint8_t digest[SHA256_LEN];

	for (const char *c = s->az.subscription; *c != '\0'; c++)
		buf_addc(&text, to_lower(*c));
	sha256(text.str, text.n, digest);
	buf_add_hex(&hex, digest, sizeof(digest));
	memcpy(out, hex.str, SUFFIX_LEN);
	out[SUFFIX_LEN] = '\0';
	buf_release(&text);
	buf_release(&hex);
}

static char *account_in_place(const struct session *s)
{
	char *usual = settings_storage_account(s->set), *name,
	     end[SUFFIX_LEN + 1];

	suffix(s, end);
	name = xasprintf("%.*s%s", ACCOUNT_HEAD, usual, end);
	free(usual);
	return name;
}

static char *prefix_in_place(const struct session *s)
{
	char end[SUFFIX_LEN + 1];

	suffix(s, end);
	return xasprintf("%.*s-%s", PREFIX_HEAD,
			 settings_get(s->set, S_COMPUTE_GROUP), end);
}

bool names_is_prefix(const char *group, const char *prefix)
{
	struct str p = str_of(prefix),
		   head = str_head(str_of(group), PREFIX_HEAD);
	uint64_t ignored;

	if (strcmp(group, prefix) == 0)
		return true;
	if (!str_starts(p, head) || p.n != head.n + 1 + SUFFIX_LEN ||
	    p.p[head.n] != '-')
		return false;
	p = str_skip(p, head.n + 1);
	return str_hex(&p, UINT32_MAX, &ignored) && p.n == 0;
}

/* ---- which of them are in use ---- */

static cJSON *kept_read(void)
{
	struct buf text = BUF_INIT(NAMES_MAX);
	struct err ignored = ERR_INIT;
	cJSON *doc = NULL;

	/* one that cannot be read costs a question, no more */
	if (file_exists(NAMES_FILE) && file_read(NAMES_FILE, &text, &ignored) == 0)
		doc = json_parse(buf_str(&text), NAMES_FILE, &ignored);
	buf_release(&text);
	if (!cJSON_IsArray(json_get(doc, "inUse"))) {
		json_free(doc);
		doc = cJSON_CreateObject();
		json_add_arr(doc, "inUse");
	}
	return doc;
}

static bool is_kept(const char *name)
{
	cJSON *doc = kept_read();
	const cJSON *one;
	bool found = false;

	cJSON_ArrayForEach(one, json_get(doc, "inUse"))
		found |= cJSON_IsString(one) &&
			 strcmp(one->valuestring, name) == 0;
	json_free(doc);
	return found;
}

static int keep(const char *name, struct err *e)
{
	struct buf text = BUF_INIT(NAMES_MAX);
	cJSON *doc;
	int rc = -1;

	if (is_kept(name))
		return 0;
	doc = kept_read();
	cJSON_AddItemToArray(json_get_mut(doc, "inUse"), cJSON_CreateString(name));
	json_print_pretty(doc, &text);
	buf_addc(&text, '\n');
	if (buf_check(&text, NAMES_FILE, e) == 0 &&
	    dir_make("parameters", 0700, e) == 0)
		rc = file_write(NAMES_FILE, buf_str(&text), 0600, e);
	buf_release(&text);
	json_free(doc);
	return rc;
}

/* Labels are a region's. */
static char *label_key(const struct session *s, const char *prefix)
{
	return xasprintf("%s.%s", prefix, settings_get(s->set, S_LOCATION));
}

/* ---- taking one ---- */

/*
 * e says whose the usual name is not.  Is name taken in its place?  Said, or
 * asked at the terminal.  0: it is, e is cleared.
 */
static int agree_on(struct session *s, const char *name, enum setting other,
		    struct err *e)
{
	char *what, *why;
	int rc = 0;

	if (!s->yes && !isatty(STDIN_FILENO)) {
		why = xstrdup(e->msg);
		err_clear(e);
		rc = err_set(e, ERR_AZURE,
			     "%s; --yes takes %s in its place, and keeps it; or "
			     "choose another %s",
			     why, name, setting_infos[other].name);
		free(why);
		return rc;
	}
	ui_say(s->ui, "%s", e->msg);
	what = xasprintf("take %s in its place", name);
	err_clear(e);
	if (s->yes)
		ui_say(s->ui, "%s is taken in its place", name);
	else
		rc = swarm_agree(s, what, e);
	free(what);
	return rc;
}

/* ---- the storage account ---- */

char *names_account(const struct session *s)
{
	char *name = settings_storage_account(s->set), *other;

	if (*settings_get(s->set, S_STORAGE_ACCOUNT_NAME) != '\0')
		return name;
	other = account_in_place(s);
	if (is_kept(other)) {
		free(name);
		return other;
	}
	free(other);
	return name;
}

char *names_account_other(const struct session *s, const char *now)
{
	char *usual = settings_storage_account(s->set), *other = NULL;

	if (*settings_get(s->set, S_STORAGE_ACCOUNT_NAME) == '\0' &&
	    strcmp(usual, now) == 0)
		other = account_in_place(s);
	free(usual);
	return other;
}

int names_keep_account(const char *name, struct err *e)
{
	return keep(name, e);
}

int names_take_account(struct session *s, const char *name, struct err *e)
{
	return agree_on(s, name, S_STORAGE_ACCOUNT_NAME, e) < 0 ? -1 :
								  keep(name, e);
}

/* ---- DNS labels ---- */

char *names_prefix(const struct session *s)
{
	char *other = prefix_in_place(s), *key = label_key(s, other);
	bool kept = is_kept(key);

	free(key);
	if (kept)
		return other;
	free(other);
	return xstrdup(settings_get(s->set, S_COMPUTE_GROUP));
}

char *names_label(const char *prefix, int master)
{
	char *label = master < 0 ? xasprintf("%s-agents-lb", prefix) :
				   xasprintf("%s-master%d", prefix, master);

	for (char *c = label; *c != '\0'; c++)
		*c = to_lower(*c);
	return label;
}

int names_label_free(struct session *s, const char *label, bool *is_free,
		     bool *told, struct err *e)
{
	char *path = azure_path(&s->az,
				"/providers/Microsoft.Network/locations/%s/"
				"CheckDnsNameAvailability?domainNameLabel=%s"
				"&api-version=" API_NETWORK,
				settings_get(s->set, S_LOCATION), label);
	struct azure_reply r = { 0 };
	int rc = azure_call(&s->az, "GET", path, NULL, 0, &r, e);
	const cJSON *available = json_get(r.doc, "available");

	*told = rc == 0 && cJSON_IsBool(available);
	*is_free = *told && cJSON_IsTrue(available);
	azure_reply_release(&r);
	free(path);
	return rc;
}

/* Labels that addresses of the group have: those are ours. */
static int take_label(void *ctx, const cJSON *ip, struct err *e)
{
	const char *label =
		json_str_opt(ip, "properties.dnsSettings.domainNameLabel", "");

	(void)e;
	if (*label != '\0')
		cJSON_AddItemToArray(ctx, cJSON_CreateString(label));
	return 0;
}

static int own_labels(struct session *s, cJSON *own, struct err *e)
{
	char *path = azure_path(&s->az,
				"/resourceGroups/%s/providers/Microsoft.Network/"
				"publicIPAddresses?api-version=" API_NETWORK,
				settings_get(s->set, S_COMPUTE_GROUP));
	int rc = azure_list(&s->az, path, "public addresses", take_label, own, e);

	free(path);
	/* a group that is not there has none */
	if (rc < 0 && err_is(e, "ResourceGroupNotFound")) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

static bool is_own(const cJSON *own, const char *label)
{
	const cJSON *one;

	cJSON_ArrayForEach(one, own)
		if (str_ieqz(str_of(one->valuestring), label))
			return true;
	return false;
}

/* The first label with that prefix that is another's, for the caller to free;
 * NULL: none is.  -1. */
static int first_taken(struct session *s, const char *prefix, int masters,
		       const cJSON *own, char **taken, struct err *e)
{
	bool is_free, told;

	*taken = NULL;
	for (int i = -1; i < masters && *taken == NULL; i++) {
		char *label = names_label(prefix, i);
		bool ours = is_own(own, label);
		int rc = ours ? 0 :
				names_label_free(s, label, &is_free, &told, e);

		if (rc == 0 && !ours && told && !is_free)
			*taken = label;
		else
			free(label);
		if (rc < 0)
			return -1;
	}
	return 0;
}

/* e says that label is another's; the prefix that takes the usual one's place
 * has to be free, and agreed to. */
static int take_prefix(struct session *s, char **prefix, int masters,
		       const cJSON *own, struct err *e)
{
	char *other = prefix_in_place(s), *key = label_key(s, other),
	     *taken = NULL;
	struct err no = ERR_INIT;
	int rc = -1;

	if (strcmp(*prefix, other) == 0)
		goto out;
	/* who may not ask may have it all the same */
	if (first_taken(s, other, masters, own, &taken, &no) < 0 &&
	    !err_is(&no, "AuthorizationFailed")) {
		*e = no;
		goto out;
	}
	if (taken != NULL) {
		err_in(e, "so is %s", taken);
	} else if (agree_on(s, other, S_COMPUTE_GROUP, e) == 0 &&
		   keep(key, e) == 0) {
		free(*prefix);
		*prefix = xstrdup(other);
		rc = 0;
	}
out:
	free(taken);
	free(key);
	free(other);
	return rc;
}

/* Ours already, from another folder or before `clean`. */
static int adopt(struct session *s, char **prefix, const cJSON *own, struct err *e)
{
	char *other = prefix_in_place(s), *label = names_label(other, -1), *key;
	int rc = 0;

	if (strcmp(*prefix, other) != 0 && is_own(own, label)) {
		key = label_key(s, other);
		rc = keep(key, e);
		free(key);
		free(*prefix);
		*prefix = xstrdup(other);
	}
	free(label);
	free(other);
	return rc;
}

int names_labels(struct session *s, int masters, const struct err *refused,
		 char **prefix, struct err *e)
{
	cJSON *own = cJSON_CreateArray();
	char *taken = NULL;
	int rc = -1;

	*prefix = names_prefix(s);
	if (refused == NULL && s->labels_known) {
		rc = 0;
		goto out;
	}
	if (own_labels(s, own, e) < 0 || adopt(s, prefix, own, e) < 0)
		goto out;
	if (refused != NULL) {
		*e = *refused;
		rc = take_prefix(s, prefix, masters, own, e);
		goto out;
	}
	if (first_taken(s, *prefix, masters, own, &taken, e) < 0) {
		if (!err_is(e, "AuthorizationFailed"))
			goto out;
		ui_say(s->ui, "whether the public names are free is not known: %s",
		       e->msg);
		err_clear(e);
	}
	rc = 0;
	if (taken != NULL) {
		err_set(e, ERR_AZURE, "the public name %s is another's in %s",
			taken, settings_get(s->set, S_LOCATION));
		rc = take_prefix(s, prefix, masters, own, e);
	}
out:
	s->labels_known = rc == 0;
	free(taken);
	json_free(own);
	return rc;
}
