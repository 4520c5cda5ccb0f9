/*
 * swarm/images_name.c: what images are called; base/tar.c: what is in an archive.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "swarm/images.h"
#include "tests/check.h"

#define BLOCK 512

/* ---- names ---- */

static const struct {
	const char *typed, *name, *tag; /* name NULL: refused */
} names[] = {
	{ "web", "web", "latest" },
	{ "web:1", "web", "1" },
	{ "127.0.0.1:1339/team/web:v1.2-x_Y", "team/web", "v1.2-x_Y" },
	{ "a.b/c__d/e--f:_", "a.b/c__d/e--f", "_" },
	{ "ghcr.io/me/app:1", "ghcr.io/me/app", "1" },
	{ "azswarmer/x", "azswarmer/x", "latest" },
	{ "", NULL, NULL },
	{ ":1", NULL, NULL },
	{ "Web", NULL, NULL },
	{ "web:", NULL, NULL },
	{ "web:-1", NULL, NULL },
	{ "web:a/b", NULL, NULL },
	{ "a//b", NULL, NULL },
	{ "a/", NULL, NULL },
	{ "/a", NULL, NULL },
	{ "../a", NULL, NULL },
	{ "a/..", NULL, NULL },
	{ "a..b", NULL, NULL },
	{ "a___b", NULL, NULL },
	{ "a_-b", NULL, NULL },
	{ "-a", NULL, NULL },
	{ "a-", NULL, NULL },
	{ "a b", NULL, NULL },
	{ "a?b", NULL, NULL },
	{ "localhost:5000/web:1", NULL, NULL },
	{ "azswarm", NULL, NULL },
	{ "127.0.0.1:1339/azswarm:0.2", NULL, NULL },
	{ "azswarm/x", NULL, NULL },
};

static void check_names(void)
{
	char longest[DOCKER_REF_NAME_MAX + 3];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		struct images_name n = { 0 };
		struct err e = ERR_INIT;
		bool taken = images_name(names[i].typed, &n, &e) == 0;

		if (names[i].name == NULL)
			checkf(!taken && e.kind == ERR_USAGE, names[i].typed,
			       "taken as %s:%s", n.name, n.tag);
		else
			checkf(taken && strcmp(n.name, names[i].name) == 0 &&
				       strcmp(n.tag, names[i].tag) == 0,
			       names[i].typed, "%s:%s %s", n.name, n.tag, e.msg);
	}
	memset(longest, 'a', sizeof(longest));
	for (size_t len = DOCKER_REF_NAME_MAX; len <= DOCKER_REF_NAME_MAX + 1;
	     len++) {
		struct images_name n;
		struct err e = ERR_INIT;

		longest[len] = '\0';
		checkf((images_name(longest, &n, &e) == 0) ==
			       (len == DOCKER_REF_NAME_MAX),
		       "the longest name", "%zu letters: %s", len, e.msg);
		longest[len] = 'a';
	}
}

static const struct {
	const char *name, *image;
	bool same;
} same[] = {
	{ "web", "web:1", true },
	{ "web", "127.0.0.1:1339/web:1", true },
	{ "web", "127.0.0.1:1339/web:1@sha256:00", true },
	{ "web", "docker.io/library/web:1", true },
	{ "web", "localhost/web:1", true },
	{ "web", "web", false },
	{ "web", "web:2", false },
	{ "web", "a/web:1", false },
	{ "web", "ghcr.io/web:1", false },
	{ "web", "127.0.0.1:1339/library/web:1", false },
	{ "library/web", "127.0.0.1:1339/library/web:1", true },
	{ "library/web", "docker.io/library/web:1", true },
	{ "docker.io/me/web", "127.0.0.1:1339/docker.io/me/web:1", true },
	{ "web", "localhost:1339/web:1", true },
	{ "web", "localhost:1339/library/web:1", false },
	{ "web", "localhost:5000/web:1", false },
	{ "web", "127.0.0.1:1339/localhost:1339/web:1", false },
};

static void check_same_names(void)
{
	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
		struct images_name n = { .tag = "1" };

		snprintf(n.name, sizeof(n.name), "%s", same[i].name);
		checkf(images_same(&n, str_of(same[i].image)) == same[i].same,
		       "the same image", "%s as %s", same[i].image, same[i].name);
	}
}

/* ---- what they run on ---- */

static const struct {
	const char *words, *placement;
} platforms[] = {
	{ "", "" },
	{ "linux/amd64", "[{\"Architecture\":\"amd64\",\"OS\":\"linux\"}]" },
	{ "linux/arm64/v8 linux/arm/v7",
	  "[{\"Architecture\":\"arm64\",\"OS\":\"linux\"},{\"OS\":\"linux\"}]" },
	/* as a header may have it that somebody else wrote */
	{ "linux  /amd64 linux/ x y//z", "" },
};

static void check_platforms(void)
{
	for (size_t i = 0; i < sizeof(platforms) / sizeof(*platforms); i++) {
		cJSON *all = images_platforms(str_of(platforms[i].words));
		char *text = all != NULL ? cJSON_PrintUnformatted(all) : NULL;
		const char *got = text != NULL ? text : "";

		checkf(strcmp(got, platforms[i].placement) == 0, "platforms",
		       "%s: %s", platforms[i].words, got);
		cJSON_free(text);
		json_free(all);
	}
}

/* ---- archives ---- */

static int fd;

