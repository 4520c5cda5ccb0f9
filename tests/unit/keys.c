/* swarm/keys.h: what is in keys/, and what is said when it is not right. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "ssh/ssh.h"
#include "swarm/keys.h"
#include "tests/check.h"

#define ED25519 "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAtest me@there"

static void spill(const char *path, const char *text)
{
	struct err e = ERR_INIT;

	if (file_write(path, str_of(text), 0600, &e) < 0) {
		check_give_up("spill", "%s", e.msg);
	}
}

/* Load, and say what was wrong: "" for nothing. */
static void load(bool own, char *said, size_t n, struct keys *k)
{
	struct settings set;
	struct err e = ERR_INIT;

	settings_init(&set);
	settings_set(&set, S_OWN_KEY, own ? "true" : "false", "flag");
	if (keys_load(&set, k, &e) < 0 && e.kind == ERR_NONE)
		err_set(&e, ERR_IO, "no reason given");
	snprintf(said, n, "%s", e.msg);
	settings_release(&set);
}

/* Each file missing or wrong in turn, then put back. */
static const struct {
	const char *name, *path, *text; /* NULL: missing */
	const char *words;
	bool own;
} wrong[] = {
	{ "no helper.key", "keys/helper.key", NULL,
	  "keys/helper.key is not there; 'azswarm keys' makes it", true },
	{ "no host-agent.pem", "keys/host-agent.pem", NULL,
	  "keys/host-agent.pem is not there", true },
	{ "no host-master.pub", "keys/host-master.pub", NULL,
	  "keys/host-master.pub is not there", true },
	{ "no worker.secret", "keys/worker.secret", NULL,
	  "keys/worker.secret is not there", true },
	{ "no key to sign in", "keys/cluster.pub", NULL,
	  "keys/cluster.pub is not there", false },
	{ "a short secret", "keys/worker.secret", "0123456789abcdef\n",
	  "keys/worker.secret: expected 64 hex digits", true },
	{ "a secret of other characters", "keys/manager.secret",
	  "g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
	  "keys/manager.secret: expected 64 hex digits", true },
	{ "an empty secret", "keys/manager.secret", "",
	  "keys/manager.secret: expected 64 hex digits", true },
	{ "a helper key that is none", "keys/helper.key", "hello\n",
	  "keys/helper.key: ", true },
	{ "two public lines", "keys/host-agent.pub", "ecdsa A\necdsa B\n",
	  "keys/host-agent.pub: expected one line, a public key", true },
	{ "a word for a public line", "keys/host-agent.pub", "hello\n",
	  "keys/host-agent.pub: expected one line, a public key", true },
	{ "an empty public line", "keys/host-agent.pub", "\n",
	  "keys/host-agent.pub: expected one line, a public key", true },
	{ "no own key", ".ssh/id_rsa.pub", NULL, "OWN_KEY=true: ", true },
	{ "an own key of another kind", ".ssh/id_rsa.pub",
	  "ecdsa-sha2-nistp256 AAAA me\n",
	  ".ssh/id_rsa.pub: expected one line, an ssh-rsa or ssh-ed25519 key",
	  true },
	{ "an own private key", ".ssh/id_rsa.pub",
	  "-----BEGIN OPENSSH PRIVATE KEY-----\nx\n",
	  "expected one line, an ssh-rsa or ssh-ed25519 key", true },
};

static void run_wrong(void)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct buf was = BUF_INIT(1u << 16);
		struct err e = ERR_INIT;
		struct keys k;
		char said[1024], name[80];

		if (file_exists(wrong[i].path))
			file_read(wrong[i].path, &was, &e);
		unlink(wrong[i].path);
		if (wrong[i].text != NULL)
			spill(wrong[i].path, wrong[i].text);
		load(wrong[i].own, said, sizeof(said), &k);
		snprintf(name, sizeof(name), "refused: %s", wrong[i].name);
		check(strstr(said, wrong[i].words) != NULL, name,
		      *said ? said : "accepted");
		keys_burn(&k);
		if (was.n > 0)
			spill(wrong[i].path, was.str);
		else
			unlink(wrong[i].path);
		buf_burn(&was);
	}
}

static unsigned mode(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? st.st_mode & 07777 : 0;
}

