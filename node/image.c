/*
 * The image as blobs that are computed where they are read: a layer is the
 * gzip of a tar of one file, and every offset in it has a formula.
 */
#include "node/image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "node/layout.h"

#define TAR_BLOCK 512u
#define GZIP_HEAD 10u
#define GZIP_TAIL 8u
#define STORED_HEAD 5u
#define STORED_MAX 65535u /* of a stored block, RFC 1951 3.2.4 */
#define PIECE 4096
#define TEXT_MAX 4096

/* ---- the tar ---- */

static void octal(unsigned char *p, size_t digits, uint64_t v)
{
	while (digits-- > 0) {
		p[digits] = (unsigned char)('0' + (v & 7));
		v >>= 3;
	}
}

/* A regular file of root, as old as can be, so that digests stay. */
static void tar_head(unsigned char h[TAR_BLOCK], const char *name,
		     unsigned mode, uint64_t length)
{
	unsigned sum = 0;

	memset(h, 0, TAR_BLOCK);
	memcpy(h, name, strnlen(name, 100));
	octal(h + 100, 7, mode);
	octal(h + 108, 7, 0);
	octal(h + 116, 7, 0);
	octal(h + 124, 11, length);
	octal(h + 136, 11, 0);
	memset(h + 148, ' ', 8);
	h[156] = '0';
	memcpy(h + 257, "ustar\00000", 8);
	for (unsigned i = 0; i < TAR_BLOCK; i++)
		sum += h[i];
	octal(h + 148, 6, sum);
	h[154] = '\0';
}

static uint64_t padded(uint64_t n)
{
	return (n + TAR_BLOCK - 1) / TAR_BLOCK * TAR_BLOCK;
}

static size_t least(uint64_t left, size_t n)
{
	return left < n ? (size_t)left : n;
}

/* 1..n bytes of the tar; at is before its end. */
static ssize_t tar_read(const struct image *img, uint64_t at, unsigned char *p,
			size_t n, struct err *e)
{
	ssize_t got;

	if (at < TAR_BLOCK) {
		n = least(TAR_BLOCK - at, n);
		memcpy(p, img->head + at, n);
		return (ssize_t)n;
	}
	at -= TAR_BLOCK;
	if (at >= img->file) {
		n = least(img->tar - TAR_BLOCK - at, n);
		memset(p, 0, n);
		return (ssize_t)n;
	}
	do
		got = pread(img->fd, p, least(img->file - at, n), (off_t)at);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return err_sys(e, ERR_IO, "reading the program's file");
	if (got == 0)
		return err_set(e, ERR_IO, "the program's file became shorter");
	return got;
}

/* ---- the layer ---- */

static uint64_t n_stored(uint64_t tar)
{
	return (tar + STORED_MAX - 1) / STORED_MAX;
}

static void little(unsigned char *p, uint32_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		p[i] = (unsigned char)(v >> 8 * i);
}

static size_t some(unsigned char *p, size_t n, const unsigned char *from,
		   size_t len, uint64_t at)
{
	n = least(len - at, n);
	memcpy(p, from + at, n);
	return n;
}

static ssize_t layer_read(const struct image *img, uint64_t at,
			  unsigned char *p, size_t n, struct err *e)
{
	/* deflate, no name, no time, made on an unknown system */
	static const unsigned char head[GZIP_HEAD] = { 0x1f, 0x8b, 8, 0, 0,
						       0,    0,	   0, 0, 255 };
	uint64_t all = n_stored(img->tar), block, in;
	unsigned char h[GZIP_TAIL];
	size_t length;

	if (at < GZIP_HEAD)
		return (ssize_t)some(p, n, head, GZIP_HEAD, at);
	at -= GZIP_HEAD;
	if (at >= img->tar + all * STORED_HEAD) {
		little(h, img->crc, 4);
		little(h + 4, (uint32_t)img->tar, 4);
		return (ssize_t)some(p, n, h, GZIP_TAIL,
				     at - img->tar - all * STORED_HEAD);
	}
	block = at / (STORED_HEAD + STORED_MAX);
	in = at % (STORED_HEAD + STORED_MAX);
	length = least(img->tar - block * STORED_MAX, STORED_MAX);
	if (in < STORED_HEAD) {
		h[0] = block + 1 == all;
		little(h + 1, (uint32_t)length, 2);
		little(h + 3, ~(uint32_t)length, 2);
		return (ssize_t)some(p, n, h, STORED_HEAD, in);
	}
	in -= STORED_HEAD;
	return tar_read(img, block * STORED_MAX + in, p, least(length - in, n), e);
}

