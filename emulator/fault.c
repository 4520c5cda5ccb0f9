/*
 * Refusals in Azure's words: a status, a code, a text, sometimes a target.  What
 * goes wrong on purpose is faults.c's affair.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "emulator/fault.h"
#include "emulator/jsonf.h"

int fault_code(struct fault *f, unsigned status, const char *code,
	       const char *target, const char *text)
{
	if (f->error != NULL)
		return -1;
	f->status = status;
	f->error = json_fmt("{'code':%s,'message':%s}", code, text);
	if (target != NULL)
		json_add_str(f->error, "target", target);
	return -1;
}

/* Whatever is in the holes, and however long: the text is cut short, and who
 * wrote it knows the rest. */
int fault_set(struct fault *f, unsigned status, const char *fmt, ...)
{
	char *all = xmalloc(FAULT_MAX), *text, *target;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(all, FAULT_MAX, fmt, ap);
	va_end(ap);
	/* none: the target took all the room */
	if ((text = strstr(all, ": ")) != NULL)
		*text = '\0';
	if ((target = strchr(all, ' ')) != NULL)
		*target++ = '\0';
	fault_code(f, status, all, target, text != NULL ? text + 2 : "");
	free(all);
	return -1;
}

int fault_content(struct fault *f, const char *why)
{
	return fault_set(f, 400,
			 "InvalidRequestContent: The request content was invalid and could not be "
			 "deserialized: %s.",
			 why);
}

void fault_release(struct fault *f)
{
	json_free(f->error);
	f->error = NULL;
}
