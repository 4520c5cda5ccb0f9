/*
 * keys/: the operator's SSH key and what the cluster pins.  Files are made
 * once and never overwritten, for machines out there rely on them.  What others
 * may read is no secret, what others may write pins nothing: as ssh does, such
 * files are not used.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "swarm/keys.h"
#include "tls/tls.h"

#define DIR "keys"
#define KNOWN_HOSTS DIR "/known_hosts"
#define PEM_MAX (16u << 10)
#define RSA_BITS 3072
#define HOST_RSA_BITS 2048 /* nobody of ours asks for it, see make_hosts() */
#define SECRET_BYTES 32
/* while secrets are changed, see keys_turn() */
#define COMING DIR "/coming.secret"
#define GOING DIR "/going.secret"
#define GONE DIR "/gone.secret"

enum content { RSA_KEY, HOST_RSA_KEY, EC_KEY, SECRET };

/* Whose host keys, by the names of their files, and what known_hosts calls them. */
static const struct host {
	const char *ec, *rsa, *comment, *names;
	const char *ec_before, *before; /* while others take their place */
} hosts[KEYS_ROLES] = {
	[KEYS_MASTER] = { "host-master", "host-master-rsa", "master",
			  "master*,*-master*", "host-master-before",
			  DIR "/host-master-before.pub" },
	[KEYS_AGENT] = { "host-agent", "host-agent-rsa", "agent", "agents*",
			 "host-agent-before", DIR "/host-agent-before.pub" },
};

static char *path_of(const char *name, const char *suffix)
{
	return xasprintf(DIR "/%s%s", name, suffix);
}

static int make_content(enum content content, struct buf *out, struct err *e)
{
	uint8_t secret[SECRET_BYTES];

	switch (content) {
	case RSA_KEY:
		return key_make_rsa(RSA_BITS, out, e);
	case HOST_RSA_KEY:
		return key_make_rsa(HOST_RSA_BITS, out, e);
	case EC_KEY:
		return key_make_ec_p256(out, e);
	case SECRET:
		random_bytes(secret, sizeof(secret));
		buf_add_hex(out, secret, sizeof(secret));
		buf_addc(out, '\n');
		burn(secret, sizeof(secret));
		return 0;
	}
	return -1;
}

/* Write DIR/name.suffix unless it is there. */
static int make_one(const char *name, const char *suffix, enum content content,
		    struct ui *ui, struct err *e)
{
	char *path = path_of(name, suffix);
	struct buf text = BUF_INIT(PEM_MAX);
	int rc = -1;

	if (file_exists(path)) {
		ui_say(ui, "%s is there already, kept", path);
		rc = 0;
	} else if (make_content(content, &text, e) == 0 &&
		   file_create(path, buf_str(&text), 0600, e) == 0) {
		ui_say(ui, "%s made", path);
		rc = 0;
	}
	buf_burn(&text);
	free(path);
	return rc;
}

/* The public line next to a private key; made again when it was lost. */
static int make_public(const char *name, const char *comment, struct ui *ui,
		       struct err *e)
{
	char *pem_path = path_of(name, ".pem"), *pub_path = path_of(name, ".pub");
	struct buf pem = BUF_INIT(PEM_MAX), line = BUF_INIT(PEM_MAX);
	int rc = -1;

	if (file_exists(pub_path)) {
		rc = 0;
	} else if (file_read_own(pem_path, true, &pem, e) == 0 &&
		   key_ssh_public(buf_str(&pem), comment, &line, e) == 0 &&
		   file_create(pub_path, buf_str(&line), 0644, e) == 0) {
		ui_say(ui, "%s made", pub_path);
		rc = 0;
	}
	if (rc < 0)
		err_in(e, "%s", pub_path);
	buf_burn(&pem);
	buf_release(&line);
	free(pem_path);
	free(pub_path);
	return rc;
}

static int load(const char *name, const char *suffix, struct buf *out,
		struct err *e)
{
	char *path = path_of(name, suffix);
	int rc = -1;

