/*
 * backup: what a swarm would be lost with.  A manager's engine is stopped while
 * what it keeps is packed, as Docker would have it; one that does not lead where
 * there is one, out of service first.
 */
#include "swarm/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/time.h"
#include "docker/work.h"
#include "swarm/blob.h"
#include "swarm/way.h"

#define SCRIPT_MS 900000  /* at most, with all that it says or reads */
#define SILENCE_MS 330000 /* and without a word */
#define STATUS_MS 10000
#define SAID_MAX 4096
#define PIECE (32u << 10)
#define BACK_MS 120000 /* for an engine that was stopped */
#define SERVICES_MS 120000
#define UPLOAD_MS (60 * 60000)
#define STATE_MAX (UINT64_C(1) << 40)

/* ---- a script on a machine ---- */

int script_begin(struct script *s, struct err *e)
{
	struct buf command = BUF_INIT(64u << 10), text;

	buf_init(&s->said, SAID_MAX);
	asset_get(s->asset, &text);
	buf_adds(&command, "sudo -n sh -c ");
	buf_add_shell(&command, buf_str(&text));
	buf_addf(&command, " %s ", s->word);
	buf_add_shell(&command, str_of(s->root));
	s->c = buf_check(&command, s->asset, e) < 0 ?
		       NULL :
		       ssh_exec(s->ssh, command.str, e);
	buf_release(&text);
	buf_release(&command);
	return s->c != NULL ? 0 : -1;
}

/* All that it has said by now: 1 when it said its last, 0, or -1. */
static int take_said(struct script *s, struct err *e)
{
	char *piece = xmalloc(PIECE);
	ssize_t n;
	int rc = 0;

	while ((n = ssh_channel_read(s->c, true, piece, PIECE, e)) > 0)
		buf_addstr(&s->said, str_head((struct str){ piece, (size_t)n },
					      SAID_MAX - s->said.n));
	while (rc == 0 && e->kind == ERR_NONE &&
	       (n = ssh_channel_read(s->c, false, piece, PIECE, e)) > 0)
		if (s->take != NULL)
			rc = s->take(s->ctx, (struct str){ piece, (size_t)n }, e);
	free(piece);
	return rc < 0 || e->kind != ERR_NONE ? -1 : n == 0;
}

static int await(struct script *s, int64_t silent_ms, struct err *e)
{
	if (now_ms() - silent_ms > SILENCE_MS)
		return err_set(e, ERR_TIMEOUT, "no word of it for %d s",
			       SILENCE_MS / 1000);
	return ssh_wait(s->ssh, now_ms() + 1000, e);
}

int script_give(struct script *s, struct str piece, struct err *e)
{
	int64_t silent = now_ms();

	while (piece.n > 0 && !ssh_channel_deaf(s->c)) {
		ssize_t n = ssh_channel_write(s->c, piece.p, piece.n, e);

		if (n < 0 || take_said(s, e) < 0)
			return -1;
		if (n > 0)
			silent = now_ms();
		piece = str_skip(piece, (size_t)n);
		if (n == 0 && await(s, silent, e) < 0)
			return -1;
	}
	/* one that reads no more says why in the end */
	return 0;
}

int script_end(struct script *s, struct err *e)
{
	int64_t silent = now_ms(), began = silent;
	int rc = s->c == NULL || e->kind != ERR_NONE ? -1 : 0, said = 0;

	if (rc == 0)
		ssh_channel_eof(s->c);
	while (rc == 0 && said == 0) {
		if ((said = take_said(s, e)) < 0)
			rc = -1;
		else if (said == 0 && now_ms() - began > SCRIPT_MS)
			rc = err_set(e, ERR_TIMEOUT, "it does not end");
		else if (said == 0)
			rc = await(s, silent, e);
	}
	for (silent = now_ms(); rc == 0 && ssh_channel_status(s->c) < 0;)
		rc = now_ms() - silent > STATUS_MS ?
			     err_set(e, ERR_NET, "it ended without an exit code") :
			     ssh_wait(s->ssh, now_ms() + 1000, e);
	if (rc == 0 && (s->status = ssh_channel_status(s->c)) != 0)
		rc = err_set(e, ERR_DATA, "it failed (%d): %.*s", s->status,
			     STR_ARG(str_trim(buf_str(&s->said))));
	if (s->c != NULL)
		ssh_channel_close(s->c);
	s->c = NULL;
	buf_release(&s->said);
	return rc < 0 ? err_in(e, "%s there", s->word) : 0;
}

/* ---- of whom ---- */

