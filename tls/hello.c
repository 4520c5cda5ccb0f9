/*
 * A cursor over a ClientHello: lengths are checked against what is left, and
 * what does not fit ends it.  RFC 5246 section 7.4.1.2, RFC 6066 section 3.
 */
#include "tls/hello.h"

#define HANDSHAKE 22 /* a record's type */
#define CLIENT_HELLO 1
#define SERVER_NAME 0 /* the extension */
#define HOST_NAME 0   /* the only kind of name */
#define RANDOM_LEN 32

/* A number of so many bytes off the front. */
static bool take_number(struct str *s, unsigned bytes, size_t *v)
{
	*v = 0;
	if (s->n < bytes)
		return false;
	for (unsigned i = 0; i < bytes; i++)
		*v = *v << 8 | (uint8_t)s->p[i];
	*s = str_skip(*s, bytes);
	return true;
}

/* What a length of so many bytes goes before. */
static bool take_vector(struct str *s, unsigned bytes, struct str *v)
{
	struct str rest = *s;
	size_t n;

	if (!take_number(&rest, bytes, &n) || n > rest.n)
		return false;
	*v = str_head(rest, n);
	*s = str_skip(rest, n);
	return true;
}

/* To what comes behind session, suites and compression. */
static bool to_extensions(struct str record, struct str *extensions)
{
	struct str hello, passed;
	size_t type;

	if (!take_number(&record, 1, &type) || type != CLIENT_HELLO ||
	    !take_vector(&record, 3, &hello) || hello.n < 2 + RANDOM_LEN)
		return false;
	hello = str_skip(hello, 2 + RANDOM_LEN);
	return take_vector(&hello, 1, &passed) &&
	       take_vector(&hello, 2, &passed) &&
	       take_vector(&hello, 1, &passed) &&
	       take_vector(&hello, 2, extensions);
}

struct str tls_hello_name(struct str bytes)
{
	struct str record, extensions, one, names, name;
	size_t type;

	if (!take_number(&bytes, 1, &type) || type != HANDSHAKE || bytes.n < 2)
		return STR_NULL;
	bytes = str_skip(bytes, 2); /* a version that means nothing */
	if (!take_vector(&bytes, 2, &record) ||
	    !to_extensions(record, &extensions))
		return STR_NULL;
	while (take_number(&extensions, 2, &type) &&
	       take_vector(&extensions, 2, &one))
		if (type == SERVER_NAME)
			return take_vector(&one, 2, &names) &&
					       take_number(&names, 1, &type) &&
					       type == HOST_NAME &&
					       take_vector(&names, 2, &name) ?
				       name :
				       STR_NULL;
	return STR_NULL;
}
