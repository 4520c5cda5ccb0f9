/*
 * bake-image: one machine, in a resource group of its own, is set up as nodes are,
 * loses what tells it from others, and becomes a version of an image
 * (swarm/baked.h).  What is done on it is assets/node/bake.sh, by SSH, with keys
 * that are made for this once and never leave this program's memory: an image has
 * nothing of any cluster, not even to forget it.
 *
 * The group goes at the end, whatever that is.  Of a command that was cut off hard
 * its tags say what it was at: what can be ended is, and else it begins anew.
 *
 * Source: "Create a generalized image of a VM for Azure Compute Gallery", "Trusted
 * Launch" (learn.microsoft.com); Microsoft.Compute, GalleryRP, of version
 * API_GALLERIES.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "node/files.h"
#include "ssh/ssh.h"
#include "swarm/baked.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"
#include "tls/tls.h"

#define MACHINE "bake"
#define SETUP "/usr/local/sbin/azswarm-setup"
#define RECEIVE \
	"sudo -n /bin/sh -c 'umask 077; mkdir -p /run/azswarm-bake && " \
	"cat >/run/azswarm-bake/program'"

#define KEY_MAX (16u << 10)
#define RSA_BITS 2048 /* for minutes */
#define PROGRAM_MAX (8u << 20)
#define SCRIPT_MAX (256u << 10)
#define ANSWER_MAX (64u << 10)

#define BOOT_MS (15 * 60000)
#define TRY_MS 10000
#define SIGN_IN_MS 20000
#define AGAIN_MS 2000
#define SETUP_MS (50 * 60000)
#define CLEAN_MS (30 * 60000)
#define UPLOAD_MS (10 * 60000)
#define PUBLISH_MS (4 * 3600000)
#define LOOK_MS 10000

/* of the group: "x64-trusted/0.2.2026113000", what went into it and where, and
 * whose it is: a random word, and the account that the lock is in, "" without */
#define TAG_BAKE BAKED_TAG_BAKE
#define TAG_OF "azswarm-of"
#define TAG_BY "azswarm-by"
#define TAG_SINCE BAKED_TAG_SINCE
#define TAG_WORD "azswarm-word"
#define TAG_LOCK "azswarm-lock"

struct bake {
	struct session *s;
	char *group, *definition, *version;
	enum elf_machine kind;
	struct program own, other;
	const struct program *program;
	cJSON *image;	 /* {publisher, offer, sku, version} of what is baked */
	char *base, *of; /* that, and with it all that goes into the image */
	char word[37];	 /* of the group that is ours */
	bool trusted;
	/* made for this one machine, and never written down here */
	char user[16];
	struct buf key, host_ec, host_rsa;
	struct buf public, ec_public, rsa_public;
	char *address;
	struct ssh *ssh;
	bool paper;
	bool made;	 /* the group is there, and has to go */
	bool publishing; /* so has the version, unless it is whole */
};

/* ---- what is to be baked ---- */

static int choose_program(struct bake *b, struct err *e)
{
	struct err none = ERR_INIT;
	enum elf_machine kinds[2];
	int found;

	/* nobody wants to know of masters here */
	if (*settings_get(b->s->set, S_AGENT_SIZE) != '\0')
		settings_set(b->s->set, S_MASTER_SIZE,
			     settings_get(b->s->set, S_AGENT_SIZE), "chosen");
	if (program_own(&b->own, e) < 0 || sizes_choose(b->s, kinds, e) < 0 ||
	    (found = program_other(b->s->set, &b->other, &none, e)) < 0)
		return -1;
	b->kind = kinds[1];
	b->program = b->kind == ELF_OWN ? &b->own : &b->other;
	if (b->kind != ELF_OWN && !found)
		return err_set(e, ERR_USAGE,
			       "%s has %s processors, and %s; --program FILE names "
			       "the one for %s",
			       settings_get(b->s->set, S_AGENT_SIZE),
			       elf_names[b->kind].azure, none.msg,
			       elf_names[b->kind].kernel);
	return 0;
}

/* The marketplace's image of the cluster's own template, of that processor. */
static int choose_base(struct bake *b, struct err *e)
{
	const char *sku = images_sku(b->kind);
	struct buf text;
	cJSON *template;
	char *version;

	asset_get("arm/cluster.json", &text);
	template = json_parse(buf_str(&text), "arm/cluster.json", e);
	buf_release(&text);
	if (template == NULL)
		return -1;
	b->image = cJSON_Duplicate(
		json_at(template, "parameters.imageReference.defaultValue"), true);
	json_free(template);
	if ((version = images_latest(b->s, b->image, sku, e)) == NULL)
		return -1;
	json_add_str(b->image, "sku", sku);
	json_add_str(b->image, "version", version);
	b->base = xasprintf("%s %s", sku, version);
	free(version);
	return 0;
}

/* "0.2.0" today is 0.2.2026113000, and once more 0.2.2026113001: greater than all
 * that are there, also of a day that has not come yet, or else what is baked last
 * is not the newest; NULL with e where that is no number of Azure's any more. */
