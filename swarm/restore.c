/*
 * restore: a backup's swarm in place of the one that the masters have, or of none.
 * The file is read to its end before anything is touched.  One master's engine
 * gets the state and begins anew from it, alone; then the cluster's marker says
 * so, and every other machine leaves what it had and joins.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "docker/work.h"
#include "swarm/backup.h"
#include "swarm/blob.h"
#include "swarm/instances.h"
#include "swarm/lock.h"
#include "swarm/marker.h"
#include "swarm/swarm.h"

#define DOWNLOAD_MS (60 * 60000)
#define ENGINE_MS 120000
#define INIT_MS 120000
#define INGRESS_MS 60000
#define JOIN_MS 600000 /* for all other machines */
#define LOOK_MS 2000
#define MADE_MS 600000 /* for the engine of a machine that was made just now */
#define SERVICES_MS 300000
#define BACKUPS "backups/"
#define KEPT_MAX 5 /* of those that there are, for a message */
#define SCRIPT "node/backup.sh"
#define NO_START 9 /* of it */

struct restoring {
	struct session *s;
	struct backup b;
	struct remote r;
	struct docker there; /* the engine of that master */
	char name[64], address[REMOTE_ADDRESS_MAX];
	struct docker_info info;
	struct buf lacking;
};

/* ---- the file ---- */

static int save_piece(void *ctx, struct str piece, struct err *e)
{
	while (piece.n > 0) {
		ssize_t n = write(*(int *)ctx, piece.p, piece.n);

		if (n < 0)
			return err_sys(e, ERR_IO, "writing");
		piece = str_skip(piece, (size_t)n);
	}
	return 0;
}

/* The last names that storage has, for who has lost them with all else. */
static void add_kept(struct session *s, struct buf *names)
{
	struct blob_ask q = {
		.method = "GET",
		.query = "restype=container&comp=list&prefix=" BACKUPS,
		.idempotent = true,
	};
	struct err ignored = ERR_INIT;
	struct http_response r;
	struct str rest, last[KEPT_MAX];
	ptrdiff_t at;
	size_t n = 0;

	http_response_init(&r, BLOB_ANSWER_MAX);
	if (blob_ask(s, &q, &r, &ignored) == 0 && r.head.status == 200) {
		rest = buf_str(&r.body);
		while ((at = str_find(rest, STR("<Name>" BACKUPS))) >= 0) {
			rest = str_skip(rest,
					(size_t)at + strlen("<Name>" BACKUPS));
			at = str_chr(rest, '<');
			last[n++ % KEPT_MAX] = str_head(rest,
							at < 0 ? 0 : (size_t)at);
		}
		for (size_t i = 0; i < n && i < KEPT_MAX; i++)
			buf_addf(names, "%s%.*s", i > 0 ? ", " : ", which has ",
				 STR_ARG(last[(n - 1 - i) % KEPT_MAX]));
	}
	http_response_release(&r);
}

/* What storage has by that name, as a file without one. */
static int fetch(struct session *s, const char *name, int *fd, struct err *e)
{
	char part[] = ".azswarm-restore-XXXXXX";
	struct buf blob = BUF_INIT(BLOB_NAME_MAX), kept = BUF_INIT(1024);
	struct blob_ask q = { .method = "GET",
			      .on_body = save_piece,
			      .on_ctx = fd,
			      .limit_ms = DOWNLOAD_MS };
	struct http_response r;
	int rc = -1;

	if ((*fd = mkostemp(part, O_CLOEXEC)) < 0)
		return err_sys(e, ERR_IO, "%s", part);
	unlink(part);
	http_response_init(&r, 64u << 10);
	buf_adds(&blob, BACKUPS);
	buf_add_pct(&blob, str_of(name));
	q.name = blob.str;
	if (buf_check(&blob, "its name", e) < 0 || blob_ask(s, &q, &r, e) < 0)
		goto out;
	if (r.head.status == 404) {
		add_kept(s, &kept);
		err_set(e, ERR_USAGE,
			"there is no file %s here, and none in storage account "
			"%s%s",
			name, storage_account_name(s),
			kept.n > 0 ? kept.str : "");
	} else if (r.head.status != 200) {
		storage_refusal(&r, RETRY_BLOB, e);
	} else {
		rc = 0;
	}
out:
	http_response_release(&r);
	buf_release(&blob);
	buf_release(&kept);
	return rc;
}