static void begin(void)
{
	if (ftruncate(fd, 0) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		check_give_up("memory", "it has none");
}

static void put(const void *p, size_t n)
{
	if (write(fd, p, n) != (ssize_t)n)
		check_give_up("memory", "it is full");
}

static bool large; /* sizes as GNU tar has those from 8 GiB on */

static void entry(const char *name, char type, const char *link, const char *text)
{
	char h[BLOCK] = "", pad[BLOCK] = "";
	unsigned sum = 0;
	size_t n = strlen(text);

	memcpy(h, name, strnlen(name, 100));
	snprintf(h + 124, BLOCK - 124, "%011zo", n);
	if (large) {
		memset(h + 124, 0, 12);
		h[124] = '\x80';
		h[135] = (char)n;
	}
	h[156] = type;
	memcpy(h + 157, link, strnlen(link, 100));
	memcpy(h + 257, "ustar\00000", 8);
	memset(h + 148, ' ', 8);
	for (int i = 0; i < BLOCK; i++)
		sum += (unsigned char)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	put(h, BLOCK);
	put(text, n);
	put(pad, (BLOCK - n % BLOCK) % BLOCK);
}

static void cut(off_t n)
{
	if (ftruncate(fd, n) < 0)
		check_give_up("memory", "it stays as it is");
}

/* What is found at that name, "" for nothing; with what was wrong before that. */
static const char *find(const char *name)
{
	static char text[256];
	struct buf b = BUF_INIT(200);
	struct err e = ERR_INIT;
	struct tar t;
	const struct tar_entry *n;

	text[0] = '\0';
	if (tar_read(&t, fd, &e) < 0)
		snprintf(text, sizeof(text), "%.200s", e.msg);
	else if ((n = tar_find(&t, str_of(name))) != NULL &&
		 tar_text(&t, n, &b, &e) == 0)
		snprintf(text, sizeof(text), "%s", b.str);
	buf_release(&b);
	tar_release(&t);
	return text;
}

static void check_links(void)
{
	begin();
	entry("./a/file", '0', "", "one");
	entry("a/sym", '2', "file", "");
	entry("b/up", '2', "../a/sym", "");
	entry("b/abs", '2', "/a/file", "");
	entry("b/hard", '1', "a/file", "");
	entry("b/out", '2', "../../a/file", "");
	entry("b/self", '2', "self", "");
	entry("b/1", '2', "2", "");
	entry("b/2", '2', "1", "");
	entry("../c", '0', "", "two");
	entry("dir/", '5', "", "");
	entry("twice", '0', "", "first");
	entry("twice", '0', "", "last");
	check_same(find("a/file"), "one", "a file");
	check_same(find("a//./x/../file"), "one", "by another way");
	check_same(find("b/up"), "one", "a link to a link");
	check_same(find("b/abs"), "one", "a link from the root");
	check_same(find("b/hard"), "one", "a hard link");
	check_same(find("b/out"), "", "a link out of it");
	check_same(find("b/self"), "", "a link to itself");
	check_same(find("b/1"), "", "two links to each other");
	check_same(find("c"), "", "a name that leads out");
	check_same(find("../c"), "", "asked for like that");
	check_same(find("dir"), "", "a folder");
	check_same(find("twice"), "last", "the last of two");
}

static void check_headers(void)
{
	char block[BLOCK] = "";

	begin();
	entry("PaxHeader", 'x', "", "27 path=0123456789abcdef\n");
	entry("short", '0', "", "x");
	check_same(find("short"), "a pax header that is none",
		   "pax: a length too many");
	begin();
	entry("PaxHeader", 'x', "", "25 path=0123456789abcdef\n16 linkpath=x/y\n");
	entry("short", '0', "", "x");
	entry("next", '0', "", "y");
	check_same(find("0123456789abcdef"), "x", "pax: a name");
	check_same(find("next"), "y", "pax: of one entry alone");
	for (size_t i = 0; i < 2; i++) {
		begin();
		entry("PaxHeader", 'x', "", "9 size=1\n");
		entry("file", "0"[i], "", "xy");
		entry("next", '0', "", "z");
		check_same(find("file"), "x",
			   "pax: a size, of either kind of file");
		check_same(find("next"), "z", "and what is behind it");
	}
	begin();
	entry("PaxHeader", 'x', "", "9 size=1x\n");
	check_same(find("x"), "a pax header that is none",
		   "pax: a number that is none");
	begin();
	entry("././@LongLink", 'L', "", "a name that is long");
	entry("a name t", '0', "", "x");
	check_same(find("a name that is long"), "x", "GNU: a long name");
	begin();
	large = true;
	entry("x", '0', "", "a size in bytes");
	large = false;
	entry("y", '0', "", "y");
	check_same(find("x"), "a size in bytes", "GNU: a size in bytes");
	check_same(find("y"), "y", "and what is behind it");
	begin();
	entry("x", '0', "", "x");
	put("x", 1);
	check_same(find("x"), "it is cut short", "a byte behind it");
	begin();
	entry("x", '0', "", "x");
	entry("y", '0', "", "all of it");
	cut(3 * BLOCK + 9);
	check_same(find("y"), "all of it", "without what fills its block up");
	cut(3 * BLOCK + 8);
	check_same(find("x"), "it is cut short", "a byte less");
	begin();
	entry("x", '0', "", "x");
	put(block, BLOCK);
	put("anything", 8);
	check_same(find("x"), "x", "what is behind its end");
	begin();
	entry("x", '0', "", "x");
	memset(block, 'x', BLOCK);
	put(block, BLOCK);
	check_same(find("x"), "what is at byte 1024 is no header of a tar archive",
		   "a header that is none");
	begin();
	check_same(find("x"), "it is no tar archive", "nothing");
}

int main(void)
{
	fd = memfd_create("tar", MFD_CLOEXEC);
	json_init();
	check_names();
	check_same_names();
	check_platforms();
	check_links();
	check_headers();
	return check_failed();
}