static char *number_of(const char *program, const char *today,
		       const struct baked_list *l, struct err *e)
{
	struct str rest = str_of(program), dot;
	uint64_t major = 0, minor = 0, n = 0, next = 0;
	char *prefix, *found = NULL;

	if (str_dec(&rest, INT32_MAX, &major) && str_cut(&rest, '.', &dot))
		str_dec(&rest, INT32_MAX, &minor);
	str_num(str_of(today), INT32_MAX, &next);
	next *= 100;
	prefix = xasprintf("%llu.%llu.", (unsigned long long)major,
			   (unsigned long long)minor);
	for (size_t i = 0; i < l->n; i++) {
		rest = str_of(l->list[i].version);
		if (str_starts(rest, str_of(prefix)) &&
		    str_num(str_skip(rest, strlen(prefix)), INT32_MAX, &n) &&
		    n >= next)
			next = n + 1;
	}
	if (next <= INT32_MAX)
		found = xasprintf("%s%llu", prefix, (unsigned long long)next);
	else
		err_set(e, ERR_DATA,
			"no number comes after %s%d, or the clock here is wrong; "
			"'azswarm baked-images' lists those that are there",
			prefix, INT32_MAX);
	free(prefix);
	return found;
}

/* One that no image has, of whatever definition, by which `baked-images rm` finds
 * it; the one that was chosen before, unless that is taken by now. */
static int choose_number(struct bake *b, struct err *e)
{
	struct baked_list l = { 0 };
	char now[32], today[16], *next;
	int rc = baked_read(b->s, NULL, &l, e);

	time_iso(unix_time(), now);
	snprintf(today, sizeof(today), "%.4s%.2s%.2s", now, now + 5, now + 8);
	if (rc == 0 && (b->version == NULL || baked_find(&l, b->version) != NULL)) {
		if ((next = number_of(b->s->version, today, &l, e)) == NULL)
			rc = -1;
		else if (b->version != NULL)
			ui_say(b->s->ui,
			       "image %s is there by now, of somebody else: this "
			       "one is %s",
			       b->version, next);
		if (rc == 0) {
			free(b->version);
			b->version = next;
		}
	}
	baked_release(&l);
	return rc;
}

static int choose(struct bake *b, struct err *e)
{
	const struct settings *set = b->s->set;

	if (settings_bool(set, S_TRUSTED_LAUNCH, &b->trusted, e) < 0 ||
	    choose_program(b, e) < 0 ||
	    (b->definition = baked_definition(b->s, b->kind, e)) == NULL ||
	    choose_base(b, e) < 0 || choose_number(b, e) < 0)
		return -1;
	b->group = baked_group(b->s);
	b->of = xasprintf("%.12s %s %s %s %s", b->program->sha256,
			  settings_get(set, S_DOCKER_CHANNEL), b->base,
			  settings_get(set, S_LOCATION),
			  settings_get(set, S_STORAGE_GROUP));
	return 0;
}

static int show(const struct bake *b, struct err *e)
{
	static const char *const columns[] = { "what", "name", NULL };
	char *gallery = baked_gallery(b->s);
	const char *const rows[][2] = {
		{ "resource group, for as long as it takes", b->group },
		{ "machine in it", settings_get(b->s->set, S_AGENT_SIZE) },
		{ "made of", b->base },
		{ "gallery", gallery },
		{ "image definition", b->definition },
		{ "image version", b->version },
	};
	struct listing t;
	int rc;

	listing_init(&t, columns);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		listing_row(&t);
		listing_cell(&t, "%s", rows[i][0]);
		listing_cell(&t, "%s", rows[i][1]);
	}
	rc = listing_print(&t, b->s->ui, e);
	listing_release(&t);
	free(gallery);
	b->s->exit_status = 5;
	return rc;
}

/* anew: what is there of a bake goes first. */
static int agree(const struct bake *b, bool anew, struct err *e)
{
	char *what = xasprintf(
		"%smake a machine (%s) in resource group %s, which is billed for the "
		"quarter of an hour or so that it takes, and keep an image of it, "
		"whose storage is billed until 'azswarm baked-images rm %s'",
		anew ? "delete what is left of the bake before, " : "",
		settings_get(b->s->set, S_AGENT_SIZE), b->group, b->version);
	int rc = swarm_agree(b->s, what, e);

	free(what);
	return rc;
}

/* ---- its keys ---- */

static int make_keys(struct bake *b, struct err *e)
{
	uint8_t random[4];
	struct buf hex = BUF_INIT(16);
	int rc = -1;

	/* one that is found wherever it is left */
	random_bytes(random, sizeof(random));
	buf_add_hex(&hex, random, sizeof(random));
	snprintf(b->user, sizeof(b->user), "bake%s", hex.str);
	buf_release(&hex);
	if (key_make_rsa(RSA_BITS, &b->key, e) == 0 &&
	    key_make_rsa(RSA_BITS, &b->host_rsa, e) == 0 &&
	    key_make_ec_p256(&b->host_ec, e) == 0 &&
	    key_ssh_public(buf_str(&b->key), NULL, &b->public, e) == 0 &&
	    key_ssh_public(buf_str(&b->host_ec), NULL, &b->ec_public, e) == 0 &&
	    key_ssh_public(buf_str(&b->host_rsa), NULL, &b->rsa_public, e) == 0)
		rc = 0;
	return rc;
}

static void trim(struct buf *line)
{
	buf_truncate(line, str_trim(buf_str(line)).n);
}

