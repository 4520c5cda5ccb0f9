/*
 * $V, ${V}, ${V:-default} and their kin in a text.  What is put in is not looked at
 * again.  A default is taken as it is, as docker does, so that a hash in it needs no $$;
 * but ${V} in it, of which docker makes nothing that anybody wants, is substituted.
 *
 * Source: Compose Specification, "Interpolation".
 */
#include <stdlib.h>
#include <string.h>

#include "compose/inner.h"

#define NAME_MAX_BYTES 255
#define NESTED_MAX 16

struct expansion {
	struct load *l;
	const struct node *n;
	const char *where;
	bool changed;
	struct err *e;
};

static int expand(struct expansion *x, struct str in, unsigned nested,
		  struct buf *out);

static int wrong(struct expansion *x, const char *why)
{
	return load_bad(x->l, x->n, x->e,
			"%s: %s; a $ that is meant is written $$", x->where, why);
}

static struct str take_name(struct str *in)
{
	struct str name = { in->p, 0 };

	while (in->n > 0 && (is_alpha(in->p[0]) || in->p[0] == '_' ||
			     (name.n > 0 && is_digit(in->p[0])))) {
		name.n++;
		*in = str_skip(*in, 1);
	}
	return name;
}

/* Up to the brace that ends it, those of other ${ } inside; when there are too few, to
 * the first, as docker. */
static bool take_braced(struct str *in, struct str *inside)
{
	ptrdiff_t first = str_chr(*in, '}');
	unsigned open = 1;

	if (first < 0)
		return false;
	*inside = str_head(*in, (size_t)first);
	for (size_t i = 0; i < in->n; i++) {
		char next = i + 1 < in->n ? in->p[i + 1] : '\0';

		if (in->p[i] == '$' && (next == '{' || next == '$')) {
			open += next == '{';
			i++;
		} else if (in->p[i] == '}' && --open == 0) {
			*inside = str_head(*in, i);
			break;
		}
	}
	*in = str_skip(*in, inside->n + 1);
	return true;
}

static int lacking(struct expansion *x, const char *name, struct str why,
		   unsigned nested)
{
	struct buf text = BUF_INIT(400);

	if (expand(x, why, nested + 1, &text) == 0)
		load_bad(x->l, x->n, x->e, "%s: %s is not set%s%s", x->where,
			 name, text.n > 0 ? ": " : "", text.str);
	buf_burn(&text);
	return -1;
}

/* What follows the name in braces: an operator and what it takes. */
static int substitute(struct expansion *x, struct str name, struct str rest,
		      unsigned nested, struct buf *out)
{
	char *z = str_dup(name);
	const char *value = load_var(x->l, z);
	bool colon = rest.n > 0 && rest.p[0] == ':', is_set;
	struct str arg = str_skip(rest, colon ? 2 : 1);
	char op = rest.n > (colon ? 1 : 0) ? rest.p[colon ? 1 : 0] : '\0';
	int rc = 0;

	x->changed = true;
	is_set = value != NULL && !(colon && *value == '\0');
	if (op == '\0' && !colon)
		buf_adds(out, value ? value : "");
	else if (op == '-')
		rc = is_set ? (buf_adds(out, value), 0) :
			      expand(x, arg, nested + 1, out);
	else if (op == '+')
		rc = is_set ? expand(x, arg, nested + 1, out) : 0;
	else if (op == '?')
		rc = is_set ? (buf_adds(out, value), 0) :
			      lacking(x, z, arg, nested);
	else
		rc = wrong(x,
			   "${...} takes :-, -, :+, +, :? or ? behind the name");
	free(z);
	return rc;
}

/* In *in is what follows the $. */
static int dollar(struct expansion *x, struct str *in, unsigned nested,
		  struct buf *out)
{
	struct str inside, name;

	if (in->n > 0 && in->p[0] == '$') {
		*in = str_skip(*in, 1);
		x->changed = true;
		buf_addc(out, '$');
		return 0;
	}
	if (in->n > 0 && in->p[0] == '{') {
		*in = str_skip(*in, 1);
		if (!take_braced(in, &inside))
			return wrong(x, "${ without its }");
		name = take_name(&inside);
		if (name.n == 0 || name.n > NAME_MAX_BYTES)
			return wrong(x, "${...} without a name");
		return substitute(x, name, inside, nested, out);
	}
	name = take_name(in);
	if (name.n == 0 || name.n > NAME_MAX_BYTES)
		return wrong(x, "a $ without a name");
	return substitute(x, name, STR_NULL, nested, out);
}

static int expand(struct expansion *x, struct str in, unsigned nested,
		  struct buf *out)
{
	ptrdiff_t at;

	if (nested > NESTED_MAX)
		return wrong(x, "${...} is nested too deep");
	while ((at = str_chr(in, '$')) >= 0) {
		buf_add(out, in.p, (size_t)at);
		in = str_skip(in, (size_t)at + 1);
		if (nested > 0 &&
		    (in.n == 0 || in.p[0] != '{' || str_chr(in, '}') < 0)) {
			/* of $$, both */
			buf_addc(out, '$');
			if (in.n > 0 && in.p[0] == '$') {
				buf_addc(out, '$');
				in = str_skip(in, 1);
			}
		} else if (dollar(x, &in, nested, out) < 0) {
			return -1;
		}
	}
	buf_addstr(out, in);
	return 0;
}

int vars_expand(struct load *l, const struct node *n, const char *where,
		struct buf *out, bool *changed, struct err *e)
{
	struct expansion x = { .l = l, .n = n, .where = where, .e = e };

	if (expand(&x, str_of(n->text), 0, out) < 0)
		return -1;
	*changed = x.changed;
	if (!out->over)
		return 0;
	return load_bad(l, n, e, "%s: is too large with its variables", where);
}
