/*
 * What a node goes without, as its agent sees it, and what follows for its row
 * of the node table.
 *
 * The share is mounted on demand, and storage that does not answer holds up
 * whoever asks for it.  So the table of mounts says whether it is there, and
 * where it is not a child process goes to the folder, as a service would.
 */
#include "node/lacks.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"

#define LOOK_MS 10000
#define TRY_MS 60000  /* between tries to have the share mounted */
#define AWAY_MS 60000 /* so long without, and it is said */
#define MOUNTS_MAX (1u << 20)
#define FDS_MAX 1024 /* of an agent: systemd's limit */

/* Of the file system where Docker keeps its data: with less than FULL tasks
 * fail, with less than LOW the next ones would; BACK is enough again. */
#define ROOM_FULL (256u << 20)
#define ROOM_LOW (1u << 30)
#define ROOM_BACK (ROOM_LOW + ROOM_LOW / 4)
#define FILES_FULL 1000u
#define FILES_LOW 10000u
#define FILES_BACK 12500u

/* ---- words ---- */

static const struct {
	const char *word;
	unsigned bit;
} words[] = {
	{ "share", LACKS_SHARE },
	{ "room", LACKS_ROOM },
	{ "paused", LACKS_PAUSED },
};
#define N_WORDS (sizeof(words) / sizeof(words[0]))

unsigned lacks_read(struct str text)
{
	struct str word;
	unsigned bits = 0;

	while (str_next(&text, ',', &word))
		for (size_t i = 0; i < N_WORDS; i++)
			if (str_eqz(word, words[i].word))
				bits |= words[i].bit;
	return bits;
}

void lacks_write(unsigned bits, char text[LACKS_TEXT_MAX])
{
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < N_WORDS; i++)
		if (bits & words[i].bit)
			n += (size_t)snprintf(text + n, LACKS_TEXT_MAX - n, "%s%s",
					      n > 0 ? "," : "", words[i].word);
}

/* ---- the row ---- */

bool lacks_change(const struct docker_node *node, unsigned said,
		  char label[LACKS_TEXT_MAX], struct docker_node_change *change)
{
	unsigned paused = lacks_read(str_of(node->lacks)) & LACKS_PAUSED;
	bool going = node->leaving || node->evict[0] != '\0';

	*change = (struct docker_node_change){ 0 };
	if ((said & LACKS_ROOM) && !paused && !going &&
	    node->availability == DOCKER_ACTIVE) {
		change->availability = "pause";
		change->from = "active";
		paused = LACKS_PAUSED;
	} else if (!(said & LACKS_ROOM) && paused && !going) {
		if (node->availability == DOCKER_PAUSE) {
			change->availability = "active";
			change->from = "pause";
		}
		paused = 0;
	}
	lacks_write((said & (LACKS_SHARE | LACKS_ROOM)) | paused, label);
	change->labels[0].name = DOCKER_LABEL_LACKS;
	change->labels[0].value = *label != '\0' ? label : NULL;
	return strcmp(label, node->lacks) != 0;
}

/* ---- the share ---- */

/* Whether a file system is mounted at path; *waits: one would be, for whoever
 * goes there. */
static bool mounted(const char *path, bool *waits)
{
	struct buf b = BUF_INIT(MOUNTS_MAX);
	struct err e = ERR_INIT;
	struct str rest, line, field;
	bool there = false;

	*waits = false;
	if (file_read("/proc/self/mounts", &b, &e) < 0) {
		buf_release(&b);
		return true; /* nothing is known against it */
	}
	rest = buf_str(&b);
	while (str_next(&rest, '\n', &line)) {
		/* device, path, type; the last line of a path is on top */
		if (!str_cut(&line, ' ', &field) || !str_cut(&line, ' ', &field) ||
		    !str_eqz(field, path) || !str_cut(&line, ' ', &field))
			continue;
		*waits = str_eqz(field, "autofs");
		there = !*waits;
	}
	buf_release(&b);
	return there;
}

/* Reaps who was sent, and sends another when one is due. */
static void try_share(struct lacks *l, int64_t now)
{
	if (l->trying > 0 && waitpid(l->trying, NULL, WNOHANG) != 0)
		l->trying = 0;
	if (l->trying > 0 || now < l->try_ms)
		return;
	l->try_ms = now + TRY_MS;
	l->trying = fork();
	if (l->trying == 0) {
		/* stays here for as long as the mount takes, or storage is silent,
		 * and must not keep our port from who comes after us */
		for (int fd = 3; fd < FDS_MAX; fd++)
			close(fd);
		(void)!open(l->config->share_dir, O_RDONLY | O_DIRECTORY);
		_exit(0);
	}
}

static void look_share(struct lacks *l, int64_t now)
{
	bool waits;

	if (!l->wants_share || mounted(l->config->share_dir, &waits)) {
		l->away_since_ms = 0;
		l->bits &= ~(unsigned)LACKS_SHARE;
		return;
	}
	if (l->away_since_ms == 0)
		l->away_since_ms = now;
	if (now - l->away_since_ms >= AWAY_MS)
		l->bits |= LACKS_SHARE;
	if (waits)
		try_share(l, now);
}

/* ---- room ---- */

/* A file system that does not tell has room. */
static void look_room(struct lacks *l)
{
	struct statvfs fs;
	uint64_t room, files;

	if (statvfs(l->config->docker_root, &fs) < 0 || fs.f_blocks == 0) {
		l->full = false;
		l->bits &= ~(unsigned)LACKS_ROOM;
		return;
	}
	room = (uint64_t)fs.f_bavail * fs.f_frsize;
	files = fs.f_files == 0 ? UINT64_MAX : fs.f_favail;
	l->full = room < ROOM_FULL || files < FILES_FULL;
	if (room < ROOM_LOW || files < FILES_LOW)
		l->bits |= LACKS_ROOM;
	else if (room >= ROOM_BACK && files >= FILES_BACK)
		l->bits &= ~(unsigned)LACKS_ROOM;
}

/* ---- both ---- */

void lacks_init(struct lacks *l, const struct node_config *c)
{
	*l = (struct lacks){ .config = c };
	/* azswarm-setup leaves no key where no share is wanted */
	l->wants_share = file_exists(c->share_key);
}

void lacks_look(struct lacks *l, int64_t now_ms)
{
	if (now_ms < l->look_ms)
		return;
	l->look_ms = now_ms + LOOK_MS;
	look_share(l, now_ms);
	look_room(l);
}

void lacks_end(struct lacks *l)
{
	if (l->trying <= 0)
		return;
	kill(l->trying, SIGKILL);
	/* not waited for: storage may hold it, and systemd ends it after us */
	waitpid(l->trying, NULL, WNOHANG);
}
