/*
 * The table of contents of a tar archive.  Whoever made it may mean ill:
 * numbers are held against what the file has before they are used, names are
 * only compared.
 */
#include "base/tar.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK 512u
#define LINKS_MAX 8 /* from one to the next */
#define PAX_MAX (64u << 10)

/* Where a header has what: offset and length. */
enum { NAME_AT = 0, NAME_LEN = 100 };
enum { SIZE_AT = 124, SIZE_LEN = 12 };
enum { SUM_AT = 148, SUM_LEN = 8 };
enum { TYPE_AT = 156 };
enum { LINK_AT = 157, LINK_LEN = 100 };
enum { MAGIC_AT = 257 };
enum { PREFIX_AT = 345, PREFIX_LEN = 155 };

struct reader {
	struct tar *t;
	uint64_t at, end; /* of the file */
	size_t room;	  /* entries */
	/* of the entry that comes, as the one before it has them */
	struct buf name, link;
	bool has_size;
	uint64_t size;
};

int tar_take(int fd, uint64_t at, void *p, size_t n, struct err *e)
{
	char *to = p;

	while (n > 0) {
		ssize_t got = pread(fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_IO, "reading the archive");
		if (got == 0)
			return err_set(e, ERR_DATA,
				       "the archive has become shorter");
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int tar_text(const struct tar *t, const struct tar_entry *file, struct buf *out,
	     struct err *e)
{
	char *to;

	if (file->size > out->max - out->n)
		return err_set(e, ERR_DATA, "%s is larger than %zu bytes",
			       file->name, out->max);
	if (file->size == 0)
		return 0;
	to = buf_room(out, (size_t)file->size);
	if (tar_take(t->fd, file->at, to, (size_t)file->size, e) < 0)
		return -1;
	buf_grew(out, (size_t)file->size);
	return 0;
}

/* ---- a header ---- */

static struct str field(const char *header, size_t at, size_t len)
{
	return (struct str){ header + at, strnlen(header + at, len) };
}

/* Octal digits with blanks around them; none is 0.  Or, as GNU tar writes what is
 * too large for those, 0x80 and a number, the highest byte first. */
static bool number(struct str s, uint64_t *v)
{
	*v = 0;
	if (s.n > 0 && s.p[0] == '\x80') {
		for (size_t i = 1; i < s.n; i++) {
			if (*v > TAR_FILE_MAX)
				return false;
			*v = *v << 8 | (unsigned char)s.p[i];
		}
		return true;
	}
	s = str_trim(s);
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '7')
			return false;
		*v = *v * 8 + (uint64_t)(s.p[i] - '0');
	}
	return true;
}

/* The sum's own field counts as blanks. */
static bool sum_is_right(const char *header)
{
	uint64_t sum = 0, said;

	for (size_t i = 0; i < BLOCK; i++)
		sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ?
			       ' ' :
			       (unsigned char)header[i];
	return number(field(header, SUM_AT, SUM_LEN), &said) && said == sum;
}

static bool is_empty(const char *block)
{
	for (size_t i = 0; i < BLOCK; i++)
		if (block[i] != '\0')
			return false;
	return true;
}

