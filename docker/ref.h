#ifndef DOCKER_REF_H
#define DOCKER_REF_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * What an image is called: "NAME[:TAG][@DIGEST]".
 *
 * Source: OCI Distribution Specification 1.1, "Pulling manifests"; OCI Image
 * Specification 1.1, "Digests".
 */
#define DOCKER_REF_NAME_MAX 255
#define DOCKER_REF_TAG_MAX 128
#define DOCKER_REF_DIGEST_LEN 71 /* "sha256:" and 64 hexadecimal digits */

/* Without a registry's host: small letters, digits, and . _ - / between them. */
bool docker_ref_is_name(struct str name);
bool docker_ref_is_tag(struct str tag);
/* In small letters, of SHA-256. */
bool docker_ref_is_digest(struct str digest);
/* In three, into ref: a colon before a slash is a port's; no tag is "latest", no
 * digest is empty.  Looks at no character else. */
void docker_ref_cut(struct str ref, struct str *name, struct str *tag,
		    struct str *digest);

#endif
