/*
 * Which image is in an archive, and which blobs it is made of.  What is written
 * in an OCI layout stays, byte for byte; an archive of an older docker save has
 * no manifest, so that one is made, of which the same image always gives the
 * same.
 *
 * Layers stay as they are, too: docker save gives them uncompressed, others
 * not; the media type says which.  Docker's engines take either (what they pull
 * is unpacked by how it begins).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "swarm/images.h"

#define BLOBS_MAX 2048
#define DEPTH_MAX 4 /* an index in an index */
#define PIECE (64u << 10)
#define TYPE_CONFIG "application/vnd.oci.image.config.v1+json"
#define TYPE_LAYER "application/vnd.oci.image.layer.v1.tar"

static bool has(const struct images_blob *blobs, size_t n, const char *digest)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(blobs[i].digest, digest) == 0)
			return true;
	return false;
}

/* One more, once.  NULL: it is there already. */
static struct images_blob *add(struct images_blob **blobs, size_t *n,
			       const char *digest, const char *type)
{
	struct images_blob *b;

	if (has(*blobs, *n, digest))
		return NULL;
	*blobs = xrealloc(*blobs, (*n + 1) * sizeof(**blobs));
	b = &(*blobs)[(*n)++];
	*b = (struct images_blob){ .type = xstrdup(type),
				   .text = BUF_INIT(IMAGES_TEXT_MAX) };
	snprintf(b->digest, sizeof(b->digest), "%s", digest);
	return b;
}

static int add_blob(struct images_plan *p, const char *digest, const char *type,
		    const struct tar_entry *file, struct err *e)
{
	struct images_blob *b;

	if (p->n_blobs == BLOBS_MAX)
		return err_set(e, ERR_DATA, "more than %d blobs are in it",
			       BLOBS_MAX);
	b = add(&p->blobs, &p->n_blobs, digest, type);
	if (b != NULL) {
		b->at = file->at;
		b->size = file->size;
		p->size += file->size;
	}
	return 0;
}

static int add_manifest(struct images_plan *p, const char *digest,
			const char *type, struct str text, struct err *e)
{
	struct images_blob *b = add(&p->manifests, &p->n_manifests, digest, type);

	if (b == NULL)
		return 0;
	if (text.n > IMAGES_TEXT_MAX - p->texts)
		return err_set(e, ERR_DATA,
			       "its manifests are larger than %u bytes",
			       IMAGES_TEXT_MAX);
	buf_addstr(&b->text, text);
	b->size = text.n;
	p->texts += text.n;
	return 0;
}

static void add_platform(struct buf *to, const cJSON *platform)
{
	const char *os = json_text(platform, "os"),
		   *variant = json_text(platform, "variant");
	char text[64];

	/* attestations are of none */
	if (*os == '\0' || strcmp(os, "unknown") == 0)
		return;
	snprintf(text, sizeof(text), "%.20s/%.20s%s%.20s", os,
		 json_text(platform, "architecture"),
		 *variant != '\0' ? "/" : "", variant);
	/* it becomes a part of a header, and of an element */
	if (text[str_visible(str_of(text), '<', '&')] == '\0')
		buf_addf(to, "%s%s", to->n > 0 ? " " : "", text);
}

/* ---- an OCI layout ---- */

static const struct tar_entry *blob_file(const struct images_plan *p,
					 const char *digest)
{
	char name[IMAGES_BLOB_NAME_MAX];

	images_blob_name(digest, name); /* the layout's are called the same */
	return tar_find(&p->tar, str_of(name));
}

/* ERR_DATA with the code "Missing" when the archive has no such. */
static const struct tar_entry *part_file(const struct images_plan *p,
					 const struct images_part *part,
					 const char *what, struct err *e)
{
	const struct tar_entry *file = blob_file(p, part->digest);

	if (file == NULL)
		err_refused(e, ERR_DATA, "Missing", "", "%s %s is not in it",
			    what, part->digest);
	else if (file->size != part->size)
		err_set(e, ERR_DATA, "%s %s has %llu bytes and not %llu", what,
			part->digest, (unsigned long long)file->size,
			(unsigned long long)part->size);
	return file != NULL && file->size == part->size ? file : NULL;
}

/* A text of the layout, which is what its digest says. */
static int part_text(const struct images_plan *p, const struct images_part *part,
		     const char *what, struct buf *text, struct err *e)
{
	const struct tar_entry *file = part_file(p, part, what, e);
	char digest[IMAGE_DIGEST_MAX];

	if (file == NULL || tar_text(&p->tar, file, text, e) < 0)
		return -1;
	image_digest(buf_str(text), digest);
	return strcmp(digest, part->digest) == 0 ?
		       0 :
		       err_set(e, ERR_DATA, "%s %s is not what its digest says",
			       what, part->digest);
}