	buf_init(out, PEM_MAX);
	if (!file_exists(path))
		err_set(e, ERR_DATA, "%s is not there; 'azswarm keys' makes it",
			path);
	else
		rc = file_read_own(path, strcmp(suffix, ".pub") != 0, out, e);
	free(path);
	return rc;
}

/* A line of known_hosts, of the public half that name has. */
static int add_known(const struct host *h, const char *name, struct buf *text,
		     struct err *e)
{
	struct buf line;
	int rc = load(name, ".pub", &line, e);

	buf_addf(text, "%s %.*s\n", h->names, STR_ARG(str_trim(buf_str(&line))));
	buf_release(&line);
	return rc;
}

/*
 * What OpenSSH is given as UserKnownHostsFile: made of the public halves, so made
 * again when it does not say the same.
 */
static int make_known_hosts(struct ui *ui, struct err *e)
{
	struct buf text = BUF_INIT(PEM_MAX), had = BUF_INIT(PEM_MAX);
	struct err ignored = ERR_INIT;
	const struct host *h;
	int rc = 0;

	for (h = hosts; h < hosts + KEYS_ROLES && rc == 0; h++)
		if ((rc = add_known(h, h->ec, &text, e)) == 0)
			rc = add_known(h, h->rsa, &text, e);
	for (h = hosts; h < hosts + KEYS_ROLES && rc == 0; h++)
		if (file_exists(h->before))
			rc = add_known(h, h->ec_before, &text, e);
	if (rc == 0)
		rc = buf_check(&text, KNOWN_HOSTS, e);
	if (rc == 0 && (file_read(KNOWN_HOSTS, &had, &ignored) < 0 ||
			!str_eq(buf_str(&had), buf_str(&text)))) {
		rc = file_write(KNOWN_HOSTS, buf_str(&text), 0644, e);
		if (rc == 0)
			ui_say(ui, "%s made", KNOWN_HOSTS);
	}
	buf_release(&text);
	buf_release(&had);
	return rc;
}

/*
 * A host key of each kind.  ECDSA is what we ask for.  RSA is there for Azure's
 * Linux agent, which takes a machine for provisioned once it has seen the
 * fingerprint of ssh_host_rsa_key.pub, and waits half an hour for that file.
 */
static int make_hosts(struct ui *ui, struct err *e)
{
	for (const struct host *h = hosts; h < hosts + KEYS_ROLES; h++)
		if (make_one(h->ec, ".pem", EC_KEY, ui, e) < 0 ||
		    make_public(h->ec, h->comment, ui, e) < 0 ||
		    make_one(h->rsa, ".pem", HOST_RSA_KEY, ui, e) < 0 ||
		    make_public(h->rsa, h->comment, ui, e) < 0)
			return -1;
	return make_known_hosts(ui, e);
}

int keys_make(const struct settings *set, struct ui *ui, struct err *e)
{
	const char *user = settings_get(set, S_ADMIN_USERNAME);
	bool own;

	if (settings_bool(set, S_OWN_KEY, &own, e) < 0 ||
	    dir_make(DIR, 0700, e) < 0 || dir_check_own(DIR, e) < 0)
		return -1;
	if (!own && (make_one(user, ".pem", RSA_KEY, ui, e) < 0 ||
		     make_public(user, user, ui, e) < 0))
		return -1;
	if (make_one("helper", ".key", EC_KEY, ui, e) < 0 ||
	    make_hosts(ui, e) < 0 ||
	    make_one("worker", ".secret", SECRET, ui, e) < 0 ||
	    make_one("manager", ".secret", SECRET, ui, e) < 0 ||
	    make_one("backup", ".key", SECRET, ui, e) < 0)
		return -1;
	return 0;
}

/* ---- reading ---- */