struct keeping {
	struct session *s;
	struct remote r;
	struct way way;
	bool evicted;
	char host[64], address[48], id[32];
	bool only;	     /* it is the only manager */
	bool alone;	     /* without it the others are no majority */
	struct ssh *ssh;     /* to it; r's, or a hop */
	struct docker there; /* its engine */
	struct docker_info info;
	bool stopped;
	cJSON *doc;
	struct buf unlock;
	struct archive file;
	char *path;
	uint8_t key[KEYS_BACKUP_LEN];
	struct buf line; /* of what the script says, until the length is known */
	bool counted;
	uint64_t bytes;
};

static int choose(struct keeping *k, struct err *e)
{
	struct docker_node *nodes = NULL, *best = NULL;
	size_t n, managers = 0;

	if (docker_nodes(remote_docker(&k->r), &nodes, &n, e) < 0)
		return err_in(e, "the swarm's nodes");
	for (size_t i = 0; i < n; i++) {
		struct docker_node *m = &nodes[i];

		if (!m->manager || !m->reachable)
			continue;
		managers++;
		if (best == NULL || (best->leader && !m->leader))
			best = m;
	}
	if (best != NULL) {
		snprintf(k->host, sizeof(k->host), "%s", best->hostname);
		snprintf(k->address, sizeof(k->address), "%s", best->addr);
		snprintf(k->id, sizeof(k->id), "%s", best->id);
		k->only = managers == 1;
		k->alone = managers < 3;
	}
	free(nodes);
	return best != NULL ? 0 :
			      err_set(e, ERR_DOCKER,
				      "no manager of the swarm is reachable");
}

/* What stands still while that engine is stopped, a line each. */
static int say_what_stops(struct keeping *k, struct err *e)
{
	struct docker_work w = { 0 };
	int rc = docker_work_read(remote_docker(&k->r), &w, e);

	for (size_t i = 0; rc == 0 && i < w.n_services; i++) {
		unsigned here = 0, all = 0;

		for (size_t t = 0; t < w.n_tasks; t++)
			if (w.tasks[t].running &&
			    strcmp(w.tasks[t].service, w.services[i].id) == 0) {
				all++;
				here += strcmp(w.tasks[t].node, k->id) == 0;
			}
		if (here > 0)
			ui_say(k->s->ui,
			       "  stops meanwhile: %s: %u of its %u task%s",
			       w.services[i].name, here, all,
			       all == 1 ? "" : "s");
	}
	docker_work_release(&w);
	return rc;
}

/* Agreed to, or out of service so that nobody notices. */
static int prepare(struct keeping *k, struct err *e)
{
	const char *hosts[] = { k->host };
	char *what;
	int rc;

	if (k->unlock.n > 0 && !k->only)
		ui_say(k->s->ui,
		       "warning: Docker begins anew by force from no state that "
		       "is locked: of several managers with AUTOLOCK, restore "
		       "brings back all but secrets");
	if (k->alone) {
		ui_say(k->s->ui,
		       "%s: its engine is stopped for some seconds; what agents "
		       "run goes on, and nothing can be changed meanwhile",
		       k->host);
		if (say_what_stops(k, e) < 0)
			return -1;
		what = xasprintf("stop the engine of %s for some seconds",
				 k->host);
		rc = swarm_agree(k->s, what, e);
		free(what);
		return rc;
	}
	if (way_open(k->s, &k->way, e) < 0)
		return -1;
	way_warn(&k->way, "what runs there is stopped for some seconds");
	if (!way_there(&k->way))
		return swarm_agree(k->s, "stop what runs there", e);
	ui_say(k->s->ui, "%s: out of service first", k->host);
	k->evicted = true;
	return way_begin(&k->way, hosts, 1, e) < 0 ?
		       -1 :
		       way_out(&k->way, hosts, 1, e);
}

static int look(struct keeping *k, struct err *e)
{
	struct docker *d = remote_docker(&k->r);

	if (choose(k, e) < 0 || refit_describe(d, &k->doc, e) < 0 ||
	    docker_unlock_key(d, &k->unlock, e) < 0)
		return -1;
	if (strcmp(k->r.name, k->host) == 0)
		k->ssh = k->r.ssh;
	else if (remote_hop_to(&k->r, k->host, k->address, true, &k->ssh, e) < 0)
		return -1;
	refit_engine(&k->there, k->s, k->ssh);
	return docker_info(&k->there, &k->info, e);
}

/* ---- the file ---- */

static void add_header(const struct keeping *k, struct buf *out)
{
	cJSON *doc = cJSON_CreateObject();
	char when[32];

	time_iso(unix_time(), when);
	json_add_str(doc, "program", k->s->version);
	json_add_str(doc, "group", settings_get(k->s->set, S_COMPUTE_GROUP));
	json_add_str(doc, "when", when);
	json_add_str(doc, "engine", k->info.version);
	json_add_str(doc, "cluster", k->info.cluster_id);
	json_add_str(doc, "manager", k->host);
	json_print(doc, out);
	json_free(doc);
}