/* As ssh: nobody else may read a secret, write anything, or own it. */
static const struct {
	const char *path;
	unsigned mode;
	const char *words; /* NULL: fine */
} modes[] = {
	{ "keys/helper.key", 0640,
	  "others may read or write keys/helper.key, mode 0640; 'chmod 600 "
	  "keys/helper.key'" },
	{ "keys/helper.key", 0604, "others may read or write keys/helper.key" },
	{ "keys/helper.key", 0620, "others may read or write keys/helper.key" },
	{ "keys/helper.key", 0602, "others may read or write keys/helper.key" },
	{ "keys/helper.key", 0400, NULL },
	{ "keys/host-master.pem", 0644,
	  "others may read or write keys/host-master.pem" },
	{ "keys/host-agent.pem", 0660,
	  "others may read or write keys/host-agent.pem" },
	{ "keys/worker.secret", 0644,
	  "others may read or write keys/worker.secret" },
	{ "keys/manager.secret", 0644,
	  "others may read or write keys/manager.secret" },
	{ "keys/host-master.pub", 0664,
	  "others may write keys/host-master.pub, mode 0664; 'chmod 644 "
	  "keys/host-master.pub'" },
	{ "keys/host-agent.pub", 0646, "others may write keys/host-agent.pub" },
	{ "keys/host-agent.pub", 0644, NULL },
	{ "keys", 0770, "others may write to keys, mode 0770; 'chmod 700 keys'" },
	{ "keys", 0702, "others may write to keys" },
	{ "keys", 0755, NULL },
};

static void run_modes(void)
{
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		const char *words = modes[i].words;
		unsigned before = mode(modes[i].path);
		char said[1024], name[80];
		struct keys k;

		chmod(modes[i].path, modes[i].mode);
		load(true, said, sizeof(said), &k);
		snprintf(name, sizeof(name), "%s of mode %04o", modes[i].path,
			 modes[i].mode);
		checkf(words != NULL ? strncmp(said, words, strlen(words)) == 0 :
				       *said == '\0',
		       name, "\"%s\"", said);
		keys_burn(&k);
		chmod(modes[i].path, before);
	}
}

static void run_owners(void)
{
	static const char *const paths[] = { "keys", "keys/helper.key",
					     "keys/host-master.pub" };
	char said[1024], name[80];
	struct keys k;

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		snprintf(name, sizeof(name), "%s of somebody else", paths[i]);
		if (chown(paths[i], 4321, (gid_t)-1) < 0) {
			printf("skip unit/keys %s: needs root\n", name);
			continue;
		}
		load(true, said, sizeof(said), &k);
		checkf(strstr(said, " belongs to somebody else, uid 4321; if it "
				    "is to be trusted, 'chown 0 ") != NULL,
		       name, "\"%s\"", said);
		keys_burn(&k);
		if (chown(paths[i], 0, (gid_t)-1) < 0)
			check_why(name, "cannot be given back");
	}
}

/* The key that ssh signs in with, wherever it is. */
static void run_ssh_key(void)
{
	struct err e = ERR_INIT;
	struct ssh_key *key = ssh_key_read("keys/host-agent.pem", &e);

	check(key != NULL, "a key to sign in with", e.msg);
	ssh_key_free(key);
	chmod("keys/host-agent.pem", 0640);
	key = ssh_key_read("keys/host-agent.pem", &e);
	checkf(key == NULL && strstr(e.msg, "others may read or write") != NULL,
	       "one that others may read", "\"%s\"", e.msg);
	ssh_key_free(key);
	chmod("keys/host-agent.pem", 0600);
}

/* keys/ of a program that made no RSA host keys: all but new machines goes on. */
static void run_older(const struct keys *k)
{
	const char *pem = "keys/host-agent-rsa.pem";
	struct err e = ERR_INIT;
	struct keys older;
	char said[1024];

	unlink(pem);
	load(true, said, sizeof(said), &older);
	check_why("no RSA host key: loaded", said);
	check(keys_load_rsa(&older, &e) < 0 &&
		      strstr(e.msg, "keys/host-agent-rsa.pem is not "
				    "there; 'azswarm keys' makes it"),
	      "no RSA host key: for new machines", e.msg);
	keys_burn(&older);
	spill(pem, k->host[KEYS_AGENT].rsa.str);
}

/* What helpers are to take, and machines to have: "W2M2 over W1M1". */
static void secrets_are(const char *name, const char *worker,
			const char *manager, const char *others)
{
	char said[1024];
	struct keys k;

	load(true, said, sizeof(said), &k);
	if (*said == '\0' &&
	    (strcmp(k.worker_secret, worker) != 0 ||
	     strcmp(k.manager_secret, manager) != 0 ||
	     strcmp(k.others != NULL ? k.others : "", others) != 0))
		snprintf(said, sizeof(said), "%.4s.. %.4s.. with %.4s..",
			 k.worker_secret, k.manager_secret,
			 k.others != NULL ? k.others : "none");
	check_why(name, said);
	keys_burn(&k);
}

/* keys/ as that step leaves it. */
static void turn_is(const char *name, enum keys_turn wanted)
{
	struct ui ui = { .err = stderr, .quiet = true };
	struct err e = ERR_INIT;
	enum keys_turn turn = keys_turn(&ui, &e);

	check(turn == wanted, name, e.kind ? e.msg : "another");
}

