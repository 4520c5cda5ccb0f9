/* Autoscale: numbers from a file, decisions, and a capacity; see scaler.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "emulator/arm/scaler.h"
#include "emulator/arm/vmss.h"
#include "emulator/fault.h"
#include "emulator/store.h"

#define SAMPLES_MAX 4096
#define MEMORIES_MAX 16
#define LOOK_S 30
#define TICK_MS 1000
#define SPEED_MAX 600

/* ---- deciding ---- */

static bool seen_for_ms(const struct scaler_facts *f, int64_t window_ms)
{
	/* a tick's slack: the first sample came a moment after the window began */
	return f->n > 0 && f->samples[0].ms <= f->now_ms - window_ms + 2 * TICK_MS;
}

/* Of the window that ends now; below 0: there are no numbers in it. */
static double average(const struct scaler_facts *f, int64_t window_ms)
{
	double sum = 0;
	size_t k = 0;

	for (size_t i = 0; i < f->n; i++)
		if (f->samples[i].ms > f->now_ms - window_ms &&
		    f->samples[i].cpu >= 0) {
			sum += f->samples[i].cpu;
			k++;
		}
	return k > 0 ? sum / (double)k : -1;
}

static bool holds(const cJSON *trigger, double v)
{
	const cJSON *t = json_get(trigger, "threshold");
	double limit = cJSON_IsNumber(t) ? t->valuedouble : 0;
	const char *op = json_text(trigger, "operator");

	return v >= 0 && json_is(trigger, "metricName", "Percentage CPU") &&
	       (str_is(op, "GreaterThan")	 ? v > limit :
		str_is(op, "GreaterThanOrEqual") ? v >= limit :
		str_is(op, "LessThan")		 ? v < limit :
		str_is(op, "LessThanOrEqual")	 ? v <= limit :
		str_is(op, "Equals")		 ? v == limit :
				       str_is(op, "NotEquals") && v != limit);
}

static int64_t window_of(const cJSON *rule, unsigned speed)
{
	return json_duration_s(rule, "metricTrigger.timeWindow", 300) * 1000 /
	       speed;
}

/* The rule's condition, now. */
static bool fires(const cJSON *rule, const struct scaler_facts *f)
{
	int64_t window = window_of(rule, f->speed);

	return seen_for_ms(f, window) &&
	       holds(json_get(rule, "metricTrigger"), average(f, window));
}

static bool cooled(const cJSON *rule, const struct scaler_facts *f)
{
	int64_t s = json_duration_s(rule, "scaleAction.cooldown", 300);

	return f->acted_ms == 0 || f->now_ms - f->acted_ms >= s * 1000 / f->speed;
}

static int64_t step(const cJSON *rule, int64_t capacity, int64_t sign)
{
	uint64_t v = 1;

	str_num(str_of(json_str_opt(rule, "scaleAction.value", "1")), 1000, &v);
	if (json_is(rule, "scaleAction.type", "ExactCount"))
		return (int64_t)v;
	if (json_is(rule, "scaleAction.type", "PercentChangeCount"))
		return capacity + sign * ((capacity * (int64_t)v + 99) / 100);
	return capacity + sign * (int64_t)v;
}

static int64_t within(int64_t v, int64_t low, int64_t high)
{
	return v < low ? low : v > high ? high : v;
}

static bool goes_out(const cJSON *rule)
{
	return json_is(rule, "scaleAction.direction", "Increase");
}

/* Would those that are left have to go out again? */
static bool would_flap(const cJSON *rules, const struct scaler_facts *f,
		       int64_t want)
{
	const cJSON *rule;

	cJSON_ArrayForEach(rule, rules) {
		double v = average(f, window_of(rule, f->speed));

		if (goes_out(rule) && want > 0 && v >= 0 &&
		    holds(json_get(rule, "metricTrigger"),
			  v * (double)f->capacity / (double)want))
			return true;
	}
	return false;
}