/* What else it may be, by how it begins. */
static int no_tar(const char *block, struct err *e)
{
	static const struct {
		struct str magic;
		const char *with;
	} kinds[] = {
		{ { "\x1f\x8b", 2 }, "gzip" },
		{ { "\x28\xb5\x2f\xfd", 4 }, "zstd" },
		{ { "\xfd\x37zXZ", 5 }, "xz" },
		{ { "BZh", 3 }, "bzip2" },
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (str_starts((struct str){ block, BLOCK }, kinds[i].magic))
			return err_set(e, ERR_DATA,
				       "it is compressed with %s; '%s -dc FILE | "
				       "azswarm push NAME --from -' pushes it",
				       kinds[i].with, kinds[i].with);
	return err_set(e, ERR_DATA, "it is no tar archive");
}

/* ---- names ---- */

/* "./a//b/" is "a/b", and ".." takes one away; false: it leads out. */
static bool tidy(struct str path, struct buf *out)
{
	struct str word;

	while (str_next(&path, '/', &word)) {
		if (word.n == 0 || str_eqz(word, "."))
			continue;
		if (str_eqz(word, "..")) {
			if (out->n == 0)
				return false;
			buf_truncate(out,
				     (size_t)(str_rchr(buf_str(out), '/') < 0 ?
						      0 :
						      str_rchr(buf_str(out), '/')));
			continue;
		}
		if (out->n > 0)
			buf_addc(out, '/');
		buf_addstr(out, word);
	}
	return !out->over && memchr(out->str, '\0', out->n) == NULL;
}

static char *tidied(struct str path)
{
	struct buf b = BUF_INIT(TAR_NAME_MAX);

	if (tidy(path, &b) && b.n > 0)
		return buf_detach(&b);
	buf_release(&b);
	return NULL;
}

/* ---- what goes before an entry ---- */

/* "LENGTH NAME=VALUE\n", one after the other. */
static int take_pax(struct reader *r, struct str text, struct err *e)
{
	while (text.n > 0) {
		struct str record = text, word, value;
		uint64_t n;

		if (!str_dec(&record, PAX_MAX, &n) || n > text.n || n < 5 ||
		    text.p[n - 1] != '\n' || record.p[0] != ' ' ||
		    (size_t)(record.p - text.p) + 1 >= n)
			return err_set(e, ERR_DATA, "a pax header that is none");
		value = (struct str){ record.p + 1,
				      n - 2 - (size_t)(record.p - text.p) };
		text = str_skip(text, n);
		if (!str_cut(&value, '=', &word))
			return err_set(e, ERR_DATA, "a pax header that is none");
		if (str_eqz(word, "path")) {
			buf_reset(&r->name);
			buf_addstr(&r->name, value);
		} else if (str_eqz(word, "linkpath")) {
			buf_reset(&r->link);
			buf_addstr(&r->link, value);
		} else if (str_eqz(word, "size")) {
			r->has_size = str_num(value, TAR_FILE_MAX, &r->size);
			if (!r->has_size)
				return err_set(e, ERR_DATA,
					       "a pax header with a size that "
					       "is none");
		}
	}
	return 0;
}

/* A long name, or a pax header: the body says something of the next entry. */
static int take_before(struct reader *r, char type, uint64_t size, struct err *e)
{
	struct tar_entry body = { .name = (char[]){ "a header" },
				  .at = r->at,
				  .size = size };
	struct buf text = BUF_INIT(PAX_MAX);
	struct buf *to = type == 'K' ? &r->link : &r->name;
	int rc = tar_text(r->t, &body, &text, e);

	if (rc == 0 && type == 'x') {
		rc = take_pax(r, buf_str(&text), e);
	} else if (rc == 0) {
		buf_reset(to);
		buf_addstr(to, field(text.str, 0, text.n));
	}
	if (rc == 0)
		rc = buf_check(&r->name, "a name", e);
	if (rc == 0)
		rc = buf_check(&r->link, "a link", e);
	buf_release(&text);
	return rc;
}

/* ---- an entry ---- */

static void take_name(struct reader *r, const char *header)
{
	struct str prefix = field(header, PREFIX_AT, PREFIX_LEN);

	if (r->name.n > 0)
		return;
	/* GNU has times there */
	if (prefix.n > 0 && memcmp(header + MAGIC_AT, "ustar\0", 6) == 0) {
		buf_addstr(&r->name, prefix);
		buf_addc(&r->name, '/');
	}
	buf_addstr(&r->name, field(header, NAME_AT, NAME_LEN));
}

static int keep(struct reader *r, const char *header, uint64_t size, struct err *e)
{
	char type = header[TYPE_AT];
	bool link = type == '1' || type == '2';
	struct tar_entry *n;
	char *name;

	take_name(r, header);
	if (link && r->link.n == 0)
		buf_addstr(&r->link, field(header, LINK_AT, LINK_LEN));
	name = tidied(buf_str(&r->name));
	/* one that leads out of it, or nowhere, is never asked for */
	if (name == NULL || (link && r->link.n == 0)) {
		free(name);
		return 0;
	}
	if (r->t->n == TAR_ENTRIES_MAX) {
		free(name);
		return err_set(e, ERR_DATA, "more than %d files are in it",
			       TAR_ENTRIES_MAX);
	}
	if (r->t->n == r->room) {
		r->room = r->room == 0 ? 64 : 2 * r->room;
		r->t->entries = xrealloc(r->t->entries,
					 r->room * sizeof(*r->t->entries));
	}
	n = &r->t->entries[r->t->n++];
	*n = (struct tar_entry){ .name = name,
				 .hard = type == '1',
				 .at = r->at,
				 .size = size };
	if (link)
		n->link = str_dup(buf_str(&r->link));
	return 0;
}

/* One header, and what follows it.  1: that was the end. */
static int take_entry(struct reader *r, struct err *e)
{
	char h[BLOCK];
	uint64_t size;
	char type;
	bool of_next; /* says something of the entry that comes */
	int rc = 0;

	if (r->at == r->end && r->at > 0)
		return 1; /* two empty blocks are missing, as from some tools */
	if (r->end - r->at < BLOCK)
		return r->at == 0 ? err_set(e, ERR_DATA, "it is no tar archive") :
				    err_set(e, ERR_DATA, "it is cut short");
	if (tar_take(r->t->fd, r->at, h, BLOCK, e) < 0)
		return -1;
	if (is_empty(h) && r->at > 0)
		return 1;
	if (!sum_is_right(h))
		return r->at == 0 ?
			       no_tar(h, e) :
			       err_set(e, ERR_DATA,
				       "what is at byte %llu is no header of a "
				       "tar archive",
				       (unsigned long long)r->at);
	type = h[TYPE_AT];
	if (!number(h[SIZE_AT] == '\x80' ? (struct str){ h + SIZE_AT, SIZE_LEN } :
					   field(h, SIZE_AT, SIZE_LEN),
		    &size))
		return err_set(e, ERR_DATA, "a size that is not understood");
	of_next = type == 'L' || type == 'K' || type == 'x';
	if (r->has_size && !of_next && type != 'g')
		size = r->size;
	r->at += BLOCK;
	if (type == '1' || type == '2' || type == '5')
		size = 0; /* a link may tell what its file has */
	if (size > r->end - r->at)
		return err_set(e, ERR_DATA, "it is cut short");
	if (of_next)
		rc = take_before(r, type, size, e);
	else if (type == '0' || type == '\0' || type == '1' || type == '2')
		rc = keep(r, h, size, e);
	if (!of_next && type != 'g') {
		buf_reset(&r->name);
		buf_reset(&r->link);
		r->has_size = false;
	}
	size = (size + BLOCK - 1) / BLOCK * BLOCK;
	/* the last may go without what fills its block up */
	r->at = size > r->end - r->at ? r->end : r->at + size;
	return rc;
}

int tar_read(struct tar *t, int fd, struct err *e)
{
	struct reader r = { .t = t,
			    .name = BUF_INIT(TAR_NAME_MAX),
			    .link = BUF_INIT(TAR_NAME_MAX) };
	struct stat st;
	int rc;

	*t = (struct tar){ .fd = fd };
	if (fstat(fd, &st) < 0)
		return err_sys(e, ERR_IO, "the archive");
	r.end = st.st_size > 0 ? (uint64_t)st.st_size : 0;
	while ((rc = take_entry(&r, e)) == 0)
		continue;
	buf_release(&r.name);
	buf_release(&r.link);
	return rc < 0 ? -1 : 0;
}

void tar_release(struct tar *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->entries[i].name);
		free(t->entries[i].link);
	}
	free(t->entries);
	t->entries = NULL;
	t->n = 0;
}

