/* node/room: which names are of the same image; and which images go, by what an
 * engine says of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "node/room.h"
#include "tests/check.h"
#include "tests/unit/engine.h"

#define A "sha256:aa"
#define B "sha256:bb"

static const struct {
	const char *name, *keep, *ref;
	bool same;
} cases[] = {
	{ "itself", "a/b:1", "a/b:1", true },
	{ "another tag", "a/b:1", "a/b:2", false },
	{ "another name", "a/b:1", "a/c:1", false },
	{ "no tag is latest", "nginx", "nginx:latest", true },
	{ "the Hub's long name", "docker.io/library/nginx:1", "nginx:1", true },
	{ "and its user's", "docker.io/me/nginx:1", "me/nginx:1", true },
	{ "library/ elsewhere", "h/library/nginx:1", "h/nginx:1", false },
	{ "a port is no tag", "h:5000/nginx", "h:5000/nginx:latest", true },
	{ "by its digest, whatever the tag", "a:1@" A, "a@" A, true },
	{ "by its digest, under another name", "a:1@" A, "b@" A, true },
	{ "another digest", "a:1@" A, "a@" B, false },
	{ "a tag says nothing of who has a digest", "a:1@" A, "a:1", false },
	{ "nor a digest of who has none", "a:1", "a@" A, false },
	{ "nothing", "", "a:1", false },
};

/* ---- an engine with one image ---- */

#define PULLED "\"RepoTags\":[],\"RepoDigests\":[\"a@" A "\"]"
#define SNAPSHOTS "[[\"driver-type\",\"io.containerd.snapshotter.v1\"]]"

static const struct {
	const char *name, *status, *image, *keep;
	bool goes;
} images[] = {
	{ "pulled by a digest", "[]", PULLED, "", true },
	{ "which is named", "[]", PULLED, "b:1@" A "\n", false },
	{ "pulled by a tag", "[]",
	  "\"RepoTags\":[\"a:1\"],\"RepoDigests\":[\"a@" A "\"]", "", true },
	{ "of no registry", "[[\"Backing Filesystem\",\"extfs\"]]",
	  "\"RepoTags\":[\"a:1\"],\"RepoDigests\":[]", "", false },
	{ "of no name", "null",
	  "\"RepoTags\":[\"<none>:<none>\"],\"RepoDigests\":[\"<none>@<none>\"]",
	  "", true },
	{ "a name that is not understood", "[]",
	  "\"RepoTags\":[],\"RepoDigests\":[\"[::1]:5000/a@" A "\"]", "", false },
	{ "containerd: pulled by a digest", SNAPSHOTS, PULLED, "", true },
	{ "containerd: that stands among tags", SNAPSHOTS,
	  "\"RepoTags\":[\"a:1@" A "\"],\"RepoDigests\":[\"a@" A "\"]", "", true },
	{ "containerd: built here, for all one knows", SNAPSHOTS,
	  "\"RepoTags\":[\"a:1\"],\"RepoDigests\":[\"a@" A "\"]", "", false },
};
static size_t at;

static void answer(void *ctx, const char *method, const char *target,
		   const char *body, struct engine_reply *r)
{
	(void)ctx, (void)method, (void)body;
	target = strncmp(target, "/v1.", 4) == 0 ? strchr(target + 1, '/') :
						   target;
	r->status = 200;
	r->body = r->buf;
	if (strcmp(target, "/info") == 0)
		snprintf(r->buf, sizeof(r->buf),
			 "{\"DockerRootDir\":\"/nowhere\",\"Driver\":\"x\","
			 "\"DriverStatus\":%s}",
			 images[at].status);
	else if (strncmp(target, "/images/json", 12) == 0)
		snprintf(r->buf, sizeof(r->buf),
			 "[{\"Id\":\"sha256:01\",\"Size\":5,%s}]",
			 images[at].image);
	else
		snprintf(r->buf, sizeof(r->buf), "%s",
			 strncmp(target, "/containers", 11) == 0 ? "[]" : "{}");
}

static void check_goes(void)
{
	static struct engine engine = { .answer = answer };
	const char hex[] = "0123456789abcdef0123456789abcdef"
			   "0123456789abcdef0123456789abcdef";
	char text[1024], keep[256];
	struct err e = ERR_INIT;

	engine_start(&engine);
	snprintf(text, sizeof(text),
		 "{\"role\":\"worker\",\"masters\":[\"127.0.0.1\"],"
		 "\"helper_pin\":\"%s\",\"worker_secret\":\"%s\","
		 "\"docker_socket\":\"%s\"}",
		 hex, hex, engine.path);
	if (file_write("node.json", str_of(text), 0600, &e) < 0)
		check_give_up("node.json", "%s", e.msg);
	for (at = 0; at < sizeof(images) / sizeof(*images); at++) {
		char *said = NULL;
		size_t n = 0;
		FILE *in, *out = open_memstream(&said, &n);

		snprintf(keep, sizeof(keep), "%send\n", images[at].keep);
		in = fmemopen(keep, strlen(keep), "r");
		err_clear(&e);
		if (room_run("node.json", true, in, out, &e) < 0)
			check(false, images[at].name, e.msg);
		fclose(in);
		fclose(out);
		check((strncmp(said, "image 5 ", 8) == 0) == images[at].goes,
		      images[at].name, said);
		free(said);
	}
	engine_stop(&engine);
}

int main(void)
{
	json_init();
	check_goes();
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check(room_same(str_of(cases[i].keep), str_of(cases[i].ref)) ==
			      cases[i].same,
		      cases[i].name, cases[i].ref);
	return check_failed();
}