/* Of a file in keys/, so many bytes in hex. */
static int load_secret(const char *name, size_t bytes, char **out, struct err *e)
{
	struct buf text, raw = BUF_INIT(2 * SECRET_BYTES);
	struct err ignored = ERR_INIT;
	struct str hex;
	int rc = -1;

	if (load(name, "", &text, e) == 0) {
		hex = str_trim(buf_str(&text));
		if (hex.n != 2 * bytes || buf_add_unhex(&raw, hex, &ignored) < 0)
			err_set(e, ERR_DATA, DIR "/%s: expected %zu hex digits",
				name, 2 * bytes);
		else {
			*out = str_dup(hex);
			rc = 0;
		}
	}
	buf_burn(&raw);
	buf_burn(&text);
	return rc;
}

int keys_backup(uint8_t key[KEYS_BACKUP_LEN], struct err *e)
{
	struct buf raw = BUF_INIT(KEYS_BACKUP_LEN);
	char *hex = NULL;
	int rc = load_secret("backup.key", KEYS_BACKUP_LEN, &hex, e);

	if (rc == 0 && (rc = buf_add_unhex(&raw, str_of(hex), e)) == 0)
		memcpy(key, raw.str, KEYS_BACKUP_LEN);
	burn_str(hex);
	buf_burn(&raw);
	return rc;
}

/* A worker's and a manager's. */
static int load_others(char **out, struct err *e)
{
	const char *name = file_exists(GOING)  ? "going.secret" :
			   file_exists(COMING) ? "coming.secret" :
						 NULL;

	return name == NULL ? 0 : load_secret(name, 2 * SECRET_BYTES, out, e);
}

static int load_public(const char *name, char **out, struct err *e)
{
	struct buf text;
	struct str line;
	int rc = -1;

	if (load(name, ".pub", &text, e) == 0) {
		line = str_trim(buf_str(&text));
		if (str_chr(line, '\n') >= 0 || str_chr(line, ' ') < 0)
			err_set(e, ERR_DATA,
				DIR "/%s.pub: expected one line, a "
				    "public key",
				name);
		else {
			*out = str_dup(line);
			rc = 0;
		}
	}
	buf_release(&text);
	return rc;
}

static int load_own(char **out, struct err *e)
{
	const char *home = getenv("HOME");
	char *path = xasprintf("%s/.ssh/id_rsa.pub", home ? home : "");
	struct buf text = BUF_INIT(PEM_MAX);
	struct str line;
	int rc = -1;

	if (file_read(path, &text, e) == 0) {
		line = str_trim(buf_str(&text));
		/* Azure takes no others */
		if (str_chr(line, '\n') >= 0 ||
		    !(str_starts(line, STR("ssh-rsa ")) ||
		      str_starts(line, STR("ssh-ed25519 "))))
			err_set(e, ERR_DATA,
				"%s: expected one line, an ssh-rsa or "
				"ssh-ed25519 key",
				path);
		else {
			*out = str_dup(line);
			rc = 0;
		}
	}
	if (rc < 0)
		err_in(e, "OWN_KEY=true");
	buf_release(&text);
	free(path);
	return rc;
}

int keys_public(const struct settings *set, char **line, struct err *e)
{
	bool own;

	if (settings_bool(set, S_OWN_KEY, &own, e) < 0)
		return -1;
	return own ? load_own(line, e) :
		     load_public(settings_get(set, S_ADMIN_USERNAME), line, e);
}

bool keys_there(const struct settings *set)
{
	static const char *const names[] = { "helper.key", "host-master.pem",
					     "host-agent.pem", "worker.secret",
					     "manager.secret" };
	struct err ignored = ERR_INIT;
	char *path = path_of(settings_get(set, S_ADMIN_USERNAME), ".pem");
	bool own = false, there;

	there = settings_bool(set, S_OWN_KEY, &own, &ignored) == 0 &&
		(own || file_exists(path));
	free(path);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		path = path_of(names[i], "");
		there &= file_exists(path);
		free(path);
	}
	return there;
}

