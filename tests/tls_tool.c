/*
 * tls/ on the command line, for tests/sh/tls.sh: keys and certificates made,
 * a client, a server.  Errors go to stderr as "tls_tool: MESSAGE", exit 1.
 *
 *	tls_tool key-rsa BITS | key-ec
 *	tls_tool ssh FILE COMMENT | pin FILE
 *	tls_tool cert CN ISSUER|- ca|leaf DAYS SUBJECT_KEY ISSUER_KEY [NAME...]
 *	tls_tool roots STORE...	how many the trust that the environment asks for has,
 *				with those as the stores of the system
 *	tls_tool dates	since when and until when each of those built in is valid
 *	tls_tool verify NAME CHAIN_FILE TRUST
 *		judges that chain, leaf first, as one that a server sent
 *	tls_tool client PORT NAME TRUST SECONDS
 *		connects to 127.0.0.1:PORT, sends stdin, prints what comes
 *		until the end; TRUST is default, ca:FILE or pin:HEX
 *	tls_tool server PORT_FILE SECONDS KEY CHAIN|-
 *		writes its port to PORT_FILE; a thread per connection; answers
 *		GET /N with N bytes, POST with the SHA-256 of the body, anything
 *		else by echo; says "failed: MESSAGE" on stderr where one failed;
 *		ends when SECONDS have passed, or on SIGTERM
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/net.h"
#include "tls/inner.h"
#include "tls/tls.h"

#define HEAD_MAX (16u << 10)
#define IDLE_MS 10000

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

/* ---- client ---- */

static struct tls_trust *trust_of(const char *text)
{
	struct str s = str_of(text);
	struct tls_trust *t = NULL;

	if (strcmp(text, "default") == 0) {
		t = tls_trust_default(&e);
	} else if (str_starts(s, STR("ca:"))) {
		struct buf pem = slurp(text + 3);

		t = tls_trust_pem(buf_str(&pem), text + 3, &e);
		buf_release(&pem);
	} else if (str_starts(s, STR("pin:"))) {
		struct buf pin = BUF_INIT(32);

		if (buf_add_unhex(&pin, str_skip(s, 4), &e) == 0 && pin.n == 32)
			t = tls_trust_pin((const uint8_t *)pin.str);
		buf_release(&pin);
	}
	if (t == NULL)
		die();
	return t;
}

static int verify(char **argv)
{
	struct tls_trust *trust = trust_of(argv[4]);
	struct buf text = slurp(argv[3]), der = BUF_INIT(PEM_OBJECT_MAX);
	struct str rest = buf_str(&text), label;
	struct verify *v = xmalloc(sizeof(*v));
	int rc;

	verify_init(v, trust, argv[2]);
	v->vtable->start_chain(&v->vtable, argv[2]);
	while (pem_next(&rest, &label, &der, &e) > 0) {
		v->vtable->start_cert(&v->vtable, (uint32_t)der.n);
		v->vtable->append(&v->vtable, (unsigned char *)der.str, der.n);
		v->vtable->end_cert(&v->vtable);
	}
	rc = v->vtable->end_chain(&v->vtable) != 0;
	puts(rc == 0 ? "good" : v->why.msg);
	verify_release(v);
	free(v);
	buf_release(&text);
	buf_release(&der);
	tls_trust_free(trust);
	return rc;
}

static int client(char **argv)
{
	int64_t deadline = now_ms() + number(argv[5]) * 1000;
	struct tls_trust *trust = trust_of(argv[4]);
	int fd = tcp_connect("127.0.0.1", number(argv[2]), deadline, &e);
	struct stream *s;
	static char piece[50000];
	ssize_t n;

	if (fd < 0 || (s = tls_connect(fd, argv[3], trust, deadline, &e)) == NULL) {
		tls_trust_free(trust);
		die();
	}
	while ((n = (ssize_t)fread(piece, 1, sizeof(piece), stdin)) > 0)
		if (stream_write(s, piece, (size_t)n, deadline, &e) < 0)
			goto fail;
	if (stream_flush(s, deadline, &e) < 0)
		goto fail;
	while ((n = stream_read(s, piece, sizeof(piece), deadline, &e)) > 0)
		fwrite(piece, 1, (size_t)n, stdout);
	fflush(stdout);
	if (n < 0)
		goto fail;
	stream_close(s);
	tls_trust_free(trust);
	return 0;
fail:
	stream_close(s);
	tls_trust_free(trust);
	die();
	return 1;
}

