/*
 * Which images of a node's engine go, and that they do.  Nothing is forced: what
 * the engine has a use for stays, whatever is thought here.
 */
#include "node/room.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/time.h"
#include "docker/docker.h"
#include "docker/ref.h"
#include "node/config.h"
#include "node/daemon.h"

#define LOOK_MS 60000
#define AGAIN_MS (30 * 60000)
#define SHORT 10 /* a tenth */
#define LINE_MAX_N 1024
#define IMAGES_MAX 10000
#define REFS_MAX 64
#define ENGINE_MS 120000 /* layers go while the engine answers */
#define OWN LAYOUT_REGISTRY LAYOUT_IMAGE
#define NONE "<none>" /* before : or @, in place of a name */
#define SNAPSHOTS "io.containerd.snapshotter.v1"

struct held {
	char id[80];
	char **ref; /* tags and digests */
	size_t n_refs;
	uint64_t size;
	bool kept;
};

struct prune {
	struct docker docker;
	const char *root, *driver; /* where the engine has its data, and how */
	bool containerd;	   /* its image store: all there has a digest */
	char **keep;
	size_t n_keep;
	struct held *image;
	size_t n;
};

/* ---- names ---- */

static struct str plain(struct str ref)
{
	if (str_starts(ref, STR("docker.io/")))
		ref = str_skip(ref, 10);
	return str_starts(ref, STR("library/")) ? str_skip(ref, 8) : ref;
}

bool room_same(struct str keep, struct str ref)
{
	struct str name[2], tag[2], digest[2];

	docker_ref_cut(plain(keep), &name[0], &tag[0], &digest[0]);
	docker_ref_cut(plain(ref), &name[1], &tag[1], &digest[1]);
	if (digest[0].n > 0)
		return str_eq(digest[0], digest[1]);
	return digest[1].n == 0 && str_eq(name[0], name[1]) &&
	       str_eq(tag[0], tag[1]);
}

/* It becomes a part of a path. */
static bool is_ref(const char *ref)
{
	for (const char *c = ref; *c != '\0'; c++)
		if (!is_alnum(*c) && strchr("._-/:@+", *c) == NULL)
			return false;
	return *ref != '\0' && strstr(ref, "..") == NULL;
}

static int read_keep(struct prune *p, FILE *in, struct err *e)
{
	char line[LINE_MAX_N];
	struct str s;

	while (fgets(line, sizeof(line), in) != NULL) {
		s = str_trim(str_of(line));
		if (str_eqz(s, "end"))
			return 0;
		if (p->n_keep == ROOM_KEEP_MAX)
			return err_set(e, ERR_DATA,
				       "more than %d images are to stay",
				       ROOM_KEEP_MAX);
		if (p->n_keep % 64 == 0)
			p->keep = xrealloc(p->keep,
					   (p->n_keep + 64) * sizeof(*p->keep));
		p->keep[p->n_keep++] = str_dup(s);
	}
	return err_set(e, ERR_USAGE,
		       "what is to stay has no end: nothing is touched; this is "
		       "for 'azswarm images --prune'");
}

/* ---- what there is ---- */

static void take_refs(struct held *m, const cJSON *list)
{
	const cJSON *v;

	cJSON_ArrayForEach(v, list) {
		const char *ref = json_str_opt(v, "", "");

		if (strstr(ref, NONE) != NULL)
			continue;
		if (m->n_refs < REFS_MAX && is_ref(ref))
			m->ref[m->n_refs++] = xstrdup(ref);
		else /* a service may name it by that */
			m->kept = true;
	}
}

/* Names with a digest behind them, which an engine may list there, are none. */
static size_t tags_of(const struct held *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n_refs; i++)
		n += strchr(m->ref[i], '@') == NULL;
	return n;
}

