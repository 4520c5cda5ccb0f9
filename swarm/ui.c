/*
 * Output of commands: tables in three formats, talk, progress lines.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "swarm/ui.h"

#define PLAIN_EVERY_MS 30000
#define WHAT_MAX 56 /* a line that wraps cannot be rewritten */

void ui_clear(struct ui *ui)
{
	if (ui->drawn)
		fputs("\r\033[K", ui->err);
	ui->drawn = false;
}

void ui_say(struct ui *ui, const char *fmt, ...)
{
	struct buf text = BUF_INIT(8192), clean = BUF_INIT(16384);
	va_list ap;

	if (ui->quiet)
		return;
	va_start(ap, fmt);
	buf_vaddf_cut(&text, fmt, ap);
	va_end(ap);
	buf_add_clean(&clean, buf_str(&text));
	ui_clear(ui);
	fprintf(ui->err, "%s\n", clean.str);
	fflush(ui->err);
	buf_release(&text);
	buf_release(&clean);
}

void ui_waiting(struct ui *ui, const char *what, int64_t waited_ms, int64_t now)
{
	char span[32];
	struct buf clean = BUF_INIT(64u << 10);
	struct str shown;

	if (ui->quiet || waited_ms < 1000)
		return;
	time_span(waited_ms / 1000, span);
	buf_add_clean(&clean, str_of(what));
	shown = str_whole(str_head(buf_str(&clean), WHAT_MAX));
	if (ui->tty) {
		fprintf(ui->err, "\r\033[K%swaiting for %.*s%s (%s)%s",
			ui->color ? "\033[2m" : "", STR_ARG(shown),
			clean.n > WHAT_MAX ? "..." : "", span,
			ui->color ? "\033[0m" : "");
		ui->drawn = true;
	} else if (now - ui->told_ms >= PLAIN_EVERY_MS) {
		fprintf(ui->err, "waiting for %s (%s)\n", clean.str, span);
		ui->told_ms = now;
	}
	fflush(ui->err);
	buf_release(&clean);
}

void ui_progress(struct ui *ui, const char *what, uint64_t done, uint64_t total,
		 int64_t now)
{
	double mib = 1 << 20;
	char span[64];

	if (ui->quiet)
		return;
	if (total > 0)
		snprintf(span, sizeof(span), "%.1f of %.1f MiB",
			 (double)done / mib, (double)total / mib);
	else
		snprintf(span, sizeof(span), "%.1f MiB", (double)done / mib);
	if (ui->tty) {
		fprintf(ui->err, "\r\033[K%s%.*s: %s%s",
			ui->color ? "\033[2m" : "", WHAT_MAX, what, span,
			ui->color ? "\033[0m" : "");
		ui->drawn = true;
	} else if (now - ui->told_ms >= PLAIN_EVERY_MS) {
		/* what is done within that time needs no word */
		if (ui->told_ms != 0)
			fprintf(ui->err, "%s: %s\n", what, span);
		ui->told_ms = now;
	}
	fflush(ui->err);
}

/* ---- tables ---- */

void listing_init(struct listing *t, const char *const *columns)
{
	*t = (struct listing){ .rows = cJSON_CreateArray() };
	for (; columns[t->n_columns] != NULL; t->n_columns++)
		t->columns[t->n_columns] = columns[t->n_columns];
}

void listing_row(struct listing *t)
{
	cJSON_AddItemToArray(t->rows, cJSON_CreateArray());
}

void listing_cell(struct listing *t, const char *fmt, ...)
{
	struct buf text = BUF_INIT(8192), clean = BUF_INIT(16384);
	va_list ap;

	if (fmt != NULL) {
		va_start(ap, fmt);
		buf_vaddf_cut(&text, fmt, ap);
		va_end(ap);
		buf_add_clean(&clean, buf_str(&text));
	}
	cJSON_AddItemToArray(t->rows->child->prev, cJSON_CreateString(clean.str));
	buf_release(&text);
	buf_release(&clean);
}

void listing_release(struct listing *t)
{
	json_free(t->rows);
	t->rows = NULL;
}

/* Columns on a terminal: code points, for names hold more than ASCII. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* How wide each column is, and whether all of it are numbers. */
struct layout {
	size_t width[TABLE_COLUMNS_MAX];
	bool numeric[TABLE_COLUMNS_MAX];
};

static void lay_out(const struct listing *t, struct layout *lay)
{
	const cJSON *row, *cell;
	uint64_t ignored;

	for (size_t col = 0; col < t->n_columns; col++) {
		lay->width[col] = strlen(t->columns[col]);
		lay->numeric[col] = true;
	}
	cJSON_ArrayForEach(row, t->rows) {
		size_t col = 0;

		cJSON_ArrayForEach(cell, row) {
			size_t width = width_of(cell->valuestring);

			if (width > lay->width[col])
				lay->width[col] = width;
			if (!str_num(str_of(cell->valuestring), UINT64_MAX,
				     &ignored))
				lay->numeric[col] = false;
			col++;
		}
	}
}

/* One cell, with what keeps it apart from the next one. */
static void print_cell(const struct listing *t, const struct layout *lay,
		       size_t col, const char *text, FILE *out)
{
	int fill = (int)(lay->width[col] - width_of(text));

	if (lay->numeric[col])
		fprintf(out, "%*s", fill, "");
	fputs(text, out);
	if (col + 1 < t->n_columns)
		fprintf(out, "%*s", (lay->numeric[col] ? 0 : fill) + 2, "");
}

/* A listing that has rows. */
static void print_aligned(const struct listing *t, FILE *out)
{
	struct layout lay;
	const cJSON *row, *cell;

	lay_out(t, &lay);
	for (size_t col = 0; col < t->n_columns; col++) {
		char *title = xstrdup(t->columns[col]);

		for (char *c = title; *c != '\0'; c++)
			*c = to_upper(*c);
		print_cell(t, &lay, col, title, out);
		free(title);
	}
	putc('\n', out);
	cJSON_ArrayForEach(row, t->rows) {
		size_t col = 0;

		cJSON_ArrayForEach(cell, row)
			print_cell(t, &lay, col++, cell->valuestring, out);
		putc('\n', out);
	}
}

static void print_tsv(const struct listing *t, FILE *out)
{
	const cJSON *row, *cell;

	cJSON_ArrayForEach(row, t->rows) {
		cJSON_ArrayForEach(cell, row)
			fprintf(out, "%s%c", cell->valuestring,
				cell->next ? '\t' : '\n');
	}
}

static void print_json(const struct listing *t, FILE *out)
{
	struct buf text = BUF_INIT(64u << 20);
	cJSON *doc = cJSON_CreateArray();
	const cJSON *row, *cell;

	cJSON_ArrayForEach(row, t->rows) {
		cJSON *o = cJSON_CreateObject();
		size_t col = 0;

		cJSON_ArrayForEach(cell, row)
			json_add_str(o, t->columns[col++], cell->valuestring);
		cJSON_AddItemToArray(doc, o);
	}
	json_print_pretty(doc, &text);
	fprintf(out, "%s\n", text.str);
	buf_release(&text);
	json_free(doc);
}

int listing_print(const struct listing *t, struct ui *ui, struct err *e)
{
	ui_clear(ui);
	switch (ui->format) {
	case UI_TABLE:
		if (t->rows->child != NULL)
			print_aligned(t, ui->out);
		break;
	case UI_TSV:
		print_tsv(t, ui->out);
		break;
	case UI_JSON:
		print_json(t, ui->out);
		break;
	}
	if (fflush(ui->out) != 0 || ferror(ui->out))
		return err_sys(e, ERR_IO, "standard output");
	return 0;
}
