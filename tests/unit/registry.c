/* node/registry: requests over a socket pair, and starting where the port is taken. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/net.h"
#include "http.h"
#include "http/plain.h"
#include "node/registry.h"
#include "tests/check.h"

static struct image image;

static void handle(void *ctx, struct http_exchange *x)
{
	struct err e = ERR_INIT;

	registry_handle(ctx, "", x, &e);
}

/* A file of 1000 bytes: the layer is longer than any number used here. */
static const struct {
	const char *name, *request; /* %L: the layer's digest */
	const char *status;
	const char *words[3];
} cases[] = {
	{ "the API", "GET /v2/ HTTP/1.1\r\n", "200", { "registry/2.0" } },
	{ "without its slash", "GET /v2 HTTP/1.1\r\n", "200", { "registry/2.0" } },
	{ "a tag",
	  "GET /v2/azswarm/manifests/1.0 HTTP/1.1\r\n",
	  "200",
	  { "Content-Type: " IMAGE_TYPE_DOCKER, "Docker-Content-Digest: sha256:" } },
	{ "latest",
	  "GET /v2/azswarm/manifests/latest HTTP/1.1\r\nAccept: */*\r\n",
	  "200",
	  { IMAGE_TYPE_DOCKER } },
	{ "as OCI",
	  "GET /v2/azswarm/manifests/1.0 HTTP/1.1\r\nAccept: text/html,"
	  "Application/vnd.oci.image.manifest.v1+json ;q=0.3\r\n",
	  "200",
	  { IMAGE_TYPE_OCI } },
	{ "both: Docker's",
	  "GET /v2/azswarm/manifests/1.0 HTTP/1.1\r\nAccept: " IMAGE_TYPE_OCI
	  "\r\nAccept: " IMAGE_TYPE_DOCKER "\r\n",
	  "200",
	  { "Content-Type: " IMAGE_TYPE_DOCKER } },
	{ "a range",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=2-3\r\n",
	  "206",
	  { "Content-Length: 2\r\n", "Content-Range: bytes 2-3/2583\r\n" } },
	{ "one byte",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=0-0\r\n",
	  "206",
	  { "Content-Range: bytes 0-0/2583\r\n" } },
	{ "to the end",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=2582-\r\n",
	  "206",
	  { "Content-Range: bytes 2582-2582/2583\r\n" } },
	{ "over the end",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=2580-99999\r\n",
	  "206",
	  { "Content-Range: bytes 2580-2582/2583\r\n" } },
	{ "the last ones",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=-8\r\n",
	  "206",
	  { "Content-Range: bytes 2575-2582/2583\r\n" } },
	{ "more last ones than there are",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=-9999\r\n",
	  "206",
	  { "Content-Range: bytes 0-2582/2583\r\n" } },
	{ "the last none",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=-0\r\n",
	  "416",
	  { "Content-Range: bytes */2583\r\n" } },
	{ "behind the end",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=2583-\r\n",
	  "416",
	  { "Content-Range: bytes */2583\r\n" } },
	{ "backwards: ignored",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=5-2\r\n",
	  "200",
	  { "Content-Length: 2583\r\n" } },
	{ "not a number: ignored",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=a-b\r\n",
	  "200",
	  { "Content-Length: 2583\r\n" } },
	{ "no range of bytes: ignored",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: lines=1-2\r\n",
	  "200",
	  { "Content-Length: 2583\r\n" } },
	{ "a number that overflows",
	  "GET /v2/azswarm/blobs/%L HTTP/1.1\r\n"
	  "Range: bytes=99999999999999999999999-\r\n",
	  "200",
	  { "Content-Length: 2583\r\n" } },
	{ "HEAD with a range",
	  "HEAD /v2/azswarm/blobs/%L HTTP/1.1\r\nRange: bytes=0-9\r\n",
	  "206",
	  { "Content-Length: 10\r\n" } },
	{ "tags",
	  "GET /v2/azswarm/tags/list HTTP/1.1\r\n",
	  "200",
	  { "{\"name\":\"azswarm\",\"tags\":[\"1.0\",\"latest\"]}" } },
	{ "no tags",
	  "GET /v2/azswarm/tags/list?n=0 HTTP/1.1\r\n",
	  "200",
	  { "\"tags\":[]" } },
	{ "tags behind the last",
	  "GET /v2/azswarm/tags/list?last=latest HTTP/1.1\r\n",
	  "200",
	  { "\"tags\":[]" } },
	{ "a count that is none",
	  "GET /v2/azswarm/tags/list?n=x HTTP/1.1\r\n",
	  "200",
	  { "[\"1.0\",\"latest\"]" } },
	{ "another name, and no address of what was pushed",
	  "GET /v2/library/azswarm/manifests/1.0 HTTP/1.1\r\n",
	  "403",
	  { "\"code\":\"DENIED\"", "\"errors\":[{", "azswarm upgrade" } },
	{ "what is no name",
	  "GET /v2/Library/manifests/1.0 HTTP/1.1\r\n",
	  "404",
	  { "\"code\":\"NAME_UNKNOWN\"" } },
	{ "no name",
	  "GET /v2/manifests/1.0 HTTP/1.1\r\n",
	  "404",
	  { "\"code\":\"NAME_UNKNOWN\"" } },
	{ "a name that is called like what is behind it",
	  "GET /v2/manifests/blobs/manifests/1.0 HTTP/1.1\r\n",
	  "403",
	  { "of manifests/blobs:1.0" } },
	{ "the names: ours",
	  "GET /v2/_catalog HTTP/1.1\r\n",
	  "200",
	  { "{\"repositories\":[\"azswarm\"]}" } },
	{ "half a digest",
	  "GET /v2/azswarm/blobs/sha256:00 HTTP/1.1\r\n",
	  "404",
	  { "\"code\":\"BLOB_UNKNOWN\"" } },
	{ "an empty tag",
	  "GET /v2/azswarm/manifests/ HTTP/1.1\r\n",
	  "404",
	  { "\"code\":\"MANIFEST_UNKNOWN\"" } },
	{ "another path",
	  "GET /v2/azswarm/secrets HTTP/1.1\r\n",
	  "404",
	  { "\"code\":\"UNSUPPORTED\"" } },
	{ "outside of it",
	  "GET /etc/passwd HTTP/1.1\r\n",
	  "404",
	  { "\"code\":\"NAME_UNKNOWN\"" } },
	{ "a push",
	  "POST /v2/azswarm/blobs/uploads/ HTTP/1.1\r\nContent-Length: 0\r\n",
	  "405",
	  { "\"code\":\"UNSUPPORTED\"", "Allow: GET, HEAD\r\n" } },
	{ "a deletion",
	  "DELETE /v2/azswarm/manifests/1.0 HTTP/1.1\r\n",
	  "405",
	  { "can only be pulled from" } },
};

