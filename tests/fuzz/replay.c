/*
 * A fuzzer's entry without a fuzzer: every file of its corpus, once, so that
 * what was once found stays found; then some changes of them, the same ones in
 * every run.
 *
 *	replay NAME FOLDER		run it
 *	replay NAME FOLDER N		write the Nth changed input, and no more
 *
 * A crash ends the run with the sanitizer's report.  The last line printed
 * then names the input before it, or says which of the changed ones it was.
 */
#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sanitizer/common_interface_defs.h>

#define INPUT_MAX (4 << 20)
#define CHANGED 400    /* inputs, */
#define CHANGED_S 4    /* and no more when it takes longer */
#define CHANGES_MAX 4  /* in one of them */
#define FILE_MAX 20000 /* larger ones are slow, and are not changed */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const char *name;
	uint8_t *data;
	size_t n;
};

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int load(const char *folder, struct input *in)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, in->name);
	f = fopen(path, "rb");
	if (f == NULL)
		return -1;
	in->data = malloc(INPUT_MAX);
	if (in->data == NULL)
		abort();
	in->n = fread(in->data, 1, INPUT_MAX, f);
	fclose(f);
	return 0;
}

/* In memory of just that size, so that one byte too far is seen. */
static void give(const uint8_t *data, size_t n)
{
	uint8_t *copy = malloc(n > 0 ? n : 1);

	if (copy == NULL)
		abort();
	if (n > 0)
		memcpy(copy, data, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

/* ---- changes ---- */

/* xorshift: the same numbers everywhere. */
static uint32_t draw(uint32_t *state, size_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return below == 0 ? 0 : *state % (uint32_t)below;
}

/* Put piece at at, in place of the cut bytes there. */
static size_t splice(uint8_t *data, size_t n, size_t at, size_t cut,
		     const uint8_t *piece, size_t piece_n)
{
	memmove(data + at + piece_n, data + at + cut, n - at - cut);
	memcpy(data + at, piece, piece_n);
	return n - cut + piece_n;
}

static size_t change(uint8_t *data, size_t n, const struct input *other,
		     uint32_t *state)
{
	static const char *const words[] = {
		"0",	"-1",	   "4294967295", "9223372036854775807",
		"\"",	"\\u0000", "[",		 "{",
		"\r\n", "\n--\n",  "/",		 "..",
		"\0",	"null",	   "%00",	 ":",
		"}",	"\xff",
	};
	const char *word = words[draw(state, sizeof(words) / sizeof(words[0]))];
	size_t at = draw(state, n + 1), len;
	const uint8_t *from;

	switch (draw(state, 5)) {
	case 0: /* a bit */
		if (at < n)
			data[at] ^= (uint8_t)(1u << draw(state, 8));
		return n;
	case 1: /* less */
		len = draw(state, n - at < 32 ? n - at + 1 : 32);
		return splice(data, n, at, len, data, 0);
	case 2: /* a word that matters somewhere */
		len = word[0] == '\0' ? 1 : strlen(word);
		return splice(data, n, at, 0, (const uint8_t *)word, len);
	case 3: /* a part of another one */
		len = draw(state, other->n < 400 ? other->n + 1 : 400);
		from = other->data + draw(state, other->n - len + 1);
		return splice(data, n, at, 0, from, len);
	default: /* the end is missing */
		return at;
	}
}

/* The kth, in memory of the caller's, who frees it. */
static uint8_t *changed(const struct input *all, size_t n_all, uint32_t k,
			size_t *n)
{
	uint32_t state = 2463534242u ^ (k * 2654435761u);
	const struct input *in = &all[draw(&state, n_all)];
	uint8_t *data = malloc(in->n + CHANGES_MAX * 400 + 1);
	unsigned changes = 1 + draw(&state, CHANGES_MAX);

	if (data == NULL)
		abort();
	if (in->n > 0)
		memcpy(data, in->data, in->n);
	*n = in->n;
	while (changes-- > 0)
		*n = change(data, *n, &all[draw(&state, n_all)], &state);
	return data;
}

/* Which one it is that runs, for whoever dies in it. */
static struct {
	const char *name;
	volatile uint32_t k;
	volatile bool runs;
} now;

static void died(void)
{
	char line[300];
	int n = snprintf(line, sizeof(line),
			 "not ok %s changed %u: 'build/replay/%s %s "
			 "tests/fuzz/corpus/%s %u' writes it\n",
			 now.name, now.k, now.name, now.name, now.name, now.k);

	if (now.runs && write(STDOUT_FILENO, line, (size_t)n) < 0)
		_exit(1);
	now.runs = false;
}

static void aborted(int sig)
{
	died();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run_changed(const char *name, const struct input *all, size_t n_all)
{
	time_t until = time(NULL) + CHANGED_S;
	uint32_t k;

	now.name = name;
	__sanitizer_set_death_callback(died);
	signal(SIGABRT, aborted);
	for (k = 0; k < CHANGED && time(NULL) <= until; k++) {
		size_t n;
		uint8_t *data = changed(all, n_all, k, &n);

		now.k = k;
		now.runs = true;
		give(data, n);
		now.runs = false;
		free(data);
	}
	printf("ok %s %u changed\n", name, k);
}

int main(int argc, char **argv)
{
	struct dirent **entry;
	struct input *all;
	size_t n_all = 0;
	int n, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 3)
		return 2;
	n = scandir(argv[2], &entry, visible, alphasort);
	if (n <= 0) {
		printf("not ok %s corpus: nothing in %s\n", argv[1], argv[2]);
		return 1;
	}
	all = calloc((size_t)n, sizeof(*all));
	if (all == NULL)
		abort();
	for (int i = 0; i < n; i++) {
		struct input *in = &all[n_all];

		in->name = entry[i]->d_name;
		if (load(argv[2], in) < 0) {
			printf("not ok %s %s: cannot open\n", argv[1], in->name);
			bad = 1;
			continue;
		}
		if (argc == 3) {
			give(in->data, in->n);
			printf("ok %s %s\n", argv[1], in->name);
		}
		if (in->n <= FILE_MAX)
			n_all++;
		else
			free(in->data);
	}
	if (argc == 3 && n_all > 0) {
		run_changed(argv[1], all, n_all);
	} else if (n_all > 0) {
		size_t k_n;
		uint8_t *k = changed(all, n_all,
				     (uint32_t)strtoul(argv[3], NULL, 10), &k_n);

		fwrite(k, 1, k_n, stdout);
		free(k);
	}
	for (size_t i = 0; i < n_all; i++)
		free(all[i].data);
	for (int i = 0; i < n; i++)
		free(entry[i]);
	free(all);
	free(entry);
	return bad;
}
