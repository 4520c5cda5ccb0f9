#ifndef NODE_BLOBS_H
#define NODE_BLOBS_H

#include "http.h"

/*
 * The storage account as a machine asks it: by signed addresses, over https,
 * with nothing else to prove itself.
 */
struct tls_trust;

struct blobs {
	struct http_client http;
	struct tls_trust *trust; /* the roots, had for as long as it takes */
};
/* Of several threads each has its own.  Release b either way. */
int blobs_init(struct blobs *b, struct err *e);
void blobs_release(struct blobs *b);

/* The service's own name for what is wrong, cut to fit; "" when it names none. */
#define BLOBS_CODE_MAX 64
void blobs_code(const struct http_head *h, char code[BLOBS_CODE_MAX]);
/* What an answer that is no good means for whoever runs the cluster; -1.  No
 * message shows an address's query. */
int blobs_refused(unsigned status, const char *code, struct err *e);

#endif