static void request(const char *text, struct buf *out)
{
	const struct http_server s = { .stop_fd = -1,
				       .body_max = 1024,
				       .idle_ms = 2000,
				       .body_ms = 2000,
				       .handle = handle,
				       .ctx = &image };
	struct buf q = BUF_INIT(8192);
	const char *at = strstr(text, "%L");
	char piece[4096];
	ssize_t got;
	int pair[2];

	buf_add(&q, text, at == NULL ? strlen(text) : (size_t)(at - text));
	if (at != NULL)
		buf_addf(&q, "%s%s", image.layer.digest, at + 2);
	buf_adds(&q, "Host: x\r\nConnection: close\r\n\r\n");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 ||
	    write(pair[0], q.str, q.n) != (ssize_t)q.n)
		abort();
	shutdown(pair[0], SHUT_WR);
	http_serve_stream(&s, stream_of_fd(pair[1]), "test");
	while ((got = read(pair[0], piece, sizeof(piece))) > 0)
		for (ssize_t i = 0; i < got; i++)
			buf_addc(out, piece[i] == '\0' ? '0' : piece[i]);
	close(pair[0]);
	buf_release(&q);
}

/* One of several: by tag, for whom takes lists, and by its digest. */
static void listed(void)
{
	static const struct {
		const char *name, *path, *accept, *type;
	} asked[] = {
		{ "a tag is a list, for whom takes one", "manifests/1.0",
		  IMAGE_TYPE_DOCKER ", " IMAGE_TYPE_LIST, IMAGE_TYPE_LIST },
		{ "and not for others", "manifests/1.0", IMAGE_TYPE_DOCKER,
		  IMAGE_TYPE_DOCKER },
		{ "nor for those that know OCI's alone", "manifests/1.0",
		  IMAGE_TYPE_OCI, IMAGE_TYPE_OCI },
		{ "a list by its digest", "manifests/%D", IMAGE_TYPE_LIST,
		  IMAGE_TYPE_LIST },
		{ "our part of it", "manifests/%M", IMAGE_TYPE_LIST,
		  IMAGE_TYPE_DOCKER },
	};
	struct image *all[] = { &image, &image };
	struct buf list = BUF_INIT(IMAGE_LIST_MAX);
	char digest[IMAGE_DIGEST_MAX];

	check(!image_join(&image, STR("{\"manifests\":[]}")) &&
		      image.list.length == 0,
	      "a list without us is refused", image.list.digest);
	image_index((const struct image *const *)all, 2, &list);
	image_digest(buf_str(&list), digest);
	check(!list.over && image_join(&image, buf_str(&list)),
	      "one with us is taken", list.str);
	for (size_t i = 0; i < sizeof(asked) / sizeof(*asked); i++) {
		const char *at = strchr(asked[i].path, '%');
		char *q = xasprintf("GET /v2/azswarm/%.*s%s HTTP/1.1\r\n"
				    "Accept: %s\r\n",
				    at ? (int)(at - asked[i].path) : 99,
				    asked[i].path,
				    at == NULL	 ? "" :
				    at[1] == 'D' ? digest :
						   image.docker.digest,
				    asked[i].accept);
		char *type = xasprintf("Content-Type: %s\r\n", asked[i].type);
		struct buf out = BUF_INIT(65536);

		request(q, &out);
		check(strncmp(out.str, "HTTP/1.1 200", 12) == 0 &&
			      strstr(out.str, type) != NULL &&
			      (strcmp(asked[i].type, IMAGE_TYPE_LIST) != 0 ||
			       (strstr(out.str, digest) != NULL &&
				strstr(out.str, list.str) != NULL)),
		      asked[i].name, out.str);
		buf_release(&out);
		free(type);
		free(q);
	}
	image.list = (struct image_blob){ .length = 0 };
	buf_release(&list);
}