/* ---- server ---- */

struct conn {
	pthread_t thread;
	int fd;
	struct tls_identity *id;
};

/* GET /N: N bytes that a shell can make, too: the alphabet and a newline. */
static int answer_get(struct stream *s, struct str head, int64_t deadline,
		      struct err *why)
{
	static const char line[] = "abcdefghijklmnopqrstuvwxyz\n";
	struct str target = str_skip(head, 5);
	struct buf out = BUF_INIT(64u << 10);
	uint64_t left;

	if (!str_dec(&target, 1u << 30, &left))
		left = 0;
	buf_addf(&out,
		 "HTTP/1.1 200 OK\r\nContent-Length: %llu\r\nConnection: close\r\n\r\n",
		 (unsigned long long)left);
	while (left > 0) {
		size_t n = left < sizeof(line) - 1 ? (size_t)left :
						     sizeof(line) - 1;

		buf_add(&out, line, n);
		left -= n;
		if (out.n > 60000 || left == 0) {
			if (stream_write(s, out.str, out.n, deadline, why) < 0)
				break;
			buf_reset(&out);
		}
	}
	if (out.n > 0 && why->kind == ERR_NONE)
		(void)stream_write(s, out.str, out.n, deadline, why);
	buf_release(&out);
	return why->kind == ERR_NONE ? stream_flush(s, deadline, why) : -1;
}

static int answer_post(struct stream *s, struct buf *in, int64_t deadline,
		       struct err *why)
{
	ptrdiff_t end = str_find(buf_str(in), STR("\r\n\r\n"));
	ptrdiff_t at = str_find(buf_str(in), STR("Content-Length: "));
	struct str number_at = str_skip(buf_str(in), (size_t)at + 16);
	struct sha256_state state;
	struct buf out = BUF_INIT(1024);
	uint8_t hash[SHA256_LEN];
	char piece[8192];
	uint64_t left = 0;

	if (at < 0 || !str_dec(&number_at, 1u << 30, &left))
		return err_set(why, ERR_PROTO, "POST without Content-Length");
	sha256_start(&state);
	sha256_add(&state, in->str + end + 4, in->n - (size_t)end - 4);
	left -= in->n - (size_t)end - 4;
	while (left > 0) {
		ssize_t n = stream_read(s, piece, sizeof(piece), deadline, why);

		if (n <= 0)
			return -1;
		sha256_add(&state, piece, (size_t)n);
		left -= (uint64_t)n;
	}
	sha256_done(&state, hash);
	buf_adds(&out,
		 "HTTP/1.1 200 OK\r\nContent-Length: 64\r\nConnection: close\r\n\r\n");
	buf_add_hex(&out, hash, sizeof(hash));
	if (stream_write(s, out.str, out.n, deadline, why) == 0)
		(void)stream_flush(s, deadline, why);
	buf_release(&out);
	return 0;
}

static int echo(struct stream *s, struct buf *in, int64_t deadline, struct err *why)
{
	char piece[8192];
	ssize_t n;

	if (stream_write(s, in->str, in->n, deadline, why) < 0 ||
	    stream_flush(s, deadline, why) < 0)
		return -1;
	while ((n = stream_read(s, piece, sizeof(piece), deadline, why)) > 0)
		if (stream_write(s, piece, (size_t)n, deadline, why) < 0 ||
		    stream_flush(s, deadline, why) < 0)
			return -1;
	return n < 0 ? -1 : 0;
}

static int serve_one(struct stream *s, struct err *why)
{
	int64_t deadline = now_ms() + 6 * IDLE_MS;
	struct buf in = BUF_INIT(HEAD_MAX);
	int rc = -1;

	for (;;) {
		char piece[4096];
		ssize_t n = stream_read(s, piece, sizeof(piece), deadline, why);

		if (n <= 0) {
			rc = (int)n;
			break;
		}
		buf_add(&in, piece, (size_t)n);
		if (!str_starts(buf_str(&in), STR("GET /")) &&
		    !str_starts(buf_str(&in), STR("POST /"))) {
			rc = echo(s, &in, deadline, why);
			break;
		}
		if (str_find(buf_str(&in), STR("\r\n\r\n")) >= 0) {
			rc = in.str[0] == 'G' ?
				     answer_get(s, buf_str(&in), deadline, why) :
				     answer_post(s, &in, deadline, why);
			break;
		}
	}
	buf_release(&in);
	return rc;
}