static int load_hosts(struct keys *k, struct err *e)
{
	for (int i = 0; i < KEYS_ROLES; i++)
		if (load(hosts[i].ec, ".pem", &k->host[i].ec, e) < 0 ||
		    load_public(hosts[i].ec, &k->host[i].ec_public, e) < 0 ||
		    (file_exists(hosts[i].before) &&
		     load_public(hosts[i].ec_before, &k->host[i].ec_before, e) < 0))
			return -1;
	return 0;
}

int keys_load_rsa(struct keys *k, struct err *e)
{
	for (int i = 0; i < KEYS_ROLES; i++)
		if (load(hosts[i].rsa, ".pem", &k->host[i].rsa, e) < 0 ||
		    load_public(hosts[i].rsa, &k->host[i].rsa_public, e) < 0)
			return -1;
	return 0;
}

int keys_load(const struct settings *set, struct keys *k, struct err *e)
{
	uint8_t pin[SHA256_LEN];
	struct buf hex = BUF_INIT(64);

	*k = (struct keys){ 0 };
	if ((file_exists(DIR) && dir_check_own(DIR, e) < 0) ||
	    keys_public(set, &k->admin_public, e) < 0)
		return -1;
	if (load("helper", ".key", &k->helper, e) < 0 || load_hosts(k, e) < 0 ||
	    load_secret("worker.secret", SECRET_BYTES, &k->worker_secret, e) < 0 ||
	    load_secret("manager.secret", SECRET_BYTES, &k->manager_secret, e) < 0 ||
	    load_others(&k->others, e) < 0)
		return -1;
	if (key_pin(buf_str(&k->helper), pin, e) < 0)
		return err_in(e, DIR "/helper.key");
	buf_add_hex(&hex, pin, sizeof(pin));
	memcpy(k->helper_pin, hex.str, sizeof(k->helper_pin));
	buf_release(&hex);
	return 0;
}

void keys_burn(struct keys *k)
{
	free(k->admin_public);
	for (int i = 0; i < KEYS_ROLES; i++) {
		free(k->host[i].ec_public);
		free(k->host[i].rsa_public);
		free(k->host[i].ec_before);
		buf_burn(&k->host[i].ec);
		buf_burn(&k->host[i].rsa);
	}
	burn_str(k->worker_secret);
	burn_str(k->manager_secret);
	burn_str(k->others);
	buf_burn(&k->helper);
	*k = (struct keys){ 0 };
}

/* ---- other secrets ---- */

static int make_coming(struct ui *ui, struct err *e)
{
	struct buf text = BUF_INIT(PEM_MAX), half = BUF_INIT(PEM_MAX);
	int rc = 0;

	for (int i = 0; i < 2 && rc == 0; i++) {
		rc = make_content(SECRET, &half, e);
		buf_addstr(&text, str_trim(buf_str(&half)));
		buf_reset(&half);
	}
	buf_addc(&text, '\n');
	if (rc == 0)
		rc = file_create(COMING, buf_str(&text), 0600, e);
	if (rc == 0)
		ui_say(ui, COMING " made");
	buf_burn(&half);
	buf_burn(&text);
	return rc;
}

static int put_secret(const char *path, struct str hex, struct err *e)
{
	struct buf text = BUF_INIT(PEM_MAX);
	int rc;

	buf_addstr(&text, hex);
	buf_addc(&text, '\n');
	rc = file_write(path, buf_str(&text), 0600, e);
	buf_burn(&text);
	return rc;
}

/* What comes is in use from here on; each step may be the last that was done. */
static int use_coming(struct err *e)
{
	char *worker = NULL, *manager = NULL, *both = NULL, *coming = NULL;
	int rc = load_secret("coming.secret", 2 * SECRET_BYTES, &coming, e);

	if (rc == 0 && !file_exists(GOING) &&
	    (rc = load_secret("worker.secret", SECRET_BYTES, &worker, e)) == 0 &&
	    (rc = load_secret("manager.secret", SECRET_BYTES, &manager, e)) == 0) {
		both = xasprintf("%s%s", worker, manager);
		rc = put_secret(GOING, str_of(both), e);
	}
	if (rc == 0)
		rc = put_secret(DIR "/worker.secret",
				str_head(str_of(coming), 2 * SECRET_BYTES), e);
	if (rc == 0)
		rc = put_secret(DIR "/manager.secret",
				str_skip(str_of(coming), 2 * SECRET_BYTES), e);
	if (rc == 0 && unlink(COMING) < 0)
		rc = err_sys(e, ERR_IO, COMING);
	burn_str(worker);
	burn_str(manager);
	burn_str(both);
	burn_str(coming);
	return rc;
}

