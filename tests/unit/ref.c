/* docker/ref: what images are called. */
#include <string.h>

#include "docker/ref.h"
#include "tests/check.h"

#define HEX32 "0123456789abcdef0123456789abcdef"
#define LONG64 \
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *name, *text;
	bool (*is)(struct str s);
	bool yes;
} cases[] = {
	{ "a name", "web", docker_ref_is_name, true },
	{ "with slashes", "team/web/x1", docker_ref_is_name, true },
	{ "with joints", "a.b_c__d-e---f", docker_ref_is_name, true },
	{ "called like a path of the registry", "manifests/blobs",
	  docker_ref_is_name, true },
	{ "no name", "", docker_ref_is_name, false },
	{ "in capitals", "Web", docker_ref_is_name, false },
	{ "two dots", "a..b", docker_ref_is_name, false },
	{ "a way up", "../a", docker_ref_is_name, false },
	{ "three _", "a___b", docker_ref_is_name, false },
	{ "joints that are mixed", "a-.b", docker_ref_is_name, false },
	{ "one at its end", "a-", docker_ref_is_name, false },
	{ "one at its begin", "-a", docker_ref_is_name, false },
	{ "a slash at its end", "a/", docker_ref_is_name, false },
	{ "one at its begin", "/a", docker_ref_is_name, false },
	{ "two", "a//b", docker_ref_is_name, false },
	{ "a query", "a?b", docker_ref_is_name, false },
	{ "as long as may be", &(LONG64 LONG64 LONG64 HEX32 HEX32 "b")[2],
	  docker_ref_is_name, true },
	{ "too long", LONG64 LONG64 LONG64 LONG64, docker_ref_is_name, false },
	{ "a tag", "1.0", docker_ref_is_tag, true },
	{ "in capitals", "V1_2-rc", docker_ref_is_tag, true },
	{ "no tag", "", docker_ref_is_tag, false },
	{ "a dot first", ".1", docker_ref_is_tag, false },
	{ "a dash first", "-1", docker_ref_is_tag, false },
	{ "a slash", "a/b", docker_ref_is_tag, false },
	{ "as long as may be", LONG64 LONG64, docker_ref_is_tag, true },
	{ "too long", LONG64 LONG64 "a", docker_ref_is_tag, false },
	{ "a digest", "sha256:" HEX32 HEX32, docker_ref_is_digest, true },
	{ "too short", "sha256:" HEX32, docker_ref_is_digest, false },
	{ "in capitals", "sha256:ABCDEF" HEX32 "6789abcdef0123456789abcdef",
	  docker_ref_is_digest, false },
	{ "of another kind", "sha257:" HEX32 HEX32, docker_ref_is_digest, false },
};

static const struct {
	const char *ref, *name, *tag, *digest;
} cuts[] = {
	{ "a", "a", "latest", "" },
	{ "a:1", "a", "1", "" },
	{ "h:5/a", "h:5/a", "latest", "" },
	{ "h:5/a:1", "h:5/a", "1", "" },
	{ "a@sha256:x", "a", "latest", "sha256:x" },
	{ "h:5/a:1@sha256:x", "h:5/a", "1", "sha256:x" },
	{ "", "", "latest", "" },
};

int main(void)
{
	struct str name, tag, digest;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		check(cases[i].is(str_of(cases[i].text)) == cases[i].yes,
		      cases[i].name, cases[i].text);
	for (size_t i = 0; i < sizeof(cuts) / sizeof(*cuts); i++) {
		docker_ref_cut(str_of(cuts[i].ref), &name, &tag, &digest);
		check(str_eqz(name, cuts[i].name) && str_eqz(tag, cuts[i].tag) &&
			      str_eqz(digest, cuts[i].digest),
		      "in three", cuts[i].ref);
	}
	return check_failed();
}
