/*
 * tls/ on the command line, for tests/sh/tls.sh: keys and certificates made,
 * a client, a server.  Errors go to stderr as "tls_tool: MESSAGE", exit 1.
 *
 *	tls_tool key-rsa BITS | key-ec
 *	tls_tool ssh FILE COMMENT | pin FILE
 *	tls_tool cert CN ISSUER|- ca|leaf DAYS SUBJECT_KEY ISSUER_KEY [NAME...]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "tls/tls.h"

static struct err e = ERR_INIT;

static void die(void)
{
	fprintf(stderr, "tls_tool: %s\n", e.msg);
	exit(1);
}

static struct buf slurp(const char *path)
{
	struct buf b = BUF_INIT(4u << 20);

	if (file_read(path, &b, &e) < 0)
		die();
	return b;
}

static unsigned number(const char *text)
{
	uint64_t v;

	if (!str_num(str_of(text), 1000000000, &v)) {
		err_set(&e, ERR_USAGE, "\"%s\" is not a number", text);
		die();
	}
	return (unsigned)v;
}

static int make(int argc, char **argv)
{
	struct buf out = BUF_INIT(64u << 10), a = BUF_INIT(0), b = BUF_INIT(0);
	int rc = -1;

	if (argc == 3 && strcmp(argv[1], "key-rsa") == 0) {
		rc = key_make_rsa(number(argv[2]), &out, &e);
	} else if (argc == 2 && strcmp(argv[1], "key-ec") == 0) {
		rc = key_make_ec_p256(&out, &e);
	} else if (argc == 4 && strcmp(argv[1], "ssh") == 0) {
		a = slurp(argv[2]);
		rc = key_ssh_public(buf_str(&a), argv[3], &out, &e);
	} else if (argc == 3 && strcmp(argv[1], "pin") == 0) {
		uint8_t pin[32];

		a = slurp(argv[2]);
		if ((rc = key_pin(buf_str(&a), pin, &e)) == 0) {
			buf_add_hex(&out, pin, sizeof(pin));
			buf_addc(&out, '\n');
		}
	} else if (argc >= 8 && strcmp(argv[1], "cert") == 0) {
		struct cert_spec spec = {
			.cn = argv[2],
			.issuer_cn = strcmp(argv[3], "-") == 0 ? NULL : argv[3],
			.ca = strcmp(argv[4], "ca") == 0,
			.days = number(argv[5]),
			.names = (const char *const *)&argv[8],
		};

		a = slurp(argv[6]);
		b = slurp(argv[7]);
		rc = cert_make(&spec, buf_str(&a), buf_str(&b), &out, &e);
	} else {
		err_set(&e, ERR_USAGE, "called wrongly");
	}
	if (rc < 0)
		die();
	fwrite(out.str, 1, out.n, stdout);
	buf_burn(&out);
	buf_burn(&a);
	buf_burn(&b);
	return 0;
}

int main(int argc, char **argv)
{
	return make(argc, argv);
}