/* The image that is a manifest's alone says in its config for what it is. */
static int config_platform(struct images_plan *p,
			   const struct images_part *config, struct err *e)
{
	struct buf text = BUF_INIT(IMAGES_TEXT_MAX);
	cJSON *doc = NULL;
	int rc = part_text(p, config, "the config", &text, e);

	if (rc == 0 && (doc = json_parse(buf_str(&text), "the config", e)) == NULL)
		rc = -1;
	if (rc == 0)
		add_platform(&p->platforms, doc);
	json_free(doc);
	buf_release(&text);
	return rc;
}

/* Config and layers of a manifest. */
static int take_parts(struct images_plan *p, const cJSON *doc, bool alone,
		      struct err *e)
{
	const cJSON *layer, *config = json_obj(doc, "config", e);
	const struct tar_entry *file;
	struct images_part part;

	if (config == NULL || images_part(config, &part, e) < 0 ||
	    (file = part_file(p, &part, "the config", e)) == NULL ||
	    add_blob(p, part.digest, part.type, file, e) < 0)
		return -1;
	if (alone && config_platform(p, &part, e) < 0)
		return -1;
	cJSON_ArrayForEach(layer, json_get(doc, "layers"))
		if (images_part(layer, &part, e) < 0 ||
		    (file = part_file(p, &part, "layer", e)) == NULL ||
		    add_blob(p, part.digest, part.type, file, e) < 0)
			return -1;
	return 0;
}

static void truncate_to(struct images_plan *p, size_t n_blobs, uint64_t size)
{
	while (p->n_blobs > n_blobs)
		free(p->blobs[--p->n_blobs].type);
	p->size = size;
}

static int take_manifest(struct images_plan *p, const cJSON *descriptor,
			 unsigned depth, struct err *e);

/* Those of an index that are here, whole: docker save has no more than what was
 * pulled or built, and the index names all. */
static int take_index(struct images_plan *p, const cJSON *doc, unsigned depth,
		      struct err *e)
{
	size_t taken = 0;
	const cJSON *one;

	if (depth == DEPTH_MAX)
		return err_set(e, ERR_DATA, "an index in an index, too deep");
	cJSON_ArrayForEach(one, json_get(doc, "manifests")) {
		const cJSON *platform = json_get(one, "platform");
		size_t n_blobs = p->n_blobs;
		uint64_t size = p->size;
		struct err why = ERR_INIT;

		/* one that is named often is read as often */
		if (p->looked++ >= BLOBS_MAX)
			return err_set(e, ERR_DATA,
				       "its indexes name more than %d manifests",
				       BLOBS_MAX);
		if (take_manifest(p, one, depth + 1, &why) == 0) {
			add_platform(&p->platforms, platform);
			taken++;
		} else if (err_is(&why, "Missing")) {
			truncate_to(p, n_blobs, size);
			add_platform(&p->missing, platform);
		} else {
			*e = why;
			return -1;
		}
	}
	return taken > 0 ?
		       0 :
		       err_refused(e, ERR_DATA, "Missing", "",
				   "nothing of what its index names is in it");
}

/* What a descriptor names, and all below it. */
static int take_manifest(struct images_plan *p, const cJSON *descriptor,
			 unsigned depth, struct err *e)
{
	struct buf text = BUF_INIT(IMAGES_TEXT_MAX);
	struct images_part part;
	bool index = false;
	cJSON *doc = NULL;
	int rc = -1;

	if (images_part(descriptor, &part, e) < 0 ||
	    part_text(p, &part, "manifest", &text, e) < 0 ||
	    (doc = images_document(buf_str(&text), &part.type, &index, e)) == NULL)
		goto out;
	rc = index ? take_index(p, doc, depth, e) :
		     take_parts(p, doc, depth == 0, e);
	if (rc == 0)
		rc = add_manifest(p, part.digest, part.type, buf_str(&text), e);
out:
	json_free(doc);
	buf_release(&text);
	return rc;
}

/* Which of several is meant; NULL with e. */
static const cJSON *
choose(const cJSON *list, const struct images_name *n,
       bool (*is)(const cJSON *one, const struct images_name *n), struct err *e)
{
	const cJSON *one, *found = NULL;

	if (cJSON_GetArraySize(list) == 1)
		return list->child;
	cJSON_ArrayForEach(one, list) {
		if (!is(one, n))
			continue;
		if (found != NULL && strcmp(json_text(found, "digest"),
					    json_text(one, "digest")) != 0) {
			err_set(e, ERR_DATA,
				"several images in it may be %s:%s; save the one "
				"that is meant alone",
				n->name, n->tag);
			return NULL;
		}
		found = one;
	}
	if (found == NULL)
		err_set(e, ERR_DATA,
			"%d images are in it, and none is called %s:%s; save the "
			"one that is meant alone",
			cJSON_GetArraySize(list), n->name, n->tag);
	return found;
}