static void requests(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf out = BUF_INIT(65536);
		bool good;

		request(cases[i].request, &out);
		good = strncmp(out.str, "HTTP/1.1 ", 9) == 0 &&
		       strncmp(out.str + 9, cases[i].status, 3) == 0;
		for (size_t k = 0; k < 3 && cases[i].words[k] != NULL; k++)
			good = good && strstr(out.str, cases[i].words[k]) != NULL;
		check(good, cases[i].name, out.str);
		buf_release(&out);
	}
}

/* Does it answer, sooner or later? */
static bool answers(unsigned port)
{
	int64_t until = now_ms() + CHECK_PATIENCE_MS;

	while (now_ms() < until) {
		struct err e = ERR_INIT;
		int fd = tcp_connect("127.0.0.1", port, until, &e);

		if (fd >= 0) {
			close(fd);
			return true;
		}
		sleep_until(now_ms() + 50, &(struct err)ERR_INIT);
	}
	return false;
}

/* Is this the trouble, sooner or later?  NULL: none. */
static bool becomes(struct registry *r, const char *words)
{
	int64_t until = now_ms() + CHECK_PATIENCE_MS;
	char text[REGISTRY_TROUBLE_MAX];

	do {
		registry_trouble(r, text);
		if (words == NULL && text[0] == '\0')
			return true;
		if (words != NULL && strstr(text, words) != NULL)
			return true;
		sleep_until(now_ms() + 50, &(struct err)ERR_INIT);
	} while (now_ms() < until);
	return false;
}

/* A connection from that address of ours which says nothing. */
static int silent(const char *from, unsigned port)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, from, &a.sin_addr);
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		abort();
	inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
	a.sin_port = htons((uint16_t)port);
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		abort();
	return fd;
}

static bool is_answered(int fd, int64_t until)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int64_t left = until - now_ms();
	char answer[13] = "";

	return poll(&p, 1, left > 0 ? (int)left : 0) > 0 &&
	       read(fd, answer, 12) == 12 && strcmp(answer, "HTTP/1.1 200") == 0;
}

static const char ask[] = "GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n";
enum { PLACES = 128, OF_ONE = 120 };

/* Milliseconds until another address is answered, where one wants every place;
 * -1: it was not. */
static int64_t another(unsigned port)
{
	int64_t before = now_ms(), took = -1;
	int fds[PLACES], other;

	for (size_t i = 0; i < PLACES; i++) {
		fds[i] = silent("127.0.0.2", port);
		/* who says nothing has no place to lose */
		if (write(fds[i], ask, 5) < 0)
			check_give_up("who has said something", "write");
	}
	other = silent("127.0.0.3", port);
	if (write(other, ask, sizeof(ask) - 1) > 0 &&
	    is_answered(other, before + CHECK_PATIENCE_MS))
		took = now_ms() - before;
	close(other);
	for (size_t i = 0; i < PLACES; i++)
		close(fds[i]);
	return took;
}

