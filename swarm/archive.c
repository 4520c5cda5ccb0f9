/*
 * The file of a backup; see backup.h.  Written and read in pieces, so that it may
 * be of any size; nothing that was read is believed before all of it was.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "swarm/backup.h"

#define BLOCK 512
#define NAME_AT 0
#define NAME_LEN 100
#define MODE_AT 100
#define SIZE_AT 124
#define SIZE_LEN 12
#define SUM_AT 148
#define SUM_LEN 8
#define TYPE_AT 156
#define MAGIC_AT 257

/* ---- a header of ustar ---- */

static unsigned sum_of(const uint8_t h[BLOCK])
{
	unsigned sum = 0;

	/* the sum's own field counts as blanks */
	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ? ' ' : h[i];
	return sum;
}

static void make_header(uint8_t h[BLOCK], const char *name, uint64_t n)
{
	memset(h, 0, BLOCK);
	snprintf((char *)h + NAME_AT, NAME_LEN, "%s", name);
	snprintf((char *)h + MODE_AT, BLOCK - MODE_AT, "%07o%c%07o%c%07o", 0600,
		 0, 0, 0, 0);
	snprintf((char *)h + SIZE_AT, BLOCK - SIZE_AT, "%011llo%c%011llo",
		 (unsigned long long)n, 0, (unsigned long long)unix_time());
	h[TYPE_AT] = '0';
	memcpy(h + MAGIC_AT, "ustar\00000", 8);
	snprintf((char *)h + SUM_AT, SUM_LEN, "%06o", sum_of(h));
	h[SUM_AT + SUM_LEN - 1] = ' ';
}

static bool octal(struct str s, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < s.n && s.p[i] != '\0' && s.p[i] != ' '; i++) {
		if (s.p[i] < '0' || s.p[i] > '7')
			return false;
		*v = *v * 8 + (uint64_t)(s.p[i] - '0');
	}
	return true;
}

/* ---- writing ---- */

