/*
 * parameters/cluster.json: the ARM parameters document of the cluster, with
 * the cloud-init of masters and agents filled in.  Holds secrets: 0600.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/time.h"
#include "node/config.h"
#include "node/image.h"
#include "swarm/instances.h"
#include "swarm/marker.h"
#include "swarm/swarm.h"

#define CUSTOM_DATA_MAX 65535 /* Azure's own, decoded */
#define SAS_YEARS 10	      /* agents made years from now fetch it, too */
#define YEAR_S 31557600LL
#define BY_ENTRA "&skoid=" /* in what is signed without the account's key */
#define URL_FRESH_S (6 * 86400) /* an address of 7 days has that left */

/* Each in a file of its own: what is said of either goes by these. */
enum role { MASTER, AGENT, ROLES };

/* k's text of a secret or pin, which keys_load has looked at. */
static int unhex(const char *text, uint8_t *out, size_t n, struct err *e)
{
	struct buf raw = BUF_INIT(2 * NODE_SECRET_LEN);
	int rc = buf_add_unhex(&raw, str_of(text), e);

	if (rc == 0 && raw.n == n)
		memcpy(out, raw.str, n);
	else if (rc == 0)
		rc = err_set(e, ERR_DATA,
			     "a secret of %zu bytes in place of %zu", raw.n, n);
	buf_burn(&raw);
	return rc;
}

/* What both cloud-init files are filled with besides the role. */
struct fill {
	const struct session *s;
	const struct keys *k;
	const char *file_host;
	const struct program *program[ROLES];
	char *image[ROLES]; /* the id of a baked one; "": the marketplace's */
	char *url[ROLES];   /* where it is fetched from, burned */
	const char *image_list;
	const char *life;    /* of the cluster (swarm/marker.h) */
	char *marker[ROLES]; /* signed addresses of its marker, burned */
	char *images[ROLES]; /* and of pushed images */
	/* of the share, and what opens it: both empty when none is mounted */
	const char *share, *share_cred;
	const char *prefix; /* of the public DNS labels */
	bool keyless;	    /* the storage account is: see STORAGE_LOST */
	int masters;
};

/* node.json of a master or an agent.  Burn it. */
static int node_json(const struct fill *f, enum role role, struct buf *out,
		     struct err *e)
{
	const struct keys *k = f->k;
	bool master = role == MASTER;
	struct node_config c;
	int rc = -1;

	if (strlen(f->marker[role]) >= sizeof(c.marker_url))
		return err_set(e, ERR_DATA, "the marker's address is too long");
	if (strlen(f->images[role]) >= sizeof(c.images_url))
		return err_set(e, ERR_DATA,
			       "the address of pushed images is too long");

	node_config_init(&c);
	c.manager = c.has_manager_secret = master;
	c.has_others = master && k->others != NULL;
	c.n_masters = (unsigned)f->masters;
	for (unsigned i = 0; i < c.n_masters; i++)
		snprintf(c.masters[i], sizeof(c.masters[i]),
			 LAYOUT_MASTER_ADDRESS, LAYOUT_FIRST_MASTER + i);
	memcpy(c.addr_pool, LAYOUT_ADDR_POOL, sizeof(LAYOUT_ADDR_POOL));
	memcpy(c.ingress, LAYOUT_INGRESS, sizeof(LAYOUT_INGRESS));
	c.mtu = LAYOUT_MTU;
	snprintf(c.image_list, sizeof(c.image_list), "%s", f->image_list);
	snprintf(c.marker_url, sizeof(c.marker_url), "%s", f->marker[role]);
	snprintf(c.images_url, sizeof(c.images_url), "%s", f->images[role]);
	c.rebalance = master &&
		      strcmp(settings_get(f->s->set, S_REBALANCE), "auto") == 0;
	c.share_unlock_key = master && strcmp(settings_get(f->s->set, S_AUTOLOCK),
					      SETTINGS_SHARED) == 0;
	if (unhex(k->helper_pin, c.pin, sizeof(c.pin), e) == 0 &&
	    unhex(k->worker_secret, c.worker_secret, NODE_SECRET_LEN, e) == 0 &&
	    (!master || unhex(k->manager_secret, c.manager_secret,
			      NODE_SECRET_LEN, e) == 0) &&
	    (!c.has_others ||
	     unhex(k->others, c.others, sizeof(c.others), e) == 0)) {
		node_config_write(&c, out);
		rc = 0;
	}
	node_config_burn(&c);
	return rc;
}

