/* node/lacks: what is said of a node that has no share or no room, and what
 * follows for its row.  With root, on file systems mounted for it. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "node/lacks.h"
#include "tests/check.h"

/* ---- the row ---- */

#define PAUSED "room,paused"

static const struct {
	const char *name;
	enum docker_availability availability;
	const char *lacks, *evict;
	bool leaving;
	unsigned said;
	bool changes;
	const char *label, *to; /* NULL: stays */
} rows[] = {
	{ "nothing lacks", DOCKER_ACTIVE, "", "", false, 0, false, "", NULL },
	{ "no share", DOCKER_ACTIVE, "", "", false, LACKS_SHARE, true, "share",
	  NULL },
	{ "no share, known", DOCKER_ACTIVE, "share", "", false, LACKS_SHARE,
	  false, "share", NULL },
	{ "the share is back", DOCKER_ACTIVE, "share", "", false, 0, true, "",
	  NULL },
	{ "no room", DOCKER_ACTIVE, "", "", false, LACKS_ROOM, true, PAUSED,
	  "pause" },
	{ "no room, known", DOCKER_PAUSE, PAUSED, "", false, LACKS_ROOM, false,
	  PAUSED, NULL },
	{ "room again", DOCKER_PAUSE, PAUSED, "", false, 0, true, "", "active" },
	{ "neither", DOCKER_ACTIVE, "", "", false, LACKS_ROOM | LACKS_SHARE,
	  true, "share,room,paused", "pause" },
	{ "no room, paused by a person", DOCKER_PAUSE, "", "", false,
	  LACKS_ROOM, true, "room", NULL },
	{ "room again, paused by a person", DOCKER_PAUSE, "room", "", false, 0,
	  true, "", NULL },
	{ "no room, made active by a person", DOCKER_ACTIVE, PAUSED, "", false,
	  LACKS_ROOM, false, PAUSED, NULL },
	{ "room again, drained by a person meanwhile", DOCKER_DRAIN, PAUSED, "",
	  false, 0, true, "", NULL },
	{ "no room, on its way out", DOCKER_ACTIVE, "", "quiet since=1", false,
	  LACKS_ROOM, true, "room", NULL },
	{ "no room, leaving", DOCKER_ACTIVE, "", "", true, LACKS_ROOM, true,
	  "room", NULL },
	{ "room again, on its way out: it is remembered", DOCKER_DRAIN, PAUSED,
	  "out since=1", true, 0, true, "paused", NULL },
	{ "and made active when it is back", DOCKER_PAUSE, "paused", "", false,
	  0, true, "", "active" },
	{ "nobody says of himself that we paused him", DOCKER_PAUSE, "", "",
	  false, LACKS_PAUSED, false, "", NULL },
};

static void row(size_t i)
{
	struct docker_node node = { .availability = rows[i].availability,
				    .leaving = rows[i].leaving };
	struct docker_node_change change;
	char label[LACKS_TEXT_MAX];
	bool changes, good;

	strcpy(node.lacks, rows[i].lacks);
	strcpy(node.evict, rows[i].evict);
	changes = lacks_change(&node, rows[i].said, label, &change);
	good = changes == rows[i].changes && strcmp(label, rows[i].label) == 0 &&
	       strcmp(change.labels[0].name, DOCKER_LABEL_LACKS) == 0 &&
	       (change.labels[0].value == NULL) == (*label == '\0') &&
	       strcmp(change.availability != NULL ? change.availability : "-",
		      rows[i].to != NULL ? rows[i].to : "-") == 0 &&
	       (change.availability == NULL) == (change.from == NULL) &&
	       (change.from == NULL ||
		strcmp(change.from,
		       docker_availability_name(node.availability)) == 0);
	checkf(good, rows[i].name, "%s \"%s\" %s", changes ? "changes" : "stays",
	       label, change.availability != NULL ? change.availability : "-");
}

static void words(void)
{
	char text[LACKS_TEXT_MAX];

	lacks_write(LACKS_SHARE | LACKS_ROOM | LACKS_PAUSED, text);
	check(strcmp(text, "share,room,paused") == 0, "all words fit", text);
	check(lacks_read(STR("room,gold,share")) == (LACKS_ROOM | LACKS_SHARE),
	      "other words are passed over", "not");
	check(lacks_read(STR("")) == 0 && lacks_read(STR("sharerooms")) == 0,
	      "no word is none", "some");
}

/* ---- on file systems ---- */

static struct node_config config;

static void remount(const char *options)
{
	if (mount("none", config.docker_root, "tmpfs", MS_REMOUNT, options) < 0)
		abort();
}