ssize_t image_read(const struct image *img, const struct image_blob *b,
		   uint64_t at, void *p, size_t n, struct err *e)
{
	if (at >= b->length || n == 0)
		return 0;
	if (b->text.p == NULL)
		return layer_read(img, at, p, n, e);
	return (ssize_t)some(p, n, (const unsigned char *)b->text.p, b->text.n,
			     at);
}

/* ---- digests ---- */

/* RFC 1952 section 8, four bits at a time. */
static uint32_t crc_add(uint32_t crc, const unsigned char *p, size_t n)
{
	static const uint32_t of[16] = {
		0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
		0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
		0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
		0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
	};

	crc = ~crc;
	for (size_t i = 0; i < n; i++) {
		crc = of[(crc ^ p[i]) & 15] ^ crc >> 4;
		crc = of[(crc ^ (uint32_t)p[i] >> 4) & 15] ^ crc >> 4;
	}
	return ~crc;
}

static void blob_text(struct image_blob *b, const struct buf *text)
{
	image_digest(buf_str(text), b->digest);
	b->text = buf_str(text);
	b->length = text->n;
}

/* The tar's digest and checksum, then the layer's digest. */
static int measure(struct image *img, char diff_id[IMAGE_DIGEST_MAX],
		   struct err *e)
{
	unsigned char piece[PIECE];
	struct sha256_state s;
	ssize_t got;

	sha256_start(&s);
	for (uint64_t at = 0; at < img->tar; at += (uint64_t)got) {
		if ((got = tar_read(img, at, piece, sizeof(piece), e)) < 0)
			return -1;
		sha256_add(&s, piece, (size_t)got);
		img->crc = crc_add(img->crc, piece, (size_t)got);
	}
	image_digest_done(&s, diff_id);

	img->layer.length = GZIP_HEAD + n_stored(img->tar) * STORED_HEAD +
			    img->tar + GZIP_TAIL;
	sha256_start(&s);
	for (uint64_t at = 0; at < img->layer.length; at += (uint64_t)got) {
		if ((got = layer_read(img, at, piece, sizeof(piece), e)) < 0)
			return -1;
		sha256_add(&s, piece, (size_t)got);
	}
	image_digest_done(&s, img->layer.digest);
	return 0;
}

/* ---- documents ---- */

static void write_config(struct image *img, const char *diff_id)
{
	buf_addf(&img->config_text,
		 "{\"created\":\"1970-01-01T00:00:00Z\",%s,\"os\":\"linux\",\"config\":{\"Env\":[\"PATH=/\"],\"Entrypoint\":[\"/azswarm\"],"
		 "\"WorkingDir\":\"/\",\"Labels\":{\"org.opencontainers.image.title\":\"azswarm\","
		 "\"org.opencontainers.image.version\":\"%s\"}},"
		 "\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"%s\"]},"
		 "\"history\":[{\"created\":\"1970-01-01T00:00:00Z\","
		 "\"created_by\":\"azswarm image\"}]}",
		 elf_names[img->machine].oci, img->version, diff_id);
	blob_text(&img->config, &img->config_text);
}

static void write_manifest(const struct image *img, struct image_blob *m,
			   struct buf *out, const char *type,
			   const char *config_type, const char *layer_type)
{
	buf_addf(out,
		 "{\"schemaVersion\":2,\"mediaType\":\"%s\",\"config\":{\"mediaType\":\"%s\","
		 "\"size\":%llu,\"digest\":\"%s\"},\"layers\":[{\"mediaType\":\"%s\",\"size\":%llu,"
		 "\"digest\":\"%s\"}]}",
		 type, config_type, (unsigned long long)img->config.length,
		 img->config.digest, layer_type,
		 (unsigned long long)img->layer.length, img->layer.digest);
	blob_text(m, out);
}

