/*
 * push: an image from where it is (an archive, the engine on this machine) into
 * the storage account.  An archive that cannot be read twice is a file without
 * a name first, for digests are looked at before anything is sent.
 */
#include "swarm/push.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "swarm/images.h"
#include "swarm/swarm.h"

#define SAVE_MS (60 * 60000) /* for an engine to write an image out */
#define PIECE (64u << 10)
#define DRAW_MS 250
#define PATH_MAX_N 1024

/* ---- a file of what cannot be read twice ---- */

struct spool {
	struct session *s;
	char what[64];
	int fd;
	uint64_t n;
	int64_t drawn_ms;
};

/* Not where memory may be the disk: images are large. */
static int spool_open(struct spool *p, struct err *e)
{
	const char *dir = getenv("TMPDIR");
	char *path = xasprintf("%s/azswarm-push-XXXXXX",
			       dir != NULL && *dir == '/' ? dir : "/var/tmp");

	p->fd = mkostemp(path, O_CLOEXEC);
	if (p->fd < 0)
		err_sys(e, ERR_IO, "%s (TMPDIR names another place)", path);
	else
		unlink(path);
	free(path);
	return p->fd < 0 ? -1 : 0;
}

static int spool_add(void *ctx, struct str piece, struct err *e)
{
	struct spool *p = ctx;
	int64_t now = now_ms();

	p->n += piece.n;
	while (piece.n > 0) {
		ssize_t n = write(p->fd, piece.p, piece.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, ERR_IO,
				       "writing a temporary file (TMPDIR names "
				       "another place)");
		piece = str_skip(piece, (size_t)n);
	}
	if (now - p->drawn_ms >= DRAW_MS) {
		p->drawn_ms = now;
		ui_progress(p->s->ui, p->what, p->n, 0, now);
	}
	return 0;
}

/* All that a pipe has. */
static int spool_pipe(struct spool *p, int fd, struct err *e)
{
	char *piece = xmalloc(PIECE);
	ssize_t n = 1;
	int rc = spool_open(p, e);

	while (rc == 0 && n > 0) {
		if (fd_wait(fd, POLLIN, IO_FOREVER, e) < 0)
			rc = -1;
		else if ((n = read(fd, piece, PIECE)) < 0 && errno != EINTR)
			rc = err_sys(e, ERR_IO, "reading the archive");
		else if (n < 0)
			n = 1;
		else
			rc = spool_add(p, (struct str){ piece, (size_t)n }, e);
	}
	free(piece);
	return rc;
}

/* ---- the engine on this machine ---- */

/* The path of a socket, of "unix:///run/docker.sock"; NULL with e. */
static const char *socket_path(const char *from, struct err *e)
{
	const char *host = from != NULL ? from : getenv("DOCKER_HOST");

	if (host == NULL || *host == '\0')
		return DOCKER_SOCKET;
	if (strncmp(host, "unix://", 7) == 0)
		return host + 7;
	if (from != NULL)
		return from;
	err_set(e, ERR_USAGE,
		"DOCKER_HOST names an engine that is not on this machine; "
		"'docker save NAME | azswarm push NAME --from -' asks it");
	return NULL;
}

/* Whether it has an image of that name.  -1: it does not say. */
static int engine_has(struct docker *d, const char *name, struct err *e)
{
	char *path = xasprintf("/images/%s/json", name);
	struct err why = ERR_INIT;
	int rc = docker_call(d, "GET", path, NULL, NULL, &why);

	free(path);
	if (rc == 0)
		return 1;
	if (d->status == 404)
		return 0;
	*e = why;
	return -1;
}

/* What it calls the image: as it is to be called, or with our registry in
 * front. */
static int engine_find(struct docker *d, const struct images_name *n,
		       char *name, size_t size, struct err *e)
{
	static const char *const hosts[] = { "", LAYOUT_REGISTRY,
					     IMAGES_LOCALHOST };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < sizeof(hosts) / sizeof(*hosts); i++) {
		snprintf(name, size, "%s%s:%s", hosts[i], n->name, n->tag);
		rc = engine_has(d, name, e);
	}
	return rc;
}

static int engine_save(struct spool *p, struct docker *d, const char *name,
		       struct err *e)
{
	char *path = xasprintf("/images/%s/get", name);
	int rc;

	d->timeout_ms = SAVE_MS;
	rc = spool_open(p, e);
	if (rc == 0)
		rc = docker_download(d, path, spool_add, p, e);
	free(path);
	return rc;
}

/* 1: fd has the image; 0: that engine has none. */
static int from_engine(struct session *s, const char *path,
		       const struct images_name *n, int *fd, struct err *e)
{
	struct spool p = { .s = s, .fd = -1 };
	char name[PATH_MAX_N];
	struct docker d;
	int rc;

	snprintf(p.what, sizeof(p.what), "reading %.32s:%.16s", n->name, n->tag);
	docker_init_unix(&d, path);
	rc = engine_find(&d, n, name, sizeof(name), e);
	if (rc > 0 && engine_save(&p, &d, name, e) < 0)
		rc = -1;
	docker_release(&d);
	ui_clear(s->ui);
	*fd = p.fd;
	return rc < 0 ? err_in(e, "the engine at %s", path) : rc;
}

/* ---- an archive ---- */

static bool is_socket(const char *path)
{
	struct stat st;

	return strncmp(path, "unix://", 7) == 0 ||
	       (stat(path, &st) == 0 && S_ISSOCK(st.st_mode));
}