enum keys_turn keys_turn(struct ui *ui, struct err *e)
{
	if (file_exists(GONE))
		return KEYS_TURN_ALONE;
	if (file_exists(GOING)) {
		/* cut off between the two */
		if (file_exists(COMING) && use_coming(e) < 0)
			return KEYS_TURN_FAILED;
		return KEYS_TURN_USED;
	}
	return file_exists(COMING) || make_coming(ui, e) == 0 ?
		       KEYS_TURN_COMING :
		       KEYS_TURN_FAILED;
}

int keys_turned(enum keys_turn turn, struct err *e)
{
	if (turn == KEYS_TURN_COMING)
		return use_coming(e);
	if (turn == KEYS_TURN_USED && rename(GOING, GONE) < 0)
		return err_sys(e, ERR_IO, GOING);
	if (turn == KEYS_TURN_ALONE && unlink(GONE) < 0)
		return err_sys(e, ERR_IO, GONE);
	return 0;
}

/* ---- other host keys ---- */

/* DIR/name-next.suffix takes the place of DIR/name.suffix, unless it did. */
static int put_in_place(const char *name, const char *suffix, struct err *e)
{
	char *next = xasprintf(DIR "/%s-next%s", name, suffix);
	char *path = path_of(name, suffix);
	int rc = 0;

	if (file_exists(next) && rename(next, path) < 0)
		rc = err_sys(e, ERR_IO, "%s", next);
	free(next);
	free(path);
	return rc;
}

/* One key's other, made beside it. */
static int make_next(const char *name, enum content content,
		     const char *comment, struct ui *ui, struct err *e)
{
	char *next = xasprintf("%s-next", name);
	int rc = make_one(next, ".pem", content, ui, e);

	if (rc == 0)
		rc = make_public(next, comment, ui, e);
	free(next);
	return rc;
}

static int keep_before(const struct host *h, struct err *e)
{
	struct buf line;
	int rc;

	if (file_exists(h->before))
		return 0;
	if ((rc = load(h->ec, ".pub", &line, e)) == 0)
		rc = file_write(h->before, buf_str(&line), 0644, e);
	buf_release(&line);
	return rc;
}

int keys_turn_hosts(struct ui *ui, struct err *e)
{
	const struct host *h;

	/* all are made before the first takes a place */
	for (h = hosts; h < hosts + KEYS_ROLES && !file_exists(hosts[0].before);
	     h++)
		if (make_next(h->ec, EC_KEY, h->comment, ui, e) < 0 ||
		    make_next(h->rsa, HOST_RSA_KEY, h->comment, ui, e) < 0)
			return -1;
	for (h = hosts; h < hosts + KEYS_ROLES; h++)
		if (keep_before(h, e) < 0)
			return -1;
	for (h = hosts; h < hosts + KEYS_ROLES; h++)
		if (put_in_place(h->ec, ".pem", e) < 0 ||
		    put_in_place(h->ec, ".pub", e) < 0 ||
		    put_in_place(h->rsa, ".pem", e) < 0 ||
		    put_in_place(h->rsa, ".pub", e) < 0)
			return -1;
	return make_known_hosts(ui, e);
}

int keys_turned_hosts(struct ui *ui, struct err *e)
{
	/* the first tells that it is not over */
	for (int i = KEYS_ROLES; i-- > 0;)
		if (file_exists(hosts[i].before) && unlink(hosts[i].before) < 0)
			return err_sys(e, ERR_IO, "%s", hosts[i].before);
	return make_known_hosts(ui, e);
}
