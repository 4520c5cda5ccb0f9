/* node/image: bytes by formula, wherever a reader begins; unfit files. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "node/image.h"
#include "tests/check.h"

static void write_file(const char *path, size_t n, unsigned char seed)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	unsigned char *p = xmalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = (unsigned char)(seed + i * 31 + (i >> 8));
	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
	free(p);
}

/* All of a blob, in pieces of that many bytes. */
static size_t whole(const struct image *img, const struct image_blob *b,
		    size_t piece, unsigned char *out)
{
	struct err e = ERR_INIT;
	uint64_t at = 0;
	ssize_t got;

	while ((got = image_read(img, b, at, out + at, piece, &e)) > 0)
		at += (uint64_t)got;
	if (got < 0)
		printf("# %s\n", e.msg);
	return got < 0 ? 0 : (size_t)at;
}

/* Undo gzip of stored blocks, written here from RFC 1951 and 1952 alone. */
static size_t inflate(const unsigned char *p, size_t n, unsigned char *out)
{
	size_t at = 10, size = 0, len;
	bool last = false;

	if (n < 18 || p[0] != 0x1f || p[1] != 0x8b || p[2] != 8 || p[3] != 0)
		return 0;
	while (!last) {
		if (at + 5 > n || p[at] > 1)
			return 0;
		last = p[at];
		len = (size_t)(p[at + 1] | p[at + 2] << 8);
		if ((len ^ (size_t)(p[at + 3] | p[at + 4] << 8)) != 0xffff ||
		    at + 5 + len > n)
			return 0;
		memcpy(out + size, p + at + 5, len);
		size += len;
		at += 5 + len;
	}
	/* what is left is the checksum and the length */
	if (at + 8 != n || (p[at + 4] | (size_t)p[at + 5] << 8 |
			    (size_t)p[at + 6] << 16) != size)
		return 0;
	return size;
}

static void digest(const void *p, size_t n, char out[72])
{
	uint8_t sum[SHA256_LEN];
	struct buf b = BUF_INIT(80);

	sha256(p, n, sum);
	buf_adds(&b, "sha256:");
	buf_add_hex(&b, sum, sizeof(sum));
	memcpy(out, b.str, b.n + 1);
	buf_release(&b);
}

static void sizes(void)
{
	/* around the ends of tar blocks (512) and stored blocks (65535) */
	static const size_t all[] = { 1,     511,   512,    513,    63487,
				      63488, 63489, 64000,  64511,  64512,
				      65535, 65536, 129024, 129536, 200001 };
	static unsigned char one[300000], other[300000], tar[300000];
	char name[80], sum[72];

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
		struct err e = ERR_INIT;
		struct image img;
		size_t n, m, size;
		bool good;

		write_file("file", all[i], 3);
		snprintf(name, sizeof(name), "a file of %zu bytes", all[i]);
		if (image_init(&img, "file", ELF_OWN, "1.0", &e) < 0) {
			check(false, name, e.msg);
			continue;
		}
		n = whole(&img, &img.layer, sizeof(one), one);
		m = whole(&img, &img.layer, 7, other);
		good = n == img.layer.length && n == m &&
		       memcmp(one, other, n) == 0;
		digest(one, n, sum);
		good = good && strcmp(sum, img.layer.digest) == 0;
		size = inflate(one, n, tar);
		good = good && size == img.tar && size % 512 == 0 &&
		       memcmp(tar, "azswarm", 8) == 0 &&
		       memcmp(tar + 257, "ustar", 6) == 0;
		digest(tar, size, sum);
		good = good && strstr(img.config_text.str, sum) != NULL;
		for (size_t k = 0; good && k < all[i]; k++)
			good = tar[512 + k] ==
			       (unsigned char)(3 + k * 31 + (k >> 8));
		for (size_t k = 512 + all[i]; good && k < size; k++)
			good = tar[k] == 0;
		check(good, name, e.msg);
		image_release(&img);
	}
}

static void digests(void)
{
	struct image a, b, c;
	struct err e = ERR_INIT;

	write_file("file", 1000, 1);
	write_file("copy", 1000, 1);
	write_file("other", 1000, 2);
	if (image_init(&a, "file", ELF_OWN, "1.0", &e) < 0 ||
	    image_init(&b, "copy", ELF_OWN, "1.0", &e) < 0 ||
	    image_init(&c, "other", ELF_OWN, "1.0", &e) < 0)
		abort();
	check(strcmp(a.docker.digest, b.docker.digest) == 0 &&
		      strcmp(a.oci.digest, b.oci.digest) == 0,
	      "the same file, the same digests", b.docker.digest);
	check(strcmp(a.docker.digest, c.docker.digest) != 0,
	      "another file, another digest", c.docker.digest);
	check(strstr(a.docker.text.p, a.layer.digest) != NULL &&
		      strstr(a.docker.text.p, a.config.digest) != NULL &&
		      strstr(a.oci.text.p, a.layer.digest) != NULL,
	      "manifests name their parts", a.docker.text.p);
	image_release(&b);
	image_release(&c);

	/* a file that is written over is not the file of the digest any more;
	 * one that is cut short must not look like an end */
	char piece[2000];

	if (truncate("file", 100) < 0)
		abort();
	check(image_read(&a, &a.layer, 700, piece, 10, &e) < 0 &&
		      strstr(e.msg, "became shorter") != NULL,
	      "a file that became shorter", e.msg);
	image_release(&a);
}

static const struct {
	const char *name, *path, *version, *words;
} refused[] = {
	{ "no file", "nothing", "1.0", "nothing: No such file" },
	{ "a directory", ".", "1.0", ".: expected a file" },
	{ "an empty file", "empty", "1.0", "empty: expected a file of 1 to" },
	{ "one too large", "large", "1.0",
	  "large: expected a file of 1 to 67108864 bytes" },
	{ "an empty version", "file", "", "version \"\" is no tag" },
	{ "a version with a slash", "file", "../x", "is no tag" },
	{ "a version with a quote", "file", "1\"", "is no tag" },
	{ "a long version", "file",
	  "0123456789012345678901234567890123456789012345678901234567890123",
	  "is no tag" },
};

static void refusals(void)
{
	int fd = open("large", O_WRONLY | O_CREAT, 0600);

	if (fd < 0 || ftruncate(fd, IMAGE_FILE_MAX + 1) < 0)
		abort();
	close(fd);
	write_file("empty", 0, 0);
	write_file("file", 10, 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		struct err e = ERR_INIT;
		struct image img;
		int rc = image_init(&img, refused[i].path, ELF_OWN,
				    refused[i].version, &e);

		check(rc < 0 && strstr(e.msg, refused[i].words) != NULL,
		      refused[i].name, e.msg);
		image_release(&img);
	}
}

static void full_disk(void)
{
	struct err e = ERR_INIT;
	int rc = image_run("1.0", NULL, "/dev/full", &e);

	check(rc < 0 && strstr(e.msg, "No space left") != NULL, "a full disk",
	      e.msg);
	err_clear(&e);
	rc = image_run("1.0", NULL, "made.tar", &e);
	check(rc == 0 && access("made.tar", F_OK) == 0, "itself", e.msg);
}

int main(void)
{
	sizes();
	digests();
	refusals();
	full_disk();
	return check_failed();
}
