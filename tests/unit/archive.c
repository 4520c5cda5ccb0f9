/*
 * swarm/archive.c: the file of a backup, written and read; and archives that are
 * sealed with the right key and are no backups all the same.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "swarm/backup.h"
#include "tests/check.h"

#define BLOCK 512

static const uint8_t key[SEAL_KEY_LEN] = { 9 };

static void spill(const char *path, struct str data)
{
	struct err e = ERR_INIT;

	if (file_write(path, data, 0600, &e) < 0)
		check_give_up("spill", "%s", e.msg);
}

static int take(void *ctx, struct str piece, struct err *e)
{
	(void)e;
	buf_addstr(ctx, piece);
	return 0;
}

/* Read it: what was wrong, "" for nothing; the state, if that is wanted. */
static void read_it(const char *path, struct buf *state, char why[512])
{
	struct err e = ERR_INIT;
	struct backup b;
	int rc = backup_read(&b, path, open(path, O_RDONLY | O_CLOEXEC), key, &e);

	if (rc == 0 && state != NULL)
		rc = backup_state(&b, take, state, &e);
	if (rc == 0 && state != NULL) {
		check_same(json_text(b.cluster, "nodes[0].hostname"), "master0",
			   "read: what is described");
		check_same(json_text(b.header, "group"), "g", "read: its header");
		check_same(b.unlock.str, "SWMKEY-1-x", "read: the unlock key");
		check_same(json_text(b.keys, "helper"), "a key",
			   "read: a file of keys/");
	}
	snprintf(why, 512, "%.511s", rc < 0 ? e.msg : "");
	backup_release(&b);
}

static void there_and_back(void)
{
	struct buf state = BUF_INIT(1u << 20), got = BUF_INIT(1u << 20);
	struct err e = ERR_INIT;
	struct archive a;
	struct stat st = { 0 };
	char why[512];
	int rc;

	for (size_t i = 0; i < 150000; i++)
		buf_addc(&state, (char)(i * 31 + i / 1000));
	rc = archive_create(&a, "one.azs", key, STR("{\"group\":\"g\"}"), &e);
	rc |= archive_add(&a, "cluster.json",
			  STR("{\"nodes\":[{\"hostname\":\"master0\"}]}"), &e);
	rc |= archive_add(&a, "unlock.key", STR("SWMKEY-1-x\n"), &e);
	rc |= archive_add(&a, "keys/helper", STR("a key"), &e);
	rc |= archive_begin(&a, BACKUP_STATE, state.n, &e);
	for (size_t at = 0; at < state.n; at += 7001)
		rc |= archive_put(&a,
				  str_head(str_skip(buf_str(&state), at), 7001),
				  &e);
	check(rc == 0 && !file_exists("one.azs"),
	      "written: not there before its end", e.msg);
	check(archive_put(&a, STR("x"), &e) < 0,
	      "written: no more than was said", "taken");
	err_clear(&e);
	check(archive_done(&a, &e) == 0, "written", e.msg);
	archive_release(&a);
	check(stat("one.azs", &st) == 0 && (st.st_mode & 0777) == 0600 &&
		      !file_exists("one.azs.part"),
	      "written: for its owner alone, under its name", "otherwise");
	read_it("one.azs", &got, why);
	check_same(why, "", "read");
	check(str_eq(buf_str(&got), buf_str(&state)), "read: the state",
	      "differs");
	check(archive_create(&a, "one.azs", key, STR("{}"), &e) < 0 &&
		      e.kind == ERR_USAGE,
	      "a file that is there is not written over", "it is");
	archive_release(&a);
	buf_release(&state);
	buf_release(&got);
}

