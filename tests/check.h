#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H
/*
 * What a unit test says.  A case is a line on standard output:
 *
 *	ok unit/json numbers
 *	not ok unit/json numbers: got 1e3
 *
 * The second word is the name that runs it again, 'tests/run unit/json'.
 * tests/run counts these lines and takes the exit code, so main() ends with
 * 'return check_failed();'.  Included by the .c file with main(), once.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is given up after this long hangs: it is not a measure of speed, for
 * this machine may have much else to do. */
#define CHECK_PATIENCE_MS 60000
#define CHECK_WHY_MAX 2400 /* the rest of a longer reason is cut off */

static int check_failures;

/* One line, whatever is in the reason: a newline would begin a line that the
 * runner may take for another case.  Flushed, for what follows may crash. */
__attribute__((format(printf, 3, 0))) static inline void
check_line(const char *word, const char *name, const char *format, va_list ap)
{
	const char *file = __BASE_FILE__, *id = strstr(file, "tests/");
	char why[CHECK_WHY_MAX];

	id = id != NULL ? id + strlen("tests/") : file;
	printf("%s %.*s %s", word, (int)strcspn(id, "."), id, name);
	if (format != NULL) {
		printf(": ");
		vsnprintf(why, sizeof(why), format, ap);
		for (const char *p = why; *p != '\0'; p++) {
			if (*p == '\n')
				printf("\\n");
			else
				putchar((unsigned char)*p < ' ' ? '?' : *p);
		}
	}
	printf("\n");
	fflush(stdout);
}

/* The case 'name' holds when good; else it is told with a reason as printf()
 * takes it: what came, and what should have. */
__attribute__((format(printf, 3, 4))) static inline void
checkf(bool good, const char *name, const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	check_line(good ? "ok" : "not ok", name, good ? NULL : why, ap);
	va_end(ap);
	check_failures += !good;
}

/* The same with a reason that is a text. */
static inline void check(bool good, const char *name, const char *why)
{
	checkf(good, name, "%s", why);
}

/* The case holds when there is nothing to say against it: why is empty.  Never what
 * the product says of it, which may be empty, too: that is check()'s. */
static inline void check_why(const char *name, const char *why)
{
	check(*why == '\0', name, why);
}

/* The case holds when both texts are the same. */
static inline void check_same(const char *got, const char *want, const char *name)
{
	checkf(strcmp(got, want) == 0, name,
	       "got \"%.1100s\", want \"%.1100s\"", got, want);
}

/* What the case needs is not here. */
__attribute__((format(printf, 2, 3))) static inline void
check_skip(const char *name, const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	check_line("skip", name, why, ap);
	va_end(ap);
}

/* The test itself cannot go on: that is a failure, and the end. */
__attribute__((format(printf, 2, 3), noreturn)) static inline void
check_give_up(const char *name, const char *why, ...)
{
	va_list ap;

	va_start(ap, why);
	check_line("not ok", name, why, ap);
	va_end(ap);
	exit(1);
}

/* What main() returns. */
static inline int check_failed(void)
{
	return check_failures > 0;
}

#endif