static int from_file(struct session *s, const char *path, int *fd, struct err *e)
{
	struct spool p = { .s = s, .what = "reading the archive", .fd = -1 };
	bool is_stdin = strcmp(path, "-") == 0;
	struct stat st;
	int in, rc = 0;

	if (is_stdin && isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE,
			       "an archive is nothing that is typed; 'docker save "
			       "NAME | azswarm push NAME --from -'");
	in = is_stdin ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
	if (in < 0 || fstat(in, &st) < 0)
		rc = err_sys(e, ERR_IO, "%s", path);
	else if (S_ISDIR(st.st_mode))
		rc = err_set(e, ERR_USAGE,
			     "%s is a folder; 'tar -C %s -c . | azswarm push NAME "
			     "--from -' pushes an OCI layout",
			     path, path);
	else if (S_ISREG(st.st_mode)) {
		*fd = in;
		return 0;
	} else {
		rc = spool_pipe(&p, in, e);
	}
	ui_clear(s->ui);
	if (in >= 0)
		close(in);
	*fd = p.fd;
	return rc < 0 ? err_in(e, "%s", is_stdin ? "standard input" : path) : 0;
}

static int open_source(struct session *s, const struct images_name *n, int *fd,
		       struct err *e)
{
	const char *path = s->from;
	int rc;

	if (path != NULL && !is_socket(path))
		return from_file(s, path, fd, e);
	if ((path = socket_path(path, e)) == NULL)
		return -1;
	rc = from_engine(s, path, n, fd, e);
	if (rc == 0)
		return err_set(e, ERR_DATA,
			       "the engine at %s has no image %s:%s; 'docker images' "
			       "shows what it has, --from FILE takes an archive",
			       path, n->name, n->tag);
	return rc < 0 ? -1 : 0;
}

/* ---- both ---- */

static void say_what_it_is(struct session *s, const struct images_plan *p,
			   const struct images_name *n)
{
	ui_say(s->ui, "%s:%s: %zu blobs, %.1f MiB%s%s", n->name, n->tag,
	       p->n_blobs, (double)p->size / (1 << 20),
	       p->platforms.n > 0 ? ", for " : "", p->platforms.str);
	if (p->missing.n > 0)
		ui_say(s->ui,
		       "%s: its index names these, too, and they are not here: "
		       "nodes of that kind cannot run it",
		       p->missing.str);
}

/* What fd has becomes NAME:TAG, or would, of a dry run.  pinned: as a service
 * names it; and what that may run on. */
static int push_it(struct session *s, int fd, const struct images_name *n,
		   char **pinned, cJSON **platforms, struct err *e)
{
	char proof[IMAGES_PROOF_MAX];
	struct images_plan p;
	uint64_t sent = 0;
	int rc = images_plan(&p, fd, n, e);

	if (rc < 0)
		err_in(e, "%s", s->from != NULL ? s->from : "the image");
	/* what nobody can vouch for need not be sent */
	if (rc == 0)
		rc = images_proof(n, p.manifests[p.n_manifests - 1].digest,
				  proof, e);
	if (rc == 0)
		say_what_it_is(s, &p, n);
	if (rc == 0 && !s->dry_run &&
	    (rc = images_send(s, &p, n, proof, &sent, e)) == 0)
		ui_say(s->ui, "%s:%s pushed; %.1f MiB were not there yet",
		       n->name, n->tag, (double)sent / (1 << 20));
	if (rc == 0) {
		*pinned = xasprintf(LAYOUT_REGISTRY "%s:%s@%s", n->name, n->tag,
				    p.manifests[p.n_manifests - 1].digest);
		*platforms = images_platforms(buf_str(&p.platforms));
	}
	images_plan_release(&p);
	return rc < 0 ? err_in(e, "%s:%s", n->name, n->tag) : 0;
}

int cmd_push(struct session *s, int argc, char **argv, struct err *e)
{
	struct images_name n;
	char *pinned = NULL;
	cJSON *platforms = NULL;
	int fd = -1, rc;

	(void)argc;
	rc = images_name(argv[1], &n, e);
	if (rc == 0)
		rc = open_source(s, &n, &fd, e);
	if (rc == 0)
		rc = push_it(s, fd, &n, &pinned, &platforms, e);
	if (rc == 0)
		params_say_unread(s);
	if (rc == 0 && fprintf(s->ui->out, "%s\n", pinned) < 0)
		rc = err_sys(e, ERR_IO, "standard output");
	if (fd >= 0)
		close(fd);
	json_free(platforms);
	free(pinned);
	return rc;
}

/* A registry's host is in front of it: "ghcr.io/x", "localhost:5000/x". */
static bool is_elsewhere(struct str image)
{
	struct str host;

	return !images_ours(image, &host) && str_cut(&image, '/', &host) &&
	       (str_chr(host, '.') >= 0 || str_chr(host, ':') >= 0 ||
		str_eqz(host, "localhost"));
}

int push_if_local(struct session *s, const char *image, char **pinned,
		  cJSON **platforms, struct err *e)
{
	const char *path = socket_path(NULL, e);
	struct images_name n;
	int fd = -1, rc;

	*pinned = NULL;
	*platforms = NULL;
	if (path == NULL)
		return -1;
	if (is_elsewhere(str_of(image)) || images_own(str_of(image)) ||
	    strchr(image, '@') != NULL)
		return 0;
	if (images_name(image, &n, e) < 0)
		return -1;
	rc = from_engine(s, path, &n, &fd, e);
	if (rc > 0)
		rc = push_it(s, fd, &n, pinned, platforms, e);
	if (fd >= 0)
		close(fd);
	return rc;
}
