/*
 * Leases of blobs: a word that whoever writes has to know.
 *
 * A lease is {id, seconds, until, breaking}: seconds -1 without end; until is
 * when it ends by itself, or, when breaking, when it is broken.  All states
 * follow from that and the clock:
 *
 *	available  no lease
 *	leased	   until is not yet
 *	expired	   until was, and nobody has written since
 *	breaking   breaking, until is not yet
 *	broken	   breaking, until was
 *
 * Source: "Lease Blob" (learn.microsoft.com), with its table of outcomes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/hash.h"
#include "emulator/blob/inner.h"
#include "emulator/jsonf.h"

#define NO_END INT64_MAX

static const cJSON *lease_of(const struct entry *n)
{
	return json_get(n->doc, "lease");
}

static int64_t ends(const cJSON *lease)
{
	return json_int_opt(lease, "until", NO_END);
}

const char *blob_lease_state(const struct entry *n)
{
	const cJSON *lease = lease_of(n);
	bool over;

	if (lease == NULL)
		return "available";
	over = unix_time() >= ends(lease);
	if (json_bool_opt(lease, "breaking", false))
		return over ? "broken" : "breaking";
	return over ? "expired" : "leased";
}

static bool is_locked(const struct entry *n)
{
	return str_listed("leased breaking", blob_lease_state(n));
}

void blob_lease_fields(struct blob_request *r)
{
	const char *state = blob_lease_state(r->n);

	blob_field(r, "x-ms-lease-status: %s",
		   is_locked(r->n) ? "locked" : "unlocked");
	blob_field(r, "x-ms-lease-state: %s", state);
	if (str_is(state, "leased"))
		blob_field(r, "x-ms-lease-duration: %s",
			   ends(lease_of(r->n)) == NO_END ? "infinite" : "fixed");
}

static int bad_header(struct blob_request *r)
{
	return blob_deny(r, 400, "InvalidHeaderValue",
			 "The value for one of the HTTP headers is not in the correct "
			 "format.");
}

/* A GUID in whichever form, its dashes and braces there or not, in the one that is
 * kept and compared.  False: it is none, 32 hexadecimal digits. */
static bool guid_of(const char *s, char out[37])
{
	size_t n = 0;

	for (; *s != '\0'; s++) {
		if (strchr("-{}()", *s) != NULL)
			continue;
		if (n == 36 || strchr("0123456789abcdefABCDEF", *s) == NULL)
			return false;
		if (n == 8 || n == 13 || n == 18 || n == 23)
			out[n++] = '-';
		out[n++] = to_lower(*s);
	}
	out[n] = '\0';
	return n == 36;
}

/* Such a header; "" without, and for what is none, with false. */
static bool guid_header(struct blob_request *r, const char *name, char out[37])
{
	char *given = blob_header(r, name);
	bool ok = given[0] == '\0' || guid_of(given, out);

	if (!ok || given[0] == '\0')
		out[0] = '\0';
	free(given);
	return ok;
}

int blob_lease_check(struct blob_request *r, bool write)
{
	char given[37];
	int rc = 0;

	if (!guid_header(r, "x-ms-lease-id", given))
		rc = bad_header(r);
	else if (!blob_there(r))
		rc = given[0] == '\0' ?
			     0 :
			     blob_deny(r, 412, "LeaseNotPresentWithBlobOperation",
				       "There is currently no lease on the blob.");
	else if (is_locked(r->n) && given[0] == '\0')
		rc = write ? blob_deny(r, 412, "LeaseIdMissing",
				       "There is currently a lease on the blob and no "
				       "lease ID was specified in the request.") :
			     0;
	else if (is_locked(r->n) &&
		 strcasecmp(given, json_text(lease_of(r->n), "id")) != 0)
		rc = blob_deny(r, 412, "LeaseIdMismatchWithBlobOperation",
			       "The lease ID specified did not match the lease ID for "
			       "the blob.");
	else if (!is_locked(r->n) && given[0] != '\0')
		rc = lease_of(r->n) != NULL ?
			     blob_deny(r, 412, "LeaseLost",
				       "A lease ID was specified, but the lease for the "
				       "blob has expired.") :
			     blob_deny(r, 412, "LeaseNotPresentWithBlobOperation",
				       "There is currently no lease on the blob.");
	/* who writes behind its end ends it for good */
	if (rc == 0 && write && r->n != NULL && !is_locked(r->n))
		json_drop(r->n->doc, "lease");
	return rc;
}

static int conflict(struct blob_request *r, const char *code, const char *message)
{
	return blob_deny(r, 409, code, message);
}

static int other_id(struct blob_request *r)
{
	return conflict(r, "LeaseIdMismatchWithLeaseOperation",
			"The lease ID specified did not match the lease ID for the "
			"blob.");
}

/* x-ms-lease-duration, x-ms-lease-break-period; -1: refused */
static int seconds_of(struct blob_request *r, const char *name, int64_t *v)
{
	char *s = blob_header(r, name);
	uint64_t n = 0;
	int rc = 0;

	if (strcmp(s, "-1") == 0)
		*v = -1;
	else if (str_num(str_of(s), INT32_MAX, &n))
		*v = (int64_t)n;
	else
		rc = bad_header(r);
	free(s);
	return rc;
}

static void lease_set(struct blob_request *r, const char *id, int64_t seconds)
{
	cJSON *lease = json_fmt("{'id':%s,'seconds':%l}", id, seconds);

	if (seconds >= 0)
		json_add_int(lease, "until", unix_time() + seconds);
	json_set(r->n->doc, "lease", lease);
	store_changed(r->m);
}

