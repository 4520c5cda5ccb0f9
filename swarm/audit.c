/*
 * The audit trail: written behind an append blob, and read from there.
 *
 * Source: "Append Block", "Put Blob", "List Blobs" (learn.microsoft.com).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/time.h"
#include "swarm/audit.h"
#include "swarm/blob.h"

#define TAIL 20 /* lines that are shown */
#define TAIL_MAX 10000
#define MONTHS_MAX 600	 /* of blobs, in a list that has no next page */
#define PIECE (1u << 20) /* that is read of a month, from its end */
#define TEXT_MAX 400 /* of what was typed, went wrong, and whom Azure knows */

/* "audit-GROUP-2026-11"; what all begin with, for the month "". */
static void add_name(const struct session *s, const char *month, struct buf *name)
{
	buf_adds(name, "audit-");
	buf_add_pct(name, str_of(settings_get(s->set, S_COMPUTE_GROUP)));
	buf_addf(name, "-%.7s", month);
}

/* ---- writing ---- */

static void add_clean(cJSON *doc, const char *name, const char *text)
{
	struct buf clean = BUF_INIT(TEXT_MAX);

	buf_add_clean(&clean, str_whole(str_head(str_of(text), TEXT_MAX)));
	json_add_strn(doc, name, buf_str(&clean));
	buf_release(&clean);
}

void audit_line(const struct session *s, const struct audit *a, struct buf *line)
{
	cJSON *doc = cJSON_CreateObject();
	char at[32];

	time_iso(a->began, at);
	json_add_str(doc, "at", at);
	json_add_str(doc, "who", a->who);
	add_clean(doc, "as", a->as);
	add_clean(doc, "command", a->typed);
	json_add_str(doc, "version", s->version);
	json_add_str(doc, "outcome", a->outcome);
	json_add_int(doc, "exit", a->status);
	json_add_int(doc, "seconds", a->ended - a->began);
	if (a->error != NULL)
		add_clean(doc, "error", a->error);
	json_print(doc, line);
	buf_addc(line, '\n');
	json_free(doc);
}

/* The status, -1. */
static int put(struct session *s, const char *name, const char *query,
	       const char *const *fields, struct str body, struct err *e)
{
	struct blob_ask q = { .method = "PUT",
			      .name = name,
			      .query = query,
			      .fields = fields,
			      .body = body };
	struct http_response r;
	int rc;

	http_response_init(&r, BLOB_ANSWER_MAX);
	rc = blob_ask(s, &q, &r, e);
	if (rc == 0 && r.head.status != 201 && r.head.status != 404 &&
	    r.head.status != 409)
		rc = storage_refusal(&r, RETRY_BLOB, e);
	if (rc == 0)
		rc = (int)r.head.status;
	http_response_release(&r);
	return rc;
}

int audit_append(struct session *s, struct str line, int64_t began, struct err *e)
{
	static const char *const new[] = { "x-ms-blob-type: AppendBlob",
					   "If-None-Match: *", NULL };
	struct buf name = BUF_INIT(2 * BLOB_NAME_MAX);
	char day[32];
	int rc;

	time_iso(began, day);
	add_name(s, day, &name);
	rc = put(s, name.str, "comp=appendblock", NULL, line, e);
	if (rc == 404 && (rc = put(s, name.str, NULL, new, STR_NULL, e)) >= 0)
		rc = put(s, name.str, "comp=appendblock", NULL, line, e);
	if (rc >= 0 && rc != 201)
		rc = err_set(e, ERR_AZURE, "HTTP %d", rc);
	buf_release(&name);
	return rc < 0 ? err_in(e, "audit trail") : 0;
}

/* ---- reading ---- */

struct month {
	char name[8]; /* "2026-11" */
	uint64_t size;
};

struct trail {
	struct month months[MONTHS_MAX];
	size_t n_months;
	cJSON *lines;
	size_t n, most;
	int64_t since; /* Unix time */
	bool enough;   /* what is older is not asked for */
};

/* What stands before that word; *rest is behind it then. */
static bool cut_at(struct str *rest, const char *word, struct str *text)
{
	ptrdiff_t at = str_find(*rest, str_of(word));

	if (at < 0)
		return false;
	*text = str_head(*rest, (size_t)at);
	*rest = str_skip(*rest, (size_t)at + strlen(word));
	return true;
}

static int ask(struct session *s, const struct blob_ask *q,
	       struct http_response *r, struct err *e)
{
	http_response_init(r, BLOB_ANSWER_MAX);
	if (blob_ask(s, q, r, e) < 0)
		return -1;
	if (r->head.status / 100 != 2 && r->head.status != 404)
		return storage_refusal(r, RETRY_BLOB, e);
	return 0;
}

/* Names come in their order, which is that of time.  len: of one's name; a longer
 * one is of another group, whose name begins as ours. */
static void take_list(struct trail *t, struct str xml, size_t len)
{
	struct str name, text;
	struct month *m;

	while (cut_at(&xml, "<Name>", &text) && cut_at(&xml, "</Name>", &name)) {
		if (!cut_at(&xml, "<Content-Length>", &text) ||
		    !cut_at(&xml, "</Content-Length>", &text) || name.n != len)
			continue;
		if (t->n_months == MONTHS_MAX)
			memmove(t->months, t->months + 1,
				sizeof(*m) * --t->n_months);
		m = &t->months[t->n_months];
		snprintf(m->name, sizeof(m->name), "%.*s",
			 STR_ARG(str_skip(name, name.n - 7)));
		t->n_months += str_num(text, INT64_MAX, &m->size) && m->size > 0;
	}
}