/* A file here, else in storage; read to its end. */
static int open_backup(struct restoring *k, const char *name, struct err *e)
{
	uint8_t key[KEYS_BACKUP_LEN];
	int fd, rc = -1;

	if (!file_exists("keys/backup.key"))
		return err_set(e, ERR_DATA,
			       "keys/backup.key is not here: put there the one "
			       "that %s was sealed with",
			       name);
	if (keys_backup(key, e) < 0)
		return -1;
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && (file_exists(name) || strchr(name, '/') != NULL))
		err_sys(e, ERR_IO, "%s", name);
	else if (fd >= 0 || ((k->s->open || session_open(k->s, e) == 0) &&
			     fetch(k->s, name, &fd, e) == 0))
		rc = 0;
	if (rc == 0)
		rc = backup_read(&k->b, name, fd, key, e);
	else if (fd >= 0)
		close(fd);
	burn(key, sizeof(key));
	return rc;
}

static int count(const struct restoring *k, const char *what)
{
	return cJSON_GetArraySize(json_get(k->b.cluster, what));
}

static void say_what_it_is(const struct restoring *k)
{
	const cJSON *h = k->b.header;

	ui_say(k->s->ui,
	       "%s: the swarm of %s at %s, Docker %s; services: %d, secrets: %d, "
	       "configs: %d, nodes: %d",
	       k->b.path, json_text(h, "group"), json_text(h, "when"),
	       json_text(h, "engine"), count(k, "services"),
	       count(k, "secrets"), count(k, "configs"), count(k, "nodes"));
}

/* The files of keys/ that are not here. */
static int put_keys(struct restoring *k, struct err *e)
{
	const cJSON *one;
	int rc = 0;

	if (k->b.keys->child == NULL)
		return err_set(e, ERR_DATA,
			       "%s has no keys: it was made without --keys",
			       k->b.path);
	if (dir_make("keys", 0700, e) < 0 || dir_check_own("keys", e) < 0)
		return -1;
	cJSON_ArrayForEach(one, k->b.keys) {
		char *path = xasprintf("keys/%s", one->string);
		struct str text = str_of(json_text(one, ""));
		bool there = file_exists(path);

		if (rc == 0 && !there)
			rc = file_create(path, text,
					 str_ends(str_of(path), STR(".pub")) ?
						 0644 :
						 0600,
					 e);
		if (rc == 0)
			ui_say(k->s->ui, "%s %s", path,
			       there ? "is there already, kept" : "is back");
		free(path);
	}
	return rc;
}

/* ---- the master ---- */

/* In the machines' network. */
static int address_of(const char *name, char address[REMOTE_ADDRESS_MAX],
		      struct err *e)
{
	return remote_private_address(name, address) ?
		       0 :
		       err_set(e, ERR_DATA, "%s: not a master's name", name);
}

/* Of a machine that was made a moment ago the engine may still be on its way, and
 * who signed in before it was there may not ask it. */
static int await_engine(struct restoring *k, struct err *e)
{
	bool quiet = k->s->ui->quiet;
	int64_t began = now_ms();
	struct err once = ERR_INIT;

	for (;;) {
		if (k->r.ssh != NULL) {
			refit_engine(&k->there, k->s, k->r.ssh);
			if (docker_info(&k->there, &k->info, &once) == 0)
				return 0;
		}
		if (!remote_is_away(&once) || now_ms() - began > MADE_MS) {
			*e = once;
			return err_in(e, "the engine of %s", k->name);
		}
		ui_waiting(k->s->ui, "the engine of that master",
			   now_ms() - began, now_ms());
		if (sleep_until(now_ms() + LOOK_MS, e) < 0)
			return -1;
		docker_release(&k->there);
		remote_release(&k->r);
		err_clear(&once);
		/* what each master is at was said the first time */
		k->s->ui->quiet = true;
		remote_open_alone(k->s, &k->r, &once);
		k->s->ui->quiet = quiet;
	}
}