static void answer(struct blob_request *r, unsigned status)
{
	const char *id = json_text(lease_of(r->n), "id");

	if (status != 202 && id[0] != '\0')
		blob_field(r, "x-ms-lease-id: %s", id);
	blob_stamp(r);
	blob_reply(r, status, STR(""));
}

static int acquire(struct blob_request *r, const char *proposed)
{
	const char *state = blob_lease_state(r->n),
		   *have = json_text(lease_of(r->n), "id");
	bool own = strcasecmp(proposed, have) == 0;
	int64_t seconds = 0;
	char id[37];

	if (seconds_of(r, "x-ms-lease-duration", &seconds) < 0)
		return -1;
	if (seconds != -1 && (seconds < 15 || seconds > 60))
		return bad_header(r);
	if (str_is(state, "breaking"))
		return own ? conflict(r, "LeaseIsBreakingAndCannotBeAcquired",
				      "The lease ID matched, but the lease is currently "
				      "in breaking state and cannot be acquired until it "
				      "is broken.") :
			     conflict(r, "LeaseAlreadyPresent",
				      "There is already a lease present.");
	if (str_is(state, "leased") && !own)
		return conflict(r, "LeaseAlreadyPresent",
				"There is already a lease present.");
	if (proposed[0] == '\0')
		random_guid(id);
	else
		snprintf(id, sizeof(id), "%s", proposed);
	lease_set(r, id, seconds);
	answer(r, 201);
	return 0;
}

static int renew(struct blob_request *r, const char *id)
{
	const cJSON *lease = lease_of(r->n);

	if (lease == NULL || strcasecmp(id, json_text(lease, "id")) != 0)
		return other_id(r);
	if (json_bool_opt(lease, "breaking", false))
		return conflict(r, "LeaseIsBrokenAndCannotBeRenewed",
				"The lease ID matched, but the lease has been broken "
				"explicitly and cannot be renewed.");
	lease_set(r, id, json_int_opt(lease, "seconds", -1));
	answer(r, 200);
	return 0;
}

static int change(struct blob_request *r, const char *id, const char *proposed)
{
	const cJSON *lease = lease_of(r->n);
	const char *state = blob_lease_state(r->n),
		   *have = json_text(lease, "id");
	cJSON *next;

	if (lease == NULL || str_listed("expired broken", state))
		return conflict(r, "LeaseNotPresentWithLeaseOperation",
				"There is currently no lease on the blob.");
	if (strcasecmp(id, have) != 0 && strcasecmp(proposed, have) != 0)
		return other_id(r);
	if (str_is(state, "breaking"))
		return conflict(r, "LeaseIsBreakingAndCannotBeChanged",
				"The lease ID matched, but the lease is currently in "
				"breaking state and cannot be changed.");
	next = cJSON_Duplicate(lease, true);
	json_put_str(next, "id", proposed);
	json_set(r->n->doc, "lease", next);
	store_changed(r->m);
	answer(r, 200);
	return 0;
}

static int release(struct blob_request *r, const char *id)
{
	const cJSON *lease = lease_of(r->n);

	if (lease == NULL || strcasecmp(id, json_text(lease, "id")) != 0)
		return other_id(r);
	json_drop(r->n->doc, "lease");
	store_changed(r->m);
	answer(r, 200);
	return 0;
}

/* The end is never put off: the shorter of what is left and what is asked for. */
static int break_off(struct blob_request *r)
{
	const cJSON *lease = lease_of(r->n);
	const char *state = blob_lease_state(r->n);
	char *given = blob_header(r, "x-ms-lease-break-period");
	int64_t now = unix_time(), until, ask = -1;
	bool asked = given[0] != '\0';
	cJSON *next;

	free(given);
	if (asked && (seconds_of(r, "x-ms-lease-break-period", &ask) < 0))
		return -1;
	if (asked && (ask < 0 || ask > 60))
		return bad_header(r);
	if (lease == NULL)
		return conflict(r, "LeaseNotPresentWithLeaseOperation",
				"There is currently no lease on the blob.");
	until = ends(lease);
	if (str_listed("expired broken", state) || (until == NO_END && !asked))
		until = now;
	else if (asked && now + ask < until)
		until = now + ask;
	next = cJSON_Duplicate(lease, true);
	json_set(next, "breaking", cJSON_CreateTrue());
	json_put_int(next, "until", until);
	json_set(r->n->doc, "lease", next);
	store_changed(r->m);
	blob_field(r, "x-ms-lease-time: %lld", (long long)(until - now));
	answer(r, 202);
	return 0;
}

void blob_lease(struct blob_request *r)
{
	char *action = blob_header(r, "x-ms-lease-action"), id[37], proposed[37];
	bool known = guid_header(r, "x-ms-lease-id", id);

	known &= guid_header(r, "x-ms-proposed-lease-id", proposed);
	if (!blob_there(r))
		blob_deny(r, 404, "BlobNotFound",
			  "The specified blob does not exist.");
	else if (blob_when_write(r) < 0)
		;
	else if (!known)
		bad_header(r);
	else if (strcasecmp(action, "acquire") == 0)
		acquire(r, proposed);
	else if (strcasecmp(action, "break") == 0)
		break_off(r);
	else if (id[0] == '\0' ||
		 (strcasecmp(action, "change") == 0 && proposed[0] == '\0'))
		blob_deny(r, 400, "MissingRequiredHeader",
			  "An HTTP header that's mandatory for this request is not "
			  "specified.");
	else if (strcasecmp(action, "renew") == 0)
		renew(r, id);
	else if (strcasecmp(action, "change") == 0)
		change(r, id, proposed);
	else if (strcasecmp(action, "release") == 0)
		release(r, id);
	else
		bad_header(r);
	free(action);
}