static int custom_data(const struct fill *f, bool master, char **base64,
		       struct err *e)
{
	const struct settings *set = f->s->set;
	enum role role = master ? MASTER : AGENT;
	enum keys_role who = master ? KEYS_MASTER : KEYS_AGENT;
	struct buf node = BUF_INIT(8192), yaml = BUF_INIT(4 * CUSTOM_DATA_MAX);
	struct buf b64 = BUF_INIT(2 * CUSTOM_DATA_MAX), text;
	bool metadata;
	int rc = -1;

	asset_get("cloud-init/node.yaml", &text);
	if (node_json(f, role, &node, e) < 0 ||
	    settings_bool(set, S_METADATA_FOR_CONTAINERS, &metadata, e) < 0)
		goto out;
	const struct asset_pair pairs[] = {
		{ "SSH_HOST_KEY", f->k->host[who].ec.str },
		{ "SSH_HOST_KEY_PUB", f->k->host[who].ec_public },
		{ "SSH_HOST_RSA_KEY", f->k->host[who].rsa.str },
		{ "SSH_HOST_RSA_KEY_PUB", f->k->host[who].rsa_public },
		{ "NODE_JSON", node.str },
		{ "HELPER_KEY", master ? f->k->helper.str : "" },
		{ "DOCKER_CHANNEL", settings_get(set, S_DOCKER_CHANNEL) },
		{ "ADMIN_USERNAME", settings_get(set, S_ADMIN_USERNAME) },
		{ "BINARY_URL", f->url[role] },
		{ "BINARY_SHA256", f->program[role]->sha256 },
		{ "SHARE_CRED", f->share_cred },
		{ "STORAGE_HOST", f->file_host },
		{ "SHARE_NAME", f->share },
		{ "METADATA_FOR_CONTAINERS", metadata ? "true" : "false" },
		{ NULL, NULL },
	};
	if (asset_fill(buf_str(&text), pairs, &yaml, e) < 0 ||
	    buf_check(&yaml, "cloud-init", e) < 0)
		goto out;
	if (yaml.n > CUSTOM_DATA_MAX) {
		err_set(e, ERR_DATA, "cloud-init has %zu bytes; Azure takes %d",
			yaml.n, CUSTOM_DATA_MAX);
		goto out;
	}
	buf_add_base64(&b64, yaml.str, yaml.n);
	*base64 = xstrdup(b64.str);
	rc = 0;
out:
	if (rc < 0)
		err_in(e, "customData of %s", master ? "masters" : "agents");
	buf_release(&text);
	buf_burn(&b64);
	buf_burn(&yaml);
	buf_burn(&node);
	return rc;
}

/* The parameter of the template that a setting becomes. */
static int add_setting(cJSON *parameters, const struct settings *set,
		       enum setting which, struct err *e)
{
	const struct setting_info *info = &setting_infos[which];
	int number;
	bool yes;

	switch (info->kind) {
	case SETTING_INT:
		if (settings_int(set, which, &number, e) < 0)
			return -1;
		azure_parameter(parameters, info->parameter,
				cJSON_CreateNumber(number));
		return 0;
	case SETTING_BOOL:
		if (settings_bool(set, which, &yes, e) < 0)
			return -1;
		azure_parameter(parameters, info->parameter,
				cJSON_CreateBool(yes));
		return 0;
	case SETTING_TEXT:
	case SETTING_WORD:
		azure_parameter_text(parameters, info->parameter,
				     settings_get(set, which));
		return 0;
	}
	return 0;
}

/* Of a baked image; the template's own default is the marketplace's. */
static void add_images(cJSON *parameters, const struct fill *f)
{
	cJSON *masters;

	azure_parameter_text(parameters, "masterImageSku",
			     images_sku(f->program[MASTER]->machine));
	azure_parameter_text(parameters, "agentImageSku",
			     images_sku(f->program[AGENT]->machine));
	if (*f->image[AGENT] != '\0')
		azure_parameter_text(parameters, "agentImageVersion",
				     f->image[AGENT]);
	if (*f->image[MASTER] == '\0')
		return;
	masters = cJSON_CreateArray();
	for (int i = 0; i < LAYOUT_MASTERS_MAX; i++)
		json_add_str(masters, NULL, f->image[MASTER]);
	azure_parameter(parameters, "masterImageVersions", masters);
}

