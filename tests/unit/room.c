/* node/room: which names are of the same image. */
#include <string.h>

#include "node/room.h"
#include "tests/check.h"

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

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check(room_same(str_of(cases[i].keep), str_of(cases[i].ref)) ==
			      cases[i].same,
		      cases[i].name, cases[i].ref);
	return check_failed();
}