/* cloud-init's file, base64.  Burn it. */
static int custom_data(struct bake *b, struct buf *base64, struct err *e)
{
	struct buf text, yaml = BUF_INIT(4 * KEY_MAX);
	int rc;

	trim(&b->public);
	trim(&b->ec_public);
	trim(&b->rsa_public);
	const struct asset_pair pairs[] = {
		{ "SSH_HOST_KEY", b->host_ec.str },
		{ "SSH_HOST_KEY_PUB", b->ec_public.str },
		{ "SSH_HOST_RSA_KEY", b->host_rsa.str },
		{ "SSH_HOST_RSA_KEY_PUB", b->rsa_public.str },
		{ NULL, NULL },
	};
	asset_get("cloud-init/bake.yaml", &text);
	rc = asset_fill(buf_str(&text), pairs, &yaml, e);
	if (rc == 0)
		buf_add_base64(base64, yaml.str, yaml.n);
	buf_release(&text);
	buf_burn(&yaml);
	return rc;
}

/* The lines by which a file that has one of the keys is found. */
static void add_lines(struct buf *out, const struct buf *pem)
{
	struct str rest = buf_str(pem), line;

	while (str_next(&rest, '\n', &line))
		if (line.n > 0 && line.p[0] != '-')
			buf_addf(out, "%.*s\n", STR_ARG(line));
}

/* ---- the machine ---- */

static int put_group(struct bake *b, struct err *e)
{
	char *path = swarm_group_path(b->s, b->group), now[32];
	char *bake = xasprintf("%s/%s", b->definition, b->version);
	cJSON *body = cJSON_CreateObject(), *tags;
	struct azure_reply r = { 0 };
	int rc;

	time_iso(unix_time(), now);
	json_add_str(body, "location", settings_get(b->s->set, S_LOCATION));
	tags = json_add_obj(body, "tags");
	json_add_str(tags, TAG_BAKE, bake);
	json_add_str(tags, TAG_OF, b->of);
	json_add_str(tags, TAG_BY, lock_who(b->s));
	json_add_str(tags, TAG_SINCE, now);
	json_add_str(tags, TAG_WORD, b->word);
	json_add_str(tags, TAG_LOCK, lock_where(b->s));
	b->made = true;
	rc = azure_call(&b->s->az, "PUT", path, body, 0, &r, e);
	azure_reply_release(&r);
	json_free(body);
	free(bake);
	free(path);
	return rc;
}

/* Burn it. */
static int deployment(struct bake *b, cJSON **body, struct err *e)
{
	const struct settings *set = b->s->set;
	struct buf arm, data = BUF_INIT(4 * KEY_MAX);
	cJSON *template, *properties, *p;
	int rc = custom_data(b, &data, e);

	*body = cJSON_CreateObject();
	properties = json_add_obj(*body, "properties");
	json_add_str(properties, "mode", "Incremental");
	p = json_add_obj(properties, "parameters");
	azure_parameter_text(p, "location", settings_get(set, S_LOCATION));
	azure_parameter_text(p, "size", settings_get(set, S_AGENT_SIZE));
	azure_parameter_text(p, "adminUsername", b->user);
	azure_parameter_text(p, "adminPublicKey", b->public.str);
	azure_parameter_text(p, "sshSource", settings_get(set, S_SSH_SOURCE));
	azure_parameter_text(p, "customData", data.str);
	azure_parameter(p, "trustedLaunch", cJSON_CreateBool(b->trusted));
	azure_parameter(p, "imageReference", cJSON_Duplicate(b->image, true));
	asset_get("arm/bake.json", &arm);
	template = json_parse(buf_str(&arm), "arm/bake.json", e);
	json_set(properties, "template", template);
	buf_release(&arm);
	buf_burn(&data);
	return rc < 0 || template == NULL ? -1 : 0;
}

static char *machine_path(const struct bake *b, const char *rest)
{
	return azure_path(&b->s->az,
			  "/resourceGroups/%s/providers/Microsoft.Compute/"
			  "virtualMachines/" MACHINE "%sapi-version=" API_COMPUTE,
			  b->group, rest);
}

/* What is at path, which is taken; a JSON null when it is not there.  Caller
 * frees; NULL with e. */
static cJSON *read_there(struct bake *b, char *path, struct err *e)
{
	struct azure_reply r = { 0 };
	cJSON *doc = NULL;

	if (azure_call(&b->s->az, "GET", path, NULL, AZURE_MISSING_OK, &r, e) ==
	    0) {
		bool there = r.http.head.status == 200 && r.doc != NULL;

		doc = there ? r.doc : cJSON_CreateNull();
		if (there)
			r.doc = NULL;
	}
	azure_reply_release(&r);
	free(path);
	return doc;
}

/* What it holds is there only until Azure comes to it. */
static bool is_going(const cJSON *doc)
{
	return json_is(doc, "properties.provisioningState", "Deleting");
}

/* The machine with its instanceView. */
static cJSON *machine_read(struct bake *b, struct err *e)
{
	return read_there(b, machine_path(b, "?$expand=instanceView&"), e);
}

static char *machine_id(const struct bake *b)
{
	char *id = machine_path(b, "?");

	*strchr(id, '?') = '\0';
	return id;
}

/* Where the image is to be kept, a quarter of an hour from now.  It is not waited
 * for: the lock goes with it. */
static int check_storage_group(struct bake *b, struct err *e)
{
	const char *name = settings_get(b->s->set, S_STORAGE_GROUP);
	cJSON *group = read_there(b, swarm_group_path(b->s, name), e);
	bool going = is_going(group);

	if (group == NULL)
		return -1;
	json_free(group);
	return going ? err_set(e, ERR_TIMEOUT,
			       "resource group %s is being deleted; the same again "
			       "when it is gone",
			       name) :
		       0;
}