static int document(const struct fill *f, const char *master_data,
		    const char *agent_data, cJSON **doc, struct err *e)
{
	const struct session *s = f->s;
	int out, in, most;
	cJSON *p;

	*doc = cJSON_CreateObject();
	json_add_str(*doc, "$schema",
		     "https://schema.management.azure.com/schemas/2019-04-01/"
		     "deploymentParameters.json#");
	json_add_str(*doc, "contentVersion", "1.0.0.0");
	p = json_add_obj(*doc, "parameters");
	for (int i = 0; i < S_COUNT; i++)
		if (setting_infos[i].parameter != NULL &&
		    add_setting(p, s->set, (enum setting)i, e) < 0)
			return -1;
	if (settings_autoscale(s->set, &out, &in, e) < 0 ||
	    settings_int(s->set, S_MAX_AGENT_COUNT, &most, e) < 0)
		return -1;
	azure_parameter(p, "singlePlacementGroup",
			cJSON_CreateBool(most <= INSTANCES_SINGLE_MAX));
	azure_parameter(p, "autoscaleOut", cJSON_CreateNumber(out));
	azure_parameter(p, "autoscaleIn", cJSON_CreateNumber(in));
	/* who comes later could not fetch the program */
	if (f->keyless)
		azure_parameter(p, "autoscaleEnabled", cJSON_CreateFalse());
	json_set(json_get_mut(p, "namePrefix"), "value",
		 cJSON_CreateString(f->prefix));
	azure_parameter_text(p, "adminPublicKey", f->k->admin_public);
	azure_parameter_text(p, "life", f->life);
	add_images(p, f);
	azure_parameter_text(p, "masterCustomData", master_data);
	azure_parameter_text(p, "agentCustomData", agent_data);
	return 0;
}

/* "https://x.file.core.windows.net/" -> "x.file.core.windows.net" */
static char *host_of(const char *url)
{
	struct http_url u;
	struct err ignored = ERR_INIT;

	return http_url_parse(str_of(url), &u, &ignored) == 0 ? xstrdup(u.host) :
								xstrdup("");
}

/* The same for a year, so that running `params` again changes nothing:
 * Azure refuses another customData for a machine that exists. */
static int64_t far_away(void)
{
	return (unix_time() / YEAR_S + 1 + SAS_YEARS) * YEAR_S;
}

/* What mount.cifs reads.  SMB knows no key but the account's own, which opens
 * all of the account; so nobody is given it who mounts nothing.  Burn it. */
static int share_cred(struct session *s, const struct storage *st, bool mounts,
		      char **cred, struct err *e)
{
	char *key = NULL;

	if (!mounts) {
		*cred = xstrdup("");
		return 0;
	}
	if (storage_key(s, st, &key, e) < 0)
		return -1;
	*cred = xasprintf("username=%s\npassword=%s\n", storage_account_name(s),
			  key);
	burn_str(key);
	return 0;
}

/* ---- which program for which machine ---- */

static const enum setting size_of[ROLES] = { S_MASTER_SIZE, S_AGENT_SIZE };

/* The file of this program for each role.  Nothing else is asked before. */
static int choose_programs(struct session *s, struct fill *f,
			   const struct program *own, struct program *other,
			   struct err *e)
{
	struct err none = ERR_INIT;
	enum elf_machine kinds[ROLES];
	int found;

	if (sizes_choose(s, kinds, e) < 0 ||
	    (found = program_other(s->set, other, &none, e)) < 0)
		return -1;
	for (int i = 0; i < ROLES; i++) {
		f->program[i] = kinds[i] == ELF_OWN ? own : other;
		if (kinds[i] != ELF_OWN && !found)
			return err_set(e, ERR_USAGE,
				       "%s=%s has %s processors, this program "
				       "is for %s, and %s; --program FILE names "
				       "the one for %s",
				       setting_infos[size_of[i]].name,
				       settings_get(s->set, size_of[i]),
				       elf_names[kinds[i]].azure,
				       elf_names[ELF_OWN].kernel, none.msg,
				       elf_names[kinds[i]].kernel);
	}
	return 0;
}

/* What the machines of each role are made of. */
static int choose_images(struct session *s, struct fill *f, struct err *e)
{
	const enum elf_machine kinds[ROLES] = { f->program[MASTER]->machine,
						f->program[AGENT]->machine };

	return baked_choose(s, kinds, f->image, ROLES, e);
}

/* By which machines of both kinds ask for one image; empty where there is one
 * kind. */
static int image_list(const struct session *s, const struct program *const *p,
		      struct buf *out, struct err *e)
{
	struct image img[ROLES];
	const struct image *all[ROLES] = { &img[0], &img[1] };
	int rc = 0;

