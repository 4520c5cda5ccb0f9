/*
 * What the owner's images are called, and the documents by which they are told.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/images.h"

#define TYPE_MAX 127 /* RFC 6838 section 4.2, of either part */

/* ---- names ---- */

static struct str without(struct str s, const char *head)
{
	return str_starts(s, str_of(head)) ? str_skip(s, strlen(head)) : s;
}

bool images_ours(struct str image, struct str *name)
{
	*name = without(image, LAYOUT_REGISTRY);
	if (name->n == image.n)
		*name = without(image, IMAGES_LOCALHOST);
	return name->n < image.n;
}

bool images_own(struct str image)
{
	struct str name, tag, digest;
	bool ours = images_ours(image, &name);

	docker_ref_cut(name, &name, &tag, &digest);
	return ours && str_eqz(name, LAYOUT_IMAGE);
}

int images_name(const char *typed, struct images_name *n, struct err *e)
{
	struct str name, tag, digest;

	images_ours(str_of(typed), &name);
	docker_ref_cut(name, &name, &tag, &digest);
	if (digest.n > 0 || !docker_ref_is_name(name) || !docker_ref_is_tag(tag))
		return err_set(e, ERR_USAGE,
			       "\"%s\": expected NAME[:TAG] of an image, NAME in "
			       "small letters, digits, and . _ - / between them",
			       typed);
	/* what is below it a registry looks for in its own, too */
	if (str_eqz(name, LAYOUT_IMAGE) || str_starts(name, STR(LAYOUT_IMAGE "/")))
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
	struct str name, tag, ignored;
	bool ours = images_ours(image, &name);

	docker_ref_cut(name, &name, &tag, &ignored);
	if (!ours && !str_eqz(name, n->name)) {
		name = without(name, "localhost/");
		name = without(name, "docker.io/");
		if (!str_eqz(name, n->name))
			name = without(name, "library/");
	}
	return str_eqz(name, n->name) && str_eqz(tag, n->tag);
}

/* Which Arm of 32 bits it is, is no matter: as swarm/pin.c has it. */
cJSON *images_platforms(struct str words)
{
	struct str word, os, kind;
	cJSON *all = NULL, *one;
	char *text;

	while (str_next(&words, ' ', &word)) {
		if (!str_cut(&word, '/', &os) || os.n == 0 ||
		    !str_next(&word, '/', &kind) || kind.n == 0)
			continue;
		if (all == NULL)
			all = cJSON_CreateArray();
		one = cJSON_CreateObject();
		text = str_dup(kind);
		if (strcmp(text, "arm") != 0)
			json_add_str(one, "Architecture", text);
		free(text);
		text = str_dup(os);
		json_add_str(one, "OS", text);
		free(text);
		cJSON_AddItemToArray(all, one);
	}
	return all;
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
	if (!docker_ref_is_digest(str_of(digest)))
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