static int find_master(struct restoring *k, struct err *e)
{
	if (remote_open_alone(k->s, &k->r, e) < 0)
		return -1;
	snprintf(k->name, sizeof(k->name), "%s", k->r.name);
	if (await_engine(k, e) < 0)
		return -1;
	ui_clear(k->s->ui);
	/* it may be another one now */
	snprintf(k->name, sizeof(k->name), "%s", k->r.name);
	return address_of(k->name, k->address, e);
}

/* What is lost by it, and the yes to that. */
static int confirm(struct restoring *k, struct err *e)
{
	const char *group = settings_get(k->s->set, S_COMPUTE_GROUP);
	const char *engine = json_text(k->b.header, "engine");
	struct docker_work w = { 0 };
	struct err ignored = ERR_INIT;
	struct buf what = BUF_INIT(512);
	int rc;

	if (strcmp(json_text(k->b.header, "group"), group) != 0)
		ui_say(k->s->ui, "it is another cluster's, %s",
		       json_text(k->b.header, "group"));
	if (strcmp(engine, k->info.version) != 0)
		ui_say(k->s->ui,
		       "its state is of Docker %s, and %s has %s: where the engine "
		       "does not take it, what can be made anew is",
		       engine, k->name, k->info.version);
	buf_addf(&what, "the swarm that %s has now", group);
	if (k->info.state != DOCKER_SWARM_ACTIVE)
		buf_adds(&what, " (its masters have none)");
	else if (docker_work_services(&k->there, &w, &ignored) == 0)
		buf_addf(&what, " (%zu service%s)", w.n_services,
			 w.n_services == 1 ? "" : "s");
	else
		buf_adds(&what, " (which cannot be asked)");
	docker_work_release(&w);
	rc = swarm_confirm(k->s, group, what.str, e);
	buf_release(&what);
	return rc;
}

/* ---- the state ---- */

static int run_on(struct ssh *ssh, const char *word, struct err *e)
{
	struct script s = { .ssh = ssh,
			    .asset = SCRIPT,
			    .word = word,
			    .root = LAYOUT_DOCKER_ROOT };

	script_begin(&s, e);
	return script_end(&s, e);
}

static int run(struct restoring *k, const char *word, struct err *e)
{
	return run_on(k->r.ssh, word, e);
}

/* Another master's part: away, out of the swarm that it is in, or back to its
 * own devices. */
static int other_one(struct restoring *k, const char *name, bool away,
		     struct err *e)
{
	char address[REMOTE_ADDRESS_MAX];
	struct docker there = { 0 };
	struct docker_info info;
	struct ssh *ssh = NULL;
	int rc = -1;

	if (address_of(name, address, e) < 0 ||
	    remote_hop_to(&k->r, name, address, true, &ssh, e) < 0 ||
	    run_on(ssh, away ? "away" : "done", e) < 0)
		goto out;
	refit_engine(&there, k->s, ssh);
	if (!away || (docker_info(&there, &info, e) == 0 &&
		      (info.state == DOCKER_SWARM_INACTIVE ||
		       docker_swarm_leave(&there, true, e) == 0)))
		rc = 0;
out:
	docker_release(&there);
	ssh_close(ssh);
	return rc;
}

/*
 * Members of the state's raft that are there would take part in it, and know
 * better: the engine ends then.  So the other masters are out before; one that
 * cannot be reached leaves by the marker when it is back.
 */
static int others(struct restoring *k, bool away, struct err *e)
{
	const struct masters *m = &k->r.masters;

	for (size_t i = 0; i < m->n; i++) {
		struct err once = ERR_INIT;

		if (strcmp(m->name[i], k->name) == 0 ||
		    other_one(k, m->name[i], away, &once) == 0)
			continue;
		if (once.kind == ERR_INTR) {
			*e = once;
			return -1;
		}
		ui_say(k->s->ui, "%s: passed over (%s)", m->name[i], once.msg);
	}
	return 0;
}

static int give(void *ctx, struct str piece, struct err *e)
{
	return script_give(ctx, piece, e);
}

