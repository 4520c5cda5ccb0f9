/*
 * Layer by layer, what is well and what is not, each with what was measured
 * and the command that mends it.  Changes nothing, and goes on behind what is
 * broken as far as that can be asked.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "swarm/baked.h"
#include "swarm/doctor.h"
#include "swarm/swarm.h"

#define TEXT_MAX 2048

static const struct {
	const char *word, *color;
} verdicts[DOCTOR_VERDICTS] = {
	[DOCTOR_OK] = { "ok", "32" },
	[DOCTOR_WARNING] = { "warning", "33" },
	[DOCTOR_WRONG] = { "wrong", "31" },
	[DOCTOR_SKIPPED] = { "skipped", "2" },
};

/* The last row, for people. */
static void print_line(const struct doctor *d, enum doctor_verdict v)
{
	const cJSON *row = d->lines.rows->child->prev;
	const char *cells[5] = { "", "", "", "", "" };
	struct ui *ui = d->s->ui;
	const cJSON *c;
	size_t n = 0;

	cJSON_ArrayForEach(c, row)
		if (n < 5)
			cells[n++] = c->valuestring;
	ui_clear(ui);
	if (ui->color_out)
		fprintf(ui->out, "\033[%sm%-7s\033[0m", verdicts[v].color,
			cells[0]);
	else
		fprintf(ui->out, "%-7s", cells[0]);
	fprintf(ui->out, "  %-9s  %s: %s\n", cells[1], cells[2], cells[3]);
	if (cells[4][0] != '\0')
		fprintf(ui->out, "%20s-> %s\n", "", cells[4]);
	fflush(ui->out);
}

void doctor_say(struct doctor *d, enum doctor_verdict v, const char *name,
		const char *mend, const char *fmt, ...)
{
	struct buf fact = BUF_INIT(TEXT_MAX);
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf_cut(&fact, fmt, ap);
	va_end(ap);
	listing_row(&d->lines);
	listing_cell(&d->lines, "%s", verdicts[v].word);
	listing_cell(&d->lines, "%s", d->layer);
	listing_cell(&d->lines, "%s", name);
	listing_cell(&d->lines, "%s", fact.str);
	listing_cell(&d->lines, "%s", v == DOCTOR_OK ? "" : mend);
	if (v == DOCTOR_WRONG && d->counts[v] == 0)
		err_set(&d->first, ERR_DATA, "%s: %s: %s%s%s", d->layer, name,
			fact.str, *mend != '\0' ? "; " : "", mend);
	d->counts[v]++;
	if (d->s->ui->format == UI_TABLE)
		print_line(d, v);
	buf_release(&fact);
}

void doctor_failed(struct doctor *d, const char *name, const struct err *e,
		   const char *mend)
{
	struct buf known = BUF_INIT(1024);

	doctor_say(d, DOCTOR_WRONG, name, advice(e, &known) ? known.str : mend,
		   "%s", e->msg);
	buf_release(&known);
}

void doctor_skipped(struct doctor *d, const char *name, const struct err *e)
{
	doctor_say(d, DOCTOR_SKIPPED, name, "", "not asked: %s", e->msg);
}

static void look_at_bake(struct doctor *d)
{
	char *group = baked_group(d->s), *since = NULL, *name;
	struct err e = ERR_INIT;
	int rc = baked_group_left(d->s, &since, &e);

	name = xasprintf("resource group %s", group);
	if (rc < 0)
		doctor_skipped(d, name, &e);
	else if (rc > 0)
		doctor_say(d, DOCTOR_WARNING, name,
			   "'azswarm bake-image' ends it, 'azswarm down' deletes "
			   "it with all the rest",
			   "has the machine of a bake-image that was begun %s, "
			   "which is billed",
			   since);
	free(name);
	free(since);
	free(group);
}

static void survey(struct doctor *d)
{
	struct err e = ERR_INIT;

	look_at_bake(d);
	if (survey_azure(d->s, &d->survey, &e) < 0) {
		doctor_failed(d, "what is deployed", &e, "");
		d->no_survey = e;
	}
}

enum needs { NEEDS_NOTHING, NEEDS_REACH, NEEDS_AZURE, NEEDS_SURVEY };

static const struct {
	const char *layer;
	void (*run)(struct doctor *d);
	enum needs needs;
} layers[] = {
	{ "network", doctor_network, NEEDS_REACH },
	{ "sign-in", doctor_sign_in, NEEDS_REACH },
	{ "cluster", survey, NEEDS_AZURE },
	{ "role", doctor_role, NEEDS_AZURE },
	{ "providers", doctor_providers, NEEDS_AZURE },
	{ "quota", doctor_sizes, NEEDS_SURVEY },
	{ "names", doctor_names, NEEDS_SURVEY },
	{ "machines", doctor_machines, NEEDS_SURVEY },
};

/* What has to be mended before that layer can be asked, NULL: nothing. */
static const char *missing(const struct doctor *d, enum needs needs)
{
	const struct {
		const struct err *e;
		const char *what;
	} of[] = { { &d->no_reach, "the endpoints are not known" },
		   { &d->no_azure, "the sign-in is wrong" },
		   { &d->no_survey, "what is deployed cannot be read" } };

	for (int i = 0; i < (int)needs; i++)
		if (of[i].e->kind != ERR_NONE)
			return of[i].what;
	return NULL;
}

static int interrupted(struct err *e)
{
	return interrupt_requested() ?
		       err_set(e, ERR_INTR, "interrupted; nothing was changed") :
		       0;
}

static int end(struct doctor *d, int64_t began, struct err *e)
{
	struct ui *ui = d->s->ui;

	if (ui->format != UI_TABLE && listing_print(&d->lines, ui, e) < 0)
		return -1;
	ui_say(ui, "%u ok, %u to be warned of, %u wrong, %u not asked; %.1f s",
	       d->counts[DOCTOR_OK], d->counts[DOCTOR_WARNING],
	       d->counts[DOCTOR_WRONG], d->counts[DOCTOR_SKIPPED],
	       (double)(now_ms() - began) / 1000);
	if (d->counts[DOCTOR_WRONG] == 0)
		return 0;
	return err_set(e, ERR_DATA, "%u wrong, first of all %s",
		       d->counts[DOCTOR_WRONG], d->first.msg);
}

int cmd_doctor(struct session *s, int argc, char **argv, struct err *e)
{
	static const char *const columns[] = { "verdict", "layer", "name",
					       "fact",	  "mend",  NULL };
	struct doctor d = { .s = s, .layer = "network" };
	int64_t began = now_ms();
	int rc = 0;

	(void)argc, (void)argv;
	listing_init(&d.lines, columns);
	if (session_reach(s, &d.no_reach) < 0)
		doctor_failed(&d, "endpoints", &d.no_reach,
			      "what it names, in the environment or in .env");
	for (size_t i = 0; i < sizeof(layers) / sizeof(*layers) && rc == 0; i++) {
		const char *why = missing(&d, layers[i].needs);

		d.layer = layers[i].layer;
		if (why != NULL)
			doctor_say(&d, DOCTOR_SKIPPED, d.layer, "",
				   "not asked: %s", why);
		else
			layers[i].run(&d);
		rc = interrupted(e);
	}
	if (rc == 0)
		rc = end(&d, began, e);
	survey_release(&d.survey);
	listing_release(&d.lines);
	return rc;
}