static int step_machine(struct bake *b, struct err *e)
{
	char *path =
		azure_path(&b->s->az,
			   "/resourcegroups/%s/providers/Microsoft.Resources/"
			   "deployments/" MACHINE "?api-version=" API_RESOURCES,
			   b->group);
	struct azure_wait w = { .what = "the machine to be made",
				.limit_ms = DEPLOYMENT_LIMIT_MS };
	struct azure_reply r = { 0 };
	cJSON *body = NULL, *vm = NULL;
	const char *address;
	int rc = -1;

	if (check_storage_group(b, e) < 0 || make_keys(b, e) < 0 ||
	    deployment(b, &body, e) < 0 || put_group(b, e) < 0 ||
	    azure_do(&b->s->az, "PUT", path, body, &w, &r, e) < 0 ||
	    (address = json_str(r.doc, "properties.outputs.address.value", e)) ==
		    NULL ||
	    (vm = machine_read(b, e)) == NULL)
		goto out;
	b->address = xstrdup(address);
	b->paper = remote_says_paper(vm);
	if (b->paper)
		ui_say(b->s->ui, "it exists on paper, so nothing is installed "
				 "there: what is kept is a record");
	rc = 0;
out:
	json_free(vm);
	json_burn(body);
	azure_reply_release(&r);
	free(path);
	return rc;
}

/* Once.  The host key is the one that we made, or nothing is told there. */
static int sign_in(struct bake *b, const struct ssh_key *key, struct err *e)
{
	const struct ssh_config c = {
		.user = b->user,
		.name = MACHINE,
		.host_key = b->ec_public.str,
		.key = key,
	};
	const char *const address[] = { b->address };
	int port, fd;
	size_t which;

	if (settings_int(b->s->set, S_SSH_PORT, &port, e) < 0 ||
	    (fd = tcp_greeting(address, 1, (unsigned)port, now_ms() + TRY_MS,
			       &which, e)) < 0)
		return -1;
	b->ssh = ssh_open(stream_of_fd(fd), &c, now_ms() + SIGN_IN_MS, e);
	return b->ssh != NULL ? 0 : -1;
}

/* sshd may be there before cloud-init has made user and keys, so whatever is wrong
 * may pass. */
static int step_boot(struct bake *b, struct err *e)
{
	struct ssh_key *key = ssh_key_parse(buf_str(&b->key), "its key", e);
	int64_t began = now_ms();
	int rc = key == NULL ? -1 : 1;

	while (rc > 0) {
		struct err once = ERR_INIT;

		if (sign_in(b, key, &once) == 0) {
			rc = 0;
		} else if (once.kind == ERR_INTR || now_ms() - began > BOOT_MS) {
			*e = once;
			rc = err_in(e, "the machine at %s", b->address);
		} else {
			ui_waiting(b->s->ui, "the machine to boot",
				   now_ms() - began, now_ms());
			rc = sleep_until(now_ms() + AGAIN_MS, e) < 0 ? -1 : 1;
		}
	}
	ui_clear(b->s->ui);
	ssh_key_free(key);
	return rc;
}

/* Have its shell do what script says, behind bake.sh. */
static int tell(struct bake *b, const struct buf *script, int64_t limit_ms,
		struct err *e)
{
	struct buf out = BUF_INIT(ANSWER_MAX), text, all = BUF_INIT(SCRIPT_MAX);
	struct str rest, line;
	bool end = false;
	int status = 0, rc = -1;

	asset_get("node/bake.sh", &text);
	buf_addf(&all, "%s%s", text.str, script->str);
	if (buf_check(&all, "what the machine is told", e) < 0 ||
	    ssh_run(b->ssh, REMOTE_SHELL, buf_str(&all), &out, &out, &status,
		    now_ms() + limit_ms, e) < 0)
		goto out;
	rest = buf_str(&out);
	while (str_next(&rest, '\n', &line)) {
		if (str_starts(line, STR("bad ")))
			err_set(e, ERR_DATA, "%.*s",
				STR_ARG(str_head(str_skip(line, 4), 400)));
		else if (str_starts(line, STR("left ")))
			err_set(e, ERR_DATA,
				"%.*s is still there, so this is no image",
				STR_ARG(str_head(str_skip(line, 5), 400)));
		end |= str_eqz(line, "end");
	}
	if (!end)
		err_set(e, ERR_DATA, "its shell ended early (%d): %.*s", status,
			STR_ARG(str_head(str_trim(buf_str(&out)), 400)));
	rc = e->kind == ERR_NONE ? 0 : -1;
out:
	buf_release(&text);
	buf_burn(&all);
	buf_release(&out);
	return rc < 0 ? err_in(e, "the machine") : 0;
}

static int send_program(struct bake *b, struct err *e)
{
	struct buf bytes = BUF_INIT(PROGRAM_MAX), script = BUF_INIT(256);
	struct buf said = BUF_INIT(1024);
	char *to = buf_room(&bytes, b->program->size);
	int status = 0, rc = -1;

	if (to == NULL || pread(b->program->fd, to, b->program->size, 0) !=
				  (ssize_t)b->program->size) {
		err_set(e, ERR_IO, "%s cannot be read", b->program->path);
		goto out;
	}
	buf_grew(&bytes, b->program->size);
	if (ssh_run(b->ssh, RECEIVE, buf_str(&bytes), NULL, &said, &status,
		    now_ms() + UPLOAD_MS, e) < 0)
		goto out;
	if (status != 0) {
		err_set(e, ERR_DATA, "the machine takes no program: %.*s",
			STR_ARG(str_trim(buf_str(&said))));
		goto out;
	}
	buf_addf(&script, "program %s\n", b->program->sha256);
	rc = tell(b, &script, UPLOAD_MS, e);
out:
	buf_release(&said);
	buf_release(&script);
	buf_release(&bytes);
	return rc;
}