static int stage(struct restoring *k, struct err *e)
{
	struct script s = { .ssh = k->r.ssh,
			    .asset = SCRIPT,
			    .word = "stage",
			    .root = LAYOUT_DOCKER_ROOT };

	ui_say(k->s->ui, "%s: its engine gets the state", k->name);
	if (script_begin(&s, e) == 0)
		backup_state(&k->b, give, &s, e);
	return script_end(&s, e);
}

/* *starts: the engine does with it. */
static int put_state(struct restoring *k, bool *starts, struct err *e)
{
	struct script s = { .ssh = k->r.ssh,
			    .asset = SCRIPT,
			    .word = "put",
			    .root = LAYOUT_DOCKER_ROOT };

	script_begin(&s, e);
	*starts = true;
	if (script_end(&s, e) == 0)
		return 0;
	if (s.status != NO_START)
		return -1;
	err_clear(e);
	*starts = false;
	return 0;
}

static int take_id(void *ctx, const cJSON *item, struct err *e)
{
	(void)e;
	json_add_str(ctx, NULL, json_text(item, "Id"));
	return 0;
}

/* Containers of tasks that the engine has ended with its former swarm: nobody
 * knows them any more. */
static void drop_containers(struct docker *d)
{
	struct buf path = BUF_INIT(512), filters = BUF_INIT(256);
	cJSON *ids = cJSON_CreateArray();
	struct err e = ERR_INIT;
	const cJSON *id;

	buf_adds(&filters, "{\"label\":[\"com.docker.swarm.task.id\"],"
			   "\"status\":[\"exited\",\"dead\"]}");
	buf_adds(&path, "/containers/json?all=1&filters=");
	buf_add_pct(&path, buf_str(&filters));
	docker_each(d, path.str, take_id, ids, &e);
	cJSON_ArrayForEach(id, ids) {
		struct err ignored = ERR_INIT;

		buf_reset(&path);
		buf_adds(&path, "/containers/");
		buf_add_pct(&path, str_of(json_text(id, "")));
		buf_adds(&path, "?v=1");
		docker_call(d, "DELETE", path.str, NULL, NULL, &ignored);
	}
	json_free(ids);
	buf_release(&path);
	buf_release(&filters);
}

static int init(struct restoring *k, bool force, struct err *e)
{
	const struct docker_init_spec spec = {
		.advertise = k->address,
		.addr_pool = LAYOUT_ADDR_POOL,
		.keep_snapshots = 3,
		.force_new_cluster = force,
	};
	struct str key = buf_str(&k->b.unlock);
	int rc;

	k->there.timeout_ms = INIT_MS;
	rc = docker_swarm_init(&k->there, &spec, e);
	k->there.timeout_ms = DOCKER_TIMEOUT_MS;
	if (rc == 0)
		rc = refit_wait_swarm(&k->there, key, ENGINE_MS, e);
	return rc == 0 ? docker_info(&k->there, &k->info, e) : -1;
}

/* From the state, alone. */
static int begin_anew(struct restoring *k, struct err *e)
{
	refit_engine(&k->there, k->s, k->r.ssh);
	if (refit_wait_engine(&k->there, buf_str(&k->b.unlock), ENGINE_MS,
			      &k->info, e) < 0)
		return -1;
	if (k->info.state == DOCKER_SWARM_INACTIVE)
		return err_set(e, ERR_DOCKER, "it finds no swarm in it");
	drop_containers(&k->there);
	/* an engine that begins anew by force asks for no key, and so cannot read
	 * a state that is locked; the state of an only manager needs no force */
	if (k->b.unlock.n == 0)
		return init(k, true, e);
	return refit_wait_swarm(&k->there, buf_str(&k->b.unlock), ENGINE_MS, e) <
			       0 ?
		       -1 :
		       docker_info(&k->there, &k->info, e);
}

/* The engine does not take the state: a new swarm, and what is described of the
 * old one. */
