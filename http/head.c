/*
 * What the head of a message holds: its fields, the words behind a status, the
 * URL that a request is made for.  No I/O (RFC 9110, RFC 3986).
 */
#include <string.h>

#include "base/clock.h"
#include "base/time.h"
#include "http/inner.h"

#define URL_MAX (HTTP_LINE_MAX - 64)
#define CLOCK_OFF_S 300 /* what sign-in and signatures put up with */

/* ---- fields ---- */

struct str http_field_n(const struct http_head *h, const char *name, size_t nth)
{
	struct str want = str_of(name);

	for (size_t i = 0; i < h->n_fields; i++)
		if (str_ieq(h->fields[i].name, want) && nth-- == 0)
			return h->fields[i].value;
	return STR_NULL;
}

struct str http_field(const struct http_head *h, const char *name)
{
	return http_field_n(h, name, 0);
}

int64_t http_clock_ahead(const struct http_head *h)
{
	int64_t date;

	if (http_field(h, "age").n > 0 ||
	    !time_parse_http(http_field(h, "date"), &date))
		return 0;
	return unix_time() - date;
}

int http_blame_clock(int64_t ahead_s, struct err *e)
{
	int64_t off = ahead_s < 0 ? -ahead_s : ahead_s;

	return off <= CLOCK_OFF_S ?
		       -1 :
		       err_in(e, "the clock of this machine is %lld s %s",
			      (long long)off, ahead_s < 0 ? "behind" : "ahead");
}

bool http_field_has(const struct http_head *h, const char *name, const char *word)
{
	for (size_t i = 0; i < h->n_fields; i++) {
		struct str rest = h->fields[i].value, one;

		if (!str_ieqz(h->fields[i].name, name))
			continue;
		while (str_next(&rest, ',', &one))
			if (str_ieqz(str_trim(one), word))
				return true;
	}
	return false;
}

/* RFC 9110 section 5.5: visible, space, tab, and the obsolete upper half. */
bool http_text_ok(struct str s)
{
	while ((s = str_skip(s, str_visible(s, '\0', '\0'))).n > 0) {
		if ((unsigned char)s.p[0] < 0x80 && s.p[0] != '\t')
			return false;
		s = str_skip(s, 1);
	}
	return true;
}

bool http_target_ok(struct str s)
{
	return s.n > 0 && str_visible(s, ' ', ' ') == s.n;
}

int http_fields_check(const char *const *fields, bool request, struct err *e)
{
	static const struct str ours[] = {
		{ "Content-Length", 14 },
		{ "Transfer-Encoding", 17 },
		{ "Host", 4 },
		{ "Connection", 10 },
		{ "Expect", 6 },
	};
	size_t n_ours = request ? sizeof ours / sizeof ours[0] : 2;

	for (; fields != NULL && *fields != NULL; fields++) {
		struct str value = str_of(*fields), name;

		/* the value is not shown: it may be a token */
		if (!str_cut(&value, ':', &name) || !str_is_token(name))
			return err_set(e, ERR_DATA, "not a header field's name");
		if (!http_text_ok(value))
			return err_set(e, ERR_DATA,
				       "control characters in header field %.*s",
				       STR_ARG(name));
		for (size_t i = 0; i < n_ours; i++)
			if (str_ieq(name, ours[i]))
				return err_set(e, ERR_DATA,
					       "header field %s cannot be given",
					       ours[i].p);
	}
	return 0;
}

const char *http_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} known[] = {
		{ 100, "Continue" },
		{ 200, "OK" },
		{ 201, "Created" },
		{ 202, "Accepted" },
		{ 204, "No Content" },
		{ 206, "Partial Content" },
		{ 301, "Moved Permanently" },
		{ 302, "Found" },
		{ 303, "See Other" },
		{ 304, "Not Modified" },
		{ 307, "Temporary Redirect" },
		{ 308, "Permanent Redirect" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 408, "Request Timeout" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 411, "Length Required" },
		{ 412, "Precondition Failed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 416, "Range Not Satisfiable" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 502, "Bad Gateway" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
		{ 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (known[i].status == status)
			return known[i].reason;
	return status < 400 ? "OK" : "Error";
}

/* ---- URLs ---- */

static bool host_ok(struct str s, bool v6)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = to_lower(s.p[i]);

		if (v6 ? !is_digit(c) && (c < 'a' || c > 'f') && c != ':' &&
				    c != '.' :
			 !is_alnum(c) && c != '-' && c != '.' && c != '_')
			return false;
	}
	return s.n > 0 && s.n < 256;
}

/* "host", "host:port", "[v6]:port"; u->tls says which port is the usual one. */
static int take_authority(struct str authority, struct http_url *u, struct err *e)
{
	bool v6 = str_starts(authority, STR("["));
	ptrdiff_t at = v6 ? str_chr(authority, ']') : str_chr(authority, ':');
	struct str host, rest;
	uint64_t port;

	if (str_chr(authority, '@') >= 0)
		return err_set(e, ERR_DATA, "a URL with a user name");
	if (v6 && at < 0)
		return err_set(e, ERR_DATA, "a URL without the ] of its address");
	host = at < 0 ? authority : str_head(authority, (size_t)at);
	host = str_skip(host, v6);
	rest = str_skip(authority, host.n + (v6 ? 2 : 0));
	if (!host_ok(host, v6))
		return err_set(e, ERR_DATA, "a URL with a bad host \"%.*s\"",
			       (int)(host.n < 80 ? host.n : 80), host.p);
	for (size_t i = 0; i < host.n; i++)
		u->host[i] = to_lower(host.p[i]);
	u->host[host.n] = '\0';
	u->port = u->tls ? 443 : 80;
	if (rest.n == 0 ||
	    str_eqz(rest, ":")) /* RFC 3986 3.2.3 lets a port be empty */
		return 0;
	if (rest.p[0] != ':' || !str_num(str_skip(rest, 1), 65535, &port) ||
	    port == 0)
		return err_set(e, ERR_DATA, "a URL with a bad port after %s",
			       u->host);
	u->port = (unsigned)port;
	return 0;
}

int http_url_parse(struct str url, struct http_url *u, struct err *e)
{
	struct str s = url;
	size_t n = 0;
	ptrdiff_t at;

	if (url.n > URL_MAX)
		return err_set(e, ERR_DATA, "a URL of more than %u bytes",
			       URL_MAX);
	if (!http_target_ok(url))
		return err_set(e, ERR_DATA,
			       "a URL with characters that must be escaped");
	u->tls = str_istarts(s, STR("https://"));
	if (!u->tls && !str_istarts(s, STR("http://")))
		return err_set(e, ERR_DATA, "\"%.*s\" is no http or https URL",
			       (int)(s.n < 30 ? s.n : 30), s.p);
	s = str_skip(s, u->tls ? 8 : 7);
	while (n < s.n && s.p[n] != '/' && s.p[n] != '?' && s.p[n] != '#')
		n++;
	u->path = str_skip(s, n);
	if ((at = str_chr(u->path, '#')) >= 0)
		u->path.n = (size_t)at;
	if (u->path.n == 0)
		u->path = STR("/");
	return take_authority(str_head(s, n), u, e);
}