static int64_t by_rules(const cJSON *rules, const struct scaler_facts *f,
			char why[120])
{
	int64_t out = f->capacity, in = -1, v;
	bool all = true;
	const cJSON *rule, *first = NULL;

	cJSON_ArrayForEach(rule, rules) {
		if (goes_out(rule)) {
			if (!fires(rule, f) || !cooled(rule, f))
				continue;
			v = step(rule, f->capacity, 1);
			out = v > out ? v : out;
			snprintf(why, 120, "%.1f %% CPU is more than it should be",
				 average(f, window_of(rule, f->speed)));
		} else {
			all = all && fires(rule, f);
			/* of several the smallest step */
			v = step(rule, f->capacity, -1);
			if (v > in) {
				in = v;
				first = rule;
			}
		}
	}
	if (out > f->capacity)
		return out;
	if (first == NULL || !all || !cooled(first, f) || in >= f->capacity ||
	    would_flap(rules, f, in))
		return f->capacity;
	snprintf(why, 120, "%.1f %% CPU is less than it should be",
		 average(f, window_of(first, f->speed)));
	return in;
}

static const cJSON *profile_of(const cJSON *properties)
{
	const cJSON *p;

	cJSON_ArrayForEach(p, json_get(properties, "profiles"))
		if (!cJSON_IsObject(json_get(p, "fixedDate")) &&
		    !cJSON_IsObject(json_get(p, "recurrence")))
			return p;
	return NULL;
}

static int64_t bound(const cJSON *profile, const char *path)
{
	uint64_t v = 0;

	str_num(str_of(json_text(profile, path)), 1000, &v);
	return (int64_t)v;
}

static int64_t decide(const cJSON *properties, const struct scaler_facts *f,
		      char why[120])
{
	const cJSON *profile = profile_of(properties),
		    *rules = json_get(profile, "rules"), *rule;
	int64_t low = bound(profile, "capacity.minimum"),
		high = bound(profile, "capacity.maximum");
	int64_t usual = bound(profile, "capacity.default"), window = 0, w, want;

	if (profile == NULL || !json_bool_opt(properties, "enabled", true))
		return f->capacity;
	want = within(f->capacity, low, high);
	if (want != f->capacity) {
		snprintf(why, 120, "the bounds are %lld and %lld",
			 (long long)low, (long long)high);
		return want;
	}
	cJSON_ArrayForEach(rule, rules)
		if ((w = window_of(rule, f->speed)) > window)
			window = w;
	if (window > 0 && seen_for_ms(f, window) && average(f, window) < 0) {
		snprintf(why, 120, "there are no numbers: default");
		return f->capacity < usual ? usual : f->capacity;
	}
	return within(by_rules(rules, f, why), low, high);
}

int64_t scaler_decide(const cJSON *properties, const struct scaler_facts *f,
		      char why[120])
{
	int64_t want = decide(properties, f, why);

	if (want == f->capacity)
		why[0] = '\0';
	return want;
}

/* ---- what there is ---- */

/* What is remembered of one setting. */
struct memory {
	char *key;
	struct scaler_sample *samples;
	size_t n;
	int64_t acted_ms, next_ms;
	bool keep;
};

struct scaler {
	struct memory at[MEMORIES_MAX];
	size_t n;
	char *text; /* of the file, as it was read last; NULL: there is none */
};

/* A line that is neither is said, when the file is new. */
static bool next_line(struct emu *m, struct str *text, bool tell,
		      struct str *name, uint64_t *v)
{
	struct str line, s, word;

	while (str_next(text, '\n', &line)) {
		s = str_trim(line);
		if (s.n == 0)
			continue;
		*name = STR_NULL;
		word = s;
		if (str_chr(s, ' ') >= 0) {
			str_cut(&word, ' ', name);
			word = str_trim(word);
		}
		if (str_num(word, str_eqz(*name, "speed") ? SPEED_MAX : 100, v))
			return true;
		if (tell)
			emu_log(m, "cpu: '%.*s' is no percentage", STR_ARG(s));
	}
	return false;
}

static unsigned speed_of(struct emu *m, const char *file, bool tell)
{
	struct str text = str_of(file), name;
	uint64_t v, speed = 1;

	while (next_line(m, &text, tell, &name, &v))
		if (str_eqz(name, "speed") && v > 0)
			speed = v;
	return (unsigned)speed;
}

/* Below 0: the file has none for it. */
static double cpu_of(struct emu *m, const char *file, const char *machine)
{
	struct str text = str_of(file), name;
	double all = -1, own = -1;
	uint64_t v;

	while (next_line(m, &text, false, &name, &v)) {
		if (name.n == 0)
			all = (double)v;
		else if (str_ieqz(name, machine))
			own = (double)v;
	}
	return own >= 0 ? own : all;
}