/* ---- looking up ---- */

static const struct tar_entry *find(const struct tar *t, struct str name)
{
	for (size_t i = t->n; i-- > 0;)
		if (str_eqz(name, t->entries[i].name))
			return &t->entries[i];
	return NULL;
}

/* Where a link leads; false: out of the archive. */
static bool follow(const struct tar_entry *n, struct buf *to)
{
	struct buf path = BUF_INIT(2 * TAR_NAME_MAX);
	struct str name = str_of(n->name);
	ptrdiff_t slash = str_rchr(name, '/');
	bool ok;

	if (!n->hard && n->link[0] != '/' && slash >= 0)
		buf_addstr(&path, str_head(name, (size_t)slash + 1));
	buf_adds(&path, n->link);
	buf_reset(to);
	ok = !path.over && tidy(buf_str(&path), to);
	buf_release(&path);
	return ok;
}

const struct tar_entry *tar_find(const struct tar *t, struct str name)
{
	struct buf at = BUF_INIT(TAR_NAME_MAX);
	const struct tar_entry *n = NULL;

	if (!tidy(name, &at)) {
		buf_release(&at);
		return NULL;
	}
	for (int i = 0; i <= LINKS_MAX; i++) {
		n = find(t, buf_str(&at));
		if (n == NULL || n->link == NULL)
			break;
		if (!follow(n, &at)) {
			n = NULL;
			break;
		}
	}
	buf_release(&at);
	return n != NULL && n->link == NULL ? n : NULL;
}