static void turned(const char *name, enum keys_turn turn)
{
	struct err e = ERR_INIT;

	check(keys_turned(turn, &e) == 0, name, e.msg);
}

static void run_turns(void)
{
	char said[1024], worker[65], manager[65], coming[129], going[129];
	struct err e = ERR_INIT;
	struct keys k;

	load(true, said, sizeof(said), &k);
	snprintf(worker, sizeof(worker), "%s", k.worker_secret);
	snprintf(manager, sizeof(manager), "%s", k.manager_secret);
	snprintf(going, sizeof(going), "%s%s", worker, manager);
	check(k.others == NULL, "no others", k.others);
	keys_burn(&k);

	turn_is("turn: masters take both", KEYS_TURN_COMING);
	turn_is("turn: cut off, the same", KEYS_TURN_COMING);
	load(true, said, sizeof(said), &k);
	snprintf(coming, sizeof(coming), "%s", k.others);
	check(strlen(coming) == 128 && strcmp(coming, going) != 0,
	      "of 128 digits", coming);
	keys_burn(&k);
	secrets_are("machines have the ones of before", worker, manager, coming);

	/* cut off when the ones of before were kept, and one is a new one */
	spill("keys/going.secret", going);
	snprintf(worker, sizeof(worker), "%.64s", coming);
	snprintf(manager, sizeof(manager), "%s", coming + 64);
	spill("keys/worker.secret", worker);
	turn_is("turn: cut off between", KEYS_TURN_USED);
	secrets_are("machines have the new ones", worker, manager, going);
	check_why("what came is no more",
		  !file_exists("keys/coming.secret") ? "" : "it is");
	turned("turn: used", KEYS_TURN_USED);
	turn_is("turn: masters take no others", KEYS_TURN_ALONE);
	secrets_are("and the new ones alone", worker, manager, "");
	turned("turn: alone", KEYS_TURN_ALONE);
	check_why("nothing is left of it",
		  !file_exists("keys/gone.secret") ? "" : "gone.secret");

	/* and not cut off */
	turn_is("turn: once more", KEYS_TURN_COMING);
	snprintf(going, sizeof(going), "%s%s", worker, manager);
	turned("turn: coming", KEYS_TURN_COMING);
	turn_is("turn: all have them", KEYS_TURN_USED);
	load(true, said, sizeof(said), &k);
	check_why("others than before",
		  strcmp(k.worker_secret, worker) != 0 &&
				  strcmp(k.others, going) == 0 ?
			  "" :
			  "the same");
	keys_burn(&k);
	turned("turn: used, again", KEYS_TURN_USED);
	turned("turn: alone, again", KEYS_TURN_ALONE);
	spill("keys/coming.secret", "0123\n");
	load(true, said, sizeof(said), &k);
	check(strstr(said, "keys/coming.secret: expected 128 hex digits"),
	      "coming.secret is looked at", said);
	keys_burn(&k);
	if (unlink("keys/coming.secret") < 0)
		err_sys(&e, ERR_IO, "unlink");
	check_why("and removed", e.msg);
}

/* The line of a file in keys/, "" when there is none. */
static void slurp(const char *path, char *text, size_t n)
{
	struct buf b = BUF_INIT(16384);
	struct err e = ERR_INIT;

	snprintf(text, n, "%s",
		 file_exists(path) && file_read(path, &b, &e) == 0 ? b.str : "");
	buf_release(&b);
}

static void run_host_turns(void)
{
	struct ui ui = { .err = stderr, .quiet = true };
	struct err e = ERR_INIT;
	char said[1024], was[4096], now[4096], before[4096], known[16384];
	struct keys k;

	slurp("keys/host-agent.pub", was, sizeof(was));
	check(keys_turn_hosts(&ui, &e) == 0, "host keys: others", e.msg);
	slurp("keys/host-agent.pub", now, sizeof(now));
	slurp("keys/host-agent-before.pub", before, sizeof(before));
	slurp("keys/known_hosts", known, sizeof(known));
	was[strcspn(was, "\n")] = now[strcspn(now, "\n")] = '\0';
	check(strcmp(was, now) != 0 && strstr(before, was) != NULL &&
		      strstr(known, was) != NULL && strstr(known, now) != NULL,
	      "host keys: the one of before is known", known);
	check_why("host keys: nothing waits",
		  !file_exists("keys/host-agent-next.pem") &&
				  !file_exists("keys/host-master-rsa-next.pub") ?
			  "" :
			  "-next");
	load(true, said, sizeof(said), &k);
	if (*said == '\0' && (k.host[KEYS_AGENT].ec_before == NULL ||
			      strcmp(k.host[KEYS_AGENT].ec_before, was) != 0))
		snprintf(said, sizeof(said), "not loaded");
	check_why("host keys: loaded, both", said);
	keys_burn(&k);

	/* cut off when a private half was in its place */
	if (rename("keys/host-agent.pub", "keys/host-agent-next.pub") < 0)
		err_sys(&e, ERR_IO, "rename");
	spill("keys/host-agent.pub", was);
	check(keys_turn_hosts(&ui, &e) == 0,
	      "host keys: cut off, the same again", e.msg);
	slurp("keys/host-agent.pub", known, sizeof(known));
	check(strstr(known, now) != NULL, "host keys: the same others", known);
	slurp("keys/host-agent-before.pub", known, sizeof(known));
	check(strstr(known, was) != NULL, "host keys: and the same before", known);

	check(keys_turned_hosts(&ui, &e) == 0, "host keys: over", e.msg);
	slurp("keys/known_hosts", known, sizeof(known));
	check(strstr(known, was) == NULL && strstr(known, now) != NULL &&
		      !file_exists("keys/host-master-before.pub"),
	      "host keys: the ones of before are forgotten", known);
}

