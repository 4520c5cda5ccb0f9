/*
 * What compose files say in one word: ports, volumes, durations, sizes, and commands
 * as a shell would split them.
 *
 * Source: Compose Specification, "short syntax" of ports and volumes, "Specifying
 * durations", "Specifying byte values".
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

#include "compose/inner.h"

#define PORT_MAX 65535

/* ---- ports ---- */

struct range {
	uint64_t first, last;
};

static bool take_range(struct str s, struct range *r)
{
	if (!str_dec(&s, PORT_MAX, &r->first))
		return false;
	r->last = r->first;
	if (s.n > 0 && s.p[0] == '-') {
		s = str_skip(s, 1);
		if (!str_dec(&s, PORT_MAX, &r->last))
			return false;
	}
	return s.n == 0 && r->last >= r->first;
}

static bool is_address(struct str s)
{
	unsigned char raw[16];
	char *z;
	bool yes;

	if (s.n > 1 && s.p[0] == '[' && s.p[s.n - 1] == ']')
		s = str_head(str_skip(s, 1), s.n - 2);
	z = str_dup(s);
	yes = inet_pton(AF_INET, z, raw) == 1 || inet_pton(AF_INET6, z, raw) == 1;
	free(z);
	return yes;
}

static void add_port(cJSON *ports, const char *protocol, uint64_t target,
		     uint64_t published)
{
	cJSON *port = json_add_obj(ports, NULL);

	json_add_str(port, "Protocol", protocol);
	if (target > 0)
		json_add_int(port, "TargetPort", (int64_t)target);
	if (published > 0)
		json_add_int(port, "PublishedPort", (int64_t)published);
	json_add_str(port, "PublishMode", "ingress");
}

/* Each with its own, or all of them to one. */
static void add_ports(cJSON *ports, const char *protocol, struct range target,
		      struct range published, bool publishes)
{
	uint64_t n = target.last - target.first + 1,
		 all = publishes ? published.last - published.first + 1 : 1;

	for (uint64_t i = 0; i < (n > all ? n : all); i++)
		add_port(ports, protocol, target.first + (n > 1 ? i : 0),
			 publishes ? published.first + i : 0);
}

static bool fit(struct range target, struct range published, bool publishes)
{
	return !publishes || target.first == target.last ||
	       target.last - target.first == published.last - published.first;
}

static const char *take_protocol(struct str *s)
{
	static const char *const known[] = { "tcp", "udp", "sctp" };
	struct str port, protocol = *s;

	if (!str_cut(&protocol, '/', &port))
		return known[0];
	*s = port;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (str_ieqz(protocol, known[i]))
			return known[i];
	return protocol.n == 0 ? known[0] : NULL;
}

int short_port(struct load *l, const struct node *n, const char *service,
	       cJSON *ports, struct err *e)
{
	struct str rest = str_of(n->text), target = rest, published = STR_NULL,
		   address = STR_NULL;
	struct range t, p = { 0, 0 };
	const char *protocol;
	ptrdiff_t at = str_rchr(rest, ':');

	if (at >= 0) {
		target = str_skip(rest, (size_t)at + 1);
		published = str_head(rest, (size_t)at);
		at = str_rchr(published, ':');
	}
	if (at >= 0) {
		address = str_head(published, (size_t)at);
		published = str_skip(published, (size_t)at + 1);
	}
	protocol = take_protocol(&target);
	if (protocol == NULL || !take_range(target, &t) ||
	    (published.n > 0 && !take_range(published, &p)) ||
	    (address.n > 0 && !is_address(address)) ||
	    !fit(t, p, published.n > 0))
		return load_bad(l, n, e,
				"services.%s.ports: \"%s\" is no port: 80, "
				"8080:80, 53:53/udp, 3000-3005:3000-3005",
				service, n->text);
	l->ports += t.last - t.first + p.last - p.first + 1;
	if (l->ports > LOAD_PORTS_MAX)
		return load_bad(l, n, e,
				"services.%s.ports: the file has more than %d ports",
				service, LOAD_PORTS_MAX);
	add_ports(ports, protocol, t, p, published.n > 0);
	if (address.n > 0 && !str_eqz(address, "0.0.0.0") &&
	    !str_eqz(address, "::") && !str_eqz(address, "[::]"))
		load_ignored(l,
			     "%s: the address in ports \"%s\": it is published on "
			     "every node",
			     service, n->text);
	return 0;
}

