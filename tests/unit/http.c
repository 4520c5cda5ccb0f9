/*
 * http.c and http/ without a network: the codec by rows, each whole,
 * cut in two at every byte, and byte by byte; URLs; exchanges over a stream
 * that is a script, and over one that fails at its nth call.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/net.h"
#include "http.h"
#include "tests/check.h"

/* ---- the codec ---- */

#define S(lit) \
	{ \
		(lit), sizeof(lit) - 1 \
	}
#define OK "HTTP/1.1 200 OK\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED OK "Transfer-Encoding: chunked\r\n\r\n"

/*
 * kind: a answer, h answer to HEAD, u answer to who asked for another protocol,
 * q request.  The stream ends behind bytes.
 * want: "STATUS keep|close [BODY]" or "METHOD TARGET keep|close [BODY]", with
 * "+N" when N bytes are left over for another message; "!REFUSAL WORDS" when
 * it is broken with those words in the message.
 */
static const struct row {
	const char *name;
	char kind;
	struct str bytes;
	const char *want;
} rows[] = {
	/* what must be understood */
	{ "length", 'a', S(OK "Content-Length: 2\r\n\r\nhi"), "200 keep [hi]" },
	{ "header names fold case", 'a', S(OK "cOnTeNt-LeNgTh: 2\r\n\r\nhi"),
	  "200 keep [hi]" },
	{ "white space around a value", 'a',
	  S(OK "Content-Length:\t 2 \t\r\n\r\nhi"), "200 keep [hi]" },
	{ "no white space", 'a', S(OK "Content-Length:2\r\n\r\nhi"),
	  "200 keep [hi]" },
	{ "length zero", 'a', S(OK "Content-Length: 0\r\n\r\n"), "200 keep []" },
	{ "the same length twice", 'a',
	  S(OK "Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi"),
	  "200 keep [hi]" },
	{ "zeros before a length", 'a', S(OK "Content-Length: 0002\r\n\r\nhi"),
	  "200 keep [hi]" },
	{ "no reason", 'a', S("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
	  "200 keep []" },
	{ "no reason and no space", 'a',
	  S("HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n"), "404 keep []" },
	{ "a longer reason", 'a',
	  S("HTTP/1.1 599 N\xc3\xb6t  good\t\r\nContent-Length: 0\r\n\r\n"),
	  "599 keep []" },
	{ "until close", 'a', S(OK "\r\nall of it"), "200 close [all of it]" },
	{ "until close, nothing", 'a', S(OK "\r\n"), "200 close []" },
	{ "HTTP/1.0", 'a', S("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"),
	  "200 close [x]" },
	{ "HTTP/1.0 that stays", 'a',
	  S("HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\nx"),
	  "200 keep [x]" },
	{ "HTTP/1.7 is like 1.1", 'a',
	  S("HTTP/1.7 200 OK\r\nContent-Length: 1\r\n\r\nx"), "200 keep [x]" },
	{ "close", 'a', S(OK "Content-Length: 0\r\nConnection: close\r\n\r\n"),
	  "200 close []" },
	{ "close among others", 'a',
	  S(OK "Content-Length: 0\r\nConnection: te ,, CLOSE\r\n\r\n"),
	  "200 close []" },
	{ "close in a second field", 'a',
	  S(OK "Connection: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"),
	  "200 close []" },
	{ "closed is not close", 'a',
	  S(OK "Content-Length: 0\r\nConnection: closed\r\n\r\n"), "200 keep []" },
	{ "204 has no body", 'a',
	  S("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"),
	  "204 keep []" },
	{ "304 has no body", 'a',
	  S("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  "304 keep []" },
	{ "HEAD has no body", 'h', S(OK "Content-Length: 5\r\n\r\n"),
	  "200 keep []" },
	{ "HEAD without framing", 'h', S(OK "\r\n"), "200 keep []" },
	{ "100 is passed over", 'a',
	  S("HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 1\r\n\r\nx"),
	  "200 keep [x]" },
	{ "103 with fields, and 102", 'a',
	  S("HTTP/1.1 103 Early\r\nContent-Length: 7\r\nLink: x\r\n\r\nHTTP/1.1 102 P\r\n\r\n" OK
	    "Content-Length: 1\r\n\r\nx"),
	  "200 keep [x]" },
	{ "chunked", 'a',
	  S(CHUNKED "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"),
	  "200 keep [abc0123456789abcdef]" },
	{ "chunked, any case", 'a',
	  S(OK "transfer-encoding: CHUNKED\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n"),
	  "200 keep [0123456789]" },
	{ "chunked, no body", 'a', S(CHUNKED "0\r\n\r\n"), "200 keep []" },
	{ "chunk extensions", 'a',
	  S(CHUNKED "3;a=b;c=\"d e\"\r\nabc\r\n2 ;x\r\nde\r\n0;last\r\n\r\n"),
	  "200 keep [abcde]" },
	{ "white space behind a chunk size", 'a',
	  S(CHUNKED "3  \r\nabc\r\n0\r\n\r\n"), "200 keep [abc]" },
	{ "zeros before a chunk size", 'a',
	  S(CHUNKED "0003\r\nabc\r\n000\r\n\r\n"), "200 keep [abc]" },
	{ "trailers", 'a',
	  S(CHUNKED "1\r\nx\r\n0\r\nX-Sum: 1\r\nContent-Length: 99\r\n\r\n"),
	  "200 keep [x]" },
	{ "line ends in a chunk", 'a', S(CHUNKED "4\r\n\r\n\r\n\r\n0\r\n\r\n"),
	  "200 keep [\r\n\r\n]" },
	{ "the upper half in a value", 'a',
	  S(OK "X: caf\xe9 \x80\xff\r\nContent-Length: 0\r\n\r\n"),
	  "200 keep []" },
	{ "a tab in a value", 'a', S(OK "X: a\tb\r\nContent-Length: 0\r\n\r\n"),
	  "200 keep []" },
	{ "an empty value", 'a', S(OK "X:\r\nContent-Length: 0\r\n\r\n"),
	  "200 keep []" },
	{ "a body that looks like a header", 'a',
	  S(OK "Content-Length: 19\r\n\r\nContent-Length: 2\r\n\r\n+"),
	  "200 keep [Content-Length: 2\r\n] +3" },
	{ "an answer behind the answer", 'a',
	  S(OK "Content-Length: 1\r\n\r\nx" OK), "200 keep [x] +17" },
	{ "request", 'q', S(GET "\r\n"), "GET / keep []" },
	{ "request with a body", 'q',
	  S("PUT /a?b=c HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"),
	  "PUT /a?b=c keep [abc]" },
	{ "request in chunks", 'q',
	  S("POST * HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"),
	  "POST * keep [x]" },
	{ "request by proxy", 'q',
	  S("GET http://a/b HTTP/1.1\r\nConnection: close\r\n\r\n"),
	  "GET http://a/b close []" },
	{ "requests one behind the other", 'q', S(GET "\r\n" GET "\r\n"),
	  "GET / keep [] +27" },
	{ "empty lines before a request", 'q', S("\r\n\r\n" GET "\r\n"),
	  "GET / keep []" },
	{ "request of HTTP/1.0", 'q', S("GET / HTTP/1.0\r\n\r\n"),
	  "GET / close []" },
	{ "a method nobody knows", 'q', S("M-SEARCH / HTTP/1.1\r\n\r\n"),
	  "M-SEARCH / keep []" },

	/* what must not */
	{ "nothing", 'a', S(""), "!0 the connection was closed before the answer" },
	{ "nothing asked", 'q', S(""),
	  "!0 the connection was closed before the request" },
	{ "100 and then nothing", 'a', S("HTTP/1.1 100 Continue\r\n\r\n"),
	  "!400 ended early, in its header" },
	{ "cut in the status line", 'a', S("HTTP/1.1 20"),
	  "!400 the answer ended early, in its header" },
	{ "cut in the header", 'a', S(OK "Content-Length: 2\r\n"),
	  "!400 the answer ended early, in its header" },
	{ "cut in the body", 'a', S(OK "Content-Length: 9\r\n\r\nhi"),
	  "!400 the answer ended early: 7 of 9 bytes are missing" },
	{ "cut before the body", 'q',
	  S("PUT / HTTP/1.1\r\nContent-Length: 9\r\n\r\n"),
	  "!400 the request ended early: 9 of 9 bytes are missing" },
	{ "cut before the first chunk", 'a', S(CHUNKED),
	  "!400 ended early, before its last chunk" },
	{ "cut in a chunk", 'a', S(CHUNKED "5\r\nabc"),
	  "!400 ended early, before its last chunk" },
	{ "cut behind a chunk", 'a', S(CHUNKED "3\r\nabc\r\n"),
	  "!400 ended early, before its last chunk" },
	{ "cut in the last chunk", 'a', S(CHUNKED "3\r\nabc\r\n0\r\n"),
	  "!400 ended early, before its last chunk" },
	{ "length and chunked", 'a',
	  S(OK "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	  "!400 both Transfer-Encoding and Content-Length" },
	{ "chunked and length", 'q',
	  S("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n"),
	  "!400 both Transfer-Encoding and Content-Length" },
	{ "both framings of HEAD", 'h',
	  S(OK "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"),
	  "!400 both Transfer-Encoding" },
	{ "lengths that disagree", 'a',
	  S(OK "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi"),
	  "!400 disagree" },
	{ "a list of lengths", 'a', S(OK "Content-Length: 2, 2\r\n\r\nhi"),
	  "!400 bad Content-Length \"2, 2\"" },
	{ "a negative length", 'a', S(OK "Content-Length: -1\r\n\r\nhi"),
	  "!400 bad Content-Length \"-1\"" },
	{ "a signed length", 'q',
	  S("POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\nx"),
	  "!400 bad Content-Length \"+1\"" },
	{ "a hexadecimal length", 'a', S(OK "Content-Length: 0x2\r\n\r\nhi"),
	  "!400 bad Content-Length" },
	{ "an empty length", 'a', S(OK "Content-Length:\r\n\r\nhi"),
	  "!400 bad Content-Length \"\"" },
	{ "a length of 2^53", 'q',
	  S("PUT / HTTP/1.1\r\nContent-Length: 9007199254740992\r\n\r\n"),
	  "!400 9007199254740992 of 9007199254740992 bytes are missing" },
	{ "a length over 2^53", 'q',
	  S("PUT / HTTP/1.1\r\nContent-Length: 9007199254740993\r\n\r\n"),
	  "!400 bad Content-Length" },
	{ "a length that wraps", 'a',
	  S(OK "Content-Length: 18446744073709551618\r\n\r\nhi"),
	  "!400 bad Content-Length" },
	{ "gzip, chunked", 'a',
	  S(OK "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
	  "!501 transfer coding \"gzip, chunked\" is not known" },
	{ "gzip", 'q', S("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n"),
	  "!501 transfer coding \"gzip\" is not known" },
	{ "identity", 'a', S(OK "Transfer-Encoding: identity\r\n\r\n"),
	  "!501 transfer coding" },
	{ "chunked twice", 'a',
	  S(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	  "!501 transfer coding" },
	{ "chunked, chunked", 'a',
	  S(OK "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
	  "!501 transfer coding" },
	{ "xchunked", 'a', S(OK "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
	  "!501 transfer coding" },
	{ "an empty transfer coding", 'q',
	  S("POST / HTTP/1.1\r\nTransfer-Encoding:\r\n\r\n"),
	  "!501 transfer coding \"\"" },
	{ "chunked in HTTP/1.0", 'a',
	  S("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	  "!400 Transfer-Encoding in HTTP/1.0" },
	{ "bare LF behind the status", 'a',
	  S("HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n"),
	  "!400 a line ends in LF without CR" },
	{ "bare LF behind a field", 'a', S(OK "Content-Length: 0\n\r\n"),
	  "!400 a line ends in LF without CR" },
	{ "bare LF behind the header", 'a', S(OK "Content-Length: 0\r\n\n"),
	  "!400 a line ends in LF without CR" },
	{ "bare LF in a request", 'q', S("GET / HTTP/1.1\nHost: a\n\n"),
	  "!400 a line ends in LF without CR" },
	{ "bare LF behind a chunk size", 'a', S(CHUNKED "1\nx\r\n0\r\n\r\n"),
	  "!400 a line ends in LF without CR" },
	{ "bare LF behind a chunk", 'a', S(CHUNKED "1\r\nx\n0\r\n\r\n"),
	  "!400 a line ends in LF without CR" },
	{ "bare LF in trailers", 'a', S(CHUNKED "0\r\na: b\n\r\n"),
	  "!400 a line ends in LF without CR" },
	{ "bare CR in a value", 'a', S(OK "X: a\rContent-Length: 5\r\n\r\n"),
	  "!400 control characters in header field X" },
	{ "CR CR LF", 'a', S(OK "X: a\r\r\n\r\n"),
	  "!400 control characters in header field X" },
	{ "bare CR in the reason", 'a', S("HTTP/1.1 200 OK\rX: y\r\n\r\n"),
	  "!400 bad status line" },
	{ "bare CR in the target", 'q', S("GET /\rX HTTP/1.1\r\n\r\n"),
	  "!400 bad request target" },
	{ "bare CR in a chunk line", 'a', S(CHUNKED "1;\rx\r\nx\r\n0\r\n\r\n"),
	  "!400 bad chunk extension" },
	{ "a folded line", 'a', S(OK "X: a\r\n b\r\n\r\n"),
	  "!400 a folded header line" },
	{ "a line folded by a tab", 'a', S(OK "X: a\r\n\tb: c\r\n\r\n"),
	  "!400 a folded header line" },
	{ "a first line that is folded", 'q',
	  S("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), "!400 a folded header line" },
	{ "a folded trailer", 'a', S(CHUNKED "0\r\na: b\r\n c\r\n\r\n"),
	  "!400 a folded header line" },
	{ "white space before the colon", 'q',
	  S("GET / HTTP/1.1\r\nHost : a\r\n\r\n"), "!400 bad header line" },
	{ "no colon", 'a', S(OK "X\r\n\r\n"), "!400 bad header line" },
	{ "no name", 'a', S(OK ": x\r\n\r\n"), "!400 bad header line" },
	{ "a name in quotes", 'a', S(OK "\"X\": x\r\n\r\n"),
	  "!400 bad header line" },
	{ "a name that is not ASCII", 'a', S(OK "\xc3\xa9: x\r\n\r\n"),
	  "!400 bad header line" },
	{ "NUL in a name", 'a', S(OK "X\0Y: x\r\n\r\n"), "!400 bad header line" },
	{ "NUL in a value", 'a', S(OK "X: a\0b\r\n\r\n"),
	  "!400 control characters in header field X" },
	{ "NUL in the target", 'q', S("GET /\0 HTTP/1.1\r\n\r\n"),
	  "!400 bad request target" },
	{ "NUL in the reason", 'a', S("HTTP/1.1 200 O\0K\r\n\r\n"),
	  "!400 bad status line" },
	{ "DEL in a value", 'a', S(OK "X: a\x7f\r\n\r\n"),
	  "!400 control characters in header field X" },
	{ "escape in a value", 'a', S(OK "X: \x1b[2J\r\n\r\n"),
	  "!400 control characters in header field X" },
	{ "HTTP/0.9", 'q', S("GET /\r\n"), "!400 bad request line" },
	{ "HTTP/2.0", 'q', S("GET / HTTP/2.0\r\n\r\n"),
	  "!505 HTTP version 2.0 is not spoken here" },
	{ "the beginning of HTTP/2", 'q', S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	  "!505 HTTP version 2.0" },
	{ "an answer of HTTP/2", 'a', S("HTTP/2.0 200 OK\r\n\r\n"),
	  "!505 HTTP version 2.0 is not spoken here" },
	{ "http/1.1", 'q', S("GET / http/1.1\r\n\r\n"),
	  "!400 not HTTP: \"http/1.1\"" },
	{ "HTTP/1.10", 'q', S("GET / HTTP/1.10\r\n\r\n"), "!400 not HTTP" },
	{ "HTTP/1", 'a', S("HTTP/1 200 OK\r\n\r\n"), "!400 not HTTP" },
	{ "SSH", 'a', S("SSH-2.0-OpenSSH_9.2\r\n"), "!400 not HTTP: \"SSH-2.0-\"" },
	{ "two spaces in a request line", 'q', S("GET  / HTTP/1.1\r\n\r\n"),
	  "!400 bad request target" },
	{ "a space behind the version", 'q', S("GET / HTTP/1.1 \r\n\r\n"),
	  "!400 not HTTP" },
	{ "a space before the method", 'q', S(" GET / HTTP/1.1\r\n\r\n"),
	  "!400 bad request line" },
	{ "a method with a colon", 'q', S("GET: / HTTP/1.1\r\n\r\n"),
	  "!400 bad request line" },
	{ "a tab in a request line", 'q', S("GET\t/ HTTP/1.1\r\n\r\n"),
	  "!400 bad request line" },
	{ "a target that is not ASCII", 'q',
	  S("GET /\xc3\xa9 HTTP/1.1\r\n\r\n"), "!400 bad request target" },
	{ "three empty lines before a request", 'q', S("\r\n\r\n\r\n" GET "\r\n"),
	  "!400 an empty line where the start line should be" },
	{ "an empty line before an answer", 'a', S("\r\n" OK "\r\n"),
	  "!400 an empty line where the start line should be" },
	{ "status 99", 'a', S("HTTP/1.1 99 OK\r\n\r\n"), "!400 bad status line" },
	{ "status 099", 'a', S("HTTP/1.1 099 OK\r\n\r\n"), "!400 bad status line" },
	{ "status 600", 'a', S("HTTP/1.1 600 OK\r\n\r\n"), "!400 bad status line" },
	{ "status 2000", 'a', S("HTTP/1.1 2000 OK\r\n\r\n"),
	  "!400 bad status line" },
	{ "status -20", 'a', S("HTTP/1.1 -20 OK\r\n\r\n"), "!400 bad status line" },
	{ "no status", 'a', S("HTTP/1.1\r\n\r\n"), "!400 bad status line" },
	{ "status behind two spaces", 'a', S("HTTP/1.1  200 OK\r\n\r\n"),
	  "!400 bad status line" },
	{ "101 unasked", 'a', S("HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n"),
	  "!400 did not ask for another protocol" },
	{ "101 that was asked for", 'u',
	  S("HTTP/1.1 101 UPGRADED\r\nUpgrade: tcp\r\n\r\nHTTP/1.1 no more"),
	  "101 close [HTTP/1.1 no more]" },
	{ "101 that was asked for, refused", 'u',
	  S(OK "Content-Length: 2\r\n\r\nhi"), "200 keep [hi]" },
	{ "a chunk size over 2^53", 'a', S(CHUNKED "20000000000001\r\nx"),
	  "!400 bad chunk size" },
	{ "a chunk size that wraps", 'a',
	  S(CHUNKED "10000000000000003\r\nabc\r\n0\r\n\r\n"),
	  "!400 bad chunk size" },
	{ "no chunk size", 'a', S(CHUNKED "\r\nx\r\n"),
	  "!400 bad chunk size \"\"" },
	{ "a signed chunk size", 'a', S(CHUNKED "+3\r\nabc\r\n0\r\n\r\n"),
	  "!400 bad chunk size \"+3\"" },
	{ "0x before a chunk size", 'a', S(CHUNKED "0x3\r\nabc\r\n0\r\n\r\n"),
	  "!400 bad chunk extension" },
	{ "white space before a chunk size", 'a',
	  S(CHUNKED " 3\r\nabc\r\n0\r\n\r\n"), "!400 bad chunk size" },
	{ "a chunk size and something", 'a',
	  S(CHUNKED "3 x\r\nabc\r\n0\r\n\r\n"), "!400 bad chunk extension" },
	{ "NUL in a chunk extension", 'a',
	  S(CHUNKED "3;\0\r\nabc\r\n0\r\n\r\n"), "!400 bad chunk extension" },
	{ "a chunk longer than it says", 'a', S(CHUNKED "3\r\nabcd\r\n0\r\n\r\n"),
	  "!400 a chunk is longer than its size says" },
	{ "a chunk shorter than it says", 'a',
	  S(CHUNKED "5\r\nabc\r\n0\r\n\r\n"), "!400 a chunk is longer" },
	{ "a bad trailer", 'a', S(CHUNKED "0\r\nnot a field\r\n\r\n"),
	  "!400 bad header line" },
	{ "control characters in a message of ours", 'a',
	  S("\x1b[2J\x1b[1;1H\r\n"), "!400 not HTTP: \"?[2J?[1;\"" },
};

/* What came of it, as text. */
static void summary(const struct row *row, size_t cut, size_t step, struct buf *out)
{
	struct http_parser p;
	struct err e = ERR_INIT;
	struct buf body = BUF_INIT(1 << 20);
	struct str rest = row->bytes, piece;
	enum http_event event = HTTP_MORE;
	unsigned turns = 0;
	bool head = false;
	size_t left = 0;

	http_parser_init(&p, row->kind == 'q');
	p.head_answer = row->kind == 'h';
	p.upgrade = row->kind == 'u';
	while (event != HTTP_END && event != HTTP_BROKEN) {
		/* each piece in memory of its own, so that reading past it is seen */
		size_t n = step > 0 ? step : cut > 0 ? cut : rest.n;
		struct str chunk = str_head(rest, n), at;
		char *own = xmalloc(chunk.n);

		if (chunk.n == 0) {
			free(own);
			if (http_parse_eof(&p, &e) < 0)
				event = HTTP_BROKEN;
			else
				event = HTTP_END;
			break;
		}
		memcpy(own, chunk.p, chunk.n);
		rest = str_skip(rest, chunk.n);
		cut = 0;
		at = (struct str){ own, chunk.n };
		do {
			event = http_parse(&p, &at, &piece, &e);
			if (event == HTTP_HEAD) {
				if (head)
					buf_adds(out, "TWO HEADS ");
				head = true;
			} else if (event == HTTP_BODY) {
				if (piece.n == 0 || !head)
					buf_adds(out, "BAD PIECE ");
				buf_addstr(&body, piece);
			}
			if (++turns > 100000) {
				buf_adds(out, "ENDLESS ");
				event = HTTP_BROKEN;
			}
		} while (event == HTTP_HEAD || event == HTTP_BODY);
		if (event == HTTP_MORE && at.n != 0)
			buf_adds(out, "NOT ALL TAKEN ");
		left = at.n;
		free(own);
	}
	if (event == HTTP_BROKEN) {
		struct err again = ERR_INIT;
		struct str more = STR("x");

		buf_addf(out, "!%u %s", p.refusal, e.msg);
		if (p.refusal != 0 &&
		    (http_parse(&p, &more, &piece, &again) != HTTP_BROKEN ||
		     strcmp(again.msg, e.msg) != 0 || more.n != 1))
			buf_adds(out, " BUT NOT FOR GOOD");
	} else {
		if (row->kind == 'q')
			buf_addf(out, "%.*s %.*s", STR_ARG(p.head.method),
				 STR_ARG(p.head.target));
		else
			buf_addf(out, "%u", p.head.status);
		buf_addf(out, " %s [%s]", p.keep_alive ? "keep" : "close",
			 body.str);
		if (left + rest.n > 0)
			buf_addf(out, " +%zu", left + rest.n);
	}
	buf_release(&body);
	http_parser_release(&p);
}

static bool as_wanted(const char *want, const char *got)
{
	size_t n = strcspn(want, " ");

	if (want[0] != '!')
		return strcmp(want, got) == 0;
	return strncmp(want, got, n + 1) == 0 &&
	       strstr(got + n, want + n + 1) != NULL;
}

static void codec_row(const struct row *row)
{
	struct buf whole = BUF_INIT(1 << 16), part = BUF_INIT(1 << 16);
	size_t n = row->bytes.n, step = n > 4000 ? n / 50 : 1;
	bool same = true;

	summary(row, 0, 0, &whole);
	if (!as_wanted(row->want, whole.str)) {
		checkf(false, row->name, "\"%.200s\", wanted \"%s\"", whole.str,
		       row->want);
		goto out;
	}
	/* where TCP put its boundaries must not matter */
	for (size_t cut = 1; same && cut < n; cut += step) {
		buf_reset(&part);
		summary(row, cut, 0, &part);
		same = strcmp(whole.str, part.str) == 0;
		if (!same)
			checkf(false, row->name, "cut at %zu: \"%.200s\"", cut,
			       part.str);
	}
	for (size_t by = 1; same && by <= 3; by++) {
		buf_reset(&part);
		summary(row, 0, by, &part);
		same = strcmp(whole.str, part.str) == 0;
		if (!same)
			checkf(false, row->name, "by %zu: \"%.200s\"", by,
			       part.str);
	}
	if (same)
		checkf(true, row->name, "same");
out:
	buf_release(&whole);
	buf_release(&part);
}

/* Rows too long to write down: prefix, unit n times, suffix. */
static void long_row(const char *name, char kind, const char *prefix,
		     const char *unit, size_t n, const char *suffix,
		     const char *want)
{
	struct buf b = BUF_INIT(1 << 20);

	buf_adds(&b, prefix);
	for (size_t i = 0; i < n; i++)
		buf_adds(&b, unit);
	buf_adds(&b, suffix);
	codec_row(&(struct row){ name, kind, buf_str(&b), want });
	buf_release(&b);
}

static void limits(void)
{
	const char *end = "\r\nContent-Length: 0\r\n\r\n";

	long_row("a line of 16 KiB", 'a', OK "X: ", "y", HTTP_LINE_MAX - 3, end,
		 "200 keep []");
	long_row("a line over 16 KiB", 'a', OK "X: ", "y", HTTP_LINE_MAX - 2,
		 end, "!431 a line is longer than 16384 bytes");
	long_row("a line without end", 'a', OK "X: ", "y", HTTP_LINE_MAX * 2,
		 "", "!431 a line is longer than 16384 bytes");
	long_row("a start line without end", 'q', "GET /", "y", HTTP_LINE_MAX,
		 "", "!431 a line is longer than 16384 bytes");
	long_row("100 fields", 'a', OK, "X: y\r\n", 99,
		 "Content-Length: 0\r\n\r\n", "200 keep []");
	long_row("101 fields", 'a', OK, "X: y\r\n", 100,
		 "Content-Length: 0\r\n\r\n", "!431 more than 100 header fields");
	long_row("a header over 32 KiB", 'a', OK,
		 "X: 0123456789012345678901234567890123456789012345678901234567890123456789012345"
		 "0123456789012345678901234567890123456789012345678901234567890123456789012345"
		 "0123456789012345678901234567890123456789012345678901234567890123456789012345"
		 "0123456789012345678901234567890123456789012345678901234567890123456789012345"
		 "0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n",
		 99, "\r\n", "!431 the header is larger than 32768 bytes");
	long_row("trailers over 32 KiB", 'a', CHUNKED "0\r\n",
		 "X: 0123456789012345\r\n", 2000, "\r\n",
		 "!431 the header is larger than 32768 bytes");
	long_row("a chunk line over 1 KiB", 'a', CHUNKED "1;", "y", 1023,
		 "\r\nx\r\n0\r\n\r\n", "!431 a line is longer than 1024 bytes");
	long_row("zeros before a chunk size without end", 'a', CHUNKED, "0", 2000,
		 "1\r\nx\r\n0\r\n\r\n", "!431 a line is longer than 1024 bytes");
	long_row("8 interim answers", 'a', "", "HTTP/1.1 100 Continue\r\n\r\n",
		 8, OK "Content-Length: 0\r\n\r\n", "200 keep []");
	long_row("9 interim answers", 'a', "", "HTTP/1.1 100 Continue\r\n\r\n",
		 9, OK "Content-Length: 0\r\n\r\n",
		 "!400 more than 8 interim answers");
	long_row("chunks of one byte", 'a', CHUNKED, "1\r\nx\r\n", 60, "0\r\n\r\n",
		 "200 keep [xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx]");
}

/* A parser serves one message after the other, and hands out its fields. */
static void fields(void)
{
	struct http_parser p;
	struct err e = ERR_INIT;
	struct str in = STR(OK
			    "Set-Cookie: a\r\nContent-Length: 2\r\nset-cookie:  b c \r\nX:\r\n\r\nhi" OK
			    "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\n\r\n"),
		   piece;

	http_parser_init(&p, false);
	checkf(http_parse(&p, &in, &piece, &e) == HTTP_HEAD && p.has_length &&
		       p.length == 2 && !p.chunked,
	       "the header is told", "%s", e.msg);
	checkf(p.head.n_fields == 4 &&
		       str_eqz(http_field(&p.head, "SET-COOKIE"), "a") &&
		       str_eqz(http_field_n(&p.head, "set-cookie", 1), "b c") &&
		       http_field_n(&p.head, "set-cookie", 2).p == NULL,
	       "fields of the same name", "wrong");
	checkf(http_field(&p.head, "x").p != NULL &&
		       http_field(&p.head, "x").n == 0 &&
		       http_field(&p.head, "y").p == NULL,
	       "an empty field is not an absent one", "wrong");
	checkf(str_eqz(p.head.reason, "OK") && p.head.minor == 1,
	       "reason and version", "wrong");
	checkf(http_parse(&p, &in, &piece, &e) == HTTP_BODY &&
		       str_eqz(piece, "hi") &&
		       http_parse(&p, &in, &piece, &e) == HTTP_END &&
		       http_parse(&p, &in, &piece, &e) == HTTP_END,
	       "body, and an end that stays", "%s", e.msg);
	http_parser_reset(&p);
	checkf(http_parse(&p, &in, &piece, &e) == HTTP_HEAD && p.chunked &&
		       !p.has_length &&
		       http_parse(&p, &in, &piece, &e) == HTTP_BODY &&
		       http_parse(&p, &in, &piece, &e) == HTTP_END && in.n == 0,
	       "the next message", "%s", e.msg);
	http_parser_release(&p);
}

/* ---- URLs and fields to send ---- */

static const struct {
	const char *url;
	const char *want; /* "host port path", or "!words" */
} urls[] = {
	{ "http://a", "a 80 /" },
	{ "https://A.Example./x?y=z#frag", "a.example. 443 /x?y=z tls" },
	{ "HTTPS://a:8443/", "a 8443 / tls" },
	{ "http://127.0.0.1:1", "127.0.0.1 1 /" },
	{ "http://[::1]:8080/x", "::1 8080 /x" },
	{ "http://[FE80::1]", "fe80::1 80 /" },
	{ "http://a:/x", "a 80 /x" },
	{ "http://a?comp=list", "a 80 ?comp=list" },
	{ "http://a#x", "a 80 /" },
	{ "http://a_b-c.d:65535/%20", "a_b-c.d 65535 /%20" },
	{ "ftp://a/", "!\"ftp://a/\" is no http or https URL" },
	{ "/x", "!is no http or https URL" },
	{ "", "!characters that must be escaped" },
	{ "http://", "!bad host \"\"" },
	{ "http:///x", "!bad host \"\"" },
	{ "http://:80/", "!bad host \"\"" },
	{ "http://a b/", "!characters that must be escaped" },
	{ "http://a/\r\nX: y", "!characters that must be escaped" },
	{ "http://a/\xc3\xa9", "!characters that must be escaped" },
	{ "http://a/\x7f", "!characters that must be escaped" },
	{ "http://user:secret@a/", "!a URL with a user name" },
	{ "http://a@b/", "!a URL with a user name" },
	{ "http://a:0/", "!bad port" },
	{ "http://a:65536/", "!bad port" },
	{ "http://a:-1/", "!bad port" },
	{ "http://a:80:80/", "!bad port" },
	{ "http://a:80x/", "!bad port" },
	{ "http://[::1", "!without the ]" },
	{ "http://[::1]x/", "!bad port" },
	{ "http://[]/", "!bad host" },
	{ "http://[::1%25eth0]/", "!bad host" },
	{ "http://a%41/", "!bad host" },
	{ "http://a\\b/", "!bad host" },
	{ "http://a/%s%n", "a 80 /%s%n" },
};

static void url_rows(void)
{
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct http_url u;
		struct err e = ERR_INIT;
		struct buf got = BUF_INIT(1000), name = BUF_INIT(1000);

		buf_adds(&name, "URL ");
		buf_add_clean(&name, str_of(urls[i].url));
		if (http_url_parse(str_of(urls[i].url), &u, &e) < 0)
			buf_addf(&got, "!%s", e.msg);
		else
			buf_addf(&got, "%s %u %.*s%s", u.host, u.port,
				 STR_ARG(u.path), u.tls ? " tls" : "");
		checkf(urls[i].want[0] == '!' ?
			       got.str[0] == '!' &&
				       strstr(got.str, urls[i].want + 1) != NULL &&
				       strstr(got.str, "secret") == NULL :
			       strcmp(got.str, urls[i].want) == 0,
		       name.str, "\"%s\", wanted \"%s\"", got.str, urls[i].want);
		buf_release(&got);
		buf_release(&name);
	}
	struct buf b = BUF_INIT(HTTP_LINE_MAX * 2);
	struct http_url u;
	struct err e = ERR_INIT;

	buf_adds(&b, "http://");
	while (b.n < 7 + 255)
		buf_addc(&b, 'a');
	checkf(http_url_parse(buf_str(&b), &u, &e) == 0 && strlen(u.host) == 255,
	       "a host of 255", "%s", e.msg);
	buf_addc(&b, 'a');
	checkf(http_url_parse(buf_str(&b), &u, &e) < 0 &&
		       strstr(e.msg, "bad host") != NULL,
	       "a host of 256", "%s", e.msg);
	err_clear(&e);
	while (b.n < HTTP_LINE_MAX)
		buf_addc(&b, 'a');
	checkf(http_url_parse(buf_str(&b), &u, &e) < 0 &&
		       strstr(e.msg, "a URL of more than") != NULL,
	       "a URL too long", "%s", e.msg);
	buf_release(&b);
}

static void sent_fields(void)
{
	static const struct {
		const char *field, *words;
		bool answer_too;
	} bad[] = {
		{ "X: a\r\nY: b", "control characters in header field X", true },
		{ "X: a\nY: b", "control characters in header field X", true },
		{ "X: \x1b", "control characters", true },
		{ "X y: a", "not a header field's name", true },
		{ "X\r\nY: a", "not a header field's name", true },
		{ "no colon", "not a header field's name", true },
		{ ": a", "not a header field's name", true },
		{ "", "not a header field's name", true },
		{ "Content-Length: 1", "Content-Length cannot be given", true },
		{ "transfer-encoding: chunked",
		  "Transfer-Encoding cannot be given", true },
		{ "host: b", "Host cannot be given", false },
		{ "Connection: close", "Connection cannot be given", false },
		{ "Expect: 100-continue", "Expect cannot be given", false },
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		const char *const list[] = { "Fine: yes", bad[i].field, NULL };
		struct err e = ERR_INIT;
		struct buf name = BUF_INIT(200);

		buf_adds(&name, "field ");
		buf_add_clean(&name, str_of(bad[i].field));
		checkf(http_fields_check(list, true, &e) < 0 &&
			       strstr(e.msg, bad[i].words) != NULL &&
			       (http_fields_check(list, false, &e) < 0) ==
				       bad[i].answer_too,
		       name.str, "%s", e.msg);
		buf_release(&name);
	}
	struct err e = ERR_INIT;
	const char *const good[] = { "A: b", "C:", "D:e f\t", "F: caf\xc3\xa9",
				     NULL };

	checkf(http_fields_check(good, true, &e) == 0 &&
		       http_fields_check(NULL, true, &e) == 0,
	       "fields that are fine", "%s", e.msg);
}

/* ---- a stream that is a script, and fails when told to ---- */

/* PIPE: from then on it hears nothing, but still speaks. */
enum failure { NONE, RESET, TIMEOUT, INTERRUPT, END, SHORT, PIPE, FAILURES };

struct play {
	struct str in;	 /* what the peer says, in all */
	size_t at, step; /* said so far; at most so much at a time, 0: all */
	bool early;	 /* says it before it was asked */
	struct buf out;	 /* what it heard */
	unsigned calls, fail_at; /* reads, writes, flushes so far; 0: never */
	enum failure how;
	bool dead, ended, deaf;
	useconds_t nap_us; /* before it says something */
	unsigned open;	   /* streams not closed yet */
};

struct fake {
	struct stream s;
	struct play *p;
};

/* 1: this call fails, and was dealt with */
static bool fails(struct play *p, struct err *e)
{
	bool now = ++p->calls == p->fail_at;

	if (p->dead || (now && (p->how == RESET || (p->how == END && p->ended)))) {
		p->dead = true;
		err_set(e, ERR_NET, "receiving: Connection reset by peer");
		return true;
	}
	if (now && p->how == TIMEOUT)
		err_set(e, ERR_TIMEOUT, "timed out");
	else if (now && p->how == INTERRUPT)
		err_set(e, ERR_INTR, "interrupted");
	else
		return false;
	return true;
}

static ssize_t fake_read(struct stream *s, void *to, size_t n,
			 int64_t deadline_ms, struct err *e)
{
	struct play *p = ((struct fake *)s)->p;
	size_t left = p->in.n - p->at;

	(void)deadline_ms;
	if (fails(p, e))
		return -1;
	if (p->ended || (p->calls == p->fail_at && p->how == END)) {
		p->ended = true;
		return 0;
	}
	if (p->nap_us > 0)
		usleep(p->nap_us);
	if (p->step > 0 && n > p->step)
		n = p->step;
	if (p->calls == p->fail_at && p->how == SHORT)
		n = 1;
	if (n > left)
		n = left;
	memcpy(to, p->in.p + p->at, n);
	p->at += n;
	return (ssize_t)n;
}

static int fake_write(struct stream *s, const void *from, size_t n,
		      int64_t deadline_ms, struct err *e)
{
	struct play *p = ((struct fake *)s)->p;

	(void)deadline_ms;
	if (fails(p, e))
		return -1;
	if (p->deaf || (p->calls == p->fail_at && p->how == PIPE)) {
		p->deaf = true;
		return err_set(e, ERR_NET, "sending: Broken pipe");
	}
	if (p->calls == p->fail_at && p->how == END) {
		p->ended = p->dead = true;
		return err_set(e, ERR_NET, "sending: Broken pipe");
	}
	buf_add(&p->out, from, n);
	return 0;
}

static int fake_flush(struct stream *s, int64_t deadline_ms, struct err *e)
{
	(void)deadline_ms;
	return fails(((struct fake *)s)->p, e) ? -1 : 0;
}

static bool fake_pending(struct stream *s)
{
	struct play *p = ((struct fake *)s)->p;

	return p->early && p->at < p->in.n;
}

static void fake_close(struct stream *s)
{
	((struct fake *)s)->p->open--;
	free(s);
}

static const struct stream_ops fake_ops = {
	.read = fake_read,
	.write = fake_write,
	.flush = fake_flush,
	.pending = fake_pending,
	.close = fake_close,
};

static struct stream *fake_open(struct play *p)
{
	struct fake *f = xmalloc(sizeof *f);

	*f = (struct fake){ .s = { .ops = &fake_ops }, .p = p };
	p->open++;
	return &f->s;
}

/* ---- the client over it ---- */

static struct stream *fake_dial(void *ctx, bool tls, const char *host,
				unsigned port, int64_t deadline_ms, struct err *e)
{
	struct play *p = ctx;

	(void)tls;
	(void)deadline_ms;
	if (strcmp(host, "nowhere") == 0) {
		err_set(e, ERR_NET, "%s:%u: cannot connect", host, port);
		return NULL;
	}
	p->at = 0;
	p->dead = p->ended = p->deaf = false;
	return fake_open(p);
}

static const char *const some_fields[] = { "Accept: x/y",
					   "Authorization: Bearer t", NULL };

static const struct client_row {
	const char *name;
	const char *method, *url, *body;
	const char *const *fields;
	const char *heard; /* all of the request */
	const char *says;
	const char *want; /* "STATUS [BODY]" or "!KIND words" */
	bool open;	  /* the connection may be used again */
} client_rows[] = {
	{ "GET", "GET", "http://a/x?y", NULL, NULL,
	  "GET /x?y HTTP/1.1\r\nHost: a\r\nUser-Agent: me/1\r\n\r\n",
	  OK "Content-Length: 2\r\n\r\nhi", "200 [hi]", true },
	{ "fields and a port", "GET", "http://A:8080/", NULL, some_fields,
	  "GET / HTTP/1.1\r\nHost: a:8080\r\nUser-Agent: me/1\r\nAccept: x/y\r\n"
	  "Authorization: Bearer t\r\n\r\n",
	  OK "Content-Length: 0\r\n\r\n", "200 []", true },
	{ "the default port of https", "GET", "https://a:443/", NULL, NULL,
	  "GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: me/1\r\n\r\n",
	  OK "Content-Length: 0\r\n\r\n", "200 []", true },
	{ "IPv6", "GET", "http://[::1]:81", NULL, NULL,
	  "GET / HTTP/1.1\r\nHost: [::1]:81\r\nUser-Agent: me/1\r\n\r\n",
	  OK "Content-Length: 0\r\n\r\n", "200 []", true },
	{ "a query alone", "GET", "http://a?b", NULL, NULL,
	  "GET /?b HTTP/1.1\r\nHost: a\r\nUser-Agent: me/1\r\n\r\n",
	  OK "Content-Length: 0\r\n\r\n", "200 []", true },
	{ "POST with a body", "POST", "http://a/", "{\"a\":1}", NULL,
	  "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: me/1\r\nContent-Length: 7\r\n\r\n{\"a\":1}",
	  OK "Content-Length: 0\r\n\r\n", "200 []", true },
	{ "POST without", "POST", "http://a/", NULL, NULL,
	  "POST / HTTP/1.1\r\nHost: a\r\nUser-Agent: me/1\r\nContent-Length: 0\r\n\r\n",
	  "HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	  "202 [ok]", true },
	{ "DELETE with an empty body", "DELETE", "http://a/", "", NULL,
	  "DELETE / HTTP/1.1\r\nHost: a\r\nUser-Agent: me/1\r\nContent-Length: 0\r\n\r\n",
	  "HTTP/1.1 204 No Content\r\n\r\n", "204 []", true },
	{ "HEAD", "HEAD", "http://a/", NULL, NULL,
	  "HEAD / HTTP/1.1\r\nHost: a\r\nUser-Agent: me/1\r\n\r\n",
	  OK "Content-Length: 1000\r\n\r\n", "200 []", true },
	{ "an answer that closes", "GET", "http://a/", NULL, NULL, NULL,
	  OK "Content-Length: 2\r\nConnection: close\r\n\r\nhi", "200 [hi]",
	  false },
	{ "an answer until close", "GET", "http://a/", NULL, NULL, NULL,
	  OK "\r\nhi", "200 [hi]", false },
	{ "more than an answer", "GET", "http://a/", NULL, NULL, NULL,
	  OK "Content-Length: 2\r\n\r\nhi" OK, "200 [hi]", false },
	{ "an error is an answer", "GET", "http://a/", NULL, NULL, NULL,
	  "HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno", "500 [no]", true },
	{ "no answer", "GET", "http://a/", NULL, NULL, NULL, "",
	  "!net a: the connection was closed before the answer", false },
	{ "half an answer", "GET", "http://a/", NULL, NULL, NULL,
	  OK "Content-Length: 3\r\n\r\nhi",
	  "!proto a: the answer ended early: 1 of 3 bytes are missing", false },
	{ "a broken answer", "GET", "http://a/", NULL, NULL, NULL,
	  "SSH-2.0-x\r\n", "!proto a: not HTTP: \"SSH-2.0-\"", false },
	{ "an answer too large", "GET", "http://a/", NULL, NULL, NULL,
	  OK "Content-Length: 101\r\n\r\n1234567890123456789012345678901234567890123456789012345678901234567890"
	     "1234567890123456789012345678901",
	  "!data a: the answer is larger than 100 bytes", false },
	{ "nobody there", "GET", "http://nowhere:1/", NULL, NULL, NULL, "",
	  "!net nowhere:1: cannot connect", false },
	{ "a bad URL", "GET", "http://a/ b", NULL, NULL, NULL, "",
	  "!data must be escaped", false },
	{ "a bad method", "GET / HTTP/1.1\r\nX:", "http://a/", NULL, NULL, NULL,
	  "", "!data not a request method", false },
};

static const char *kind_name(enum err_kind kind)
{
	return kind == ERR_NET	   ? "net" :
	       kind == ERR_PROTO   ? "proto" :
	       kind == ERR_DATA	   ? "data" :
	       kind == ERR_TIMEOUT ? "timeout" :
	       kind == ERR_INTR	   ? "intr" :
				     "other";
}

static void client_row(const struct client_row *row, size_t step)
{
	struct play p = { .in = str_of(row->says),
			  .step = step,
			  .out = BUF_INIT(4096) };
	struct http_client c;
	struct http_request q = {
		.method = row->method,
		.url = row->url,
		.fields = row->fields,
		.body = row->body == NULL ? STR_NULL : str_of(row->body),
		.deadline_ms = now_ms() + 5000,
	};
	struct http_response r;
	struct err e = ERR_INIT;
	struct buf got = BUF_INIT(2000);
	char name[100];

	snprintf(name, sizeof name, "client: %s%s", row->name,
		 step > 0 ? ", a byte at a time" : "");
	http_client_init(&c, (struct http_dialer){ fake_dial, &p }, "me/1");
	http_response_init(&r, 100);
	if (http_exchange(&c, &q, &r, &e) < 0)
		buf_addf(&got, "!%s %s", kind_name(e.kind), e.msg);
	else
		buf_addf(&got, "%u [%s]", r.head.status, r.body.str);
	/* a byte at a time, what is too much is not seen before the next exchange */
	checkf(as_wanted(row->want, got.str) && c.connections <= 1 &&
		       (c.stream != NULL) ==
			       (row->open || (step > 0 && p.at < p.in.n &&
					      p.in.n - p.at == 17)) &&
		       (row->heard == NULL || strcmp(row->heard, p.out.str) == 0),
	       name, "\"%s\", wanted \"%s\"; %s; sent \"%s\"", got.str,
	       row->want, c.stream != NULL ? "open" : "closed", p.out.str);
	http_response_release(&r);
	http_client_release(&c);
	checkf(p.open == 0, name, "%u streams left open", p.open);
	buf_release(&got);
	buf_release(&p.out);
}

struct source {
	uint64_t left;
	unsigned calls;
	bool fail;
};

static ssize_t give(void *ctx, void *p, size_t n, struct err *e)
{
	struct source *s = ctx;

	s->calls++;
	if (s->fail && s->calls == 2)
		return err_set(e, ERR_IO, "the disk is on fire");
	if (n > s->left)
		n = (size_t)s->left;
	if (n > 7000)
		n = 7000;
	memset(p, 'b', n);
	s->left -= n;
	return (ssize_t)n;
}

#define X100 \
	"0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"

/* Bodies that are sent in pieces, and answers that come before their end. */
static void uploads(void)
{
	struct source s = { .left = 50000 };
	struct play p = { .in = STR(OK "Content-Length: 2\r\n\r\nhi"),
			  .out = BUF_INIT(1 << 20) };
	struct http_client c;
	struct http_request q = {
		.method = "PUT",
		.url = "http://a/",
		.body_read = give,
		.body_ctx = &s,
		.body_length = 50000,
		.deadline_ms = now_ms() + 5000,
	};
	struct http_response r;
	struct err e = ERR_INIT;
	char *big = xcalloc(1, 100001);

	http_client_init(&c, (struct http_dialer){ fake_dial, &p }, NULL);
	http_response_init(&r, 100);
	checkf(http_exchange(&c, &q, &r, &e) == 0 && s.left == 0 &&
		       p.out.n > 50000 &&
		       strstr(p.out.str, "Content-Length: 50000\r\n\r\nbbb") !=
			       NULL &&
		       c.stream != NULL,
	       "client: a body in pieces", "%s", e.msg);
	http_client_release(&c);
	buf_reset(&p.out);
	s = (struct source){ .left = 40000 };
	checkf(http_exchange(&c, &q, &r, &e) < 0 &&
		       strstr(e.msg, "the body to send ended early") != NULL,
	       "client: a body that ends early", "%s", e.msg);
	err_clear(&e);
	s = (struct source){ .left = 50000, .fail = true };
	checkf(http_exchange(&c, &q, &r, &e) < 0 && e.kind == ERR_IO &&
		       strcmp(e.msg, "a: the disk is on fire") == 0,
	       "client: a body that fails", "%s", e.msg);
	err_clear(&e);
	buf_reset(&p.out);
	memset(big, 'm', 100000);
	q.body_read = NULL;
	q.body = (struct str){ big, 100000 };
	checkf(http_exchange(&c, &q, &r, &e) == 0 && p.out.n > 100000 &&
		       p.out.n < 100200 &&
		       strcmp(strstr(p.out.str, "\r\n\r\n") + 4, big) == 0,
	       "client: a large body from memory", "%s", e.msg);
	http_client_release(&c);
	/* it says no at once */
	buf_reset(&p.out);
	p.early = true;
	p.in = STR("HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nno!");
	checkf(http_exchange(&c, &q, &r, &e) == 0 && r.head.status == 413 &&
		       strcmp(r.body.str, "no!") == 0 && p.out.n < 1000 &&
		       c.stream == NULL,
	       "client: an early no ends the sending", "%s, sent %zu", e.msg,
	       p.out.n);
	http_response_release(&r);
	http_response_init(&r, 4000);
	/* the same, when its text comes slowly */
	buf_reset(&p.out);
	p.step = 30;
	p.in = STR("HTTP/1.1 413 Too Large\r\nContent-Length: 600\r\n\r\n" X100 X100
			   X100 X100 X100 X100);
	checkf(http_exchange(&c, &q, &r, &e) == 0 && r.head.status == 413 &&
		       r.body.n == 600 && p.out.n < 60000 && c.stream == NULL,
	       "client: before all of it was heard", "%s, sent %zu", e.msg,
	       p.out.n);
	/* the sending fails, with the reason waiting to be read */
	for (unsigned n = 1; n <= 3; n++) {
		buf_reset(&p.out);
		p.early = false;
		p.calls = 0;
		p.fail_at = n;
		p.how = PIPE;
		checkf(http_exchange(&c, &q, &r, &e) == 0 &&
			       r.head.status == 413 && c.stream == NULL,
		       "client: the reason why it could not send",
		       "call %u: %s", n, e.msg);
		err_clear(&e);
	}
	p.fail_at = 0;
	p.early = true;
	/* 100, then the end of it all is read while we send */
	buf_reset(&p.out);
	p.in = STR("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\nx");
	p.step = 30;
	checkf(http_exchange(&c, &q, &r, &e) < 0 && p.out.n > 100000,
	       "client: an early yes does not", "sent %zu, %s", p.out.n, e.msg);
	err_clear(&e);
	http_response_release(&r);
	http_client_release(&c);
	buf_release(&p.out);
	free(big);
	checkf(p.open == 0, "client: no stream is left open", "%u", p.open);
}

#undef X100

static int stop_there(void *ctx, struct str piece, struct err *e)
{
	struct buf *b = ctx;

	buf_addstr(b, piece);
	return piece.n > 0 && piece.p[0] == '!' ?
		       err_set(e, ERR_DATA, "seen enough") :
		       0;
}

static void pieces_of_answers(void)
{
	struct play p = { .in = STR(CHUNKED "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
			  .out = BUF_INIT(4096) };
	struct http_client c;
	struct http_request q = { .method = "GET",
				  .url = "http://a/",
				  .deadline_ms = now_ms() + 5000 };
	struct http_response r;
	struct err e = ERR_INIT;
	struct buf b = BUF_INIT(100);

	http_client_init(&c, (struct http_dialer){ fake_dial, &p }, NULL);
	http_response_init(&r, 0);
	r.on_body = stop_there;
	r.ctx = &b;
	checkf(http_exchange(&c, &q, &r, &e) == 0 &&
		       strcmp(b.str, "abcde") == 0 && c.stream != NULL,
	       "client: pieces of an answer", "%s", e.msg);
	http_client_release(&c);
	p.in = STR(CHUNKED "1\r\n!\r\n2\r\nde\r\n0\r\n\r\n");
	checkf(http_exchange(&c, &q, &r, &e) < 0 &&
		       strcmp(e.msg, "a: seen enough") == 0 && c.stream == NULL,
	       "client: an answer given up", "%s", e.msg);
	http_response_release(&r);
	http_client_release(&c);
	buf_release(&b);
	buf_release(&p.out);
}

/* Three exchanges over one client, where call n of its streams fails. */
static unsigned client_session(unsigned fail_at, enum failure how, size_t step,
			       struct buf *why)
{
	static const struct {
		const char *method;
		size_t body;
		struct str says;
		const char *want;
	} turns[] = {
		{ "GET", 0, S(OK "Content-Length: 5\r\n\r\nfirst"), "first" },
		{ "POST", 40000,
		  S("HTTP/1.1 100 Continue\r\n\r\n" OK
		    "Transfer-Encoding: chunked\r\n\r\n"
		    "3\r\nsec\r\n3\r\nond\r\n0\r\nA: b\r\n\r\n"),
		  "second" },
		{ "HEAD", 0, S(OK "Content-Length: 5\r\n\r\n"), "" },
		{ "PUT", 3,
		  S("HTTP/1.1 201 Created\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast"),
		  "last" },
	};
	struct play p = { .step = step,
			  .fail_at = fail_at,
			  .how = how,
			  .out = BUF_INIT(1 << 20) };
	struct http_client c;
	unsigned bad = 0;
	char *body = xcalloc(1, 40000);

	http_client_init(&c, (struct http_dialer){ fake_dial, &p }, "me/1");
	for (size_t i = 0; i < sizeof turns / sizeof turns[0]; i++) {
		struct http_request q = {
			.method = turns[i].method,
			.url = "http://a/",
			.deadline_ms = now_ms() + 60000,
			.body = { turns[i].body > 0 ? body : NULL, turns[i].body },
		};
		struct http_response r;
		struct err e = ERR_INIT;
		bool hit;

		http_response_init(&r, 100);
		p.in = turns[i].says;
		p.at = 0;
		hit = p.calls < fail_at;
		if (http_exchange(&c, &q, &r, &e) == 0) {
			if (strcmp(r.body.str, turns[i].want) != 0)
				buf_addf(why, "turn %zu: \"%s\"; ", i, r.body.str);
		} else {
			bad++;
			hit = hit && p.calls >= fail_at;
			if (!hit || e.msg[0] == '\0' || c.stream != NULL ||
			    (e.kind != ERR_NET && e.kind != ERR_PROTO &&
			     e.kind != ERR_TIMEOUT && e.kind != ERR_INTR) ||
			    strncmp(e.msg, "a: ", 3) != 0)
				buf_addf(why, "turn %zu: kind %d, \"%s\"; ", i,
					 (int)e.kind, e.msg);
		}
		http_response_release(&r);
	}
	if (bad > 1 || p.calls > 10000 || (fail_at == 0 && bad > 0) ||
	    (how == SHORT && bad > 0))
		buf_addf(why, "%u turns failed, %u calls; ", bad, p.calls);
	http_client_release(&c);
	if (p.open != 0)
		buf_addf(why, "%u streams left open; ", p.open);
	buf_release(&p.out);
	free(body);
	return p.calls;
}

static void client_torture(void)
{
	static const char *const how[FAILURES] = {
		"", "reset", "timeout", "interrupt", "end", "short", "pipe"
	};
	static const size_t steps[] = { 0, 7 };

	for (size_t s = 0; s < 2; s++) {
		struct buf why = BUF_INIT(4000);
		unsigned calls = client_session(0, NONE, steps[s], &why);
		unsigned runs = 0;

		for (int f = RESET; f < FAILURES && why.n == 0; f++)
			for (unsigned n = 1; n <= calls && why.n == 0;
			     n++, runs++) {
				client_session(n, (enum failure)f, steps[s], &why);
				if (why.n > 0)
					buf_addf(&why, "(%s at call %u)",
						 how[f], n);
			}
		checkf(why.n == 0 && runs == calls * (FAILURES - 1) && calls > 8,
		       s == 0 ? "client: each call failing in turn" :
				"client: the same, in small pieces",
		       "%s", why.str);
		buf_release(&why);
	}
}

/* ---- the server over it ---- */

struct seen {
	unsigned handled, failed;
	char last[1024]; /* what failed() was told */
};

static void serve_echo(void *ctx, struct http_exchange *x)
{
	static const char *const closing[] = { "connection: Close", "X: y", NULL };
	static const char *const bad[] = { "X: a\r\nY: b", NULL };
	static const char *const length[] = { "Content-Length: 7", NULL };
	struct seen *seen = ctx;
	struct str path = http_x_path(x);
	struct buf b = BUF_INIT(40000);
	struct err e = ERR_INIT;
	char few[5];

	seen->handled++;
	if (str_eqz(path, "/echo")) {
		if (http_x_body(x, &b, &e) == 0)
			http_x_answer(x, 200, NULL, buf_str(&b));
	} else if (str_eqz(path, "/pieces")) {
		ssize_t n;

		while ((n = http_x_read(x, few, sizeof few, &e)) > 0)
			buf_addf(&b, "(%.*s)", (int)n, few);
		if (n == 0)
			http_x_answer(x, 200, NULL, buf_str(&b));
	} else if (str_eqz(path, "/small")) {
		buf_release(&b);
		buf_init(&b, 3);
		if (http_x_body(x, &b, &e) < 0)
			http_x_answer(x, 413, NULL, STR("too large for me"));
	} else if (str_eqz(path, "/chunks")) {
		if (http_x_begin(x, 200, NULL, UINT64_MAX, &e) == 0 &&
		    http_x_send(x, STR("one"), &e) == 0 &&
		    http_x_send(x, STR(""), &e) == 0 &&
		    http_x_send(x, STR("twotwotwotwo"), &e) == 0)
			http_x_end(x, &e);
	} else if (str_eqz(path, "/length")) {
		if (http_x_begin(x, 200, NULL, 6, &e) == 0 &&
		    http_x_send(x, STR("one"), &e) == 0 &&
		    http_x_send(x, STR("two"), &e) == 0)
			http_x_end(x, &e);
	} else if (str_eqz(path, "/less")) {
		if (http_x_begin(x, 200, NULL, 6, &e) == 0 &&
		    http_x_send(x, STR("one"), &e) == 0)
			http_x_end(x, &e);
	} else if (str_eqz(path, "/more")) {
		if (http_x_begin(x, 200, NULL, 2, &e) == 0 &&
		    http_x_send(x, STR("one"), &e) == 0)
			http_x_end(x, &e);
	} else if (str_eqz(path, "/twice")) {
		http_x_answer(x, 200, NULL, STR("one"));
		http_x_answer(x, 200, NULL, STR("two"));
	} else if (str_eqz(path, "/204")) {
		http_x_answer(x, 204, NULL, STR("no such thing"));
	} else if (str_eqz(path, "/304")) {
		http_x_answer(x, 304, NULL, STR_NULL);
	} else if (str_eqz(path, "/close")) {
		http_x_answer(x, 200, closing, STR("bye"));
	} else if (str_eqz(path, "/bad")) {
		http_x_answer(x, 200, bad, STR("x"));
	} else if (str_eqz(path, "/framing")) {
		http_x_answer(x, 200, length, STR("x"));
	} else if (str_eqz(path, "/99")) {
		http_x_answer(x, 99, NULL, STR("x"));
	} else if (str_eqz(path, "/abort")) {
		if (http_x_begin(x, 200, NULL, UINT64_MAX, &e) == 0 &&
		    http_x_send(x, STR("x"), &e) == 0)
			http_x_abort(x);
	} else if (str_eqz(path, "/unended")) {
		if (http_x_begin(x, 200, NULL, UINT64_MAX, &e) == 0)
			http_x_send(x, STR("x"), &e);
	} else if (str_eqz(path, "/query")) {
		struct buf v = BUF_INIT(100);
		static const char *const names[] = { "a",    "$top", "empty",
						     "bare", "bad",  "absent" };

		for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
			buf_reset(&v);
			buf_addf(&b, "%s=%s;", names[i],
				 http_x_param(x, names[i], &v) ? v.str : "-");
		}
		http_x_answer(x, 200, NULL, buf_str(&b));
		buf_release(&v);
	} else if (!str_eqz(path, "/nothing")) {
		buf_addf(&b, "%.*s from %s", STR_ARG(path), http_x_peer(x));
		http_x_answer(x, 200, NULL, buf_str(&b));
	}
	buf_release(&b);
}

static void note(void *ctx, const struct err *e)
{
	struct seen *seen = ctx;

	seen->failed++;
	snprintf(seen->last, sizeof seen->last, "%s", e->msg);
}

#define PUT(path, n) \
	"PUT " path " HTTP/1.1\r\nHost: a\r\nContent-Length: " n "\r\n\r\n"
#define AGAIN "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define AND_AGAIN " 200 close [/x from me]"

/* want: the answers as they come, "STATUS keep|close [BODY] ..."; a trailing "!"
 * when they end in the middle of one; ~words of what failed() is told. */
static const struct server_row {
	const char *name;
	struct str asks;
	const char *want;
	const char *told;
} server_rows[] = {
	{ "GET", S(GET "\r\n" AGAIN), "200 keep [/ from me]" AND_AGAIN, NULL },
	{ "HTTP/1.0", S("GET /y HTTP/1.0\r\n\r\n"), "200 close [/y from me]",
	  NULL },
	{ "HTTP/1.0 that stays",
	  S("GET /y HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" AGAIN),
	  "200 keep [/y from me]" AND_AGAIN, NULL },
	{ "a whole URL", S("GET http://b:1/y?z HTTP/1.1\r\nHost: b:1\r\n\r\n"),
	  "200 keep [/y from me]", NULL },
	{ "a whole URL without a path",
	  S("GET http://b HTTP/1.1\r\nHost: b\r\n\r\n"), "200 keep [/ from me]",
	  NULL },
	{ "OPTIONS *", S("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n"),
	  "200 keep [* from me]", NULL },
	{ "a body", S(PUT("/echo", "5") "hallo" AGAIN),
	  "200 keep [hallo]" AND_AGAIN, NULL },
	{ "a body in chunks",
	  S("PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\nX: y\r\n\r\n" AGAIN),
	  "200 keep [abcdefg]" AND_AGAIN, NULL },
	{ "a body read in pieces", S(PUT("/pieces", "12") "hallo, du da" AGAIN),
	  "200 keep [(hallo)(, du )(da)]" AND_AGAIN, NULL },
	{ "an empty body", S(PUT("/pieces", "0") AGAIN),
	  "200 keep []" AND_AGAIN, NULL },
	{ "a body nobody reads", S(PUT("/y", "5") "hallo" AGAIN),
	  "200 keep [/y from me]" AND_AGAIN, NULL },
	{ "a body nobody reads, in chunks",
	  S("PUT /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" AGAIN),
	  "200 keep [/y from me]" AND_AGAIN, NULL },
	{ "much that nobody reads", S(PUT("/y", "69999") "hallo"),
	  "200 close [/y from me]", NULL },
	{ "much that nobody reads, in chunks",
	  S("PUT /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n\x02\r\n0\r\n\r\n" AGAIN),
	  "200 keep [/y from me]", NULL },
	{ "100 (Continue)",
	  S("PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n\x01hi" AGAIN),
	  "100 200 keep [hi]" AND_AGAIN, NULL },
	{ "100 is late",
	  S("PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi" AGAIN),
	  "200 keep [hi]" AND_AGAIN, NULL },
	{ "100 for a body nobody reads",
	  S("PUT /y HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n\x01"),
	  "200 close [/y from me]", NULL },
	{ "100 without a body",
	  S("GET /y HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n" AGAIN),
	  "200 keep [/y from me]" AND_AGAIN, NULL },
	{ "another expectation",
	  S("GET /y HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n" AGAIN),
	  "417 close [417 Expectation Failed\n]", NULL },
	{ "too large for the server", S(PUT("/echo", "200001")),
	  "413 close [413 Content Too Large\n]", NULL },
	{ "too large for the server, in chunks",
	  S("PUT /pieces HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n30d41\r\n\x02\x02\x02"),
	  "413 close [413 Content Too Large\n]", NULL },
	{ "too large for the handler", S(PUT("/small", "5") "hallo"),
	  "413 close [too large for me]", NULL },
	{ "a body that breaks",
	  S("PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
	  "400 close [400 Bad Request\n]", NULL },
	{ "a body cut short", S(PUT("/echo", "9") "hi"),
	  "400 close [400 Bad Request\n]", NULL },
	{ "chunks out", S("GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "200 keep [onetwotwotwotwo]" AND_AGAIN, NULL },
	{ "chunks out, to HTTP/1.0",
	  S("GET /chunks HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" AGAIN),
	  "200 close [onetwotwotwotwo]", NULL },
	{ "known length out", S("GET /length HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "200 keep [onetwo]" AND_AGAIN, NULL },
	{ "less than announced", S("GET /less HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "200 close [one]!", NULL },
	{ "more than announced", S("GET /more HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "200 close []!", NULL },
	{ "aborted", S("GET /abort HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "200 close [x]!", NULL },
	{ "not ended", S("GET /unended HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "200 close [x]!", "me: an answer was not ended" },
	{ "answered twice", S("GET /twice HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "200 keep [one]" AND_AGAIN, NULL },
	{ "not answered", S("GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "500 keep [500 Internal Server Error\n]" AND_AGAIN,
	  "me: a request got no answer" },
	{ "204", S("GET /204 HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "204 keep []" AND_AGAIN, NULL },
	{ "304", S("GET /304 HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "304 keep []" AND_AGAIN, NULL },
	{ "a handler that closes",
	  S("GET /close HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN), "200 close [bye]",
	  NULL },
	{ "a field that would split the answer",
	  S("GET /bad HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "500 keep []" AND_AGAIN, NULL },
	{ "a field that would frame it twice",
	  S("GET /framing HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "500 keep []" AND_AGAIN, NULL },
	{ "a status that is none", S("GET /99 HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "500 keep []" AND_AGAIN, NULL },
	{ "parameters",
	  S("GET /query?x&a=1+2%2B&%24top=5&a=no&empty=&bare&bad=%4 HTTP/1.1\r\nHost: a\r\n\r\n"),
	  "200 keep [a=1 2+;$top=5;empty=;bare=;bad=-;absent=-;]", NULL },
	{ "no Host", S("GET / HTTP/1.1\r\n\r\n" AGAIN),
	  "400 close [400 Bad Request\n]", NULL },
	{ "two Hosts", S("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n" AGAIN),
	  "400 close [400 Bad Request\n]", NULL },
	{ "a target without a slash", S("GET x HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
	  "400 close [400 Bad Request\n]", NULL },
	{ "CONNECT", S("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n" AGAIN),
	  "400 close [400 Bad Request\n]", NULL },
	{ "both framings",
	  S("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" AGAIN),
	  "400 close [400 Bad Request: both Transfer-Encoding and Content-Length\n]",
	  "me: both Transfer-Encoding" },
	{ "not HTTP at all", S("\x16\x03\x03\n"),
	  "400 close [400 Bad Request: a line ends in LF without CR\n]",
	  "me: a line ends in LF" },
	{ "HTTP/2", S("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
	  "505 close [505 HTTP Version Not Supported: HTTP version 2.0 is not spoken here\n]",
	  "me: HTTP version 2.0" },
	{ "a coding nobody knows",
	  S("PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n"),
	  "501 close [501 Not Implemented: transfer coding \"gzip\" is not known\n]",
	  "me: transfer coding" },
	{ "half a header", S("GET / HTTP/1.1\r\nHost"),
	  "400 close [400 Bad Request: the request ended early, in its header\n]",
	  "me: the request ended early" },
	{ "nothing", S(""), "", NULL },
};

/* The answers in what the server said, as text. */
static void read_answers(struct str said, struct buf *out)
{
	struct http_parser p;
	struct err e = ERR_INIT;
	struct str piece;
	enum http_event event = HTTP_END;

	http_parser_init(&p, false);
	while (said.n > 0 && event != HTTP_BROKEN) {
		struct buf body = BUF_INIT(1 << 20);

		/* the parser passes over them, but they are to be seen */
		if (str_starts(said, STR("HTTP/1.1 100 Continue\r\n\r\n")))
			buf_adds(out, out->n > 0 ? " 100" : "100");
		http_parser_reset(&p);
		do {
			event = http_parse(&p, &said, &piece, &e);
			if (event == HTTP_BODY)
				buf_addstr(&body, piece);
		} while (event == HTTP_HEAD || event == HTTP_BODY);
		if (event == HTTP_MORE && http_parse_eof(&p, &e) == 0)
			event = HTTP_END;
		buf_addf(out, "%s%u %s [%s]%s", out->n > 0 ? " " : "",
			 p.head.status, p.keep_alive ? "keep" : "close",
			 body.str, event == HTTP_END ? "" : "!");
		if (event != HTTP_END)
			event = HTTP_BROKEN;
		buf_release(&body);
	}
	http_parser_release(&p);
}

/* In a script, \x01 is a pause (what comes behind it is read only later), and
 * \x02 stands for 100000 bytes. */
static void server_row(const struct server_row *row, size_t step)
{
	struct seen seen = { .handled = 0 };
	struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.body_max = 200000,
		.idle_ms = 1000,
		.body_ms = 1000,
		.handle = serve_echo,
		.failed = note,
		.ctx = &seen,
	};
	struct play p = { .step = step, .out = BUF_INIT(1 << 20) };
	struct buf asks = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
	char name[120];

	snprintf(name, sizeof name, "server: %s%s", row->name,
		 step > 0 ? ", a byte at a time" : "");
	for (size_t i = 0; i < row->asks.n; i++) {
		if (row->asks.p[i] == 1 && step == 0)
			p.step = i; /* the rest fits in as much again */
		else if (row->asks.p[i] == 2)
			for (int j = 0; j < 100000; j++)
				buf_addc(&asks, 'x');
		else if (row->asks.p[i] != 1)
			buf_addc(&asks, row->asks.p[i]);
	}
	p.in = buf_str(&asks);
	http_serve_stream(&s, fake_open(&p), "me");
	read_answers(buf_str(&p.out), &got);
	/* a byte at a time, pieces are smaller and there is always time for 100 */
	if (step > 0 && strcmp(row->name, "a body read in pieces") == 0)
		checkf(strncmp(got.str, "200 keep [(h)(a)", 16) == 0, name,
		       "%s", got.str);
	else if (step > 0 && strcmp(row->name, "100 is late") == 0)
		checkf(strncmp(got.str, "100 200 keep [hi]", 17) == 0, name,
		       "%s", got.str);
	else
		checkf(strcmp(got.str, row->want) == 0 &&
			       (row->told == NULL ||
				strncmp(seen.last, row->told,
					strlen(row->told)) == 0) &&
			       p.open == 0,
		       name, "\"%s\", wanted \"%s\"; told \"%s\"", got.str,
		       row->want, seen.last);
	buf_release(&asks);
	buf_release(&got);
	buf_release(&p.out);
}

/* Bytes always there when asked for, but too slowly in all. */
static void server_patience(void)
{
	struct seen seen = { .handled = 0 };
	struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.body_max = 200000,
		.idle_ms = 20000,
		.body_ms = 30,
		.handle = serve_echo,
		.failed = note,
		.ctx = &seen,
	};
	struct buf asks = BUF_INIT(10000), got = BUF_INIT(10000);
	struct play p = { .step = 40, .nap_us = 2000, .out = BUF_INIT(10000) };

	buf_adds(&asks, PUT("/echo", "4000"));
	while (asks.n < 4100)
		buf_addc(&asks, 'x');
	p.in = buf_str(&asks);
	http_serve_stream(&s, fake_open(&p), "me");
	read_answers(buf_str(&p.out), &got);
	checkf(strcmp(got.str, "408 close [408 Request Timeout\n]") == 0,
	       "server: a body that takes too long", "%s", got.str);
	buf_release(&asks);
	buf_release(&got);
	buf_release(&p.out);
}

static void server_heads(void)
{
	struct seen seen = { .handled = 0 };
	struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.body_max = 200000,
		.idle_ms = 1000,
		.body_ms = 1000,
		.handle = serve_echo,
		.ctx = &seen,
	};
	struct play p = {
		.in = STR("HEAD /length HTTP/1.1\r\nHost: a\r\n\r\nHEAD /less HTTP/1.1\r\nHost: a\r\n\r\n"
			  "HEAD /chunks HTTP/1.1\r\nHost: a\r\n\r\nHEAD /y HTTP/1.1\r\nHost: a\r\n\r\n"),
		.out = BUF_INIT(4096),
	};
	struct str rest;
	unsigned heads = 0;
	bool bare = true;

	http_serve_stream(&s, fake_open(&p), "me");
	rest = buf_str(&p.out);
	while (rest.n > 0) {
		ptrdiff_t end = str_find(rest, STR("\r\n\r\n"));

		if (end < 0 ||
		    !str_starts(rest, STR("HTTP/1.1 200 OK\r\nDate: "))) {
			bare = false;
			break;
		}
		heads++;
		rest = str_skip(rest, (size_t)end + 4);
	}
	checkf(bare && heads == 4, "server: HEAD gets headers only", "%u: %s",
	       heads, p.out.str);
	checkf(strstr(p.out.str, "Content-Length: 6\r\n") != NULL &&
		       strstr(p.out.str, "Transfer-Encoding: chunked\r\n") != NULL &&
		       strstr(p.out.str, "Content-Length: 10\r\n") != NULL,
	       "server: HEAD tells the length", "%s", p.out.str);
	buf_release(&p.out);
}

/* One connection with a bit of everything, where call n fails. */
static unsigned server_session(unsigned fail_at, enum failure how, size_t step,
			       struct buf *why)
{
	struct seen seen = { .handled = 0 };
	struct http_server s = {
		.listen_fd = -1,
		.stop_fd = -1,
		.body_max = 30000,
		.idle_ms = 60000,
		.body_ms = 60000,
		.handle = serve_echo,
		.failed = note,
		.ctx = &seen,
	};
	struct play p = {
		.in = STR(
			"PUT /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
			"3\r\nabc\r\n4\r\ndefg\r\n0\r\nX: y\r\n\r\n" GET
			"\r\n" PUT("/y",
				   "5") "hallo"
					"GET /chunks HTTP/1.1\r\nHost: a\r\n\r\n"
					"HEAD /length HTTP/1.1\r\nHost: a\r\n\r\n" AGAIN),
		.step = step,
		.fail_at = fail_at,
		.how = how,
		.out = BUF_INIT(1 << 20),
	};
	struct err e = ERR_INIT;
	struct http_parser parser;
	struct str said, piece;
	enum http_event event = HTTP_END;
	unsigned answers = 0;

	http_serve_stream(&s, fake_open(&p), "me");
	/* whole answers, and at most one in pieces at the end */
	http_parser_init(&parser, false);
	said = buf_str(&p.out);
	while (said.n > 0 && event == HTTP_END) {
		http_parser_reset(&parser);
		/* the fifth is to HEAD, unless that never came to be understood */
		parser.head_answer = answers == 4 &&
				     str_starts(said, STR("HTTP/1.1 200"));
		do
			event = http_parse(&parser, &said, &piece, &e);
		while (event == HTTP_HEAD || event == HTTP_BODY);
		answers += event == HTTP_END;
	}
	if (event == HTTP_BROKEN)
		buf_addf(why, "answer %u: %s; ", answers, e.msg);
	http_parser_release(&parser);
	if (p.open != 0)
		buf_addf(why, "%u streams left open; ", p.open);
	if (seen.handled > 6 || p.calls > 10000 || seen.failed > 6)
		buf_addf(why, "%u handled, %u failed, %u calls; ", seen.handled,
			 seen.failed, p.calls);
	if ((fail_at == 0 || how == SHORT) &&
	    (answers != 6 || seen.handled != 6 || seen.failed != 0))
		buf_addf(why, "%u answers, %u handled, \"%s\"; ", answers,
			 seen.handled, seen.last);
	buf_release(&p.out);
	return p.calls;
}

static void server_torture(void)
{
	static const char *const how[FAILURES] = {
		"", "reset", "timeout", "interrupt", "end", "short", "pipe"
	};
	static const size_t steps[] = { 0, 7 };

	for (size_t s = 0; s < 2; s++) {
		struct buf why = BUF_INIT(4000);
		unsigned calls = server_session(0, NONE, steps[s], &why);
		unsigned runs = 0;

		for (int f = RESET; f < FAILURES && why.n == 0; f++)
			for (unsigned n = 1; n <= calls && why.n == 0;
			     n++, runs++) {
				server_session(n, (enum failure)f, steps[s], &why);
				if (why.n > 0)
					buf_addf(&why, "(%s at call %u)",
						 how[f], n);
			}
		checkf(why.n == 0 && runs == calls * (FAILURES - 1) && calls > 8,
		       s == 0 ? "server: each call failing in turn" :
				"server: the same, in small pieces",
		       "%s", why.str);
		buf_release(&why);
	}
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		codec_row(&rows[i]);
	limits();
	fields();
	url_rows();
	sent_fields();
	for (size_t i = 0; i < sizeof client_rows / sizeof client_rows[0]; i++) {
		client_row(&client_rows[i], 0);
		client_row(&client_rows[i], 1);
	}
	uploads();
	pieces_of_answers();
	client_torture();
	for (size_t i = 0; i < sizeof server_rows / sizeof server_rows[0]; i++) {
		server_row(&server_rows[i], 0);
		server_row(&server_rows[i], 1);
	}
	server_patience();
	server_heads();
	server_torture();
	return check_failed();
}