static int add_doc(struct keeping *k, struct err *e)
{
	struct buf text = BUF_INIT(BACKUP_CLUSTER_MAX);
	int rc;

	json_print(k->doc, &text);
	rc = buf_check(&text, "what the swarm has", e);
	if (rc == 0)
		rc = archive_add(&k->file, "cluster.json", buf_str(&text), e);
	buf_burn(&text);
	return rc;
}

/* The files of keys/, but for the one that opens them. */
static int add_keys(struct keeping *k, struct err *e)
{
	DIR *dir = opendir("keys");
	struct dirent *d;
	int rc = 0;

	if (dir == NULL)
		return err_sys(e, ERR_IO, "keys/");
	while (rc == 0 && (d = readdir(dir)) != NULL) {
		struct buf text = BUF_INIT(BACKUP_KEY_MAX);
		char *name = xasprintf("keys/%s", d->d_name);

		if (strcmp(d->d_name, "backup.key") == 0 || d->d_name[0] == '.')
			;
		else if (!backup_is_key(str_of(name)))
			ui_say(k->s->ui, "%s: left out, for its name", name);
		else if ((rc = file_read(name, &text, e)) == 0)
			rc = archive_add(&k->file, name, buf_str(&text), e);
		free(name);
		buf_burn(&text);
	}
	closedir(dir);
	return rc;
}

/* First a line with a number, then as many bytes. */
static int take_state(void *ctx, struct str piece, struct err *e)
{
	struct keeping *k = ctx;
	struct str first;

	if (!k->counted) {
		ptrdiff_t end = str_chr(piece, '\n');

		first = str_head(piece, end < 0 ? piece.n : (size_t)end);
		buf_addstr(&k->line, first);
		if (buf_check(&k->line, "a number", e) < 0 || end < 0)
			return e->kind == ERR_NONE ? 0 : -1;
		piece = str_skip(piece, (size_t)end + 1);
		if (!str_num(buf_str(&k->line), STATE_MAX, &k->bytes) ||
		    k->bytes == 0)
			return err_set(e, ERR_PROTO,
				       "it does not say how much "
				       "there is");
		k->counted = true;
		if (archive_begin(&k->file, BACKUP_STATE, k->bytes, e) < 0)
			return -1;
	}
	return piece.n == 0 ? 0 : archive_put(&k->file, piece, e);
}

static int write_file(struct keeping *k, struct err *e)
{
	struct script pack = { .ssh = k->ssh,
			       .asset = "node/backup.sh",
			       .word = "pack",
			       .root = k->info.root,
			       .take = take_state,
			       .ctx = k };
	struct buf header = BUF_INIT(SEAL_HEADER_MAX);
	int rc = -1;

	add_header(k, &header);
	if (trace_change(&k->s->trace, k->host,
			 "its engine is stopped and packed", e) < 0 ||
	    archive_create(&k->file, k->path, k->key, buf_str(&header), e) < 0 ||
	    add_doc(k, e) < 0)
		goto out;
	if (k->unlock.n > 0 &&
	    archive_add(&k->file, "unlock.key", buf_str(&k->unlock), e) < 0)
		goto out;
	if (k->s->with_keys && add_keys(k, e) < 0)
		goto out;
	ui_say(k->s->ui, "%s: its engine is stopped, packed and started", k->host);
	k->stopped = true;
	script_begin(&pack, e);
	if (script_end(&pack, e) < 0)
		goto out;
	if (!k->counted) {
		err_set(e, ERR_PROTO, "%s said nothing", k->host);
		goto out;
	}
	rc = archive_done(&k->file, e);
out:
	buf_release(&header);
	return rc;
}

/* As before: its swarm, and what runs there. */
static int put_back(struct keeping *k, struct err *e)
{
	struct buf lacking = BUF_INIT(4096);
	int rc;

	refit_engine(&k->there, k->s, k->ssh);
	rc = refit_wait_swarm(&k->there, buf_str(&k->unlock), BACK_MS, e);
	if (k->evicted && rc == 0) {
		rc = way_return(&k->way, k->host, e);
		k->evicted = false;
	}
	if (rc == 0)
		rc = refit_services(k->s, &k->there, SERVICES_MS, &lacking, e);
	if (rc == 0 && lacking.n > 0)
		ui_say(k->s->ui, "not all tasks run: %s", lacking.str);
	buf_release(&lacking);
	return rc;
}

/* ---- to storage ---- */

static ssize_t read_file(void *ctx, void *p, size_t n, struct err *e)
{
	ssize_t got = read(*(int *)ctx, p, n);

	if (got < 0)
		return err_sys(e, ERR_IO, "reading");
	return got > 0 ? got : err_set(e, ERR_IO, "it has become shorter");
}

