/* build-aux/libc.c under other names, against the host's functions. */
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define strtod		own_strtod
#define vfprintf	own_vfprintf
#define memmem		own_memmem
#define strstr		own_strstr
#define qsort		own_qsort
double own_strtod(const char *s, char **end);
int own_vfprintf(FILE *f, const char *fmt, va_list given);
void *own_memmem(const void *in, size_t n, const void *what, size_t k);
char *own_strstr(const char *in, const char *what);
void own_qsort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *));
#include "build-aux/libc.c"
#undef strtod
#undef vfprintf
#undef memmem
#undef strstr
#undef qsort

static int failures;

static void result(bool good, const char *name, const char *why)
{
	if (good)
		printf("ok libc %s\n", name);
	else
		printf("not ok libc %s: %s\n", name, why);
	failures += !good;
}

/* The same numbers each time. */
static uint64_t seed = 88172645463325252u;
static uint64_t any(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* What went wrong first, or "". */
static char wrong[512];

static int own_print(char **text, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static int own_print(char **text, const char *fmt, ...)
{
	size_t n = 0;
	FILE *f = open_memstream(text, &n);
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = own_vfprintf(f, fmt, ap);
	va_end(ap);
	fclose(f);
	return rc;
}

/* The same call with both; a macro, because formats are checked at compile time. */
#define SAME(...)								\
	do {									\
		char *own_text = NULL, *host_text = NULL;			\
		int own_n = own_print(&own_text, __VA_ARGS__);			\
		int host_n = asprintf(&host_text, __VA_ARGS__);			\
		if (wrong[0] == '\0' && (own_n != host_n ||			\
					 strcmp(own_text, host_text) != 0))	\
			snprintf(wrong, sizeof(wrong), "'%.200s' (%d), not '%.200s' (%d)", \
				 own_text, own_n, host_text, host_n);		\
		free(own_text);							\
		free(host_text);						\
	} while (0)

static void same(const char *name)
{
	result(wrong[0] == '\0', name, wrong);
	wrong[0] = '\0';
}

static void test_print(void)
{
	static const int64_t v[] = { 0, 1, -1, 9, 10, -10, 4294967295, INT64_MAX, INT64_MIN };
	char long_text[2000];

	SAME("no holes, 100%%");
	SAME("%s|%10s|%-10s|%.2s|%.9s|%5.1s|%*s|%-*s|%.*s", "abc", "abc", "abc", "abc", "abc",
	     "abc", 7, "abc", 7, "abc", 1, "abc");
	SAME("%*s|", -6, "abc");
	SAME("%s%s", "", "");
	same("text");
	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		SAME("%d %u %x %X", (int)v[i], (unsigned)v[i], (unsigned)v[i], (unsigned)v[i]);
		SAME("%ld %lld %lu %llu %zu %lx", (long)v[i], (long long)v[i], (unsigned long)v[i],
		     (unsigned long long)v[i], (size_t)v[i], (unsigned long)v[i]);
		SAME("%5d|%-5d|%05d|%02u|%018lld|%03lld|%0*lld|%04x|%02X", (int)v[i], (int)v[i],
		     (int)v[i], (unsigned)v[i], (long long)v[i], (long long)v[i], 12,
		     (long long)v[i], (unsigned)v[i], (unsigned)v[i]);
	}
	same("whole numbers");
	SAME("%c%c|%3c|%-3c|", 'a', '\n', 'b', 'c');
	same("characters");
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	SAME("%s-%2500s-%s", long_text, long_text, long_text);
	same("text longer than a chunk");
}

static void test_floating(void)
{
	static const double v[] = {
		0.0, 1.0, -1.0, 0.5, 1.5, -2.5, 0.1, 0.25, 1e15, 1e17, 1e21, 123456789.125, 1e-4,
		1e-5, 0.001, 99999.5, 3.14159265358979, 1e100, 1e-100, DBL_MAX, DBL_MIN, 5e-324,
	};

	for (size_t i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		SAME("%.15g", v[i]);
		if (fabs(v[i]) < 1e15)
			SAME("%.0f %.1f %.2f", v[i], v[i], v[i]);
		SAME("%8.3g|%-12.6g|", v[i], v[i]);
	}
	same("the usual fractions");
	/* sizes of memory, as the local Azure writes them */
	for (int mb = 0; mb < 100000; mb += 37)
		SAME("%.1f", mb / 1024.0);
	same("one digit, also half way");
	for (int i = 0; i < 20000; i++) {
		double d = (double)(any() % 1000000000) / 1000;

		SAME("%.15g %.17g %.3f", d, d, d);
	}
	same("random small fractions");
}

/* What is written must be read as what it was: that is all JSON needs. */
static void test_both_ways(void)
{
	for (int i = 0; i < 100000 && wrong[0] == '\0'; i++) {
		uint64_t bits = any();
		char *text = NULL, *end;
		double d, own, host;

		memcpy(&d, &bits, sizeof(d));
		if (!isfinite(d))
			continue;
		own_print(&text, "%.17g", d);
		own = own_strtod(text, &end);
		host = strtod(text, NULL);
		if (own != d || host != d || *end != '\0')
			snprintf(wrong, sizeof(wrong), "%.17g: '%s', %.17g", d, text, own);
		free(text);
	}
	same("any number there and back");
	for (int i = 0; i < 100000 && wrong[0] == '\0'; i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s%llu.%llu", i & 1 ? "-" : "",
			 (unsigned long long)(any() % 100000), (unsigned long long)(any() % 10000));
		if (own_strtod(text, NULL) != strtod(text, NULL))
			snprintf(wrong, sizeof(wrong), "%s: %.17g", text, own_strtod(text, NULL));
	}
	same("short numbers, to the bit");
}