static bool layout_is(const cJSON *one, const struct images_name *n)
{
	const cJSON *notes = json_get(one, "annotations");
	const char *whole = json_str_opt(
			   json_get(notes, "io.containerd.image.name"), "", ""),
		   *ref = json_str_opt(
			   json_get(notes, "org.opencontainers.image.ref.name"),
			   "", "");

	/* the second one is a tag, or all of it, as who wrote it likes it */
	if (*whole != '\0')
		return images_same(n, str_of(whole));
	return strcmp(ref, n->tag) == 0 || images_same(n, str_of(ref));
}

static cJSON *read_json(const struct images_plan *p, const char *name,
			struct err *e)
{
	const struct tar_entry *file = tar_find(&p->tar, str_of(name));
	struct buf text = BUF_INIT(IMAGES_TEXT_MAX);
	cJSON *doc = NULL;

	if (file == NULL)
		err_set(e, ERR_DATA, "%s is not in it", name);
	else if (tar_text(&p->tar, file, &text, e) == 0)
		doc = json_parse(buf_str(&text), name, e);
	buf_release(&text);
	return doc;
}

static int take_layout(struct images_plan *p, const struct images_name *n,
		       struct err *e)
{
	cJSON *doc = read_json(p, "index.json", e);
	const cJSON *list, *one;
	int rc = -1;

	if (doc != NULL && (list = json_arr(doc, "manifests", e)) != NULL &&
	    (one = choose(list, n, layout_is, e)) != NULL)
		rc = take_manifest(p, one, 0, e);
	json_free(doc);
	return rc;
}

/* ---- an archive of docker save before version 25 ---- */

static bool saved_is(const cJSON *one, const struct images_name *n)
{
	const cJSON *tag;

	cJSON_ArrayForEach(tag, json_get(one, "RepoTags"))
		if (images_same(n, str_of(json_text(tag, ""))))
			return true;
	return false;
}

static int hash_file(const struct images_plan *p, const struct tar_entry *file,
		     char digest[IMAGE_DIGEST_MAX], struct err *e)
{
	char *piece = xmalloc(PIECE);
	struct sha256_state sum;
	int rc = 0;

	sha256_start(&sum);
	for (uint64_t at = 0; rc == 0 && at < file->size; at += PIECE) {
		size_t n = file->size - at < PIECE ? (size_t)(file->size - at) :
						     PIECE;

		rc = tar_take(p->tar.fd, file->at + at, piece, n, e);
		sha256_add(&sum, piece, n);
	}
	image_digest_done(&sum, digest);
	free(piece);
	return rc;
}

/* How a layer is compressed, by how it begins: what its media type ends in. */
static const char *packed(const struct images_plan *p,
			  const struct tar_entry *file, struct err *e)
{
	char magic[4] = "";
	size_t n = file->size < sizeof(magic) ? (size_t)file->size :
						sizeof(magic);

	if (tar_take(p->tar.fd, file->at, magic, n, e) < 0)
		return NULL;
	return memcmp(magic, "\x1f\x8b", 2) == 0	 ? TYPE_LAYER "+gzip" :
	       memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0 ? TYPE_LAYER "+zstd" :
							   TYPE_LAYER;
}

/* A layer, which has the digest that the config knows it by unless it is
 * compressed; and its part of the manifest. */
static int take_layer(struct images_plan *p, const char *name,
		      const char *diff_id, struct buf *manifest, struct err *e)
{
	const struct tar_entry *file = tar_find(&p->tar, str_of(name));
	char digest[IMAGE_DIGEST_MAX];
	const char *type;

	if (file == NULL)
		return err_set(e, ERR_DATA, "layer \"%.200s\" is not in it", name);
	if (!docker_ref_is_digest(str_of(diff_id)))
		return err_set(e, ERR_DATA,
			       "the config has no digest of %.200s", name);
	if ((type = packed(p, file, e)) == NULL)
		return -1;
	snprintf(digest, sizeof(digest), "%s", diff_id);
	if (strcmp(type, TYPE_LAYER) != 0 && hash_file(p, file, digest, e) < 0)
		return -1;
	buf_addf(manifest,
		 "%s{\"mediaType\":\"%s\",\"size\":%llu,\"digest\":\"%s\"}",
		 manifest->str[manifest->n - 1] == '[' ? "" : ",", type,
		 (unsigned long long)file->size, digest);
	return add_blob(p, digest, type, file, e);
}