static int step_install(struct bake *b, struct err *e)
{
	struct buf script = BUF_INIT(SCRIPT_MAX);
	struct files known = { 0 };
	const struct file *setup;
	int rc = -1;

	if (trace_change(&b->s->trace, MACHINE, "what nodes have", e) < 0 ||
	    files_known(&known, e) < 0)
		goto out;
	setup = files_get(&known, SETUP);
	buf_addf(&script, "prepare %s ",
		 settings_get(b->s->set, S_DOCKER_CHANNEL));
	buf_add_base64(&script, setup->content.str, setup->content.n);
	buf_addc(&script, '\n');
	if (tell(b, &script, SETUP_MS, e) == 0)
		rc = send_program(b, e);
out:
	files_burn(&known);
	buf_release(&script);
	return rc;
}

static int step_clean(struct bake *b, struct err *e)
{
	struct buf script = BUF_INIT(SCRIPT_MAX), lines = BUF_INIT(4 * KEY_MAX);
	struct str key = buf_str(&b->public), type;
	int rc;

	add_lines(&lines, &b->host_ec);
	add_lines(&lines, &b->host_rsa);
	if (str_cut(&key, ' ', &type))
		buf_addf(&lines, "%.*s\n", STR_ARG(key));
	buf_addf(&script, "clean %s ", b->user);
	buf_add_base64(&script, lines.str, lines.n);
	buf_addc(&script, '\n');
	rc = trace_change(&b->s->trace, MACHINE, "nothing of it stays", e);
	if (rc == 0)
		rc = tell(b, &script, CLEAN_MS, e);
	ssh_close(b->ssh);
	b->ssh = NULL;
	buf_burn(&lines);
	buf_burn(&script);
	return rc;
}

static int step_generalize(struct bake *b, struct err *e)
{
	struct azure_wait w = { .what = "the machine to be deallocated",
				.limit_ms = OPERATION_LIMIT_MS };
	char *off = machine_path(b, "/deallocate?");
	char *mark = machine_path(b, "/generalize?");
	struct azure_reply r = { 0 };
	int rc = azure_do(&b->s->az, "POST", off, NULL, &w, NULL, e);

	if (rc == 0)
		rc = azure_call(&b->s->az, "POST", mark, NULL, 0, &r, e);
	azure_reply_release(&r);
	free(off);
	free(mark);
	return rc;
}

/* ---- the image ---- */

static int put_unless_there(struct bake *b, const char *rest, const cJSON *body,
			    const char *what, struct err *e)
{
	const struct azure_clock *clock = &b->s->az.clock;
	int64_t began = clock->now(clock->ctx);
	char *path = baked_path(b->s, rest);
	struct azure_wait w = { .what = what, .limit_ms = OPERATION_LIMIT_MS };
	cJSON *doc = NULL;
	int rc = -1;

	for (;;) {
		json_free(doc);
		if ((doc = read_there(b, xstrdup(path), e)) == NULL)
			goto out;
		if (!is_going(doc))
			break;
		if (clock->now(clock->ctx) - began > OPERATION_LIMIT_MS) {
			err_set(e, ERR_TIMEOUT, "%s is still being deleted", what);
			goto out;
		}
		if (clock->wait(clock->ctx, clock->now(clock->ctx) + LOOK_MS,
				"what is being deleted there", began, e) < 0)
			goto out;
	}
	/* one that failed is no parent of anything */
	rc = cJSON_IsNull(doc) || json_is(doc, "properties.provisioningState",
					  "Failed") ?
		     azure_do(&b->s->az, "PUT", path, body, &w, NULL, e) :
		     0;
out:
	json_free(doc);
	free(path);
	return rc;
}

static int put_gallery(struct bake *b, struct err *e)
{
	cJSON *body = cJSON_CreateObject();
	int rc;

	json_add_str(body, "location", settings_get(b->s->set, S_LOCATION));
	json_add_str(json_add_obj(body, "properties"), "description",
		     "Images of machines, made by azswarm bake-image");
	rc = put_unless_there(b, "", body, "the gallery", e);
	json_free(body);
	return rc;
}

static void add_feature(cJSON *features, const char *name, const char *value)
{
	cJSON *f = cJSON_CreateObject();

	json_add_str(f, "name", name);
	json_add_str(f, "value", value);
	cJSON_AddItemToArray(features, f);
}

static int put_definition(struct bake *b, struct err *e)
{
	char *rest = xasprintf("/images/%s", b->definition);
	cJSON *body = cJSON_CreateObject(), *p, *i, *features;
	int rc;

	json_add_str(body, "location", settings_get(b->s->set, S_LOCATION));
	p = json_add_obj(body, "properties");
	json_add_str(p, "osType", "Linux");
	json_add_str(p, "osState", "Generalized");
	json_add_str(p, "hyperVGeneration", "V2");
	json_add_str(p, "architecture", elf_names[b->kind].azure);
	i = json_add_obj(p, "identifier");
	json_add_str(i, "publisher", "azswarm");
	json_add_str(i, "offer", "node");
	json_add_str(i, "sku", b->definition);
	features = json_add_arr(p, "features");
	/* sizes of v6 and later have NVMe alone; in this order, which is the one
	 * that Azure keeps */
	add_feature(features, "DiskControllerTypes", "SCSI, NVMe");
	if (b->trusted)
		add_feature(features, "SecurityType", "TrustedLaunch");
	rc = put_unless_there(b, rest, body, "the image definition", e);
	json_free(body);
	free(rest);
	return rc;
}

