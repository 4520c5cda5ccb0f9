#ifndef SWARM_SECRET_H
#define SWARM_SECRET_H

#include "base/buf.h"
#include "base/json.h"

/*
 * What is not to be shown, told by its name or by its look, in what we are about
 * to show of others' documents and of our own requests.
 */
#define SECRET_HIDDEN "***"

/* Whether name, in any case, holds one of these words, which are in lower case. */
bool secret_mentions(const char *name, const char *words);
/* Whether what is called so, and all below it, is one. */
bool secret_named(const char *name);
/* Whether that text looks like one, whatever it is called. */
bool secret_looks(const char *text);

/* Add a URL, with *** for the signature and what else in the query is one. */
void secret_url(struct buf *out, struct str url);
/* Add a form of a sign-in, with *** for all but what is known to be none. */
void secret_form(struct buf *out, struct str form);
/* Put *** into every text of the document that is one. */
void secret_json(cJSON *doc);

#endif