static int make_anew(struct restoring *k, const struct err *why, struct err *e)
{
	struct err ignored = ERR_INIT;

	ui_say(k->s->ui,
	       "%s does not take the state (%s): networks, configs and services "
	       "are made anew, by their description",
	       k->name, why->msg);
	buf_burn(&k->b.unlock); /* the new one is not locked */
	if (run(k, "none", e) < 0)
		return -1;
	refit_engine(&k->there, k->s, k->r.ssh);
	if (refit_wait_engine(&k->there, STR_NULL, ENGINE_MS, &k->info, e) < 0 ||
	    init(k, false, e) < 0)
		return -1;
	/* while no service publishes a port; the helper sees to it, too */
	docker_ingress(&k->there, LAYOUT_INGRESS, LAYOUT_MTU,
		       now_ms() + INGRESS_MS, NULL, &ignored);
	return refit_recreate(&k->there, k->b.cluster, &k->lacking, e);
}

/* It runs nothing new until the others are there, and is not on its way out, as
 * it was when the state was packed. */
static int hold(struct restoring *k, struct err *e)
{
	const struct docker_node_change c = {
		.availability = "pause",
		.labels = { { DOCKER_LABEL_LEAVING, NULL },
			    { DOCKER_LABEL_EVICT, NULL },
			    { DOCKER_LABEL_STOP, NULL } },
	};

	return docker_node_update(&k->there, k->info.node_id, &c, e);
}

static int bring(struct restoring *k, struct err *e)
{
	struct err why = ERR_INIT;
	size_t removed = 0;
	unsigned generation;
	bool starts;

	/* it is made by the first swarm of an engine, with another MTU */
	docker_gateway(&k->there, LAYOUT_MTU, &why);
	err_clear(&why);
	if (trace_change(&k->s->trace, k->name, "its engine gets the state", e) <
		    0 ||
	    stage(k, e) < 0)
		return -1;
	if (others(k, true, e) < 0 || lock_still(k->s, e) < 0) {
		others(k, false, &why);
		return -1;
	}
	if (put_state(k, &starts, e) < 0) {
		/* as it was */
		if (run(k, "back", &why) == 0)
			run(k, "done", &why);
		others(k, false, &why);
		return -1;
	}
	if (!starts)
		err_set(&why, ERR_DOCKER, "it does not start with it");
	if (!starts || begin_anew(k, &why) < 0) {
		/* not the engine's word */
		if (why.kind == ERR_INTR || why.kind == ERR_BUSY) {
			*e = why;
			return -1;
		}
		if (make_anew(k, &why, e) < 0)
			return -1;
	}
	if (hold(k, e) < 0 ||
	    refit_rows(&k->there, k->info.node_id, &removed, e) < 0 ||
	    marker_raise(k->s, k->info.cluster_id, "restore", &generation, e) < 0)
		return -1;
	ui_say(k->s->ui,
	       "%s has the swarm, alone; %zu row%s of machines that are gone "
	       "removed; the others join it (generation %u)",
	       k->name, removed, removed == 1 ? "" : "s", generation);
	return run(k, "done", e) < 0 ? -1 : others(k, false, e);
}

/* ---- afterwards ---- */

/* What unlocks it is what was kept, whatever keys/ has. */
static int keep_unlock_key(struct restoring *k, struct err *e)
{
	struct buf line = BUF_INIT(257);
	int rc;

	buf_addf(&line, "%s\n", k->b.unlock.str);
	rc = k->b.unlock.n == 0 ?
		     0 :
		     file_write("keys/unlock.key", buf_str(&line), 0600, e);
	buf_burn(&line);
	return rc;
}

/* Which of these are no Ready nodes yet. */
static int missing(struct restoring *k, const char *const *hosts,
		   size_t n_hosts, struct buf *names, struct err *e)
{
	struct docker_node *nodes = NULL;
	struct err once = ERR_INIT;
	size_t n = 0;
	int rc = docker_nodes(&k->there, &nodes, &n, &once);

	buf_reset(names);
	/* with each manager that joins the leader may be another one */
	if (rc < 0 && remote_is_away(&once))
		rc = 0;
	else if (rc < 0)
		*e = once;
	for (size_t h = 0; rc == 0 && h < n_hosts; h++) {
		bool there = false;

		for (size_t i = 0; i < n; i++)
			there |= nodes[i].state == DOCKER_NODE_READY &&
				 strcmp(nodes[i].hostname, hosts[h]) == 0;
		if (!there)
			buf_addf(names, "%s%s", names->n > 0 ? ", " : "",
				 hosts[h]);
	}
	free(nodes);
	return rc;
}

