/*
 * YAML, from libyaml's events to a tree of our own.  Knows nothing of compose
 * files.  A text may be hostile: what aliases make of it is counted, not only
 * what it is.
 *
 * Source: yaml.org/spec/1.1 and 1.2, chapter 10; yaml.org/type/merge.html.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "compose/inner.h"

struct anchor {
	char *name;
	const struct node *node; /* NULL: it is not whole yet */
};

struct reader {
	yaml_parser_t parser;
	yaml_event_t event; /* the last one */
	bool has_event;
	const char *name;
	size_t nodes, scalars;
	struct anchor *anchors;
	size_t n_anchors;
	/* what was merged into a map and is not a part of it: an anchor may be
	 * in there */
	struct node kept;
};

/* ---- nodes ---- */

static struct node *node_new(enum node_kind kind, yaml_mark_t at)
{
	struct node *n = xcalloc(1, sizeof(*n));

	n->kind = kind;
	n->line = (unsigned)at.line + 1;
	n->column = (unsigned)at.column + 1;
	return n;
}

static void node_empty(struct node *n)
{
	for (size_t i = 0; i < n->n; i++)
		node_free(n->item[i]);
	free(n->item);
	free(n->name);
	burn_str(n->text);
}

void node_free(struct node *n)
{
	if (n == NULL)
		return;
	node_empty(n);
	free(n);
}

static void node_add(struct node *to, struct node *item)
{
	/* room for a power of two */
	if ((to->n & (to->n - 1)) == 0)
		to->item = xrealloc(to->item, (to->n == 0 ? 1 : to->n * 2) *
						      sizeof(*to->item));
	to->item[to->n++] = item;
}

struct node *node_find(const struct node *map, const char *name)
{
	if (map == NULL || map->kind != NODE_MAP)
		return NULL;
	for (size_t i = 0; i < map->n; i++)
		if (strcmp(map->item[i]->name, name) == 0)
			return map->item[i];
	return NULL;
}

struct node *node_get(const struct node *map, const char *name)
{
	struct node *n = node_find(map, name);

	return n == NULL || n->kind == NODE_NULL ? NULL : n;
}

const char *node_kind_name(unsigned kinds, struct buf *b)
{
	static const char *const names[] = {
		"nothing", "true or false", "a whole number", "a number",
		"a text",  "a list",	    "a map",
	};
	unsigned left = kinds;

	if (kinds & NODE_FLOAT)
		left &= ~(unsigned)NODE_INT; /* is one, too */
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!(left & (1u << i)))
			continue;
		left &= ~(1u << i);
		if (b->n > 0)
			buf_adds(b, left == 0 ? " or " : ", ");
		buf_adds(b, names[i]);
	}
	return b->str;
}

/* ---- scalars ---- */

/* The shortest digits that are this number, as Go prints one. */
static char *number_text(double v)
{
	char text[40], *mark;
	int digits = 1, power;

	if (isnan(v))
		return xstrdup("NaN");
	if (isinf(v))
		return xstrdup(v > 0 ? "+Inf" : "-Inf");
	do
		snprintf(text, sizeof(text), "%.*e", digits - 1, v);
	while (strtod(text, NULL) != v && ++digits <= 17);
	mark = strchr(text, 'e');
	power = atoi(mark + 1);
	if (power < -4 || power >= 6)
		return xstrdup(text);
	snprintf(text, sizeof(text), "%.*f",
		 digits - 1 - power > 0 ? digits - 1 - power : 0, v);
	return xstrdup(text);
}

/* Without the underscores that YAML 1.1 has in numbers. */
static size_t plain_number(const char *text, char *to, size_t size)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < size; text++)
		if (*text != '_')
			to[n++] = *text;
	to[n] = '\0';
	return *text == '\0' ? n : 0;
}

static bool digits_of(const char *s, unsigned base)
{
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++) {
		char c = to_lower(*s);
		unsigned v = is_digit(c)	  ? (unsigned)(c - '0') :
			     c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 :
						    99;

		if (v >= base)
			return false;
	}
	return true;
}

