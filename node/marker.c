#include "node/marker.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/json.h"

void marker_init(struct marker *m, const char *by)
{
	struct buf hex = BUF_INIT(MARKER_FOUNDER_LEN);
	uint8_t id[MARKER_FOUNDER_LEN / 2];

	*m = (struct marker){ .at = unix_time(), .generation = 1 };
	random_bytes(id, sizeof(id));
	buf_add_hex(&hex, id, sizeof(id));
	memcpy(m->founder, hex.str, sizeof(m->founder));
	buf_release(&hex);
	snprintf(m->by, sizeof(m->by), "%s", by);
}

void marker_print(const struct marker *m, struct buf *out)
{
	cJSON *doc = cJSON_CreateObject();

	json_add_str(doc, "founder", m->founder);
	json_add_str(doc, "by", m->by);
	json_add_int(doc, "at", m->at);
	json_add_int(doc, "generation", m->generation);
	json_add_str(doc, "cluster", m->cluster);
	json_print(doc, out);
	json_free(doc);
}

/* It is shown to people, and compared. */
static int take(const cJSON *doc, const char *name, char *to, size_t size,
		struct err *e)
{
	if (json_take(doc, name, to, size, e) < 0)
		return -1;
	for (const char *p = to; *p != '\0'; p++)
		if (*p < ' ' || *p > '~')
			return err_set(e, ERR_DATA, "%s: not printable ASCII",
				       name);
	return 0;
}

int marker_parse(struct str text, struct marker *m, struct err *e)
{
	cJSON *doc = NULL;
	int64_t generation;
	int rc = -1;

	*m = (struct marker){ 0 };
	if (text.n > MARKER_MAX) {
		err_set(e, ERR_DATA, "longer than %d bytes", MARKER_MAX);
		goto out;
	}
	if ((doc = json_parse(text, "marker", e)) == NULL ||
	    take(doc, "founder", m->founder, sizeof(m->founder), e) < 0 ||
	    take(doc, "by", m->by, sizeof(m->by), e) < 0 ||
	    take(doc, "cluster", m->cluster, sizeof(m->cluster), e) < 0 ||
	    json_int(doc, "at", 0, INT64_C(1) << 40, &m->at, e) < 0 ||
	    json_int(doc, "generation", 1, MARKER_GENERATIONS, &generation, e) < 0)
		goto out;
	m->generation = (unsigned)generation;
	rc = strlen(m->founder) == MARKER_FOUNDER_LEN ?
		     0 :
		     err_set(e, ERR_DATA,
			     "founder: expected %d hexadecimal digits",
			     MARKER_FOUNDER_LEN);
out:
	json_free(doc);
	return rc < 0 ? err_in(e, "the cluster's marker") : 0;
}
