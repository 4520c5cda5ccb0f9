/*
 * tls/hello: the name in a ClientHello, of OpenSSL's and our own, however much
 * of it has come and whatever became of it.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/net.h"
#include "tests/check.h"
#include "tls/hello.h"
#include "tls/tls.h"

/* OpenSSL 3.0's, for some.host.example. */
static const char openssl[] =
	"1603010200010001fc03034c839ca6146a7a2434f22ebcfa6cea98d86a126d05"
	"ec2d5914f66f92b21d460f2067f9bb05632f3666bcb92b73d12125c498304076"
	"e17933a7550e05bd587c42470024130213031301c02cc030c02bc02fcca9cca8"
	"c024c028c023c027009f009e006b006700ff0100018f00000016001400001173"
	"6f6d652e686f73742e6578616d706c65000b000403000102000a00160014001d"
	"0017001e0019001801000101010201030104002300000016000000170000000d"
	"002a0028040305030603080708080809080a080b080408050806040105010601"
	"030303010302040205020602002b00050403040303002d000201010033002600"
	"24001d0020772246e58725e6070ca6fd9bb78f4a15cd60a2930b3aa8b2db94c8"
	"ab960f6229001500dc0000000000000000000000000000000000000000000000"
	"0000000000000000000000000000000000000000000000000000000000000000"
	"0000000000000000000000000000000000000000000000000000000000000000"
	"0000000000000000000000000000000000000000000000000000000000000000"
	"0000000000000000000000000000000000000000000000000000000000000000"
	"0000000000000000000000000000000000000000000000000000000000000000"
	"0000000000000000000000000000000000000000000000000000000000000000"
	"0000000000";

static bool is(struct str got, const char *want)
{
	if (want == NULL)
		return got.p == NULL;
	return got.p != NULL && str_eqz(got, want);
}

static struct str in_memory_of_its_own(const struct buf *b, size_t n)
{
	char *p = xmalloc(n);

	memcpy(p, b->str, n);
	return (struct str){ p, n };
}

/* Cut at every byte, and with each byte changed: a name in it, or none. */
static void bent(const char *name, const struct buf *hello)
{
	unsigned good = 0, named = 0;

	for (size_t n = 0; n < hello->n; n++) {
		struct str s = in_memory_of_its_own(hello, n);

		good += tls_hello_name(s).p == NULL;
		free((void *)(uintptr_t)s.p);
	}
	checkf(good == hello->n, name, "%u of %zu cut short have no name", good,
	       hello->n);
	for (size_t at = 0; at < hello->n; at++)
		for (unsigned with = 0; with < 256; with += 15) {
			struct str s = in_memory_of_its_own(hello, hello->n);
			struct str got;
			const char *end;

			((char *)(uintptr_t)s.p)[at] = (char)with;
			got = tls_hello_name(s);
			named += got.p != NULL;
			end = s.p + s.n;
			if (got.p != NULL &&
			    (got.p < s.p || got.n > (size_t)(end - got.p)))
				check(false, name, "a name outside of it");
			free((void *)(uintptr_t)s.p);
		}
	checkf(named > 0, name, "never a name");
}

struct caller {
	int fd;
	const char *name;
};

static void *call(void *arg)
{
	struct caller *c = arg;
	uint8_t pin[32] = { 0 };
	struct tls_trust *t = tls_trust_pin(pin);
	struct err e = ERR_INIT;

	stream_close(tls_connect(c->fd, c->name, t,
				 now_ms() + CHECK_PATIENCE_MS, &e));
	tls_trust_free(t);
	return NULL;
}

/* What our own client says first. */
static void ours(const char *name, struct buf *out)
{
	struct caller c = { .name = name };
	char bytes[2048];
	pthread_t t;
	int fds[2];
	ssize_t n;

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0)
		abort();
	c.fd = fds[0];
	pthread_create(&t, NULL, call, &c);
	n = recv(fds[1], bytes, sizeof(bytes), 0);
	close(fds[1]);
	pthread_join(t, NULL);
	buf_reset(out);
	if (n > 0)
		buf_add(out, bytes, (size_t)n);
}

int main(void)
{
	struct buf b = BUF_INIT(4096);
	struct err e = ERR_INIT;

	if (buf_add_unhex(&b, STR(openssl), &e) < 0)
		check_give_up("hello", "%s", e.msg);
	check(is(tls_hello_name(buf_str(&b)), "some.host.example"),
	      "the name in OpenSSL's", "another");
	bent("OpenSSL's, bent", &b);
	/* more behind it is not looked at */
	buf_adds(&b, "more");
	check(is(tls_hello_name(buf_str(&b)), "some.host.example"),
	      "with more behind it", "another");
	ours("x.example", &b);
	check(is(tls_hello_name(buf_str(&b)), "x.example"), "the name in ours",
	      "another");
	bent("ours, bent", &b);
	ours("127.0.0.1", &b);
	check(b.n > 0 && is(tls_hello_name(buf_str(&b)), NULL),
	      "an address is no name", "one");
	check(is(tls_hello_name(STR("GET / HTTP/1.1\r\n\r\n")), NULL),
	      "a request is no hello", "one");
	check(is(tls_hello_name(STR_NULL), NULL), "nor is nothing", "one");
	buf_release(&b);
	return check_failed();
}