/* 12, 0644, 0o17, 0x1f, 0b101, each with a sign. */
static bool is_whole(const char *s, bool *minus, uint64_t *v)
{
	unsigned base = 10;

	*minus = *s == '-';
	s += *s == '-' || *s == '+';
	if (s[0] == '0' && s[1] != '\0') {
		char c = to_lower(s[1]);

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		s += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	if (!digits_of(s, base))
		return false;
	errno = 0;
	*v = strtoull(s, NULL, (int)base);
	return errno == 0 && (!*minus || *v <= (uint64_t)INT64_MAX + 1);
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_real(const char *s)
{
	size_t before, after = 0;

	s += *s == '-' || *s == '+';
	before = strspn(s, "0123456789");
	s += before;
	if (*s == '.') {
		after = strspn(++s, "0123456789");
		s += after;
	}
	if (before + after == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		return digits_of(s, 10);
	}
	return *s == '\0';
}

static bool is_infinite(const char *s, double *v)
{
	*v = *s == '-' ? -INFINITY : INFINITY;
	s += *s == '-' || *s == '+';
	if (strcmp(s, ".inf") == 0 || strcmp(s, ".Inf") == 0 ||
	    strcmp(s, ".INF") == 0)
		return true;
	*v = NAN;
	return strcmp(s, ".nan") == 0 || strcmp(s, ".NaN") == 0 ||
	       strcmp(s, ".NAN") == 0;
}

static void set_text(struct node *n, char *text)
{
	burn_str(n->text);
	n->text = text;
}

static bool resolve_number(struct node *n, const char *text)
{
	char plain[400];
	uint64_t v;
	bool minus;

	if (text[0] != '\0' && strchr("+-.0123456789", text[0]) != NULL) {
		if (is_infinite(text, &n->real)) {
			n->kind = NODE_FLOAT;
			return true;
		}
		if (plain_number(text, plain, sizeof(plain)) == 0)
			return false;
		if (is_whole(plain, &minus, &v)) {
			n->kind = NODE_INT;
			n->whole = v > INT64_MAX ? INT64_MAX : (int64_t)v;
			n->whole = minus ? -n->whole : n->whole;
			n->real = minus ? -(double)v : (double)v;
			set_text(n, xasprintf("%s%llu", minus && v > 0 ? "-" : "",
					      (unsigned long long)v));
			return true;
		}
		if (is_real(plain)) {
			n->kind = NODE_FLOAT;
			n->real = strtod(plain, NULL);
			return true;
		}
	}
	return false;
}

/* The kind that a plain scalar is of.  Takes text. */
static void resolve(struct node *n, char *text)
{
	static const struct {
		const char *words;
		enum node_kind kind;
		bool yes;
	} words[] = {
		{ "true True TRUE", NODE_BOOL, true },
		{ "false False FALSE", NODE_BOOL, false },
		{ "~ null Null NULL", NODE_NULL, false },
	};
	struct str rest, word;

	set_text(n, text);
	n->kind = *text == '\0' ? NODE_NULL : NODE_STRING;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		rest = str_of(words[i].words);
		while (str_next(&rest, ' ', &word)) {
			if (!str_eqz(word, text))
				continue;
			n->kind = words[i].kind;
			n->yes = words[i].yes;
			if (n->kind == NODE_BOOL)
				set_text(n, xstrdup(n->yes ? "true" : "false"));
			return;
		}
	}
	if (n->kind == NODE_STRING && resolve_number(n, text) &&
	    n->kind == NODE_FLOAT)
		set_text(n, number_text(n->real));
}

/* ---- events ---- */

static int bad(const struct reader *r, yaml_mark_t at, struct err *e,
	       const char *what)
{
	return err_set(e, ERR_DATA, "%s:%zu:%zu: %s", r->name, at.line + 1,
		       at.column + 1, what);
}

static int next_event(struct reader *r, struct err *e)
{
	yaml_parser_t *p = &r->parser;

	if (r->has_event)
		yaml_event_delete(&r->event);
	r->has_event = yaml_parser_parse(p, &r->event);
	if (r->has_event)
		return 0;
	if (p->error == YAML_READER_ERROR)
		return err_set(e, ERR_DATA, "%s: byte %zu: %s", r->name,
			       p->problem_offset,
			       p->problem ? p->problem : "not a text");
	return bad(r, p->problem_mark, e, p->problem ? p->problem : "not YAML");
}

static const char *event_anchor(const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)ev->data.scalar.anchor;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)ev->data.sequence_start.anchor;
	default:
		return (const char *)ev->data.mapping_start.anchor;
	}
}