static void test_strtod(void)
{
	static const char *const texts[] = {
		"0", "-0", "1", "-1", "12.5", "1e3", "1E+3", "1e-3", "123456789012345678901234567890",
		"0.000000000000000000000000000001234", "1e400", "-1e400", "1e-400", "0e999999",
		"1e99999999999", "9007199254740993", "18446744073709551615",
		"", "-", "x", ".", "1.", "1.e", "1e", "1e+", "1x", "1.5.5", "4]", "-7,", "1e5}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char *own_end, *host_end;
		double own = own_strtod(texts[i], &own_end), host = strtod(texts[i], &host_end);

		if (wrong[0] == '\0' && (own != host || signbit(own) != signbit(host) ||
					 own_end != host_end))
			snprintf(wrong, sizeof(wrong), "'%s': %.17g, %td used; not %.17g, %td",
				 texts[i], own, own_end - texts[i], host, host_end - texts[i]);
	}
	same("reading numbers");
}

/* A format that is not known must not be passed over. */
static void test_unknown(void)
{
	static const char *const formats[] = { "%n", "%p", "%5.3d", "%a", "%ls", "%f", "% d", "%" };
	bool good = true;

	fflush(stdout);
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		pid_t pid = fork();
		int status = 0;

		if (pid == 0) {
			char *text;
			int (*loose)(char **, const char *, ...) = own_print;

			loose(&text, formats[i], 1, 1, 1);
			_exit(0);
		}
		waitpid(pid, &status, 0);
		good = good && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
	}
	result(good, "an unknown format ends the program", "it went on");
}

static void test_search(void)
{
	for (int i = 0; i < 20000 && wrong[0] == '\0'; i++) {
		char in[24], what[4];
		size_t n = any() % 23, k = any() % 4;
		void *own;

		for (size_t j = 0; j < n; j++)
			in[j] = (char)('a' + any() % 3);
		for (size_t j = 0; j < k; j++)
			what[j] = (char)('a' + any() % 3);
		in[n] = what[k] = '\0';
		own = own_memmem(in, n, what, k);
		if (own != memmem(in, n, what, k) || own_strstr(in, what) != strstr(in, what))
			snprintf(wrong, sizeof(wrong), "'%s' in '%s'", what, in);
	}
	same("searching");
}

static int by_value(const void *a, const void *b)
{
	const int *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void test_sort(void)
{
	for (size_t n = 0; n < 300 && wrong[0] == '\0'; n++) {
		int own[300], host[300];

		for (size_t i = 0; i < n; i++)
			own[i] = host[i] = (int)(any() % (n + 1));
		own_qsort(own, n, sizeof(own[0]), by_value);
		qsort(host, n, sizeof(host[0]), by_value);
		if (memcmp(own, host, n * sizeof(own[0])) != 0)
			snprintf(wrong, sizeof(wrong), "%zu numbers", n);
	}
	same("sorting");
}

int main(void)
{
	test_print();
	test_floating();
	test_both_ways();
	test_strtod();
	test_unknown();
	test_search();
	test_sort();
	return failures > 0;
}