/* ---- volumes ---- */

static bool is_drive(struct str s, size_t at)
{
	return at == 1 && is_alpha(s.p[0]);
}

/* Up to a colon, but for that of C:. */
static bool next_section(struct str *s, bool *more, struct str *section)
{
	size_t at = 0;

	while (at < s->n && (s->p[at] != ':' || is_drive(*s, at)))
		at++;
	*section = str_head(*s, at);
	*more = at < s->n;
	*s = str_skip(*s, at + 1);
	return section->n > 0;
}

static void take_options(struct str options, struct short_volume *v)
{
	static const char *const propagations =
		"rprivate private rshared shared rslave slave";
	struct str option;

	while (str_next(&options, ',', &option)) {
		char *z = str_dup(option);

		if (strcmp(z, "ro") == 0 || strcmp(z, "rw") == 0) {
			v->read_only = z[1] == 'o';
		} else if (strcmp(z, "nocopy") == 0) {
			v->nocopy = true;
		} else if (str_listed(propagations, z)) {
			free(v->propagation);
			v->propagation = xstrdup(z);
		}
		free(z); /* docker takes others, and does nothing with them */
	}
}

static bool is_path(const char *source)
{
	return strchr("./~", source[0]) != NULL ||
	       strncmp(source, "\\\\", 2) == 0 ||
	       (is_alpha(source[0]) && source[1] == ':');
}

static int take_sections(struct str s, struct short_volume *v)
{
	struct str first, second;
	bool more, rest;

	if (!next_section(&s, &more, &first))
		return -1;
	if (!more) {
		v->target = str_dup(first);
		return 0;
	}
	if (!next_section(&s, &rest, &second))
		return -1;
	v->source = str_dup(first);
	v->target = str_dup(second);
	if (!rest)
		return 0;
	if (s.n == 0 || str_chr(s, ':') >= 0)
		return -1;
	take_options(s, v);
	return 0;
}

int short_volume(const struct load *l, const struct node *n,
		 struct short_volume *v, struct err *e)
{
	struct str text = str_of(n->text);
	int rc = 0;

	if (text.n > 0 && text.n < 3)
		v->target = str_dup(text);
	else
		rc = take_sections(text, v);
	if (rc < 0)
		return load_bad(l, n, e,
				"\"%s\" is no volume: NAME:/PATH, ./PATH:/PATH, "
				"each with :ro or not",
				n->text);
	v->type = xstrdup(v->source != NULL && is_path(v->source) ? "bind" :
								    "volume");
	return 0;
}

void short_volume_release(struct short_volume *v)
{
	free(v->type);
	free(v->source);
	free(v->target);
	free(v->propagation);
}

/* ---- commands ---- */

int short_words(const struct load *l, const struct node *n, cJSON *words,
		struct err *e)
{
	struct buf word = BUF_INIT(YAML_TEXT_MAX);
	const char *p = n->text;
	char quote = '\0';
	bool in_word = false, cut = false;

	for (; *p != '\0'; p++) {
		if (quote == '\0' && strchr(" \t\r\n", *p) != NULL) {
			if (in_word)
				json_add_str(words, NULL, word.str);
			buf_reset(&word);
			in_word = false;
		} else if (quote == '\0' && !in_word && *p == '#') {
			/* to the end of the line */
			p += strcspn(p, "\n");
			p -= *p == '\0';
		} else if (*p == '\\' && quote != '\'') {
			cut = *++p == '\0';
			if (cut)
				break;
			in_word = true;
			buf_addc(&word, *p);
		} else if (quote == '\0' ? *p == '\'' || *p == '"' : *p == quote) {
			quote = quote == '\0' ? *p : '\0';
			in_word = true;
		} else {
			in_word = true;
			buf_addc(&word, *p);
		}
	}
	if (in_word && !cut && quote == '\0')
		json_add_str(words, NULL, word.str);
	buf_burn(&word);
	if (!cut && quote == '\0')
		return 0;
	return load_bad(l, n, e, "%s: %s", n->name,
			cut ? "ends behind a \\" : "a quote that does not end");
}