static const char *event_tag(const yaml_event_t *ev)
{
	switch (ev->type) {
	case YAML_SCALAR_EVENT:
		return (const char *)ev->data.scalar.tag;
	case YAML_SEQUENCE_START_EVENT:
		return (const char *)ev->data.sequence_start.tag;
	default:
		return (const char *)ev->data.mapping_start.tag;
	}
}

/* The nearest before it; a name may be given anew. */
static struct anchor *anchor_find(struct reader *r, const char *name)
{
	for (size_t i = r->n_anchors; i > 0; i--)
		if (strcmp(r->anchors[i - 1].name, name) == 0)
			return &r->anchors[i - 1];
	return NULL;
}

/* Its number, which stays while the list grows; SIZE_MAX: it has none, or there are
 * too many, and an alias of it finds nothing. */
static size_t anchor_add(struct reader *r, const char *name)
{
	struct anchor *a = name == NULL ? NULL : anchor_find(r, name);

	if (name == NULL || (a == NULL && r->n_anchors == YAML_ANCHORS_MAX))
		return SIZE_MAX;
	if (a == NULL) {
		r->anchors = xrealloc(r->anchors, (r->n_anchors + 1) * sizeof(*a));
		a = &r->anchors[r->n_anchors++];
		a->name = xstrdup(name);
	}
	a->node = NULL;
	return (size_t)(a - r->anchors);
}

static int count(struct reader *r, yaml_mark_t at, size_t bytes, struct err *e)
{
	if (++r->nodes > YAML_NODES_MAX)
		return bad(r, at, e,
			   "this and what aliases repeat is more than a "
			   "file may hold");
	r->scalars += bytes;
	if (r->scalars > YAML_SCALARS_MAX)
		return bad(r, at, e,
			   "texts, and what aliases repeat of them, are "
			   "larger than a file may hold");
	return 0;
}

/* What an alias stands for is there as often as it is named. */
static struct node *copy(struct reader *r, const struct node *from,
			 yaml_mark_t at, struct err *e)
{
	struct node *n, *item;

	if (count(r, at, from->text ? strlen(from->text) : 0, e) < 0)
		return NULL;
	n = xmalloc(sizeof(*n));
	*n = *from;
	n->name = from->name ? xstrdup(from->name) : NULL;
	n->text = from->text ? xstrdup(from->text) : NULL;
	n->item = NULL;
	n->n = 0;
	for (size_t i = 0; i < from->n; i++) {
		item = copy(r, from->item[i], at, e);
		if (item == NULL) {
			node_free(n);
			return NULL;
		}
		node_add(n, item);
	}
	return n;
}

/* ---- the tree ---- */

static struct node *read_node(struct reader *r, unsigned depth, struct err *e);

#define TAGS "tag:yaml.org,2002:"

/* A tag says what a scalar is; it may not say what it is not. */
static int take_tag(struct reader *r, struct node *n, const char *tag,
		    struct err *e)
{
	static const struct {
		const char *tag;
		unsigned kinds;
	} tags[] = {
		{ TAGS "str", NODE_STRING },
		{ TAGS "int", NODE_INT },
		{ TAGS "float", NODE_FLOAT | NODE_INT },
		{ TAGS "bool", NODE_BOOL },
		{ TAGS "null", NODE_NULL },
		{ TAGS "seq", NODE_LIST },
		{ TAGS "map", NODE_MAP },
		{ "!", NODE_STRING | NODE_LIST | NODE_MAP },
	};

	if (tag == NULL)
		return 0;
	for (size_t i = 0; i < sizeof(tags) / sizeof(*tags); i++)
		if (strcmp(tag, tags[i].tag) == 0 && (tags[i].kinds & n->kind))
			return 0;
	return bad(r, r->event.start_mark, e,
		   "a tag that compose files do not have here");
}

static struct node *read_scalar(struct reader *r, struct err *e)
{
	yaml_mark_t at = r->event.start_mark;
	const char *text = (const char *)r->event.data.scalar.value;
	size_t n = r->event.data.scalar.length;
	const char *tag = event_tag(&r->event);
	struct node *node;