static void room(void)
{
	struct lacks l;
	int64_t now = 1000000;
	const struct {
		const char *name, *options;
		unsigned bits;
		bool full;
	} steps[] = {
		{ "room", "size=2g", 0, false },
		{ "900 MiB are next to none", "size=900m", LACKS_ROOM, false },
		{ "100 MiB are none", "size=100m", LACKS_ROOM, true },
		{ "1.1 GiB are not enough again", "size=1100m", LACKS_ROOM, false },
		{ "1.3 GiB are", "size=1300m", 0, false },
		{ "5000 files are next to none", "size=2g,nr_inodes=5000",
		  LACKS_ROOM, false },
		{ "500 are none", "size=2g,nr_inodes=500", LACKS_ROOM, true },
		{ "many are enough", "size=2g,nr_inodes=50000", 0, false },
	};

	lacks_init(&l, &config);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		remount(steps[i].options);
		lacks_look(&l, now += 10000);
		checkf(l.bits == steps[i].bits && l.full == steps[i].full,
		       steps[i].name, "%u, %s", l.bits,
		       l.full ? "full" : "not full");
	}
	remount("size=100m");
	lacks_look(&l, now + 9999);
	check(l.bits == 0, "looked at every ten seconds", "more often");
	remount("size=2g");
	lacks_end(&l);
}

static unsigned after(struct lacks *l, int64_t *now, int64_t ms)
{
	lacks_look(l, *now += ms);
	return l->bits;
}

/* The kernel asks on the pipe to mount what somebody goes to. */
static bool somebody_went(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, CHECK_PATIENCE_MS) == 1;
}

static void share(void)
{
	struct err e = ERR_INIT;
	struct lacks l;
	int64_t now = 1000000, began;
	char options[80];
	int ask[2];

	lacks_init(&l, &config);
	check(after(&l, &now, 0) == 0 && after(&l, &now, 600000) == 0,
	      "no share is wanted, none is missed", "it is");
	lacks_end(&l);

	if (file_write(config.share_key, STR("key"), 0600, &e) < 0)
		abort();
	lacks_init(&l, &config);
	check(after(&l, &now, 0) == 0 && after(&l, &now, 59999) == 0,
	      "a share that is not there yet is waited for", "not");
	check(after(&l, &now, 10000) == LACKS_SHARE,
	      "a minute later it is missed", "not");
	if (mount("none", config.share_dir, "tmpfs", 0, NULL) < 0)
		abort();
	check(after(&l, &now, 10000) == 0, "until it is mounted", "longer");
	umount(config.share_dir);
	check(after(&l, &now, 10000) == 0 && after(&l, &now, 60000) == LACKS_SHARE,
	      "one that goes is missed, too", "not");
	lacks_end(&l);

	/* on demand, from storage that is silent */
	if (pipe(ask) < 0)
		abort();
	snprintf(options, sizeof(options),
		 "fd=%d,pgrp=%d,minproto=5,maxproto=5,direct", ask[1],
		 (int)getpgid(getppid()));
	setpgid(0, 0); /* who is in that group goes through */
	if (mount("none", config.share_dir, "autofs", 0, options) < 0) {
		check_skip("a share on demand", "this kernel has no autofs");
		return;
	}
	lacks_init(&l, &config);
	began = now_ms();
	check(after(&l, &now, 10000) == 0,
	      "one on demand is not missed at once", "it is");
	check(somebody_went(ask[0]), "somebody goes there", "nobody does");
	check(after(&l, &now, 60000) == LACKS_SHARE,
	      "and when nothing comes of it, it is missed", "not");
	lacks_end(&l);
	check(now_ms() - began < CHECK_PATIENCE_MS,
	      "the agent never waits for it", "it does");
	/* or this would wait, too: through it again */
	setpgid(0, getpgid(getppid()));
	umount2(config.share_dir, MNT_DETACH);
	close(ask[0]);
	close(ask[1]);
}

int main(void)
{
	char dir[] = "/tmp/azswarm-lacks-XXXXXX";
	struct err e = ERR_INIT;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		row(i);
	words();
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		check_skip("on file systems", "no mounts here");
		return check_failed();
	}
	if (mkdtemp(dir) == NULL)
		return 1;
	node_config_init(&config);
	snprintf(config.docker_root, sizeof(config.docker_root), "%s/docker", dir);
	snprintf(config.share_dir, sizeof(config.share_dir), "%s/srv", dir);
	snprintf(config.share_key, sizeof(config.share_key), "%s/key", dir);
	if (dir_make(config.docker_root, 0700, &e) < 0 ||
	    dir_make(config.share_dir, 0700, &e) < 0 ||
	    mount("none", config.docker_root, "tmpfs", 0, "size=2g") < 0)
		return 1;
	room();
	share();
	umount(config.docker_root);
	dir_remove(dir, &e);
	return check_failed();
}