static int upload_once(struct keeping *k, const char *name, int fd, off_t size,
		       struct err *e)
{
	static const char *const fields[] = { "x-ms-blob-type: BlockBlob", NULL };
	struct blob_ask q = { .method = "PUT",
			      .name = name,
			      .fields = fields,
			      .body_read = read_file,
			      .body_ctx = &fd,
			      .body_length = (uint64_t)size,
			      .limit_ms = UPLOAD_MS };
	struct http_response r;
	int rc;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, ERR_IO, "%s", k->path);
	http_response_init(&r, 64u << 10);
	rc = blob_ask(k->s, &q, &r, e);
	if (rc == 0 && r.head.status != 201)
		rc = storage_refusal(&r, RETRY_UPLOAD, e);
	http_response_release(&r);
	return rc;
}

static int upload(struct keeping *k, const char *name, struct err *e)
{
	int fd = open(k->path, O_RDONLY | O_CLOEXEC);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	int64_t began = now_ms();
	int rc = size < 0 ? err_sys(e, ERR_IO, "%s", k->path) : 0;

	for (unsigned tries = 1;
	     rc == 0 && upload_once(k, name, fd, size, e) < 0; tries++)
		rc = storage_again(k->s, RETRY_UPLOAD, tries, began, e);
	if (fd >= 0)
		close(fd);
	return rc < 0 ? err_in(e, "%s is written, but not in storage", k->path) :
			0;
}

/* ---- backup ---- */

/* "backup-GROUP-20260801T120000Z.azs", without what a file's name may not have. */
static char *usual_name(struct session *s)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);
	struct buf b = BUF_INIT(256);
	char when[32];

	time_iso(unix_time(), when);
	buf_adds(&b, "backup-");
	for (const char *c = group; *c != '\0'; c++)
		buf_addc(&b, is_alnum(*c) || strchr("-_", *c) != NULL ? *c : '-');
	buf_addc(&b, '-');
	for (const char *c = when; *c != '\0'; c++)
		if (is_alnum(*c))
			buf_addc(&b, *c);
	buf_adds(&b, ".azs");
	return buf_detach(&b);
}

static int keep(struct keeping *k, struct err *e)
{
	struct err after = ERR_INIT;
	int rc;

	if (remote_open_alone(k->s, &k->r, e) < 0 || look(k, e) < 0)
		return -1;
	rc = prepare(k, e);
	if (rc == 0)
		rc = write_file(k, e);
	if (rc == 0)
		ui_say(k->s->ui, "%s: the swarm of %s, as %s has it (%llu KiB)",
		       k->path, settings_get(k->s->set, S_COMPUTE_GROUP),
		       k->host, (unsigned long long)(k->bytes + 1023) / 1024);
	/* what was stopped comes back whatever became of the file */
	if ((k->stopped || k->evicted) && put_back(k, &after) < 0) {
		ui_say(k->s->ui,
		       "%s is not back in service: %s; 'azswarm return "
		       "%s'",
		       k->host, after.msg, k->host);
		if (rc == 0) {
			*e = after;
			rc = -1;
		}
	}
	return rc;
}

static void release(struct keeping *k)
{
	archive_release(&k->file);
	docker_release(&k->there);
	if (k->ssh != NULL && k->ssh != k->r.ssh)
		ssh_close(k->ssh);
	way_close(&k->way);
	remote_release(&k->r);
	json_burn(k->doc);
	buf_burn(&k->unlock);
	buf_release(&k->line);
	burn(k->key, sizeof(k->key));
}

int cmd_backup(struct session *s, int argc, char **argv, struct err *e)
{
	struct keeping k = { .s = s,
			     .unlock = BUF_INIT(256),
			     .line = BUF_INIT(32),
			     .file.fd = -1 };
	char *usual = usual_name(s), *blob = xasprintf("backups/%s", usual);
	int rc = -1;

	(void)argc, (void)argv;
	k.path = xstrdup(s->file != NULL ? s->file : usual);
	if (keys_backup(k.key, e) == 0 && keep(&k, e) == 0)
		rc = 0;
	if (rc == 0 && s->to_storage && (rc = upload(&k, blob, e)) == 0) {
		ui_say(s->ui, "in the storage account: %s", usual);
		if (s->file == NULL)
			unlink(k.path);
	}
	if (rc == 0)
		ui_say(s->ui,
		       "'azswarm restore %s' brings it back; keep keys/backup.key "
		       "elsewhere, too: without it nobody can read this",
		       s->to_storage && s->file == NULL ? usual : k.path);
	release(&k);
	free(k.path);
	free(usual);
	free(blob);
	return rc;
}
