#ifndef SWARM_IMAGES_H
#define SWARM_IMAGES_H

#include "base/hash.h"
#include "base/tar.h"
#include "docker/ref.h"
#include "node/image.h"
#include "node/layout.h"
#include "swarm/blob.h"
#include "swarm/push.h"

/*
 * The parts of push and images; nobody else includes this.
 */
#define IMAGES_TEXT_MAX (4u << 20) /* a manifest, an index, a config */
#define IMAGES_TYPE_INDEX "application/vnd.oci.image.index.v1+json"

/* ---- names (swarm/images_name.c) ---- */

struct images_name {
	char name[DOCKER_REF_NAME_MAX + 1], tag[DOCKER_REF_TAG_MAX + 1];
};
/*
 * "NAME[:TAG]", also behind our registry's host; without TAG it is "latest".
 * ERR_USAGE: it is none, or is this program's own.
 *
 * Source: OCI Distribution Specification 1.1, "Pulling manifests".
 */
int images_name(const char *typed, struct images_name *n, struct err *e);
/* Whether an image is behind our registry's host, by either name that an engine
 * reaches it by; *name: without it.  And whether it is this program's own there. */
#define IMAGES_LOCALHOST "localhost:" LAYOUT_TEXT(LAYOUT_REGISTRY_PORT) "/"
bool images_ours(struct str image, struct str *name);
bool images_own(struct str image);
/* What it runs on, "linux/amd64 linux/arm64", as a placement has it.  NULL: not
 * told.  Caller frees. */
cJSON *images_platforms(struct str words);
/* Whether an image, as a service or an archive names it, is that one:
 * our registry's host in front, or else docker.io/, library/, localhost/, mean
 * nothing, :latest is what no tag is, and a digest behind it is not looked at. */
bool images_same(const struct images_name *n, struct str image);
/* "blobs/sha256/HEX" of a digest; "manifests/NAME/TAG". */
#define IMAGES_BLOB_NAME_MAX 512
void images_blob_name(const char *digest, char out[IMAGES_BLOB_NAME_MAX]);
void images_tag_name(const struct images_name *n, char out[IMAGES_BLOB_NAME_MAX]);

/* ---- documents (swarm/images_name.c) ---- */

/* A descriptor: -1 with e when it lacks digest or size, or has others than
 * ours. */
struct images_part {
	char digest[IMAGE_DIGEST_MAX];
	uint64_t size;
	const char *type; /* into the document */
};
int images_part(const cJSON *descriptor, struct images_part *part, struct err *e);
/* A manifest or an index, of which type says the kind, or its text does;
 * *type: into doc or as given.  NULL with e.  Caller frees. */
cJSON *images_document(struct str text, const char **type, bool *index,
		       struct err *e);

/* ---- what is to be pushed (swarm/images_tar.c) ---- */

struct images_blob {
	char digest[IMAGE_DIGEST_MAX];
	char *type;	   /* media type */
	uint64_t at, size; /* in the archive */
	struct buf text;   /* of a manifest, which need not be in there */
};
/* The one that a tag names is the last of the manifests. */
struct images_plan {
	struct tar tar;
	struct images_blob *blobs,
		*manifests; /* each names only what is before it */
	size_t n_blobs, n_manifests;
	uint64_t size;	      /* of all layers and configs */
	size_t texts;	      /* and of the manifests */
	size_t looked;	      /* what indexes name, each time it is named */
	struct buf platforms; /* "linux/amd64 linux/arm64" */
	struct buf missing; /* those that an index names and the archive lacks */
};
/*
 * Of an archive of `docker save` or of an OCI layout: the image of that name,
 * or the only one.  fd stays the caller's, open while the plan is used.
 * images_plan_release() either way.
 *
 * Source: OCI Image Specification 1.1 (image-layout, index, manifest, config);
 * Docker Image Specification 1.2, "Combined Image JSON + Filesystem Changeset
 * Format".
 */
int images_plan(struct images_plan *p, int fd, const struct images_name *n,
		struct err *e);
void images_plan_release(struct images_plan *p);

/* ---- what is sent (swarm/images_send.c) ---- */

#define IMAGES_BLOCK (8u << 20)

/*
 * All that the container lacks of a plan, each blob whole or not at all; then
 * what it is called.  The container is made where it is missing.  Cut off, the
 * next one goes on from there.  proof: images_proof() of what it is called.
 * *sent: bytes of layers and configs that went.
 *
 * Source: "Put Block", "Put Block List", "Get Block List", "Put Blob"
 * (learn.microsoft.com).
 */
int images_send(struct session *s, const struct images_plan *p,
		const struct images_name *n, const char *proof, uint64_t *sent,
		struct err *e);

/* ---- whose tag it is (swarm/images_list.c) ---- */

/* What proves that an operator says that this tag is that image:
 * hexadecimal. */
#define IMAGES_PROOF_MAX (2 * SHA256_LEN + 1)
int images_proof(const struct images_name *n, const char *digest,
		 char out[IMAGES_PROOF_MAX], struct err *e);

#endif