int main(void)
{
	char dir[] = "keys.XXXXXX", said[1024], *home;
	struct settings set;
	struct ui ui = { .out = stdout, .err = stderr, .quiet = true };
	struct err e = ERR_INIT;
	struct keys k, again;
	struct stat st;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (mkdtemp(dir) == NULL || chdir(dir) < 0)
		return 1;
	home = realpath(".", NULL);
	setenv("HOME", home, 1);

	load(true, said, sizeof(said), &k);
	check(strstr(said, "OWN_KEY=true: ") != NULL, "nothing there", said);
	keys_burn(&k);

	/* one of 3,072 bits takes its time under sanitizers; tests/sh/cli.sh makes it */
	settings_init(&set);
	settings_set(&set, S_OWN_KEY, "true", "flag");
	check(keys_make(&set, &ui, &e) == 0, "made", e.msg);
	settings_release(&set);
	check_why("no key to sign in beside one's own",
		  stat("keys/cluster.pem", &st) < 0 &&
				  stat("keys/cluster.pub", &st) < 0 ?
			  "" :
			  "made");

	check_why("for nobody else",
		  mode("keys") == 0700 && mode("keys/helper.key") == 0600 &&
				  mode("keys/host-master.pem") == 0600 &&
				  mode("keys/worker.secret") == 0600 ?
			  "" :
			  "others");

	dir_make(".ssh", 0700, &e);
	spill(".ssh/id_rsa.pub", ED25519 "\r\n");
	load(true, said, sizeof(said), &k);
	check_why("loaded", said);
	if (*said != '\0')
		return 1;
	check(strcmp(k.admin_public, ED25519) == 0,
	      "own key, without its line end", k.admin_public);
	check_why("secrets",
		  strlen(k.worker_secret) == 64 && strlen(k.manager_secret) == 64 &&
				  strcmp(k.worker_secret, k.manager_secret) != 0 ?
			  "" :
			  "not two of 64 digits");
	check(strspn(k.helper_pin, "0123456789abcdef") == 64 &&
		      k.helper_pin[64] == '\0',
	      "pin", k.helper_pin);
	check(strncmp(k.host[KEYS_MASTER].ec_public, "ecdsa-sha2-nistp256 ",
		      20) == 0 &&
		      strcmp(k.host[KEYS_MASTER].ec_public,
			     k.host[KEYS_AGENT].ec_public) != 0,
	      "host keys", k.host[KEYS_AGENT].ec_public);
	check_why("RSA host keys: not by the way",
		  k.host[KEYS_MASTER].rsa_public == NULL ? "" : "loaded");
	check(keys_load_rsa(&k, &e) == 0, "RSA host keys", e.msg);
	check(strncmp(k.host[KEYS_MASTER].rsa_public, "ssh-rsa ", 8) == 0 &&
		      strcmp(k.host[KEYS_MASTER].rsa_public,
			     k.host[KEYS_AGENT].rsa_public) != 0,
	      "RSA host keys: two", k.host[KEYS_AGENT].rsa_public);
	run_older(&k);
	load(true, said, sizeof(said), &again);
	check_why("loaded again, the same",
		  strcmp(k.helper_pin, again.helper_pin) == 0 &&
				  strcmp(k.worker_secret, again.worker_secret) == 0 ?
			  "" :
			  "others");
	keys_burn(&again);
	keys_burn(&k);
	check_why("burned",
		  k.worker_secret == NULL && k.helper.n == 0 ? "" : "not");
	keys_burn(&k);

	run_turns();
	run_host_turns();
	run_wrong();
	run_modes();
	run_owners();
	run_ssh_key();

	if (chdir("..") < 0 || dir_remove(dir, &e) < 0)
		check_why("cleaned up", e.msg);
	free(home);
	return check_failed();
}
