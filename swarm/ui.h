#ifndef SWARM_UI_H
#define SWARM_UI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/err.h"
#include "base/json.h"

/*
 * What commands say: data on stdout, talk on stderr, progress only where a
 * terminal shows it.
 */
enum ui_format { UI_TABLE, UI_JSON, UI_TSV };

struct ui {
	FILE *out, *err; /* given by main */
	enum ui_format format;
	bool tty;	       /* err is a terminal that can rewrite a line */
	bool color, color_out; /* on err, on out */
	bool quiet;	       /* no talk */
	bool drawn;	       /* a progress line stands there */
	int64_t told_ms;       /* last plain "still waiting" line */
};

/* A line of talk. */
void ui_say(struct ui *ui, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Progress of a wait: rewritten in place on a terminal, else a line every 30 s.
 * now: of the monotonic clock, milliseconds. */
void ui_waiting(struct ui *ui, const char *what, int64_t waited_ms, int64_t now);
/* How many bytes of how many (0: nobody knows) there are; told like a wait. */
void ui_progress(struct ui *ui, const char *what, uint64_t done, uint64_t total,
		 int64_t now);
/* Remove a progress line before other output. */
void ui_clear(struct ui *ui);

/* Rows of strings under named columns; a column of numbers is right-aligned. */
#define TABLE_COLUMNS_MAX 12
struct listing {
	const char *columns[TABLE_COLUMNS_MAX]; /* JSON names; upper case in tables */
	size_t n_columns;
	cJSON *rows; /* array of arrays of strings */
};
/* columns: NULL-ended */
void listing_init(struct listing *t, const char *const *columns);
/* Start a row, then one listing_cell per column (NULL: empty). */
void listing_row(struct listing *t);
void listing_cell(struct listing *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Print as ui->format says: aligned text, a JSON array of objects, or TSV
 * without a header.  An empty table prints "[]" or nothing.  -1 when stdout
 * refuses. */
int listing_print(const struct listing *t, struct ui *ui, struct err *e);
void listing_release(struct listing *t);

#endif