static double cpu_of_set(struct emu *m, const char *file, const struct entry *set)
{
	struct entry *n = NULL;
	double sum = 0, v;
	size_t k = 0;

	while ((n = vmss_next(m, n, set)) != NULL)
		if (json_is(n->hide, "power", "running") &&
		    (v = cpu_of(m, file, json_text(n->doc, "name"))) >= 0) {
			sum += v;
			k++;
		}
	return k > 0 ? sum / (double)k : -1;
}

static struct memory *memory_of(struct scaler *s, const char *key)
{
	struct memory *k;

	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->at[i].key, key) == 0)
			return &s->at[i];
	if (s->n == MEMORIES_MAX)
		return NULL;
	k = &s->at[s->n++];
	memset(k, 0, sizeof(*k));
	k->key = xstrdup(key);
	k->samples = xcalloc(SAMPLES_MAX, sizeof(*k->samples));
	return k;
}

static void forget(struct scaler *s, size_t i)
{
	free(s->at[i].key);
	free(s->at[i].samples);
	s->at[i] = s->at[--s->n];
}

static void remember(struct memory *k, int64_t now, double cpu)
{
	if (k->n == SAMPLES_MAX) {
		k->n -= SAMPLES_MAX / 2;
		memmove(k->samples, k->samples + SAMPLES_MAX / 2,
			k->n * sizeof(*k->samples));
	}
	k->samples[k->n++] = (struct scaler_sample){ now, cpu };
}

static void look(struct emu *m, struct entry *setting, struct memory *k,
		 const char *file, unsigned speed)
{
	const cJSON *properties = json_get(setting->doc, "properties");
	struct entry *set =
		store_find(m, json_text(properties, "targetResourceUri"));
	struct scaler_facts f = { .now_ms = now_ms(),
				  .acted_ms = k->acted_ms,
				  .speed = speed };
	struct fault fault = { 0, NULL };
	char why[120] = "";
	int64_t want;

	if (set == NULL)
		return;
	remember(k, f.now_ms, cpu_of_set(m, file, set));
	if (f.now_ms < k->next_ms)
		return;
	k->next_ms = f.now_ms + LOOK_S * 1000 / speed;
	f.capacity = json_int_opt(set->doc, "sku.capacity", 0);
	f.samples = k->samples;
	f.n = k->n;
	want = scaler_decide(properties, &f, why);
	if (want == f.capacity)
		return;
	/* what is at work on it has its time */
	if (vmss_resize(m, set, want, &fault) == 0) {
		emu_log(m, "autoscale %s: from %lld to %lld, %s",
			json_text(setting->doc, "name"), (long long)f.capacity,
			(long long)want, why);
		k->acted_ms = f.now_ms;
	}
	fault_release(&fault);
}

/* The file's text; NULL: there is none.  Lasts until the next call. */
static const char *read_file(struct emu *m, struct scaler *s, bool *fresh)
{
	char *path = xasprintf("%s/cpu", m->dir);
	struct buf b = BUF_INIT(64u << 10);
	struct err e = ERR_INIT;
	bool there = file_exists(path) && file_read(path, &b, &e) == 0;

	*fresh = there && (s->text == NULL || strcmp(s->text, b.str) != 0);
	free(s->text);
	s->text = there ? str_dup(buf_str(&b)) : NULL;
	buf_release(&b);
	free(path);
	return s->text;
}

void scaler_tick(struct emu *m)
{
	struct entry *n = NULL;
	struct scaler *s = m->scaler;
	struct memory *k;
	const char *file;
	unsigned speed;
	bool fresh;

	if (s == NULL)
		s = m->scaler = xcalloc(1, sizeof(*s));
	if ((file = read_file(m, s, &fresh)) == NULL) {
		while (s->n > 0)
			forget(s, 0);
		return;
	}
	speed = speed_of(m, file, fresh);
	for (size_t i = 0; i < s->n; i++)
		s->at[i].keep = false;
	while ((n = store_typed(m, n, "Microsoft.Insights/autoscaleSettings")) !=
	       NULL)
		if ((k = memory_of(s, n->key)) != NULL) {
			k->keep = true;
			look(m, n, k, file, speed);
		}
	for (size_t i = 0; i < s->n;)
		if (s->at[i].keep)
			i++;
		else
			forget(s, i);
}

void scaler_release(struct emu *m)
{
	while (m->scaler != NULL && m->scaler->n > 0)
		forget(m->scaler, 0);
	if (m->scaler != NULL)
		free(m->scaler->text);
	free(m->scaler);
	m->scaler = NULL;
}