static int take_image(void *ctx, const cJSON *item, struct err *e)
{
	struct prune *p = ctx;
	const char *id = json_str_opt(item, "Id", "");
	struct held *m;
	size_t n_tags;

	if (p->n == IMAGES_MAX)
		return err_set(e, ERR_DATA, "more than %d images", IMAGES_MAX);
	if (strlen(id) >= sizeof(m->id) || !is_ref(id))
		return 0;
	if (p->n % 64 == 0)
		p->image = xrealloc(p->image, (p->n + 64) * sizeof(*p->image));
	m = &p->image[p->n++];
	*m = (struct held){ .ref = xcalloc(REFS_MAX, sizeof(*m->ref)) };
	memcpy(m->id, id, strlen(id) + 1);
	m->size = (uint64_t)json_int_opt(item, "Size", 0);
	take_refs(m, json_get(item, "RepoTags"));
	n_tags = tags_of(m);
	take_refs(m, json_get(item, "RepoDigests"));
	/* had from no registry, and called something: it is somebody's own.  What
	 * services run is pulled by a digest, and has no tag. */
	m->kept |= n_tags > 0 && (p->containerd || n_tags == m->n_refs);
	return 0;
}

static int take_container(void *ctx, const cJSON *item, struct err *e)
{
	const char *id = json_str_opt(item, "ImageID", "");
	struct prune *p = ctx;

	(void)e;
	for (size_t i = 0; i < p->n; i++)
		p->image[i].kept |= strcmp(p->image[i].id, id) == 0;
	return 0;
}

static void keep_named(struct prune *p, struct held *m)
{
	for (size_t r = 0; r < m->n_refs && !m->kept; r++) {
		m->kept = str_starts(str_of(m->ref[r]), STR(OWN ":")) ||
			  str_starts(str_of(m->ref[r]), STR(OWN "@"));
		for (size_t k = 0; k < p->n_keep && !m->kept; k++)
			m->kept = room_same(str_of(p->keep[k]), str_of(m->ref[r]));
	}
}

/* When it came here: the engine tells of tags alone; what it was pulled by a digest
 * for has a file since then. */
static int64_t came_at(struct prune *p, const struct held *m)
{
	char *path = xasprintf("/images/%s/json", m->id), *file;
	struct err ignored = ERR_INIT;
	cJSON *doc = docker_get(&p->docker, path, &ignored);
	struct str tagged = str_of(json_str_opt(json_get(doc, "Metadata"),
						"LastTagTime", "")),
		   second;
	int64_t at = 0;
	struct stat st;
	char *z;

	/* "2026-11-30T20:00:00.123456789Z", "0001-01-01T00:00:00Z" for never */
	if (str_cut(&tagged, '.', &second)) {
		z = xasprintf("%.*sZ", STR_ARG(second));
		if (!time_parse_iso(str_of(z), &at))
			at = 0;
		free(z);
	}
	file = xasprintf("%s/image/%s/imagedb/content/sha256/%s", p->root,
			 p->driver,
			 strncmp(m->id, "sha256:", 7) == 0 ? m->id + 7 : m->id);
	if (stat(file, &st) == 0 && st.st_mtime > at)
		at = st.st_mtime;
	json_free(doc);
	free(file);
	free(path);
	return at;
}

/* Images first: of a container that begins meanwhile the engine knows. */
static int look(struct prune *p, struct err *e)
{
	if (docker_each(&p->docker, "/images/json", take_image, p, e) < 0 ||
	    docker_each(&p->docker, "/containers/json?all=1", take_container, p,
			e) < 0)
		return -1;
	for (size_t i = 0; i < p->n; i++) {
		struct held *m = &p->image[i];

		if (!m->kept)
			keep_named(p, m);
		if (!m->kept)
			m->kept = unix_time() - came_at(p, m) < ROOM_AGE_S;
	}
	return 0;
}

static bool has_containerd(const cJSON *info)
{
	const cJSON *pair;

	cJSON_ArrayForEach(pair, json_get(info, "DriverStatus"))
		if (strcmp(json_str_opt(pair, "[1]", ""), SNAPSHOTS) == 0)
			return true;
	return false;
}

/* ---- going ---- */

static uint64_t room_of(const char *root)
{
	struct statvfs fs;

	return statvfs(root, &fs) < 0 ? 0 : (uint64_t)fs.f_bavail * fs.f_frsize;
}