/* What is written into one is what is taken out of it. */
static void names_of_keys(void)
{
	static const struct {
		const char *name;
		bool may;
	} names[] = {
		{ "keys/host-agent-rsa.pub", true },
		{ "keys/x_1", true },
		{ "keys/cluster.pub~", false },
		{ "keys/a copy", false },
		{ "keys/", false },
		{ "keys/0123456789012345678901234567890123456789012345678901234"
		  "567890123456789012345678901234567890123",
		  true },
		{ "keys/0123456789012345678901234567890123456789012345678901234"
		  "5678901234567890123456789012345678901234",
		  false },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		check(backup_is_key(str_of(names[i].name)) == names[i].may,
		      "a name of keys/", names[i].name);
}

/* One that is not written to its end leaves nothing. */
static void given_up(void)
{
	struct err e = ERR_INIT;
	struct archive a;

	archive_create(&a, "two.azs", key, STR("{}"), &e);
	archive_begin(&a, BACKUP_STATE, 100, &e);
	check(archive_done(&a, &e) < 0, "less than was said is no end", "it is");
	archive_release(&a);
	check(!file_exists("two.azs") && !file_exists("two.azs.part"),
	      "given up: nothing is left", "something is");
}

/* A block of a tar archive: name, size and type as they are, and a right sum. */
static void add_entry(struct buf *tar, const char *name, const char *size,
		      char type, const char *text)
{
	char h[BLOCK + 1] = { 0 };
	unsigned sum = 8 * ' ';

	snprintf(h, 100, "%s", name);
	snprintf(h + 124, 12, "%s", size);
	h[156] = type;
	for (size_t i = 0; i < BLOCK; i++)
		sum += (uint8_t)h[i];
	snprintf(h + 148, 8, "%06o", sum);
	buf_add(tar, h, BLOCK);
	buf_adds(tar, text);
	while (tar->n % BLOCK != 0)
		buf_addc(tar, '\0');
}

#define CLUSTER \
	{ \
		"cluster.json", "2", '0', "{}" \
	}
#define STATE \
	{ \
		BACKUP_STATE, "1", '0', "s" \
	}

static const struct {
	const char *name;
	struct {
		const char *name, *size;
		char type;
		const char *text;
	} entries[4];
	const char *words;
} wrong[] = {
	{ "the least", { CLUSTER, STATE }, "" },
	{ "no state", { CLUSTER }, "something is missing in it" },
	{ "nothing described", { STATE }, "something is missing in it" },
	{ "an entry of another's",
	  { CLUSTER, { "passwd", "1", '0', "x" }, STATE },
	  "an entry \"passwd\", which this program does not know" },
	{ "a key's name with a way out",
	  { CLUSTER, { "keys/../x", "1", '0', "x" }, STATE },
	  "an entry \"keys/../x\", which this program does not know" },
	{ "a key's name with a way out, below",
	  { CLUSTER, { "keys/x/../../y", "1", '0', "x" }, STATE },
	  "an entry \"keys/x/../../y\", which this program does not know" },
	{ "a key's name that is hidden",
	  { CLUSTER, { "keys/.x", "1", '0', "x" }, STATE },
	  "an entry \"keys/.x\", which" },
	{ "a link",
	  { CLUSTER, { "keys/x", "0", '2', "" }, STATE },
	  "an entry that is not understood" },
	{ "a size that is no number",
	  { CLUSTER, { "keys/x", "9", '0', "" }, STATE },
	  "an entry that is not understood" },
	{ "a key that is too large",
	  { CLUSTER, { "keys/x", "1000000", '0', "" }, STATE },
	  "keys/x: larger than" },
	{ "a description that is none",
	  { { "cluster.json", "2", '0', "{]" }, STATE },
	  "not JSON" },
};

static void no_backups(void)
{
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct buf tar = BUF_INIT(1u << 16), file = BUF_INIT(1u << 17);
		struct seal s;
		char why[512];

		for (size_t k = 0; k < 4 && wrong[i].entries[k].name != NULL; k++)
			add_entry(&tar, wrong[i].entries[k].name,
				  wrong[i].entries[k].size,
				  wrong[i].entries[k].type,
				  wrong[i].entries[k].text);
		for (size_t k = 0; k < 2 * BLOCK; k++)
			buf_addc(&tar, '\0');
		seal_begin(&s, key, STR("{}"), &file);
		seal_add(&s, buf_str(&tar), true, &file);
		spill("three.azs", buf_str(&file));
		read_it("three.azs", NULL, why);
		checkf(*wrong[i].words == '\0' ?
			       *why == '\0' :
			       strstr(why, wrong[i].words) != NULL,
		       wrong[i].name, "\"%s\", want \"%s\"", why, wrong[i].words);
		buf_release(&tar);
		buf_release(&file);
	}
}

int main(void)
{
	json_init();
	there_and_back();
	names_of_keys();
	given_up();
	no_backups();
	return check_failed();
}