static bool is_tag(struct str s)
{
	if (s.n == 0 || s.n > 63 || !(is_alnum(s.p[0]) || s.p[0] == '_'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && strchr("._-", s.p[i]) == NULL)
			return false;
	return true;
}

static int take_file(struct image *img, const char *path, struct err *e)
{
	struct stat st;

	img->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (img->fd < 0 || fstat(img->fd, &st) < 0)
		return err_sys(e, ERR_IO, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size < 1 ||
	    st.st_size > (off_t)IMAGE_FILE_MAX)
		return err_set(e, ERR_DATA, "%s: expected a file of 1 to %u bytes",
			       path, IMAGE_FILE_MAX);
	img->file = (uint64_t)st.st_size;
	/* two empty blocks end it */
	img->tar = TAR_BLOCK + padded(img->file) + 2 * TAR_BLOCK;
	tar_head(img->head, LAYOUT_IMAGE, 0755, img->file);
	return 0;
}

int image_init(struct image *img, const char *path, enum elf_machine machine,
	       const char *version, struct err *e)
{
	char diff_id[IMAGE_DIGEST_MAX];

	*img = (struct image){ .fd = -1, .machine = machine };
	buf_init(&img->config_text, TEXT_MAX);
	buf_init(&img->docker_text, TEXT_MAX);
	buf_init(&img->oci_text, TEXT_MAX);
	if (!is_tag(str_of(version)))
		return err_set(e, ERR_DATA,
			       "version \"%s\" is no tag for an image", version);
	memcpy(img->version, version, strlen(version) + 1);
	if (take_file(img, path, e) < 0 || measure(img, diff_id, e) < 0)
		return err_in(e, "image");
	write_config(img, diff_id);
	write_manifest(img, &img->docker, &img->docker_text, IMAGE_TYPE_DOCKER,
		       "application/vnd.docker.container.image.v1+json",
		       "application/vnd.docker.image.rootfs.diff.tar.gzip");
	write_manifest(img, &img->oci, &img->oci_text, IMAGE_TYPE_OCI,
		       "application/vnd.oci.image.config.v1+json",
		       "application/vnd.oci.image.layer.v1.tar+gzip");
	return 0;
}

void image_release(struct image *img)
{
	if (img->fd >= 0)
		close(img->fd);
	img->fd = -1;
	buf_release(&img->config_text);
	buf_release(&img->docker_text);
	buf_release(&img->oci_text);
}

void image_index(const struct image *const *img, size_t n, struct buf *out)
{
	buf_adds(out, "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE_LIST
		      "\",\"manifests\":[");
	for (size_t i = 0; i < n; i++)
		buf_addf(out,
			 "%s{\"mediaType\":\"" IMAGE_TYPE_DOCKER
			 "\",\"size\":%llu,\"digest\":\"%s\","
			 "\"platform\":{%s,\"os\":\"linux\"}}",
			 i > 0 ? "," : "",
			 (unsigned long long)img[i]->docker.length,
			 img[i]->docker.digest, elf_names[img[i]->machine].oci);
	buf_adds(out, "]}");
}

bool image_join(struct image *img, struct str list)
{
	if (str_find(list, str_of(img->docker.digest)) < 0)
		return false;
	img->list.text = list;
	img->list.length = list.n;
	image_digest(list, img->list.digest);
	return true;
}

void image_digest_done(const struct sha256_state *s, char out[IMAGE_DIGEST_MAX])
{
	uint8_t sum[SHA256_LEN];
	struct buf b = BUF_INIT(71);

	sha256_done(s, sum);
	buf_adds(&b, "sha256:");
	buf_add_hex(&b, sum, sizeof(sum));
	memcpy(out, b.str, b.n + 1);
	buf_release(&b);
}

void image_digest(struct str text, char out[IMAGE_DIGEST_MAX])
{
	struct sha256_state s;

	sha256_start(&s);
	sha256_add(&s, text.p, text.n);
	image_digest_done(&s, out);
}

/* ---- docker load ---- */

static int put(int fd, const void *p, size_t n, struct err *e)
{
	const char *at = p;

	while (n > 0) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR && !interrupt_requested())
			continue;
		if (done < 0)
			return err_sys(e, ERR_IO, "writing the image");
		at += done;
		n -= (size_t)done;
	}
	return 0;
}

static int put_blob(const struct image *img, const char *name,
		    const struct image_blob *b, int fd, struct err *e)
{
	unsigned char piece[PIECE];
	ssize_t got;

	tar_head(piece, name, 0644, b->length);
	if (put(fd, piece, TAR_BLOCK, e) < 0)
		return -1;
	for (uint64_t at = 0; at < b->length; at += (uint64_t)got)
		if ((got = image_read(img, b, at, piece, sizeof(piece), e)) < 0 ||
		    put(fd, piece, (size_t)got, e) < 0)
			return -1;
	memset(piece, 0, TAR_BLOCK);
	return put(fd, piece, (size_t)(padded(b->length) - b->length), e);
}

static int put_text(const struct image *img, const char *name, struct str text,
		    int fd, struct err *e)
{
	struct image_blob b = { .text = text, .length = text.n };

	return put_blob(img, name, &b, fd, e);
}