/* Until the other machines have joined; those that do not are named, and are
 * joined later if they come. */
static int await_others(struct restoring *k, struct err *e)
{
	const struct masters *m = &k->r.masters;
	struct buf names = BUF_INIT(64u << 10);
	struct instances a = { 0 };
	int64_t began = now_ms();
	const char **hosts = NULL;
	size_t n = 0;
	int rc = instances_list(k->s, &a, e);

	hosts = xcalloc(m->n + a.n + 1, sizeof(*hosts));
	for (size_t i = 0; i < m->n; i++)
		hosts[n++] = m->name[i];
	for (size_t i = 0; i < a.n; i++)
		if (!instance_is_off(&a.list[i]) && !instance_is_going(&a.list[i]))
			hosts[n++] = a.list[i].host;
	while (rc == 0 && (rc = missing(k, hosts, n, &names, e)) == 0 &&
	       names.n > 0 && now_ms() - began < JOIN_MS) {
		ui_waiting(k->s->ui, "the other machines to join",
			   now_ms() - began, now_ms());
		rc = sleep_until(now_ms() + LOOK_MS, e);
	}
	ui_clear(k->s->ui);
	if (rc == 0 && names.n > 0)
		ui_say(k->s->ui, "not there yet: %s", names.str);
	free(hosts);
	instances_release(&a);
	buf_release(&names);
	return rc;
}

/* Its own availability, by its name in the backup. */
static int release_it(struct restoring *k, struct err *e)
{
	struct docker_node_change c = { .availability = "active" };
	const cJSON *node;

	cJSON_ArrayForEach(node, json_get(k->b.cluster, "nodes"))
		if (strcmp(json_text(node, "hostname"), k->info.hostname) == 0)
			c.availability = json_text(node, "availability");
	return docker_node_update(&k->there, k->info.node_id, &c, e);
}

static int finish(struct restoring *k, struct err *e)
{
	struct buf absent = BUF_INIT(8192), idle = BUF_INIT(4096);
	int rc = -1;

	if (keep_unlock_key(k, e) < 0 || await_others(k, e) < 0 ||
	    refit_labels(&k->there, k->b.cluster, &absent, e) < 0 ||
	    release_it(k, e) < 0 ||
	    refit_services(k->s, &k->there, SERVICES_MS, &idle, e) < 0)
		goto out;
	if (absent.n > 0)
		ui_say(k->s->ui, "labels of nodes that are not there: %s",
		       absent.str);
	if (k->lacking.n > 0)
		err_set(e, ERR_DATA,
			"all is back but what cannot be made by its description: "
			"%s",
			k->lacking.str);
	else if (idle.n > 0)
		err_set(e, ERR_TIMEOUT,
			"all is back, but not all tasks run: %s", idle.str);
	else
		rc = arrive(k->s, e);
out:
	buf_release(&absent);
	buf_release(&idle);
	return rc;
}

int cmd_restore(struct session *s, int argc, char **argv, struct err *e)
{
	struct restoring k = { .s = s,
			       .b = { .fd = -1, .unlock = BUF_INIT(1) },
			       .lacking = BUF_INIT(8192) };
	int rc = -1;
	bool marked;

	(void)argc;
	if (open_backup(&k, argv[1], e) < 0)
		goto out;
	say_what_it_is(&k);
	if (s->with_keys) {
		rc = put_keys(&k, e);
		goto out;
	}
	if ((!s->open && session_open(s, e) < 0) ||
	    marker_known(s, &marked, e) < 0 || find_master(&k, e) < 0 ||
	    confirm(&k, e) < 0)
		goto out;
	if (bring(&k, e) < 0) {
		if (e->kind != ERR_HELD)
			ui_say(s->ui, "the same command again does all of it");
		goto out;
	}
	if (finish(&k, e) < 0)
		goto out;
	ui_say(s->ui, "the swarm of %s is back",
	       settings_get(s->set, S_COMPUTE_GROUP));
	rc = 0;
out:
	docker_release(&k.there);
	remote_release(&k.r);
	backup_release(&k.b);
	buf_release(&k.lacking);
	return rc;
}