	if (p[MASTER] == p[AGENT])
		return 0;
	for (int i = 0; i < ROLES; i++) {
		img[i] = (struct image){ .fd = -1 };
		if (rc == 0)
			rc = image_init(&img[i], p[i]->path, p[i]->machine,
					s->version, e);
	}
	/* the same whichever of the two runs on masters */
	if (rc == 0 && img[0].machine > img[1].machine) {
		all[0] = &img[1];
		all[1] = &img[0];
	}
	if (rc == 0)
		image_index(all, ROLES, out);
	for (int i = 0; i < ROLES; i++)
		image_release(&img[i]);
	return rc;
}

/* Where a role's program is, if it is there. */
static int find_program(struct session *s, struct storage *st,
			const struct program *p, char **url, struct err *e)
{
	bool there;

	for (;;) {
		if (storage_sas_url(s, st, p->blob, "r", far_away(), url, e) < 0)
			return -1;
		if (storage_blob_there(s, *url, p, &there, e) == 0)
			break;
		if (!storage_keyless_now(s, st, e))
			return -1;
		burn_str(*url);
		*url = NULL;
	}
	return there ? 0 :
		       err_set(e, ERR_DATA,
			       "this azswarm (%.12s..., %s) is not in storage "
			       "account %s; 'azswarm deploy-storage' puts it "
			       "there",
			       p->sha256, elf_names[p->machine].kernel,
			       storage_account_name(s));
}

static int find_programs(struct session *s, struct storage *st, struct fill *f,
			 struct err *e)
{
	if (find_program(s, st, f->program[MASTER], &f->url[MASTER], e) < 0)
		return -1;
	if (f->program[AGENT] != f->program[MASTER])
		return find_program(s, st, f->program[AGENT], &f->url[AGENT], e);
	f->url[AGENT] = xstrdup(f->url[MASTER]);
	return 0;
}

/* Founders may make it; nobody but the operator can change it. */
static int sign_marker(struct session *s, struct fill *f, struct err *e)
{
	static const char *const may[ROLES] = { [MASTER] = "rc", [AGENT] = "r" };
	char *blob = marker_blob(s, f->life);
	int rc = 0;

	for (int i = 0; rc == 0 && i < ROLES; i++)
		rc = storage_sas_url(s, &s->store, blob, may[i], far_away(),
				     &f->marker[i], e);
	free(blob);
	return rc;
}

/* Whoever has it may read all that was pushed, and change nothing. */
static int sign_images(struct session *s, struct fill *f, struct err *e)
{
	if (storage_sas_url(s, &s->store, LAYOUT_IMAGES, "rl", far_away(),
			    &f->images[MASTER], e) < 0)
		return -1;
	f->images[AGENT] = xstrdup(f->images[MASTER]);
	return 0;
}

/* ---- the address of before, where signatures do not last ---- */

/* When it ends, "...&se=2026-12-07T11%3A13%3A11Z&..."; 0: it does not say. */
static int64_t url_ends(const char *url)
{
	size_t n = strcspn(url, "\\\"\n");
	ptrdiff_t found = str_find(str_head(str_of(url), n), STR("&se="));
	const char *at = found < 0 ? NULL : url + found;
	struct buf text = BUF_INIT(64);
	struct err ignored = ERR_INIT;
	struct str se;
	int64_t t = 0;

	if (at != NULL) {
		se = str_of(at + 4);
		se = str_head(se, strcspn(se.p, "&"));
		if (buf_add_unpct(&text, se, false, &ignored) < 0 ||
		    !time_parse_iso(buf_str(&text), &t))
			t = 0;
	}
	buf_release(&text);
	return t;
}

/* The address of the same blob in a customData that was written before.  NULL:
 * there is none.  Caller burns. */
static char *url_in(const cJSON *parameters, const char *name, const char *url)
{
	struct buf text = BUF_INIT(2 * CUSTOM_DATA_MAX);
	struct str blob = str_head(str_of(url), strcspn(url, "?")), rest;
	struct err ignored = ERR_INIT;
	char *found = NULL;
	ptrdiff_t at;

	if (buf_add_unbase64(&text,
			     str_of(json_str_opt(json_get(parameters, name),
						 "value", "")),
			     &ignored) == 0 &&
	    (at = str_find(buf_str(&text), blob)) >= 0) {
		rest = str_skip(buf_str(&text), (size_t)at);
		found = str_dup(str_head(rest, strcspn(rest.p, "\\\"")));
	}
	buf_burn(&text);
	return found;
}

