/*
 * The list of files that make a machine, read from its cloud-config or from
 * this program's own; see files.h.  Knows nothing of how they get there.
 */
#include "node/files.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/asset.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"

#define MODE_MAX 07777u
#define PIECE 4096
#define BLOCK_INDENT 6

/* Where sshd has what cloud-init calls so.  A public half is for people: its mode
 * is another with each version of cloud-init, and nobody reads it. */
static const struct {
	const char *name, *path; /* NULL: passed over */
} host_keys[] = {
	{ "ecdsa_private", FILES_HOST_KEY },
	{ "ecdsa_public", NULL },
	{ "rsa_private", "/etc/ssh/ssh_host_rsa_key" },
	{ "rsa_public", NULL },
};
#define N_HOST_KEYS (sizeof(host_keys) / sizeof(host_keys[0]))

static struct file *add(struct files *f, struct str path, unsigned mode,
			struct err *e)
{
	struct file *one = &f->list[f->n];

	if (f->n == FILES_MAX) {
		err_set(e, ERR_DATA, "more than %d files", FILES_MAX);
		return NULL;
	}
	f->n++;
	*one = (struct file){ .path = str_dup(path),
			      .mode = mode,
			      .content = BUF_INIT(FILES_BYTES_MAX) };
	return one;
}

/* The text in double quotes that *rest begins with, behind the first of them:
 * lines that end in a backslash are one. */
static int quoted(struct str *rest, struct buf *out, struct err *e)
{
	struct buf json = BUF_INIT(2 * FILES_BYTES_MAX);
	cJSON *text = NULL;
	int rc = -1;

	buf_addc(&json, '"');
	while (rest->n > 0 && rest->p[0] != '"' && rest->p[0] != '\n') {
		bool escape = rest->p[0] == '\\' && rest->n > 1;

		if (escape && rest->p[1] == '\n') {
			*rest = str_skip(*rest, 2);
			while (rest->n > 0 && rest->p[0] == ' ')
				*rest = str_skip(*rest, 1);
			continue;
		}
		buf_addstr(&json, str_head(*rest, escape ? 2 : 1));
		*rest = str_skip(*rest, escape ? 2 : 1);
	}
	if (rest->n > 0 && rest->p[0] == '"' && !json.over) {
		buf_addc(&json, '"');
		*rest = str_skip(*rest, 1);
		text = json_parse(buf_str(&json), "a text in quotes", e);
	}
	if (text != NULL && cJSON_IsString(text)) {
		buf_adds(out, text->valuestring);
		rc = buf_check(out, "a file", e);
	} else {
		err_set(e, ERR_DATA, "a text in quotes has no end");
	}
	json_burn(text);
	buf_burn(&json);
	return rc;
}

/* A literal block: lines that are further in, and empty ones before them. */
static int block(struct str *rest, struct buf *out, struct err *e)
{
	size_t empty = 0;

	while (rest->n > 0) {
		struct str after = *rest, line = STR_NULL;
		size_t in = 0;

		if (!str_next(&after, '\n', &line))
			break;
		while (in < line.n && line.p[in] == ' ')
			in++;
		if (in < line.n && in < BLOCK_INDENT)
			break;
		*rest = after;
		if (in == line.n) {
			empty++;
			continue;
		}
		for (; empty > 0; empty--)
			buf_addc(out, '\n');
		buf_addstr(out, str_skip(line, BLOCK_INDENT));
		buf_addc(out, '\n');
	}
	return buf_check(out, "a file", e);
}

/* A host key, "  ecdsa_private: "..."". */
static int take_key(struct str *rest, struct str line, struct files *f,
		    struct err *e)
{
	struct buf passed = BUF_INIT(FILES_BYTES_MAX);
	struct file *one = NULL;
	struct str name;
	size_t i = 0;
	int rc;

	if (!str_cut(&line, ':', &name))
		return err_set(e, ERR_DATA, "expected a host key");
	while (i < N_HOST_KEYS && !str_eqz(str_trim(name), host_keys[i].name))
		i++;
	if (i == N_HOST_KEYS || !str_starts(line, STR(" \"")))
		return err_set(e, ERR_DATA, "a host key that is not known");
	/* on from behind its quote: a text may go over lines */
	*rest = (struct str){ line.p + 2,
			      rest->n + (size_t)(rest->p - line.p) - 2 };
	if (host_keys[i].path != NULL &&
	    (one = add(f, str_of(host_keys[i].path), 0600, e)) == NULL)
		return -1;
	rc = quoted(rest, one != NULL ? &one->content : &passed, e);
	buf_release(&passed);
	return rc;
}

/* A line about the last file of the list, or the first about the next. */
static int take_file(struct str *rest, struct str line, struct files *f,
		     struct err *e)
{
	struct file *last = f->n > 0 ? &f->list[f->n - 1] : NULL;
	uint64_t mode = 0;