static int list_months(struct session *s, struct trail *t, struct err *e)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);
	struct buf query = BUF_INIT(1024);
	struct http_response r;
	struct blob_ask q = { .method = "GET", .idempotent = true };
	int rc;

	buf_adds(&query, "restype=container&comp=list&prefix=");
	add_name(s, "", &query);
	q.query = query.str;
	if ((rc = ask(s, &q, &r, e)) == 0)
		take_list(t, buf_str(&r.body),
			  strlen("audit--2026-11") + strlen(group));
	http_response_release(&r);
	buf_release(&query);
	return rc;
}

/* One line; what is none of ours is left out. */
static void take_line(struct trail *t, struct str line)
{
	struct err ignored = ERR_INIT;
	cJSON *doc = line.n > 0 ? json_parse(line, "line", &ignored) : NULL;
	int64_t at;

	if (doc == NULL ||
	    !time_parse_iso(str_of(json_str_opt(doc, "at", "")), &at)) {
		json_free(doc);
	} else if (at < t->since || t->n == t->most) {
		t->enough = true;
		json_free(doc);
	} else {
		/* what was read before is newer */
		cJSON_InsertItemInArray(t->lines, 0, doc);
		t->n++;
	}
}

/* What a month has, or the end of it, from the last line on. */
static int read_month(struct session *s, struct trail *t, const struct month *m,
		      struct err *e)
{
	uint64_t from = m->size > PIECE ? m->size - PIECE : 0;
	char *range = xasprintf("Range: bytes=%llu-%llu", (unsigned long long)from,
				(unsigned long long)(from + PIECE - 1));
	const char *fields[] = { range, NULL };
	struct buf name = BUF_INIT(2 * BLOB_NAME_MAX);
	struct blob_ask q = { .method = "GET",
			      .fields = fields,
			      .idempotent = true };
	struct http_response r;
	struct str rest;
	ptrdiff_t at;
	int rc;

	add_name(s, m->name, &name);
	q.name = name.str;
	rc = ask(s, &q, &r, e);
	if (rc == 0 && r.head.status != 404) {
		rest = buf_str(&r.body);
		while (!t->enough && (at = str_rchr(rest, '\n')) >= 0) {
			ptrdiff_t before = str_rchr(str_head(rest, (size_t)at),
						    '\n');

			/* the first that is read may be half of one */
			if (before >= 0 || from == 0)
				take_line(t, str_skip(str_head(rest, (size_t)at),
						      (size_t)(before + 1)));
			rest = str_head(rest, (size_t)(before + 1));
		}
		if (!t->enough && from > 0) {
			ui_say(s->ui,
			       "what is older in %s is left out: it is in "
			       "blob %s",
			       m->name, name.str);
			t->enough = true;
		}
	}
	http_response_release(&r);
	buf_release(&name);
	free(range);
	return rc;
}

static void add_row(struct listing *list, const cJSON *line)
{
	listing_row(list);
	for (size_t i = 0; i < list->n_columns; i++) {
		const cJSON *v = json_get(line, list->columns[i]);

		if (cJSON_IsNumber(v))
			listing_cell(list, "%lld",
				     (long long)json_int_opt(line,
							     list->columns[i], 0));
		else
			listing_cell(list, "%s",
				     json_str_opt(line, list->columns[i], ""));
	}
}

static int show(struct session *s, const struct trail *t, struct err *e)
{
	static const char *const columns[] = { "at",	  "who",     "as",
					       "command", "outcome", "exit",
					       "seconds", "error",   NULL };
	struct listing list;
	const cJSON *line;
	int rc;

	listing_init(&list, columns);
	cJSON_ArrayForEach(line, t->lines)
		add_row(&list, line);
	rc = listing_print(&list, s->ui, e);
	listing_release(&list);
	return rc;
}

/* "2026-11-30", "2026-11-30T12:00:00Z", or so many days: "7d". */
static int take_since(const char *text, int64_t *since, struct err *e)
{
	char *whole = xasprintf("%sT00:00:00Z", text);
	struct str days = str_of(text);
	uint64_t n;
	int rc = 0;

	if (str_ends(days, STR("d")) &&
	    str_num(str_head(days, days.n - 1), 36500, &n))
		*since = unix_time() - (int64_t)n * 86400;
	else if (!time_parse_iso(str_of(text), since) &&
		 !time_parse_iso(str_of(whole), since))
		rc = err_set(e, ERR_USAGE,
			     "--since \"%s\": expected a day, 2026-11-30, a time, "
			     "2026-11-30T12:00:00Z, or how many days ago, 7d",
			     text);
	free(whole);
	return rc;
}

int cmd_audit(struct session *s, int argc, char **argv, struct err *e)
{
	struct trail t = { .most = s->since != NULL ? TAIL_MAX : TAIL };
	uint64_t tail;
	int rc;

	(void)argc, (void)argv;
	if (s->tail != NULL) {
		if (!str_num(str_of(s->tail), TAIL_MAX, &tail) || tail == 0)
			return err_set(e, ERR_USAGE,
				       "--tail \"%s\": expected a number from 1 to "
				       "%d",
				       s->tail, TAIL_MAX);
		t.most = tail;
	}
	if (s->since != NULL && take_since(s->since, &t.since, e) < 0)
		return -1;
	t.lines = cJSON_CreateArray();
	rc = list_months(s, &t, e);
	for (size_t i = t.n_months; rc == 0 && i-- > 0 && !t.enough;)
		rc = read_month(s, &t, &t.months[i], e);
	if (rc == 0)
		rc = show(s, &t, e);
	if (rc == 0 && t.n == 0)
		ui_say(s->ui, "nothing was done%s",
		       s->since != NULL ? " since then" : " yet");
	json_free(t.lines);
	return rc;
}
