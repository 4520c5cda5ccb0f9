/*
 * base/inflate against gzip, which we did not write: files of many kinds,
 * compressed by it at every level, must come back; each one cut short or
 * with a bit changed must be refused or give something else, never more than
 * the ceiling.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/inflate.h"
#include "base/run.h"
#include "tests/check.h"

#define MAX (1u << 20)

/* Text that repeats near and far, bytes that do not, long runs, nothing. */
static void content(unsigned kind, struct buf *b)
{
	unsigned long x = 88172645463325252UL;

	for (unsigned i = 0; kind == 0 && i < 4000; i++)
		buf_addf(b, "%u bottles of beer on the wall, %x\n", i % 97,
			 i * 2654435761u);
	for (unsigned i = 0; kind == 1 && i < 70000; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buf_addc(b, (char)x);
	}
	for (unsigned i = 0; kind == 2 && i < 300000; i++)
		buf_addc(b, 'a');
	if (kind == 3)
		buf_adds(b, "x");
}

static void compress(const struct buf *plain, unsigned level, struct buf *gz)
{
	char path[] = "/tmp/inflate-XXXXXX", flag[8];
	const char *argv[] = { "gzip", flag, path, NULL };
	char out_path[64];
	struct err e = ERR_INIT;
	struct buf said = BUF_INIT(4096);
	int status = -1, fd = mkstemp(path);

	snprintf(flag, sizeof(flag), "-%unf", level);
	snprintf(out_path, sizeof(out_path), "%s.gz", path);
	if (fd < 0 || write(fd, plain->str, plain->n) != (ssize_t)plain->n ||
	    run_program(argv, NULL, &said, now_ms() + 20000, &status, &e) < 0 ||
	    status != 0 || file_read(out_path, gz, &e) < 0) {
		check_give_up("gzip", "%s %s", e.msg, said.str);
	}
	close(fd);
	unlink(path);
	unlink(out_path);
	buf_release(&said);
}

int main(void)
{
	static const char *const names[] = { "text", "noise", "a run",
					     "one byte", "nothing" };

	for (unsigned kind = 0; kind < 5; kind++) {
		struct buf plain = BUF_INIT(MAX);
		bool good = true, refused = true, bounded = true;
		struct buf gz = BUF_INIT(MAX);

		content(kind, &plain);
		for (unsigned level = 1; level <= 9; level += 4) {
			struct buf out = BUF_INIT(MAX);
			struct err e = ERR_INIT;

			buf_reset(&gz);
			compress(&plain, level, &gz);
			good &= gunzip(buf_str(&gz), &out, &e) == 0 &&
				out.n == plain.n &&
				memcmp(out.str, plain.str, out.n) == 0;
			buf_release(&out);
		}
		check(good, names[kind], "other bytes came back");
		/* whole file for the short ones, a sample of the long ones */
		for (size_t cut = 0;
		     cut<gz.n; cut += gz.n> 2000 ? gz.n / 150 : 1) {
			struct buf out = BUF_INIT(MAX);
			struct err e = ERR_INIT;

			refused &= gunzip(str_head(buf_str(&gz), cut), &out,
					  &e) < 0 &&
				   e.kind == ERR_DATA && e.msg[0] != '\0';
			buf_release(&out);
		}
		check(refused, names[kind], "a file cut short was taken");
		for (size_t i = 10; i<gz.n; i += gz.n> 2000 ? gz.n / 200 : 1) {
			struct buf out = BUF_INIT(MAX);
			struct err e = ERR_INIT;

			gz.str[i] ^= 0x10;
			(void)gunzip(buf_str(&gz), &out, &e);
			bounded &= out.n <= MAX;
			gz.str[i] ^= 0x10;
			buf_release(&out);
		}
		check(bounded, names[kind], "more than the ceiling");
		if (plain.n > 1) {
			struct buf out = BUF_INIT(plain.n - 1);
			struct err e = ERR_INIT;

			check(gunzip(buf_str(&gz), &out, &e) < 0 &&
				      strstr(e.msg, "larger than"),
			      "the ceiling holds", e.msg);
			buf_release(&out);
		}
		buf_release(&plain);
		buf_release(&gz);
	}
	return check_failed();
}