	if (str_starts(line, STR("  - path: /")))
		return add(f, str_skip(line, strlen("  - path: ")), 0, e) != NULL ?
			       0 :
			       -1;
	if (last != NULL && str_starts(line, STR("    permissions: \"0")) &&
	    str_ends(line, STR("\""))) {
		line = str_skip(line, strlen("    permissions: \"0"));
		for (size_t i = 0; i + 1 < line.n; i++)
			mode = mode <= MODE_MAX && line.p[i] >= '0' &&
					       line.p[i] <= '7' ?
				       mode * 8 + (uint64_t)(line.p[i] - '0') :
				       MODE_MAX + 1;
		last->mode = (unsigned)mode;
		if (mode > 0 && mode <= MODE_MAX)
			return 0;
	} else if (last != NULL && last->mode > 0 &&
		   str_eqz(line, "    content: |")) {
		return block(rest, &last->content, e);
	} else if (last != NULL && last->mode > 0 &&
		   str_starts(line, STR("    content: \""))) {
		line = str_skip(line, strlen("    content: \""));
		*rest = (struct str){ line.p,
				      rest->n + (size_t)(rest->p - line.p) };
		return quoted(rest, &last->content, e);
	}
	return err_set(e, ERR_DATA, "a line about files is of another form");
}

int files_read(struct str text, struct files *f, struct err *e)
{
	enum { OTHER, KEYS, FILES } section = OTHER;
	struct str line;
	int rc = 0;

	while (rc == 0 && text.n > 0 && str_next(&text, '\n', &line)) {
		struct str word = str_trim(line);

		if (text.p == NULL) /* the last line */
			text = (struct str){ line.p + line.n, 0 };
		if (word.n == 0 || word.p[0] == '#')
			continue;
		if (line.p[0] != ' ')
			section = str_eqz(line, "ssh_keys:")	? KEYS :
				  str_eqz(line, "write_files:") ? FILES :
								  OTHER;
		else if (section == KEYS)
			rc = take_key(&text, line, f, e);
		else if (section == FILES)
			rc = take_file(&text, line, f, e);
	}
	if (rc == 0 && f->n == 0)
		rc = err_set(e, ERR_DATA, "has no files");
	return rc < 0 ? err_in(e, "cloud-init") : 0;
}

int files_known(struct files *f, struct err *e)
{
	struct buf text;
	int rc;

	asset_get("cloud-init/node.yaml", &text);
	rc = files_read(buf_str(&text), f, e);
	buf_release(&text);
	return rc;
}

const struct file *files_get(const struct files *f, const char *path)
{
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->list[i].path, path) == 0)
			return &f->list[i];
	return NULL;
}

void files_empty(struct files *f)
{
	for (size_t i = 0; i < f->n; i++) {
		buf_burn(&f->list[i].content);
		buf_init(&f->list[i].content, FILES_BYTES_MAX);
	}
}

void files_look(struct files *f, const char *root)
{
	files_empty(f);
	for (size_t i = 0; i < f->n; i++) {
		struct file *one = &f->list[i];
		char *path = xasprintf("%s%s", root, one->path);
		struct err ignored = ERR_INIT;
		struct stat st;

		if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
			one->mode = st.st_mode & MODE_MAX;
			if (file_read(path, &one->content, &ignored) < 0)
				buf_reset(&one->content);
		}
		free(path);
	}
}

void files_burn(struct files *f)
{
	files_empty(f);
	for (size_t i = 0; i < f->n; i++)
		free(f->list[i].path);
	f->n = 0;
}

static void hex_of(const struct sha256_state *s, size_t n, char *out)
{
	uint8_t digest[SHA256_LEN];
	struct buf hex = BUF_INIT(2 * SHA256_LEN);

	sha256_done(s, digest);
	buf_add_hex(&hex, digest, n);
	memcpy(out, hex.str, hex.n + 1);
	buf_release(&hex);
}

void files_hash(const struct files *f, const char *program,
		char out[FILES_HASH_MAX])
{
	struct sha256_state all;
	char head[64];

	sha256_start(&all);
	for (size_t i = 0; i < f->n; i++) {
		const struct file *one = &f->list[i];
		size_t n = one->content.n;

		if (n == 0 || strcmp(one->path, FILES_MERGED) == 0)
			continue;
		sha256_add(&all, one->path, strlen(one->path));
		snprintf(head, sizeof(head), " %04o %zu\n", one->mode, n);
		sha256_add(&all, head, strlen(head));
		sha256_add(&all, one->content.str, n);
	}
	sha256_add(&all, program, strlen(program));
	hex_of(&all, (FILES_HASH_MAX - 1) / 2, out);
}

void files_program(const char *path, char out[65])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct sha256_state all;
	char piece[PIECE];
	ssize_t n = -1;

	out[0] = '\0';
	sha256_start(&all);
	while (fd >= 0 && (n = read(fd, piece, sizeof(piece))) > 0)
		sha256_add(&all, piece, (size_t)n);
	if (n == 0)
		hex_of(&all, SHA256_LEN, out);
	if (fd >= 0)
		close(fd);
}