	if (memchr(text, '\0', n) != NULL) {
		bad(r, at, e, "a text with a NUL in it");
		return NULL;
	}
	if (count(r, at, n, e) < 0)
		return NULL;
	node = node_new(NODE_STRING, at);
	if ((tag != NULL || r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE) &&
	    !str_is(tag, TAGS "str") && !str_is(tag, "!"))
		resolve(node, xstrdup(text));
	else
		node->text = xstrdup(text);
	if (take_tag(r, node, tag, e) < 0) {
		node_free(node);
		return NULL;
	}
	return node;
}

static int read_list(struct reader *r, struct node *list, unsigned depth,
		     struct err *e)
{
	for (;;) {
		struct node *item;

		if (next_event(r, e) < 0)
			return -1;
		if (r->event.type == YAML_SEQUENCE_END_EVENT)
			return 0;
		if (list->n == YAML_ITEMS_MAX)
			return bad(r, r->event.start_mark, e,
				   "a list may have 4096 items");
		item = read_node(r, depth + 1, e);
		if (item == NULL)
			return -1;
		node_add(list, item);
	}
}

/* Members of what is merged in, where the map has none of that name. */
static int merge_map(struct reader *r, struct node *map,
		     const struct node *from, yaml_mark_t at, struct err *e)
{
	struct node *item;

	if (from->kind != NODE_MAP)
		return bad(r, at, e, "<< takes a map, or a list of maps");
	for (size_t i = 0; i < from->n; i++) {
		if (node_find(map, from->item[i]->name) != NULL)
			continue;
		if (map->n == YAML_ITEMS_MAX)
			return bad(r, at, e, "a map may have 4096 members");
		item = copy(r, from->item[i], at, e);
		if (item == NULL)
			return -1;
		node_add(map, item);
	}
	return 0;
}

static int merge(struct reader *r, struct node *map, const struct node *from,
		 yaml_mark_t at, struct err *e)
{
	if (from->kind != NODE_LIST)
		return merge_map(r, map, from, at, e);
	for (size_t i = 0; i < from->n; i++)
		if (merge_map(r, map, from->item[i], at, e) < 0)
			return -1;
	return 0;
}

/* The name of a map's next member, in the event: caller frees. */
static char *read_name(struct reader *r, const struct node *map, bool *is_merge,
		       struct err *e)
{
	const yaml_event_t *ev = &r->event;
	yaml_mark_t at = ev->start_mark;
	struct node *name = NULL;
	char *text = NULL;

	*is_merge = ev->type == YAML_SCALAR_EVENT &&
		    ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
		    (ev->data.scalar.tag == NULL ||
		     str_is(event_tag(ev), TAGS "merge")) &&
		    strcmp((const char *)ev->data.scalar.value, "<<") == 0;
	if (*is_merge)
		return xstrdup("<<");
	if (ev->type != YAML_SCALAR_EVENT && ev->type != YAML_ALIAS_EVENT) {
		bad(r, at, e, "a name must be a text");
		return NULL;
	}
	name = read_node(r, 0, e);
	if (name == NULL)
		return NULL;
	if (name->kind != NODE_STRING) {
		bad(r, at, e, "a name must be a text: put it in quotes");
	} else if (node_find(map, name->text) != NULL) {
		err_set(e, ERR_DATA,
			"%s:%zu:%zu: \"%s\" is there twice, first on line %u",
			r->name, at.line + 1, at.column + 1, name->text,
			node_find(map, name->text)->line);
	} else {
		text = xstrdup(name->text);
	}
	/* it may be an anchor */
	node_add(&r->kept, name);
	return text;
}

static int read_member(struct reader *r, struct node *map, struct node **merged,
		       yaml_mark_t *merged_at, unsigned depth, struct err *e)
{
	yaml_mark_t at = r->event.start_mark;
	struct node *value = NULL;
	bool is_merge;
	char *name = read_name(r, map, &is_merge, e);

	if (name == NULL)
		return -1;
	if (is_merge && *merged != NULL) {
		free(name);
		return bad(r, at, e, "<< is there twice");
	}
	if (next_event(r, e) == 0)
		value = read_node(r, depth + 1, e);
	if (value == NULL) {
		free(name);
		return -1;
	}
	if (is_merge) {
		free(name);
		node_add(&r->kept, value);
		*merged = value;
		*merged_at = at;
		return 0;
	}
	value->name = name;
	value->line = (unsigned)at.line + 1;
	value->column = (unsigned)at.column + 1;
	node_add(map, value);
	return 0;
}