cJSON *params_read(struct err *e)
{
	struct buf text = BUF_INIT(PARAMETERS_MAX);
	cJSON *doc = NULL;

	if (!file_exists(PARAMETERS_FILE))
		err_set(e, ERR_DATA,
			PARAMETERS_FILE " is not there; "
					"'azswarm params' makes it");
	else if (file_read(PARAMETERS_FILE, &text, e) == 0)
		doc = json_parse(buf_str(&text), PARAMETERS_FILE, e);
	buf_burn(&text);
	return doc;
}

cJSON *params_there(void)
{
	struct err ignored = ERR_INIT;

	return params_read(&ignored);
}

static void keep_url(const cJSON *parameters, const char *name, char **now)
{
	char *url = url_in(parameters, name, *now);

	if (url != NULL && strstr(url, BY_ENTRA) != NULL &&
	    url_ends(url) > unix_time() + URL_FRESH_S) {
		burn_str(*now);
		*now = url;
	} else {
		burn_str(url);
	}
}

/*
 * A signed address that lives for days is another one each time; what is still
 * good for most of them stays, so that params again changes nothing.  What was
 * signed with a key is good no more, whatever it says.
 */
static void keep_urls(struct fill *f)
{
	static const char *const names[ROLES] = { "masterCustomData",
						  "agentCustomData" };
	cJSON *doc = params_there();

	for (int i = 0; i < ROLES; i++) {
		const cJSON *parameters = json_get(doc, "parameters");

		keep_url(parameters, names[i], &f->url[i]);
		keep_url(parameters, names[i], &f->marker[i]);
		keep_url(parameters, names[i], &f->images[i]);
	}
	json_burn(doc);
}

/* A signed address that new agents are given. */
struct address {
	int64_t ends; /* 0: it does not say */
	bool by_key;  /* signed with one of the account's, and not by Entra's */
};

/* The first one with that in it.  1; 0: they are given none; -1: nobody knows,
 * for there are no parameters here. */
static int address_with(const char *path, struct address *a)
{
	struct buf data = BUF_INIT(2 * CUSTOM_DATA_MAX);
	struct err ignored = ERR_INIT;
	cJSON *doc = params_there();
	const cJSON *given = json_at(doc, "parameters.agentCustomData");
	const char *text = json_str_opt(given, "value", "");
	struct str url;
	ptrdiff_t at;
	int rc = -1;

	*a = (struct address){ 0 };
	if (*text != '\0' && buf_add_unbase64(&data, str_of(text), &ignored) == 0) {
		at = str_find(buf_str(&data), str_of(path));
		rc = at >= 0;
	}
	if (rc > 0) {
		url = str_skip(buf_str(&data), (size_t)at);
		url = str_head(url, strcspn(url.p, "\\\"\n"));
		a->ends = url_ends(url.p);
		a->by_key = str_find(url, STR(BY_ENTRA)) < 0;
	}
	json_burn(doc);
	buf_burn(&data);
	return rc;
}

#define OF_PROGRAM "/" BLOB_CONTAINER "/azswarm-"
#define OF_IMAGES "/" LAYOUT_IMAGES "?"

int64_t params_end_soon(void)
{
	struct address a;

	address_with(OF_PROGRAM, &a);
	return !a.by_key || a.ends - unix_time() > PARAMS_SOON_S ? 0 : a.ends;
}

/* Of what storage lets nobody in by any more, "ended at ..."; NULL: it does, as
 * far as is known here.  Caller frees. */
static char *why_shut(struct session *s, const struct address *a)
{
	char day[32];

	if (a->ends != 0 && a->ends <= unix_time()) {
		time_iso(a->ends, day);
		return xasprintf("ended at %s", day);
	}
	if (a->by_key && s->store.keyless)
		return xasprintf("is signed with a key, and storage account %s "
				 "allows none any more",
				 storage_account_name(s));
	return NULL;
}

int params_fetchable(struct session *s, struct err *e)
{
	struct address a;
	char *why;

	if (address_with(OF_PROGRAM, &a) <= 0)
		return 0;
	/* with which it is known what the account allows */
	if (lock_take(s, e) < 0)
		return -1;
	if ((why = why_shut(s, &a)) != NULL)
		err_set(e, ERR_DATA,
			"the address from which new machines fetch this program "
			"%s; 'azswarm params' and 'azswarm deploy-compute' make "
			"another",
			why);
	free(why);
	return e->kind == ERR_NONE ? 0 : -1;
}

