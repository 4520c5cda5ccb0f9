/*
 * Gives every file of a corpus to a fuzzer's entry, once, without a fuzzer:
 * what was once found stays found.
 *
 *	replay NAME FOLDER
 *
 * A crash ends the run with the sanitizer's report; the last line printed
 * then names the input before it.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX (4 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int replay(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *data;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "rb");
	if (f == NULL)
		return -1;
	/* sized to the input, so that one byte too far is seen */
	data = malloc(INPUT_MAX);
	if (data == NULL)
		abort();
	n = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	if (n > 0) {
		data = realloc(data, n);
		if (data == NULL)
			abort();
	}
	LLVMFuzzerTestOneInput(data, n);
	free(data);
	return 0;
}

int main(int argc, char **argv)
{
	struct dirent **entry;
	int n, bad = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc != 3)
		return 2;
	n = scandir(argv[2], &entry, visible, alphasort);
	if (n <= 0) {
		printf("not ok %s corpus: nothing in %s\n", argv[1], argv[2]);
		return 1;
	}
	for (int i = 0; i < n; i++) {
		if (replay(argv[2], entry[i]->d_name) < 0) {
			printf("not ok %s %s: cannot open\n", argv[1],
			       entry[i]->d_name);
			bad = 1;
		} else {
			printf("ok %s %s\n", argv[1], entry[i]->d_name);
		}
		free(entry[i]);
	}
	free(entry);
	return bad;
}
