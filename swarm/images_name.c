/*
 * What the owner's images are called, and the documents by which they are told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/images.h"

#define TYPE_MAX 127 /* RFC 6838 section 4.2, of either part */

/* ---- names ---- */

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

static bool is_name(struct str s)
{
	struct str rest = s, word;

	if (s.n == 0 || s.n > IMAGES_NAME_MAX || s.p[s.n - 1] == '/')
		return false;
	while (str_next(&rest, '/', &word))
		if (!is_component(word))
			return false;
	return true;
}

static bool is_tag(struct str s)
{
	if (s.n == 0 || s.n > IMAGES_TAG_MAX ||
	    !(is_alnum(s.p[0]) || s.p[0] == '_'))
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && strchr("._-", s.p[i]) == NULL)
			return false;
	return true;
}

static struct str without(struct str s, const char *head)
{
	return str_starts(s, str_of(head)) ? str_skip(s, strlen(head)) : s;
}

/* "NAME[:TAG]" in two; a colon before a slash is a port's. */
static void cut_tag(struct str s, struct str *name, struct str *tag)
{
	ptrdiff_t colon = str_rchr(s, ':');

	*name = s;
	*tag = STR("latest");
	if (colon >= 0 && colon > str_rchr(s, '/')) {
		*name = str_head(s, (size_t)colon);
		*tag = str_skip(s, (size_t)colon + 1);
	}
}

int images_name(const char *typed, struct images_name *n, struct err *e)
{
	struct str name, tag;

	cut_tag(without(str_of(typed), LAYOUT_REGISTRY), &name, &tag);
	if (!is_name(name) || !is_tag(tag))
		return err_set(e, ERR_USAGE,
			       "\"%s\": expected NAME[:TAG] of an image, NAME in "
			       "small letters, digits, and . _ - / between them",
			       typed);
	if (str_eqz(name, LAYOUT_IMAGE))
		return err_set(e, ERR_USAGE,
			       "\"%s\": this name is that of the program's own "
			       "image; take another one",
			       typed);
	snprintf(n->name, sizeof(n->name), "%.*s", STR_ARG(name));
	snprintf(n->tag, sizeof(n->tag), "%.*s", STR_ARG(tag));
	return 0;
}

bool images_same(const struct images_name *n, struct str image)
{
	struct str name, tag;
	ptrdiff_t at = str_chr(image, '@');

	if (at >= 0)
		image = str_head(image, (size_t)at);
	image = without(image, LAYOUT_REGISTRY);
	image = without(image, "localhost/");
	image = without(image, "docker.io/");
	image = without(image, "library/");
	cut_tag(image, &name, &tag);
	return str_eqz(name, n->name) && str_eqz(tag, n->tag);
}

bool images_is_digest(struct str s)
{
	if (s.n != IMAGE_DIGEST_MAX - 1 || !str_starts(s, STR("sha256:")))
		return false;
	for (size_t i = strlen("sha256:"); i < s.n; i++)
		if (!is_digit(s.p[i]) && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
			return false;
	return true;
}

void images_blob_name(const char *digest, char out[IMAGES_BLOB_NAME_MAX])
{
	snprintf(out, IMAGES_BLOB_NAME_MAX, LAYOUT_IMAGES_BLOB "%s",
		 digest + strlen("sha256:"));
}

void images_tag_name(const struct images_name *n, char out[IMAGES_BLOB_NAME_MAX])
{
	snprintf(out, IMAGES_BLOB_NAME_MAX, LAYOUT_IMAGES_MANIFEST "%s/%s",
		 n->name, n->tag);
}

/* ---- documents ---- */

int images_part(const cJSON *descriptor, struct images_part *part, struct err *e)
{
	const char *digest = json_str(descriptor, "digest", e);
	int64_t size;

	if (digest == NULL ||
	    json_int(descriptor, "size", 0, (int64_t)TAR_FILE_MAX, &size, e) < 0)
		return -1;
	if (!images_is_digest(str_of(digest)))
		return err_set(e, ERR_DATA,
			       "\"%.100s\": expected a digest, sha256 and 64 "
			       "hexadecimal digits",
			       digest);
	snprintf(part->digest, sizeof(part->digest), "%s", digest);
	part->size = (uint64_t)size;
	part->type = json_str_opt(descriptor, "mediaType",
				  "application/octet-stream");
	if (strlen(part->type) > TYPE_MAX ||
	    str_visible(str_of(part->type), ' ', '"') != strlen(part->type))
		return err_set(e, ERR_DATA, "a media type that is none");
	return 0;
}

cJSON *images_document(struct str text, const char **type, bool *index,
		       struct err *e)
{
	static const struct {
		const char *type;
		bool index;
	} known[] = {
		{ IMAGE_TYPE_OCI, false },
		{ IMAGE_TYPE_DOCKER, false },
		{ IMAGES_TYPE_INDEX, true },
		{ IMAGE_TYPE_LIST, true },
	};
	cJSON *doc = json_parse(text, "a manifest", e);
	const char *own = json_text(doc, "mediaType");

	if (doc == NULL)
		return NULL;
	if (*own != '\0')
		*type = own;
	else if (*type == NULL || **type == '\0')
		*type = json_get(doc, "manifests") != NULL ? IMAGES_TYPE_INDEX :
							     IMAGE_TYPE_OCI;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strcmp(*type, known[i].type) == 0) {
			*index = known[i].index;
			if (json_arr(doc, *index ? "manifests" : "layers", e) !=
			    NULL)
				return doc;
			json_free(doc);
			return NULL;
		}
	err_set(e, ERR_DATA,
		"a manifest of type \"%.100s\"; expected one of OCI or of "
		"Docker's version 2",
		*type);
	json_free(doc);
	return NULL;
}