int image_save(const struct image *img, int fd, struct err *e)
{
	const struct image_blob *blobs[] = { &img->config, &img->layer,
					     &img->oci };
	static char end[2 * TAR_BLOCK]; /* zeros: nothing in the file */
	struct buf b = BUF_INIT(TEXT_MAX);
	char name[96];
	int rc = -1;

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "blobs/sha256/%s",
			 blobs[i]->digest + 7);
		if (put_blob(img, name, blobs[i], fd, e) < 0)
			goto out;
	}
	/* what Docker 25 and its successors look at, and skopeo's oci-archive */
	buf_addf(&b,
		 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" IMAGE_TYPE_OCI
		 "\","
		 "\"digest\":\"%s\",\"size\":%llu,\"annotations\":{\"io.containerd.image.name\":"
		 "\"docker.io/library/" LAYOUT_IMAGE
		 ":%s\",\"org.opencontainers.image.ref.name\":"
		 "\"%s\"},\"platform\":{%s,\"os\":\"linux\"}}]}",
		 img->oci.digest, (unsigned long long)img->oci.length,
		 img->version, img->version, elf_names[img->machine].oci);
	if (put_text(img, "index.json", buf_str(&b), fd, e) < 0)
		goto out;
	/* what those before it look at */
	buf_reset(&b);
	buf_addf(&b,
		 "[{\"Config\":\"blobs/sha256/%s\",\"RepoTags\":[\"" LAYOUT_IMAGE
		 ":%s\"],"
		 "\"Layers\":[\"blobs/sha256/%s\"]}]",
		 img->config.digest + 7, img->version, img->layer.digest + 7);
	if (put_text(img, "manifest.json", buf_str(&b), fd, e) < 0 ||
	    put_text(img, "oci-layout",
		     STR("{\"imageLayoutVersion\":\"1.0.0\"}"), fd, e) < 0 ||
	    put(fd, end, sizeof(end), e) < 0)
		goto out;
	rc = 0;
out:
	buf_release(&b);
	return rc;
}

/* A file beside `file`, of our own making: what lies there under any name that
 * one could guess is neither followed nor written over.  *part is its name. */
static int open_part(const char *file, char **part, struct err *e)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	*part = xasprintf("%s.XXXXXX", file);
	fd = mkostemp(*part, O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, ERR_IO, "%s", file);
	} else if (fchmod(fd, 0666 & ~mask) < 0) {
		err_sys(e, ERR_IO, "%s", *part);
		unlink(*part);
		close(fd);
		fd = -1;
	}
	return fd;
}

/* For which processor another file of ours is. */
static int machine_of(const char *program, enum elf_machine *machine,
		      struct err *e)
{
	int fd = open(program, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = -1;
	struct elf it;

	if (fd < 0)
		return err_sys(e, ERR_IO, "%s", program);
	rc = elf_read_same(fd, "/proc/self/exe", &it, e);
	*machine = it.machine;
	close(fd);
	return rc < 0 ? err_in(e, "%s", program) : 0;
}

int image_run(const char *version, const char *program, const char *file,
	      struct err *e)
{
	enum elf_machine machine = ELF_OWN;
	bool to_file = strcmp(file, "-") != 0, as_is;
	char *part = NULL;
	struct image img;
	struct stat st;
	int fd = STDOUT_FILENO, rc = -1;

	/* under another name until it is whole; a device is written to */
	as_is = stat(file, &st) == 0 && !S_ISREG(st.st_mode);

	if (program != NULL && machine_of(program, &machine, e) < 0)
		return -1;
	if (image_init(&img, program != NULL ? program : "/proc/self/exe",
		       machine, version, e) < 0)
		goto out;
	if (!to_file && isatty(fd)) {
		err_set(e, ERR_USAGE,
			"an image is nothing for a terminal; -o FILE, or a pipe");
		goto out;
	}
	if (to_file && as_is &&
	    (fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC)) < 0)
		err_sys(e, ERR_IO, "%s", file);
	else if (to_file && !as_is)
		fd = open_part(file, &part, e);
	if (fd < 0)
		goto out;
	rc = image_save(&img, fd, e);
	if (!to_file)
		goto out;
	if (close(fd) < 0 && rc == 0)
		rc = err_sys(e, ERR_IO, "%s", part != NULL ? part : file);
	if (part != NULL && rc == 0 && rename(part, file) < 0)
		rc = err_sys(e, ERR_IO, "%s", file);
	if (part != NULL && rc < 0)
		unlink(part);
out:
	image_release(&img);
	free(part);
	return rc;
}