static cJSON *version_body(struct bake *b)
{
	const char *location = settings_get(b->s->set, S_LOCATION);
	cJSON *body = cJSON_CreateObject(), *tags, *p, *region;
	char *vm = machine_id(b);

	json_add_str(body, "location", location);
	tags = json_add_obj(body, "tags");
	json_add_str(tags, BAKED_TAG_PROGRAM, b->s->version);
	json_add_str(tags, BAKED_TAG_BASE, b->base);
	json_add_str(tags, BAKED_TAG_CHANNEL,
		     settings_get(b->s->set, S_DOCKER_CHANNEL));
	p = json_add_obj(body, "properties");
	region = cJSON_CreateObject();
	json_add_str(region, "name", location);
	json_add_int(region, "regionalReplicaCount", 1);
	json_add_str(region, "storageAccountType", "Standard_LRS");
	cJSON_AddItemToArray(json_add_arr(json_add_obj(p, "publishingProfile"),
					  "targetRegions"),
			     region);
	json_add_str(json_add_obj(json_add_obj(p, "storageProfile"), "source"),
		     "virtualMachineId", vm);
	free(vm);
	return body;
}

static char *version_path(const struct bake *b)
{
	char *rest = xasprintf("/images/%s/versions/%s", b->definition,
			       b->version);
	char *path = baked_path(b->s, rest);

	free(rest);
	return path;
}

/* Is that version this machine's, and not somebody else's who took its number? */
static bool is_of_machine(const struct bake *b, const cJSON *version)
{
	const cJSON *source = json_at(version, "properties.storageProfile.source");
	const char *id = json_str_opt(source, "virtualMachineId",
				      json_str_opt(source, "id", ""));
	char *own = machine_id(b);
	bool is = str_ieqz(str_of(id), own);

	free(own);
	return is;
}

static int put_storage_group(struct bake *b, struct err *e)
{
	const char *group = settings_get(b->s->set, S_STORAGE_GROUP);
	int there = swarm_group_settled(b->s, group, e);

	return there == 0 ? swarm_group_put(b->s, group, e) :
	       there < 0  ? -1 :
			    0;
}

static int step_publish(struct bake *b, struct err *e)
{
	struct azure_wait w = { .what = "the image to be kept",
				.limit_ms = PUBLISH_MS };
	char *was = xstrdup(b->version), *path = NULL;
	cJSON *body = version_body(b);
	int rc = -1;

	/* others have baked since it was chosen: of another COMPUTE_GROUP, say,
	 * which is another lock */
	if (put_storage_group(b, e) < 0 || put_gallery(b, e) < 0 ||
	    put_definition(b, e) < 0 || choose_number(b, e) < 0 ||
	    (strcmp(b->version, was) != 0 && put_group(b, e) < 0))
		goto out;
	path = version_path(b);
	b->publishing = true;
	rc = azure_do(&b->s->az, "PUT", path, body, &w, NULL, e);
out:
	json_free(body);
	free(path);
	free(was);
	return rc < 0 ? err_in(e, "image %s", b->version) : 0;
}

/* ---- the group of its own ---- */

static int delete_group(struct bake *b, struct err *e)
{
	return baked_only_ours(b->s, b->group, e) < 0 ?
		       -1 :
		       swarm_group_delete(b->s, b->group, e);
}

/* The group as it is. */
static cJSON *group_read(struct bake *b, struct err *e)
{
	return read_there(b, swarm_group_path(b->s, b->group), e);
}

static bool is_our_group(const struct bake *b, const cJSON *group)
{
	return strcmp(json_str_opt(json_get(group, "tags"), TAG_WORD, ""),
		      b->word) == 0;
}

/* ---- what was begun before ---- */

/* "Succeeded", "Creating", ...; "" when it is not there, or another machine's.
 * Caller frees. */
static char *version_state(struct bake *b, struct err *e)
{
	cJSON *version = read_there(b, version_path(b), e);
	char *state = NULL;

	if (version != NULL)
		state = xstrdup(
			!is_of_machine(b, version) ?
				"" :
				json_str_opt(version,
					     "properties.provisioningState", ""));
	json_free(version);
	return state;
}

/* Until Azure has made the version, or has not.  Caller frees. */
static char *version_end(struct bake *b, struct err *e)
{
	const struct azure_clock *clock = &b->s->az.clock;
	int64_t began = clock->now(clock->ctx);
	char *state;

	while ((state = version_state(b, e)) != NULL &&
	       str_listed("Creating Updating", state)) {
		free(state);
		b->publishing = true;
		if (clock->now(clock->ctx) - began > PUBLISH_MS) {
			err_set(e, ERR_TIMEOUT, "image %s is still being made",
				b->version);
			return NULL;
		}
		if (clock->wait(clock->ctx, clock->now(clock->ctx) + LOOK_MS,
				"the image that was begun before", began, e) < 0)
			return NULL;
	}
	if (state != NULL)
		b->publishing = false;
	return state;
}