static int read_map(struct reader *r, struct node *map, unsigned depth,
		    struct err *e)
{
	struct node *merged = NULL;
	yaml_mark_t merged_at = { 0 };

	for (;;) {
		if (next_event(r, e) < 0)
			return -1;
		/* at the end, for a map's own members go before */
		if (r->event.type == YAML_MAPPING_END_EVENT)
			return merged == NULL ?
				       0 :
				       merge(r, map, merged, merged_at, e);
		if (map->n == YAML_ITEMS_MAX)
			return bad(r, r->event.start_mark, e,
				   "a map may have 4096 members");
		if (read_member(r, map, &merged, &merged_at, depth, e) < 0)
			return -1;
	}
}

static struct node *read_alias(struct reader *r, struct err *e)
{
	yaml_mark_t at = r->event.start_mark;
	struct anchor *a = anchor_find(r,
				       (const char *)r->event.data.alias.anchor);
	struct node *n;

	if (a == NULL || a->node == NULL) {
		bad(r, at, e,
		    a == NULL ? "an alias of what is not there" :
				"an alias of what it is in");
		return NULL;
	}
	n = copy(r, a->node, at, e);
	if (n != NULL) {
		free(n->name);
		n->name = NULL;
	}
	return n;
}

/* The event is its first one. */
static struct node *read_node(struct reader *r, unsigned depth, struct err *e)
{
	const yaml_event_t *ev = &r->event;
	bool list = ev->type == YAML_SEQUENCE_START_EVENT;
	struct node *n;
	size_t anchor;
	int rc = 0;

	if (ev->type == YAML_ALIAS_EVENT)
		return read_alias(r, e);
	if (depth > YAML_DEPTH_MAX) {
		bad(r, ev->start_mark, e, "lists and maps are nested too deep");
		return NULL;
	}
	anchor = anchor_add(r, event_anchor(ev));
	if (ev->type == YAML_SCALAR_EVENT) {
		n = read_scalar(r, e);
	} else if (count(r, ev->start_mark, 0, e) < 0) {
		return NULL;
	} else {
		n = node_new(list ? NODE_LIST : NODE_MAP, ev->start_mark);
		rc = take_tag(r, n, event_tag(ev), e);
		if (rc == 0)
			rc = list ? read_list(r, n, depth, e) :
				    read_map(r, n, depth, e);
	}
	if (rc < 0) {
		node_free(n);
		return NULL;
	}
	if (n != NULL && anchor != SIZE_MAX)
		r->anchors[anchor].node = n;
	return n;
}

static struct node *read_document(struct reader *r, unsigned *rest, struct err *e)
{
	yaml_mark_t start = { 0 };
	struct node *n;

	*rest = 0;
	if (next_event(r, e) < 0 || next_event(r, e) < 0)
		return NULL;
	if (r->event.type == YAML_STREAM_END_EVENT) {
		bad(r, start, e, "nothing is in it");
		return NULL;
	}
	if (next_event(r, e) < 0 || (n = read_node(r, 0, e)) == NULL)
		return NULL;
	if (next_event(r, e) < 0 || next_event(r, e) < 0) {
		node_free(n);
		return NULL;
	}
	if (r->event.type == YAML_DOCUMENT_START_EVENT)
		*rest = (unsigned)r->event.start_mark.line + 1;
	return n;
}

struct node *yaml_read(struct str text, const char *name, unsigned *rest,
		       struct err *e)
{
	struct reader r = { .name = name };
	struct node *n = NULL;

	if (text.n > YAML_TEXT_MAX) {
		err_set(e, ERR_DATA, "%s: a compose file may have 1 MiB", name);
		return NULL;
	}
	if (!yaml_parser_initialize(&r.parser)) {
		err_set(e, ERR_IO, "%s: no memory to read it", name);
		return NULL;
	}
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p,
				     text.n);
	n = read_document(&r, rest, e);
	if (r.has_event)
		yaml_event_delete(&r.event);
	yaml_parser_delete(&r.parser);
	for (size_t i = 0; i < r.n_anchors; i++)
		free(r.anchors[i].name);
	free(r.anchors);
	node_empty(&r.kept);
	return n;
}