static int take_layers(struct images_plan *p, const cJSON *names,
		       const cJSON *diff_ids, struct buf *manifest, struct err *e)
{
	const cJSON *name, *diff_id = diff_ids->child;

	if (cJSON_GetArraySize(names) != cJSON_GetArraySize(diff_ids))
		return err_set(e, ERR_DATA,
			       "its config is of %d layers, and %d are in it",
			       cJSON_GetArraySize(diff_ids),
			       cJSON_GetArraySize(names));
	cJSON_ArrayForEach(name, names) {
		if (take_layer(p, json_text(name, ""), json_text(diff_id, ""),
			       manifest, e) < 0)
			return -1;
		diff_id = diff_id->next;
	}
	return 0;
}

/* One of manifest.json: its config is what it is, and the manifest of it is
 * made. */
static int take_saved(struct images_plan *p, const cJSON *one, struct err *e)
{
	const char *name = json_str(one, "Config", e);
	const cJSON *names = json_arr(one, "Layers", e), *ids;
	struct buf text = BUF_INIT(IMAGES_TEXT_MAX),
		   manifest = BUF_INIT(IMAGES_TEXT_MAX);
	const struct tar_entry *file = name == NULL ?
					       NULL :
					       tar_find(&p->tar, str_of(name));
	char digest[IMAGE_DIGEST_MAX];
	cJSON *config = NULL;
	int rc = -1;

	if (name == NULL || names == NULL)
		goto out;
	if (file == NULL) {
		err_set(e, ERR_DATA, "\"%.200s\" is not in it", name);
		goto out;
	}
	if (tar_text(&p->tar, file, &text, e) < 0 ||
	    (config = json_parse(buf_str(&text), "the config", e)) == NULL ||
	    (ids = json_arr(config, "rootfs.diff_ids", e)) == NULL)
		goto out;
	add_platform(&p->platforms, config);
	image_digest(buf_str(&text), digest);
	buf_addf(&manifest,
		 "{\"schemaVersion\":2,\"mediaType\":\"" IMAGE_TYPE_OCI
		 "\",\"config\":{\"mediaType\":\"" TYPE_CONFIG
		 "\",\"size\":%zu,\"digest\":\"%s\"},\"layers\":[",
		 text.n, digest);
	if (add_blob(p, digest, TYPE_CONFIG, file, e) < 0 ||
	    take_layers(p, names, ids, &manifest, e) < 0)
		goto out;
	buf_adds(&manifest, "]}");
	if (buf_check(&manifest, "its manifest", e) < 0)
		goto out;
	image_digest(buf_str(&manifest), digest);
	rc = add_manifest(p, digest, IMAGE_TYPE_OCI, buf_str(&manifest), e);
out:
	json_free(config);
	buf_release(&text);
	buf_release(&manifest);
	return rc;
}

static int take_archive(struct images_plan *p, const struct images_name *n,
			struct err *e)
{
	cJSON *doc = read_json(p, "manifest.json", e);
	const cJSON *one;
	int rc = -1;

	if (doc != NULL && !cJSON_IsArray(doc))
		err_set(e, ERR_DATA, "manifest.json: expected a list");
	else if (doc != NULL && (one = choose(doc, n, saved_is, e)) != NULL)
		rc = take_saved(p, one, e);
	json_free(doc);
	return rc;
}

int images_plan(struct images_plan *p, int fd, const struct images_name *n,
		struct err *e)
{
	*p = (struct images_plan){ .platforms = BUF_INIT(1024),
				   .missing = BUF_INIT(1024) };
	if (tar_read(&p->tar, fd, e) < 0)
		return -1;
	if (tar_find(&p->tar, STR("index.json")) != NULL)
		return take_layout(p, n, e);
	if (tar_find(&p->tar, STR("manifest.json")) != NULL)
		return take_archive(p, n, e);
	return err_set(e, ERR_DATA,
		       "it has neither index.json nor manifest.json: it is no "
		       "image; 'docker save' makes one, 'docker export' does not");
}

static void blobs_release(struct images_blob *blobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(blobs[i].type);
		buf_release(&blobs[i].text);
	}
	free(blobs);
}

void images_plan_release(struct images_plan *p)
{
	blobs_release(p->blobs, p->n_blobs);
	blobs_release(p->manifests, p->n_manifests);
	buf_release(&p->platforms);
	buf_release(&p->missing);
	tar_release(&p->tar);
	*p = (struct images_plan){ .tar.fd = -1 };
}
