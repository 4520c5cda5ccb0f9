#ifndef EMULATOR_BLOB_INNER_H
#define EMULATOR_BLOB_INNER_H

#include "emulator/request.h"
#include "emulator/store.h"

/* What the blob service's own files share. */

struct blob_request {
	struct emu *m;
	struct http_exchange *x;
	enum method method;
	struct buf path;  /* decoded, without the first '/' */
	const char *blob; /* into path; "" for a container */
	char *key;	  /* of the entry */
	struct entry *n; /* NULL: no such blob; not after the lock was let go */
	const char *detail; /* of a refusal */
	struct buf text;    /* what detail may point to */
	char account[40], container[80];
	char id[37];
	char op[16];   /* "comp" of the query; "" without */
	bool new_only; /* the signature lets it make blobs, not change them */
	size_t n_fields;
	char *fields[64]; /* of the answer */
};

/*
 * A blob's document:
 *
 *	kind	   "BlockBlob" or "AppendBlob"; missing: nothing but blocks that
 *		   no list has named, and no blob for those who read
 *	file	   what it holds, under DIR/blobs, when it came in one piece
 *	pieces	   [{id, size, file}]: its blocks in their order, otherwise
 *	blocks	   [{id, size, file}]: put, and in no list yet
 *	size, etag, created, modified, type, count (appended blocks)
 *	meta	   {name: value}
 *	lease	   {id, seconds, until, breaking}, see lease.c
 */

/* ---- blob.c ---- */

void blob_field(struct blob_request *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void blob_reply(struct blob_request *r, unsigned status, struct str body);
/* The head of an answer whose body is sent by the caller; the lock is let go. */
void blob_begin(struct blob_request *r, unsigned status, uint64_t length);
/* -1 */
int blob_deny(struct blob_request *r, unsigned status, const char *code,
	      const char *message) __attribute__((cold));
/* A header of the request, or a parameter of its query; "" without.  Caller frees. */
char *blob_param(struct blob_request *r, const char *name);
char *blob_header(struct blob_request *r, const char *name);
/* Is it a blob, for those who read?  Is there one? */
bool blob_holds(const struct entry *n);
bool blob_there(const struct blob_request *r);

/* ---- data.c: what a blob holds ---- */

/* The body into a new file under DIR/blobs, whose name goes into file; the lock
 * is let go meanwhile, and r->n is looked up again.  -1: refused, or broken off. */
int blob_receive(struct blob_request *r, uint64_t max, char file[37],
		 uint64_t *size);
void blob_drop_file(struct emu *m, const char *file); /* "": nothing */
void blob_remove(struct emu *m, struct entry *n);     /* entry and files */
void blob_touch(struct blob_request *r); /* a new ETag, modified now */
void blob_stamp(struct blob_request *r); /* ETag and Last-Modified */
/* May this be written?  Conditions, lease, and what the signature lets be
 * overwritten.  -1: refused. */
int blob_check_write(struct blob_request *r);
/* As the request's headers have them; -1: refused. */
int blob_describe(struct blob_request *r, cJSON *doc);
void blob_put(struct blob_request *r);
void blob_get(struct blob_request *r);
void blob_delete(struct blob_request *r);
void blob_append(struct blob_request *r);
void blob_metadata(struct blob_request *r);   /* comp=metadata */
void blob_properties(struct blob_request *r); /* comp=properties */

/* ---- when.c: conditional requests.  -1: refused, or not modified ---- */

int blob_when_read(struct blob_request *r);
int blob_when_write(struct blob_request *r);

/* ---- lease.c ---- */

void blob_lease(struct blob_request *r); /* comp=lease */
/* Does it let this request change (read) the blob?  -1: refused. */
int blob_lease_check(struct blob_request *r, bool write);
void blob_lease_fields(struct blob_request *r);
const char *blob_lease_state(const struct entry *n);

/* ---- blocks.c ---- */

void blob_put_block(struct blob_request *r);
void blob_put_list(struct blob_request *r);
void blob_get_list(struct blob_request *r);

/* ---- list.c: what a container holds ---- */

void blob_list(struct blob_request *r);
void blob_xml(struct buf *b, const char *text); /* escaped */

#endif
