/*
 * Refusals in Azure's words: a status, a code, a text, sometimes a target.  What
 * goes wrong on purpose is faults.c's affair.
 */
#include <stdarg.h>
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

int fault_set(struct fault *f, unsigned status, const char *fmt, ...)
{
	struct buf b = BUF_INIT(64u << 10);
	char *text, *target;
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	text = strstr(b.str, ": ");
	*text = '\0';
	if ((target = strchr(b.str, ' ')) != NULL)
		*target++ = '\0';
	fault_code(f, status, b.str, target, text + 2);
	buf_release(&b);
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