static int write_out(struct archive *a, struct err *e)
{
	struct str rest = buf_str(&a->out);

	while (rest.n > 0) {
		ssize_t n = write(a->fd, rest.p, rest.n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_sys(e, ERR_IO, "%s", a->part);
		rest = str_skip(rest, (size_t)n);
	}
	buf_reset(&a->out);
	return 0;
}

static int write_chunk(struct archive *a, bool last, struct err *e)
{
	seal_add(&a->seal, buf_str(&a->plain), last, &a->out);
	burn(a->plain.str, a->plain.n);
	buf_reset(&a->plain);
	return write_out(a, e);
}

static int add_plain(struct archive *a, struct str piece, struct err *e)
{
	while (piece.n > 0) {
		struct str some = str_head(piece, SEAL_CHUNK - a->plain.n);

		/* not before there is more: the last chunk is another */
		if (some.n == 0) {
			if (write_chunk(a, false, e) < 0)
				return -1;
			continue;
		}
		buf_addstr(&a->plain, some);
		piece = str_skip(piece, some.n);
	}
	return 0;
}

int archive_create(struct archive *a, const char *path,
		   const uint8_t key[SEAL_KEY_LEN], struct str header,
		   struct err *e)
{
	*a = (struct archive){
		.path = path,
		.part = xasprintf("%s.part", path),
		.plain = BUF_INIT(SEAL_CHUNK),
		.out = BUF_INIT(SEAL_PIECE_MAX + SEAL_BEGIN_MAX),
	};
	a->fd = -1;
	if (access(path, F_OK) == 0)
		return err_set(e, ERR_USAGE,
			       "%s is there already, and is not written over",
			       path);
	/* of one that was cut off; nobody else's has this name */
	unlink(a->part);
	a->fd = open(a->part,
		     O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (a->fd < 0)
		return err_sys(e, ERR_IO, "%s", a->part);
	seal_begin(&a->seal, key, header, &a->out);
	return write_out(a, e);
}

int archive_begin(struct archive *a, const char *name, uint64_t n, struct err *e)
{
	uint8_t header[BLOCK];

	make_header(header, name, n);
	a->left = n;
	a->pad = (BLOCK - n % BLOCK) % BLOCK;
	return add_plain(a, (struct str){ (const char *)header, BLOCK }, e);
}

int archive_put(struct archive *a, struct str piece, struct err *e)
{
	static const char zeroes[BLOCK];

	if (piece.n > a->left)
		return err_set(e, ERR_PROTO, "%s: more than was said", a->path);
	a->left -= piece.n;
	if (add_plain(a, piece, e) < 0)
		return -1;
	return a->left > 0 ? 0 : add_plain(a, (struct str){ zeroes, a->pad }, e);
}

int archive_add(struct archive *a, const char *name, struct str text,
		struct err *e)
{
	if (archive_begin(a, name, text.n, e) < 0)
		return -1;
	return text.n == 0 ? 0 : archive_put(a, text, e);
}

int archive_done(struct archive *a, struct err *e)
{
	static const char end[2 * BLOCK];

	if (a->left > 0)
		return err_set(e, ERR_PROTO, "%s: less than was said", a->path);
	if (add_plain(a, (struct str){ end, sizeof(end) }, e) < 0 ||
	    write_chunk(a, true, e) < 0)
		return -1;
	/* a name that somebody else has taken meanwhile is left alone */
	if (fsync(a->fd) < 0 || link(a->part, a->path) < 0)
		return err_sys(e, ERR_IO, "%s", a->path);
	return 0;
}

void archive_release(struct archive *a)
{
	if (a->fd >= 0) {
		close(a->fd);
		unlink(a->part);
	}
	free(a->part);
	buf_burn(&a->plain);
	buf_release(&a->out);
	seal_burn(&a->seal);
	*a = (struct archive){ .fd = -1 };
}

/* ---- reading ---- */

/* Where a reader of the archive is. */
struct reader {
	struct backup *b;
	uint8_t header[BLOCK];
	size_t have; /* of it */
	uint64_t left, pad;
	bool ended;
	char name[NAME_LEN];
	struct buf text; /* of a small entry */
	/* who wants the state; NULL: it is passed over */
	int (*put)(void *ctx, struct str piece, struct err *e);
	void *ctx;
};

static bool is_state(const struct reader *r)
{
	return strcmp(r->name, BACKUP_STATE) == 0;
}

/* A small entry is whole; those of a file that is read again are known. */
static int take_text(struct reader *r, struct err *e)
{
	struct backup *b = r->b;
	struct str name = str_of(r->name);

	if (r->put != NULL)
		return 0;
	if (strcmp(r->name, "cluster.json") == 0) {
		json_burn(b->cluster);
		b->cluster = json_parse(buf_str(&r->text), r->name, e);
		return b->cluster != NULL ? 0 : -1;
	}
	if (strcmp(r->name, "unlock.key") == 0) {
		buf_addstr(&b->unlock, str_trim(buf_str(&r->text)));
		return buf_check(&b->unlock, r->name, e);
	}
	name = str_skip(name, strlen("keys/"));
	json_add_strn(b->keys, name.p, buf_str(&r->text));
	return 0;
}

bool backup_is_key(struct str name)
{
	if (!str_starts(name, STR("keys/")) || name.n >= NAME_LEN)
		return false;
	name = str_skip(name, strlen("keys/"));
	for (size_t i = 0; i < name.n; i++)
		if (!is_alnum(name.p[i]) && strchr("._-", name.p[i]) == NULL)
			return false;
	return name.n > 0 && name.p[0] != '.';
}

/* What follows is known by its header: which entry, and how long. */
static int take_header(struct reader *r, struct err *e)
{
	static const uint8_t zeroes[BLOCK];
	uint64_t sum, size;
	size_t max;

	if (memcmp(r->header, zeroes, BLOCK) == 0) {
		r->ended = true;
		return 0;
	}
	if (!octal((struct str){ (char *)r->header + SUM_AT, SUM_LEN }, &sum) ||
	    sum != sum_of(r->header) || r->header[TYPE_AT] != '0' ||
	    !octal((struct str){ (char *)r->header + SIZE_AT, SIZE_LEN }, &size))
		return err_set(e, ERR_DATA, "an entry that is not understood");
	snprintf(r->name, sizeof(r->name), "%.*s", NAME_LEN - 1,
		 (char *)r->header + NAME_AT);
	max = strcmp(r->name, "cluster.json") == 0 ? BACKUP_CLUSTER_MAX :
						     BACKUP_KEY_MAX;
	if (is_state(r))
		r->b->has_state = true;
	else if (strcmp(r->name, "cluster.json") != 0 &&
		 strcmp(r->name, "unlock.key") != 0 &&
		 !backup_is_key(str_of(r->name)))
		return err_set(e, ERR_DATA,
			       "an entry \"%s\", which this program does not know",
			       r->name);
	else if (size > max)
		return err_set(e, ERR_DATA, "%s: larger than %zu bytes",
			       r->name, max);
	r->left = size;
	r->pad = (BLOCK - size % BLOCK) % BLOCK;
	buf_burn(&r->text);
	buf_init(&r->text, max);
	return size > 0 || is_state(r) ? 0 : take_text(r, e);
}

static int take_data(struct reader *r, struct str piece, struct err *e)
{
	r->left -= piece.n;
	if (is_state(r))
		return r->put == NULL ? 0 : r->put(r->ctx, piece, e);
	buf_addstr(&r->text, piece);
	return r->left > 0 ? 0 : take_text(r, e);
}

static int take_chunk(void *ctx, struct str chunk, struct err *e)
{
	struct reader *r = ctx;

	while (chunk.n > 0 && !r->ended) {
		struct str some;

		if (r->left > 0) {
			some = str_head(chunk, r->left < chunk.n ?
						       (size_t)r->left :
						       chunk.n);
			if (take_data(r, some, e) < 0)
				return -1;
		} else if (r->pad > 0) {
			some = str_head(chunk, r->pad);
			r->pad -= some.n;
		} else {
			some = str_head(chunk, BLOCK - r->have);
			memcpy(r->header + r->have, some.p, some.n);
			r->have += some.n;
			if (r->have == BLOCK) {
				r->have = 0;
				if (take_header(r, e) < 0)
					return -1;
			}
		}
		chunk = str_skip(chunk, some.n);
	}
	return 0;
}

static int read_all(struct reader *r, struct unseal *u, struct err *e)
{
	char *piece = xmalloc(SEAL_CHUNK);
	off_t at = 0;
	ssize_t n;
	int rc = 0;

	while (rc == 0) {
		n = pread(r->b->fd, piece, SEAL_CHUNK, at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			rc = err_sys(e, ERR_IO, "reading");
		if (n <= 0)
			break;
		at += n;
		rc = unseal_add(u, (struct str){ piece, (size_t)n }, take_chunk,
				r, e);
	}
	if (rc == 0)
		rc = unseal_end(u, e);
	if (rc == 0 && (!r->ended || r->b->cluster == NULL || !r->b->has_state))
		rc = err_set(e, ERR_DATA, "something is missing in it");
	burn(piece, SEAL_CHUNK);
	free(piece);
	return rc;
}

static int read_with(struct reader *r, struct err *e)
{
	struct unseal u;
	int rc;

	unseal_init(&u, r->b->key);
	rc = read_all(r, &u, e);
	if (rc == 0 && r->b->header == NULL &&
	    (r->b->header = json_parse(buf_str(&u.header), "its header", e)) ==
		    NULL)
		rc = -1;
	unseal_burn(&u);
	buf_burn(&r->text);
	return rc < 0 ? err_in(e, "%s", r->b->path) : 0;
}

int backup_read(struct backup *b, const char *path, int fd,
		const uint8_t key[SEAL_KEY_LEN], struct err *e)
{
	struct reader r = { .b = b, .text = BUF_INIT(0) };

	*b = (struct backup){ .path = path,
			      .fd = fd,
			      .unlock = BUF_INIT(256),
			      .keys = cJSON_CreateObject() };
	memcpy(b->key, key, SEAL_KEY_LEN);
	return read_with(&r, e);
}

int backup_state(struct backup *b,
		 int (*put)(void *ctx, struct str piece, struct err *e),
		 void *ctx, struct err *e)
{
	struct reader r = { .b = b, .text = BUF_INIT(0), .put = put, .ctx = ctx };

	return read_with(&r, e);
}

void backup_release(struct backup *b)
{
	if (b->fd >= 0)
		close(b->fd);
	json_free(b->header);
	json_burn(b->cluster);
	json_burn(b->keys);
	buf_burn(&b->unlock);
	burn(b->key, sizeof(b->key));
	*b = (struct backup){ .fd = -1 };
}