static bool is_generalized(const cJSON *vm)
{
	const cJSON *st;

	cJSON_ArrayForEach(st, json_at(vm, "properties.instanceView.statuses"))
		if (json_is(st, "code", "OSState/generalized"))
			return true;
	return false;
}

enum begun {
	NOTHING_BEGUN,
	BEGUN_IN_VAIN,
	BEGUN_WHOLE,
	BEGUN_GENERALIZED,
	BEGUN_FAILED,
};

/* The group is a bake's, by its tags: how far was that?  b takes its version, unless
 * nothing comes of that. */
static enum begun begun_far(struct bake *b, const cJSON *group, struct err *e)
{
	const cJSON *tags = json_get(group, "tags");
	struct str rest = str_of(json_str_opt(tags, TAG_BAKE, "")), definition;
	enum begun far = BEGUN_IN_VAIN;
	char *next = b->version, *state;
	cJSON *vm = NULL;

	if (!str_cut(&rest, '/', &definition) ||
	    !str_eqz(definition, b->definition) || !json_is(tags, TAG_OF, b->of))
		return BEGUN_IN_VAIN;
	b->version = str_dup(rest);
	if ((state = version_end(b, e)) == NULL ||
	    (vm = machine_read(b, e)) == NULL)
		far = BEGUN_FAILED;
	else if (str_ieqz(str_of(state), "Succeeded"))
		far = BEGUN_WHOLE;
	else if (*state == '\0' && is_generalized(vm) && !is_going(group))
		far = BEGUN_GENERALIZED;
	if (far == BEGUN_IN_VAIN) {
		/* the number of a version that failed is taken */
		free(b->version);
		b->version = next;
	} else {
		free(next);
	}
	json_free(vm);
	free(state);
	return far;
}

/* Was it cut off?  Who has the lock that it had is alone; without, or with another,
 * nobody knows. */
static int check_alone(const struct bake *b, const cJSON *group, struct err *e)
{
	const cJSON *tags = json_get(group, "tags");
	const char *had = json_str_opt(tags, TAG_LOCK, "");

	/* in one that goes nobody can be at work */
	if (b->s->break_lock || is_going(group) ||
	    (*had != '\0' && strcmp(had, lock_where(b->s)) == 0))
		return 0;
	return err_set(e, ERR_BUSY,
		       "resource group %s is there, of a bake-image (%s, %s) that "
		       "may be at work, for no lock tells; --break-lock, when it "
		       "is not, goes on with that or begins anew",
		       b->group, json_str_opt(tags, TAG_BY, "somebody"),
		       json_str_opt(tags, TAG_SINCE, "once"));
}

/* Of a command that was cut off, whose group is ours then: it has to go, unless
 * nothing comes of it, which is asked about. */
static enum begun look_back(struct bake *b, struct err *e)
{
	enum begun far = BEGUN_FAILED;
	cJSON *group = group_read(b, e);
	const cJSON *tags = json_get(group, "tags");

	if (group == NULL)
		goto out;
	if (cJSON_IsNull(group)) {
		far = NOTHING_BEGUN;
		goto out;
	}
	if (json_get(tags, TAG_BAKE) == NULL) {
		err_set(e, ERR_DATA,
			"resource group %s is there, and not of a "
			"bake-image; another COMPUTE_GROUP",
			b->group);
		goto out;
	}
	if (check_alone(b, group, e) < 0)
		goto out;
	snprintf(b->word, sizeof(b->word), "%s", json_str_opt(tags, TAG_WORD, ""));
	b->made = true;
	if ((far = begun_far(b, group, e)) == BEGUN_FAILED)
		goto out;
	ui_say(b->s->ui,
	       "resource group %s is there, of a bake that was cut off "
	       "(%s, %s): %s",
	       b->group, json_str_opt(tags, TAG_BY, "somebody"),
	       json_str_opt(tags, TAG_SINCE, "once"),
	       far == BEGUN_WHOLE	? "its image is whole" :
	       far == BEGUN_GENERALIZED ? "it goes on" :
					  "it begins anew");
out:
	json_free(group);
	return far;
}

/* ---- the command ---- */

static const struct step {
	const char *what;
	int (*run)(struct bake *b, struct err *e);
	bool on_machine; /* none on paper */
} steps[] = {
	{ "the machine is made", step_machine, false },
	{ "it has booted", step_boot, true },
	{ "it has what nodes have", step_install, true },
	{ "it has nothing of its own any more", step_clean, true },
	{ "it is deallocated and generalized", step_generalize, false },
	{ "its image is kept", step_publish, false },
};
#define N_STEPS (sizeof(steps) / sizeof(*steps))
#define STEP_PUBLISH (N_STEPS - 1)

static int run_steps(struct bake *b, size_t from, struct err *e)
{
	char span[32];

	for (size_t i = from; i < N_STEPS; i++) {
		int64_t began = now_ms();

		if (steps[i].on_machine && b->paper)
			continue;
		if (steps[i].run(b, e) < 0)
			return -1;
		time_span((now_ms() - began + 500) / 1000, span);
		ui_say(b->s->ui, "%s (%s)", steps[i].what, span);
	}
	return 0;
}

