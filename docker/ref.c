#include "docker/ref.h"

#include <string.h>

static bool is_small(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

/* Between letters and digits: ".", "_", "__", or any number of "-". */
static bool is_joint(struct str s)
{
	if (s.n == 1 && (s.p[0] == '.' || s.p[0] == '_'))
		return true;
	if (str_eqz(s, "__"))
		return true;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '-')
			return false;
	return s.n > 0;
}

/* One part of it, between slashes. */
static bool is_component(struct str s)
{
	size_t i = 0;

	for (;;) {
		size_t from = i, joint;

		while (i < s.n && is_small(s.p[i]))
			i++;
		if (i == from)
			return false;
		if (i == s.n)
			return true;
		for (joint = i; i < s.n && !is_small(s.p[i]); i++)
			continue;
		if (!is_joint((struct str){ s.p + joint, i - joint }))
			return false;
	}
}

bool docker_ref_is_name(struct str name)
{
	struct str rest = name, word;

	if (name.n == 0 || name.n > DOCKER_REF_NAME_MAX ||
	    name.p[name.n - 1] == '/')
		return false;
	while (str_next(&rest, '/', &word))
		if (!is_component(word))
			return false;
	return true;
}

bool docker_ref_is_tag(struct str tag)
{
	if (tag.n == 0 || tag.n > DOCKER_REF_TAG_MAX ||
	    !(is_alnum(tag.p[0]) || tag.p[0] == '_'))
		return false;
	for (size_t i = 0; i < tag.n; i++)
		if (!is_alnum(tag.p[i]) && tag.p[i] != '.' && tag.p[i] != '_' &&
		    tag.p[i] != '-')
			return false;
	return true;
}

bool docker_ref_is_digest(struct str digest)
{
	if (digest.n != DOCKER_REF_DIGEST_LEN ||
	    !str_starts(digest, STR("sha256:")))
		return false;
	for (size_t i = strlen("sha256:"); i < digest.n; i++)
		if (!is_digit(digest.p[i]) &&
		    !(digest.p[i] >= 'a' && digest.p[i] <= 'f'))
			return false;
	return true;
}

void docker_ref_cut(struct str ref, struct str *name, struct str *tag,
		    struct str *digest)
{
	ptrdiff_t at = str_chr(ref, '@'), colon;

	*digest = at < 0 ? STR("") : str_skip(ref, (size_t)at + 1);
	*name = at < 0 ? ref : str_head(ref, (size_t)at);
	colon = str_rchr(*name, ':');
	*tag = STR("latest");
	if (colon >= 0 && colon > str_rchr(*name, '/')) {
		*tag = str_skip(*name, (size_t)colon + 1);
		*name = str_head(*name, (size_t)colon);
	}
}