static void *serve(void *arg)
{
	struct conn *c = arg;
	struct err why = ERR_INIT;
	struct stream *s = tls_accept(c->fd, c->id, now_ms() + IDLE_MS, &why);

	if (s == NULL || serve_one(s, &why) < 0)
		fprintf(stderr, "failed: %s\n", why.msg);
	stream_close(s);
	return NULL;
}

static void stop(int sig)
{
	(void)sig;
	interrupt_request();
}

static int server(char **argv)
{
	static struct conn conns[1000];
	size_t count = 0;
	struct buf key = slurp(argv[4]), chain = BUF_INIT(0), text = BUF_INIT(16);
	int64_t deadline = now_ms() + number(argv[3]) * 1000;
	struct tls_identity *id;
	unsigned port = 0;
	int fd, listener;

	signal(SIGTERM, stop);
	if (interrupt_init(&e) < 0)
		die();
	if (strcmp(argv[5], "-") == 0) {
		id = tls_identity_key(buf_str(&key), "tls_tool", &e);
	} else {
		chain = slurp(argv[5]);
		id = tls_identity_pem(buf_str(&key), buf_str(&chain), &e);
	}
	if (id == NULL ||
	    (listener = tcp_listen("127.0.0.1", &port, NULL, &e)) < 0)
		die();
	buf_addf(&text, "%u\n", port);
	if (file_write(argv[2], buf_str(&text), 0600, &e) < 0)
		die();
	while (count < 1000 && (fd = tcp_accept(listener, deadline, &e)) >= 0) {
		struct conn *c = &conns[count++];

		c->fd = fd;
		c->id = id;
		if (pthread_create(&c->thread, NULL, serve, c) != 0)
			abort();
	}
	for (size_t i = 0; i < count; i++)
		pthread_join(conns[i].thread, NULL);
	close(listener);
	tls_identity_free(id);
	buf_burn(&key);
	buf_release(&chain);
	buf_release(&text);
	return 0;
}

/* The subject's hash of each file, as "openssl x509 -subject_hash" has it. */
static int hashes(char **files)
{
	for (; *files != NULL; files++) {
		struct buf text = BUF_INIT(PEM_FILE_MAX);
		struct buf der = BUF_INIT(PEM_OBJECT_MAX);
		struct str rest, label;
		struct cert c;
		uint32_t hash;

		if (file_read(*files, &text, &e) < 0)
			return 1;
		rest = buf_str(&text);
		if (pem_next(&rest, &label, &der, &e) != 1 ||
		    cert_read(buf_str(&der), &c, &e) < 0)
			return 1;
		if (name_hash(c.subject, &hash))
			printf("%08x\n", hash);
		else
			printf("none\n");
		buf_release(&text);
		buf_release(&der);
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "client") == 0)
		return client(argv);
	if (argc == 5 && strcmp(argv[1], "verify") == 0)
		return verify(argv);
	if (argc == 6 && strcmp(argv[1], "server") == 0)
		return server(argv);
	if (argc >= 2 && strcmp(argv[1], "roots") == 0) {
		struct tls_trust *t = trust_from((const char *const *)argv + 2,
						 &e);

		if (t == NULL) {
			fprintf(stderr, "%s\n", e.msg);
			return 1;
		}
		printf("%zu\n", t->roots.n);
		tls_trust_free(t);
		return 0;
	}
	if (argc > 2 && strcmp(argv[1], "hashes") == 0)
		return hashes(argv + 2);
	if (argc == 2 && strcmp(argv[1], "dates") == 0) {
		struct tls_trust *t = trust_from(&(const char *){ NULL }, &e);

		for (size_t i = 0; t != NULL && i < t->roots.n; i++)
			printf("%lld %lld\n",
			       (long long)t->roots.rules[i].not_before,
			       (long long)t->roots.rules[i].not_after);
		tls_trust_free(t);
		return t == NULL;
	}
	return make(argc, argv);
}