/* One of its names, or itself; what is not there any more is gone. */
static int drop(struct prune *p, const char *what, struct err *e)
{
	char *path = xasprintf("/images/%s", what);
	int rc = docker_call(&p->docker, "DELETE", path, NULL, NULL, e);

	free(path);
	if (rc < 0 && p->docker.status == 404) {
		err_clear(e);
		rc = 0;
	}
	return rc;
}

static int go(struct prune *p, const struct held *m, struct err *e)
{
	for (size_t r = 0; r < m->n_refs; r++)
		if (drop(p, m->ref[r], e) < 0)
			return -1;
	return drop(p, m->id, e);
}

static const char *name_of(const struct held *m)
{
	return m->n_refs > 0 ? m->ref[0] : m->id;
}

static int go_all(struct prune *p, bool dry_run, FILE *out, struct err *e)
{
	uint64_t before = room_of(p->root), after;

	for (size_t i = 0; i < p->n; i++) {
		const struct held *m = &p->image[i];
		struct err why = ERR_INIT;

		if (m->kept)
			continue;
		if (!dry_run && go(p, m, &why) < 0) {
			if (p->docker.status != 409) {
				*e = why;
				return -1;
			}
			fprintf(out, "stays %s %s\n", name_of(m), why.msg);
			continue;
		}
		fprintf(out, "image %llu %s\n", (unsigned long long)m->size,
			name_of(m));
	}
	after = room_of(p->root);
	fprintf(out, "freed %llu\nend\n",
		(unsigned long long)(after > before ? after - before : 0));
	return 0;
}

static void release(struct prune *p)
{
	for (size_t i = 0; i < p->n; i++) {
		for (size_t r = 0; r < p->image[i].n_refs; r++)
			free(p->image[i].ref[r]);
		free(p->image[i].ref);
	}
	for (size_t i = 0; i < p->n_keep; i++)
		free(p->keep[i]);
	free(p->image);
	free(p->keep);
	docker_release(&p->docker);
}

int room_run(const char *config, bool dry_run, FILE *in, FILE *out, struct err *e)
{
	struct prune p = { 0 };
	struct node_config c;
	cJSON *info = NULL;
	int rc = -1;

	if (read_keep(&p, in, e) < 0 || node_config_read(&c, config, e) < 0)
		goto out;
	docker_init_unix(&p.docker, c.docker_socket);
	p.docker.timeout_ms = ENGINE_MS;
	if ((info = docker_get(&p.docker, "/info", e)) != NULL) {
		p.root = json_str_opt(info, "DockerRootDir", c.docker_root);
		p.driver = json_str_opt(info, "Driver", "overlay2");
		p.containerd = has_containerd(info);
		if (look(&p, e) == 0)
			rc = go_all(&p, dry_run, out, e);
	}
	json_free(info);
	node_config_burn(&c);
out:
	release(&p);
	return rc;
}

/* ---- by itself ---- */

static bool is_short(const char *root)
{
	struct statvfs fs;

	return root != NULL && statvfs(root, &fs) == 0 && fs.f_blocks > 0 &&
	       fs.f_bavail < fs.f_blocks / SHORT;
}

/* This program once more, with nothing but "end" to read and what it says in our
 * journal.  It may take minutes, and as much memory as it likes. */
static pid_t begin(const char *config)
{
	int in[2];
	pid_t pid = -1;

	if (pipe2(in, O_CLOEXEC) < 0)
		return 0;
	if (write(in[1], "end\n", 4) == 4)
		pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(STDERR_FILENO, STDOUT_FILENO);
		execl("/proc/self/exe", "azswarm", "prune", "--config", config,
		      (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(in[1]);
	return pid > 0 ? pid : 0;
}

void room_look(struct room *r, int64_t now_ms)
{
	if (r->pruning > 0 && waitpid(r->pruning, NULL, WNOHANG) != 0)
		r->pruning = 0;
	if (r->pruning > 0 || now_ms < r->look_ms)
		return;
	r->look_ms = now_ms + LOOK_MS;
	if (!is_short(r->root))
		return;
	daemon_say("less than a tenth of the disk is free: images that nobody "
		   "uses here go");
	r->look_ms = now_ms + AGAIN_MS;
	r->pruning = begin(r->config);
}