/* A version that is not whole is none. */
static void drop_version(struct bake *b)
{
	struct azure_wait w = { .what = "what there is of the image to be deleted",
				.flags = AZURE_MISSING_OK,
				.no_wait = true };
	char *path = version_path(b);
	struct err once = ERR_INIT;
	cJSON *version = read_there(b, version_path(b), &once);

	if (version != NULL && is_of_machine(b, version))
		azure_do(&b->s->az, "DELETE", path, NULL, &w, NULL, &once);
	if (once.kind != ERR_NONE)
		ui_say(b->s->ui,
		       "image %s may be there still, and is not whole: 'azswarm "
		       "baked-images' tells (%s)",
		       b->version, once.msg);
	json_free(version);
	free(path);
}

/* Who interrupts does not wait until Azure has cleaned up: it is told to. */
static void stop_waiting(struct bake *b)
{
	if (!interrupt_requested())
		return;
	interrupt_forget();
	b->s->no_wait = true;
}

/* half: with what there is of an image.  What somebody else has made of it since
 * is left to him. */
static int drop(struct bake *b, bool half, struct err *e)
{
	cJSON *group = group_read(b, e);
	bool theirs = cJSON_IsObject(group) && !is_our_group(b, group);

	json_free(group);
	if (group == NULL)
		return -1;
	if (theirs) {
		ui_say(b->s->ui,
		       "resource group %s stays: it is another bake-image's by now",
		       b->group);
		return 0;
	}
	if (half)
		drop_version(b);
	return delete_group(b, e);
}

static int drop_group(struct bake *b, bool half, struct err *e)
{
	for (int i = 0;; i++) {
		stop_waiting(b);
		if (drop(b, half, e) == 0)
			return 0;
		if (e->kind != ERR_INTR || i > 0)
			return -1;
		err_clear(e);
	}
}

/* Whatever the end: no group, and no version that is not whole. */
static int clean_up(struct bake *b, int rc, struct err *e)
{
	struct err once = ERR_INIT;

	ssh_close(b->ssh);
	b->ssh = NULL;
	if (!b->made)
		return rc;
	if (drop_group(b, rc < 0 && b->publishing, &once) == 0 &&
	    (rc < 0 || !b->s->no_wait))
		return rc;
	if (once.kind == ERR_NONE)
		return err_set(e, ERR_INTR, "interrupted; image %s is whole",
			       b->version);
	ui_say(b->s->ui,
	       "resource group %s may be there still, and is billed: 'azswarm "
	       "bake-image' deletes it, too",
	       b->group);
	if (rc == 0) {
		*e = once;
		rc = err_in(e, "image %s is whole; its machine", b->version);
	}
	return rc;
}

/* What is whole is said first: those of before that cannot go do not change that. */
static int finish(struct bake *b, struct err *e)
{
	struct err once = ERR_INIT;

	ui_say(b->s->ui,
	       "image %s: what is billed from now on is its storage in %s, until "
	       "'azswarm baked-images rm %s'; 'azswarm params' takes it for "
	       "machines",
	       b->version, settings_get(b->s->set, S_LOCATION), b->version);
	if (baked_prune(b->s, b->definition, b->version, &once) == 0)
		return 0;
	if (once.kind == ERR_INTR) {
		*e = once;
		return -1;
	}
	ui_say(b->s->ui, "what is too many stays: %s", once.msg);
	return 0;
}

static void burn_bake(struct bake *b)
{
	struct buf *bufs[] = { &b->key,	   &b->host_ec,	  &b->host_rsa,
			       &b->public, &b->ec_public, &b->rsa_public };

	for (size_t i = 0; i < sizeof(bufs) / sizeof(*bufs); i++)
		buf_burn(bufs[i]);
	program_release(&b->own);
	program_release(&b->other);
	json_free(b->image);
	free(b->group);
	free(b->definition);
	free(b->version);
	free(b->base);
	free(b->of);
	free(b->address);
}

/* What was begun in vain goes first, and not before that is agreed to. */
static int begin(struct bake *b, bool anew, struct err *e)
{
	b->made = false;
	if (agree(b, anew, e) < 0)
		return -1;
	b->made = anew;
	if (anew && delete_group(b, e) < 0)
		return -1;
	b->made = false;
	random_guid(b->word);
	return run_steps(b, 0, e);
}

static int bake(struct bake *b, struct err *e)
{
	enum begun far = look_back(b, e);

	switch (far) {
	case BEGUN_FAILED:
		return -1;
	case BEGUN_WHOLE:
		return 0;
	case BEGUN_GENERALIZED:
		return run_steps(b, STEP_PUBLISH, e);
	case BEGUN_IN_VAIN:
	case NOTHING_BEGUN:
		break;
	}
	return begin(b, far == BEGUN_IN_VAIN, e);
}

int cmd_bake_image(struct session *s, int argc, char **argv, struct err *e)
{
	struct bake b = { .s = s,
			  .own = PROGRAM_NONE,
			  .other = PROGRAM_NONE,
			  .key = BUF_INIT(KEY_MAX),
			  .host_ec = BUF_INIT(KEY_MAX),
			  .host_rsa = BUF_INIT(KEY_MAX),
			  .public = BUF_INIT(KEY_MAX),
			  .ec_public = BUF_INIT(KEY_MAX),
			  .rsa_public = BUF_INIT(KEY_MAX) };
	int rc = choose(&b, e);

	(void)argc, (void)argv;
	if (rc == 0 && s->dry_run) {
		rc = show(&b, e);
	} else if (rc == 0) {
		rc = clean_up(&b, bake(&b, e), e);
		if (rc == 0)
			rc = finish(&b, e);
	}
	burn_bake(&b);
	return rc;
}