/* ---- numbers with units ---- */

static bool take_decimal(struct str *s, double *v)
{
	char text[40];
	size_t n = 0;

	while (n < s->n && n + 1 < sizeof(text) &&
	       (is_digit(s->p[n]) || s->p[n] == '.')) {
		text[n] = s->p[n];
		n++;
	}
	text[n] = '\0';
	if (n == 0 || (n == 1 && text[0] == '.') ||
	    strchr(text, '.') != strrchr(text, '.'))
		return false;
	*v = strtod(text, NULL);
	*s = str_skip(*s, n);
	return true;
}

static bool take_unit(struct str *s, double *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {
		{ "ns", 1 },	      { "us", 1e3 },   { "\xc2\xb5s", 1e3 },
		{ "\xce\xbcs", 1e3 }, { "ms", 1e6 },   { "s", 1e9 },
		{ "m", 60e9 },	      { "h", 3600e9 },
	};

	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (str_starts(*s, str_of(units[i].name))) {
			*s = str_skip(*s, strlen(units[i].name));
			*ns = units[i].ns;
			return true;
		}
	return false;
}

int short_duration(const struct load *l, const struct node *n, int64_t *ns,
		   struct err *e)
{
	struct str s = str_of(n->text);
	double sum = 0, v, unit;
	bool minus = s.n > 0 && s.p[0] == '-', good = true;

	if (minus || (s.n > 0 && s.p[0] == '+'))
		s = str_skip(s, 1);
	good = s.n > 0;
	if (str_eqz(s, "0"))
		s.n = 0;
	while (good && s.n > 0) {
		good = take_decimal(&s, &v) && take_unit(&s, &unit);
		if (good)
			sum += v * unit;
		good = good && sum < 1e18;
	}
	if (!good || (minus && sum > 0))
		return load_bad(l, n, e, "%s: wants a duration: 30s, 1m30s, 1.5h",
				n->name);
	*ns = (int64_t)sum;
	return 0;
}

int short_size(const struct load *l, const struct node *n, int64_t *bytes,
	       struct err *e)
{
	static const char *const units = "bkmgtp";
	struct str s = str_of(n->text);
	const char *unit;
	double v = 0;
	bool good;

	if (n->kind == NODE_INT) {
		*bytes = n->whole;
		return 0;
	}
	good = take_decimal(&s, &v);
	if (good && s.n > 0 && s.p[0] == ' ')
		s = str_skip(s, 1);
	if (good && s.n > 0) {
		unit = strchr(units, to_lower(s.p[0]));
		good = unit != NULL &&
		       (s.n == 1 ||
			(*unit != 'b' && (str_ieqz(str_skip(s, 1), "b") ||
					  str_ieqz(str_skip(s, 1), "ib"))));
		if (good)
			v = ldexp(v, 10 * (int)(unit - units));
	}
	if (!good || v > 9e18)
		return load_bad(l, n, e, "%s: wants a size: 512m, 1.5G, 64MiB",
				n->name);
	*bytes = (int64_t)v;
	return 0;
}

int short_cpus(const struct load *l, const struct node *n, int64_t *nano,
	       struct err *e)
{
	struct str s = str_of(n->text), whole = s;
	uint64_t v = 0, part = 0, digits = 0;
	bool point = str_cut(&s, '.', &whole);

	if (!point)
		s = STR("");
	digits = s.n;
	if ((whole.n > 0 || s.n > 0) && s.n <= 9 &&
	    (whole.n == 0 || str_num(whole, 1000000, &v)) &&
	    (s.n == 0 || str_num(s, 999999999, &part))) {
		for (; digits < 9; digits++)
			part *= 10;
		*nano = (int64_t)(v * 1000000000 + part);
		return 0;
	}
	return load_bad(l, n, e,
			"%s: wants a number of processors, 0.25 or 2, with at most "
			"nine digits behind the point",
			n->name);
}