/* One address cannot have every place: another one need not wait until somebody
 * makes room. */
static void crowd(unsigned port)
{
	int64_t took = another(port);

	for (int i = 0; i < 5 && took >= HTTP_CROWDED_MS; i++)
		took = another(port);
	checkf(took >= 0 && took < HTTP_CROWDED_MS, "others find a place",
	       "%d ms", (int)took);
}

/* All ask, and keep what they have, as an engine does: the next ones are not made
 * to wait until that is closed for its age. */
static void kept(unsigned port)
{
	int64_t until = now_ms() + 25000;
	int fds[PLACES + OF_ONE];
	unsigned answered = 0;

	for (size_t i = 0; i < PLACES + OF_ONE; i++) {
		fds[i] = silent("127.0.0.2", port);
		if (write(fds[i], ask, sizeof(ask) - 1) < 0)
			check_give_up("who asks", "write");
	}
	for (size_t i = 0; i < PLACES + OF_ONE; i++)
		answered += is_answered(fds[i], until);
	for (size_t i = 0; i < PLACES + OF_ONE; i++)
		close(fds[i]);
	checkf(answered == PLACES + OF_ONE, "all of one address, in turn",
	       "%u of %d were answered", answered, PLACES + OF_ONE);
}

/* A shell script that says what it is stands for the program of before. */
static void before(void)
{
	static const char script[] = "#!/bin/sh\necho azswarm 0.9 build\n";
	struct image other = { .fd = -1 };
	struct err e = ERR_INIT;
	unsigned port = 0, status = 0;
	struct buf body = BUF_INIT(4096);
	struct registry *r;
	char *path;
	int fd = tcp_listen("127.0.0.1", &port, NULL, &e);

	close(fd);
	if (file_write("before", str_of(script), 0755, &e) < 0 ||
	    image_init(&other, "before", ELF_OWN, "0.9", &e) < 0)
		abort();
	r = registry_start("file", "1.0", "", "./before", "", port);
	check(answers(port), "with the version before: answers", "silence");
	path = xasprintf("/v2/azswarm/manifests/%s", other.docker.digest);
	plain_exchange("GET", "127.0.0.1", port, path, NULL, STR_NULL,
		       now_ms() + 5000, &status, &body, &e);
	checkf(status == 200 && str_eq(buf_str(&body), other.docker.text),
	       "the version before, by its digest", "%u: %s", status, e.msg);
	free(path);
	buf_reset(&body);
	plain_exchange("GET", "127.0.0.1", port, "/v2/azswarm/tags/list", NULL,
		       STR_NULL, now_ms() + 5000, &status, &body, &e);
	check(strstr(body.str, "[\"0.9\",\"1.0\",\"latest\"]") != NULL,
	      "the version before, among the tags", body.str);
	path = xasprintf("/v2/azswarm/blobs/%s", other.config.digest);
	buf_reset(&body);
	plain_exchange("GET", "127.0.0.1", port, path, NULL, STR_NULL,
		       now_ms() + 5000, &status, &body, &e);
	check(status == 200 && str_eq(buf_str(&body), other.config.text),
	      "the version before: its blobs", body.str);
	free(path);
	registry_stop(r);
	buf_release(&body);
	image_release(&other);
}

static void thread(void)
{
	unsigned port = 0;
	struct err e = ERR_INIT;
	int taken = tcp_listen("127.0.0.1", &port, NULL, &e);
	int64_t before;
	struct registry *r;

	if (taken < 0)
		abort();
	r = registry_start("file", "1.0", "", NULL, "", port);
	check(r != NULL && becomes(r, "another program has our port"),
	      "that its port is taken is told", "not");
	close(taken);
	check(answers(port), "a port that was taken is tried again", "silence");
	check(becomes(r, NULL), "and told no more", "it is");
	crowd(port);
	kept(port);
	before = now_ms();
	registry_stop(r);
	check(now_ms() - before < 4000, "it stops at once", "late");
	r = registry_start("no such file", "1.0", "", NULL, "", port);
	sleep_until(now_ms() + 200, &e);
	before = now_ms();
	registry_stop(r);
	check(now_ms() - before < 4000, "also while it waits for another try",
	      "late");
	registry_stop(NULL);
}

int main(void)
{
	struct err e = ERR_INIT;
	int fd = open("file", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || ftruncate(fd, 1000) < 0 || close(fd) < 0 ||
	    image_init(&image, "file", ELF_OWN, "1.0", &e) < 0)
		abort();
	requests();
	listed();
	image_release(&image);
	thread();
	before();
	return check_failed();
}