void params_say_unread(struct session *s)
{
	struct address a;
	int rc = address_with(OF_IMAGES, &a);
	char *why = rc > 0 ? why_shut(s, &a) : NULL;

	if (rc == 0)
		ui_say(s->ui,
		       "nodes have no address of what was pushed by " PARAMETERS_FILE
		       ", and pull none of it: 'azswarm params' and 'azswarm "
		       "upgrade' bring them one");
	else if (why != NULL)
		ui_say(s->ui,
		       "the address by which nodes pull what was pushed %s: "
		       "'azswarm params' and 'azswarm upgrade' bring them "
		       "another",
		       why);
	free(why);
}

int cmd_params(struct session *s, int argc, char **argv, struct err *e)
{
	struct keys k = { 0 };
	struct program own = PROGRAM_NONE, other = PROGRAM_NONE;
	struct fill f = { .s = s, .k = &k };
	struct buf text = BUF_INIT(PARAMETERS_MAX),
		   list = BUF_INIT(IMAGE_LIST_MAX - 1);
	struct storage *st;
	char *life = NULL, *prefix = NULL, *cred = NULL, *file_host = NULL;
	char *master_data = NULL, *agent_data = NULL;
	cJSON *doc = NULL;
	bool mounts;
	int rc = -1;

	(void)argc, (void)argv;
	if (keys_load(s->set, &k, e) < 0 || keys_load_rsa(&k, e) < 0 ||
	    program_own(&own, e) < 0 ||
	    settings_int(s->set, S_MASTER_COUNT, &f.masters, e) < 0 ||
	    choose_programs(s, &f, &own, &other, e) < 0 ||
	    image_list(s, f.program, &list, e) < 0 ||
	    buf_check(&list, "the list of images", e) < 0 || keys_match(s, e) < 0)
		goto out;
	if (names_labels(s, f.masters, NULL, &prefix, e) < 0 ||
	    (st = storage_of(s, e)) == NULL || choose_images(s, &f, e) < 0)
		goto out;
	if (st->keyless)
		storage_say_keyless(s);
	if (find_programs(s, st, &f, e) < 0 || marker_life_next(s, &life, e) < 0)
		goto out;
	f.life = life;
	if (sign_marker(s, &f, e) < 0 || sign_images(s, &f, e) < 0)
		goto out;
	if (st->keyless)
		keep_urls(&f);
	mounts = settings_mounts(s->set) && !st->keyless;
	if (share_cred(s, st, mounts, &cred, e) < 0)
		goto out;
	f.image_list = list.str;
	f.prefix = prefix;
	f.keyless = st->keyless;
	file_host = host_of(st->file);
	f.share = mounts ? settings_get(s->set, S_SHARE_NAME) : "";
	f.share_cred = cred;
	f.file_host = file_host;
	if (custom_data(&f, true, &master_data, e) < 0 ||
	    custom_data(&f, false, &agent_data, e) < 0 ||
	    document(&f, master_data, agent_data, &doc, e) < 0)
		goto out;
	json_print_pretty(doc, &text);
	buf_addc(&text, '\n');
	if (buf_check(&text, PARAMETERS_FILE, e) < 0 ||
	    dir_make("parameters", 0700, e) < 0 ||
	    file_write(PARAMETERS_FILE, buf_str(&text), 0600, e) < 0)
		goto out;
	ui_say(s->ui, "%s written", PARAMETERS_FILE);
	rc = 0;
out:
	json_burn(doc);
	buf_burn(&text);
	burn_str(master_data);
	burn_str(agent_data);
	burn_str(cred);
	free(f.image[MASTER]);
	free(f.image[AGENT]);
	burn_str(f.url[MASTER]);
	burn_str(f.url[AGENT]);
	burn_str(f.marker[MASTER]);
	burn_str(f.marker[AGENT]);
	burn_str(f.images[MASTER]);
	burn_str(f.images[AGENT]);
	free(life);
	buf_release(&list);
	program_release(&own);
	program_release(&other);
	free(prefix);
	free(file_host);
	keys_burn(&k);
	return rc;
}

int cmd_clean(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	if (!file_exists("parameters")) {
		ui_say(s->ui, "parameters/ is not there, nothing to remove");
		return 0;
	}
	if (dir_remove("parameters", e) < 0)
		return -1;
	ui_say(s->ui, "parameters/ removed");
	return 0;
}
