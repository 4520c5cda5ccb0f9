/*
 * Services in front of an engine and without Azure: swarm/ports.c opens nothing and
 * swarm/push.c knows of no image that was pushed.
 */
#ifndef TESTS_NO_AZURE_H
#define TESTS_NO_AZURE_H

#include "swarm/ports.h"
#include "swarm/push.h"

int ports_open(struct session *s, const cJSON *specs, struct err *e)
{
	(void)s, (void)specs, (void)e;
	return 0;
}

int ports_reached(struct session *s, const cJSON *specs, cJSON *numbers,
		  struct err *e)
{
	const cJSON *spec, *port;

	(void)s, (void)e;
	cJSON_ArrayForEach(spec, specs)
		cJSON_ArrayForEach(port, json_at(spec, "EndpointSpec.Ports"))
			if (json_is(port, "Protocol", "tcp"))
				json_add_int(numbers, NULL,
					     json_int_opt(port, "PublishedPort",
							  0));
	return 0;
}

int ports_close(struct session *s, struct docker *d, struct err *e)
{
	(void)s, (void)d, (void)e;
	return 0;
}

int images_pin(struct session *s, const char *image, char **pinned,
	       cJSON **platforms, struct err *e)
{
	(void)s, (void)e;
	*pinned = xstrdup(image);
	*platforms = NULL;
	return 0;
}

int push_if_local(struct session *s, const char *image, char **pinned,
		  cJSON **platforms, struct err *e)
{
	(void)s, (void)image, (void)e;
	*pinned = NULL;
	*platforms = NULL;
	return 0;
}

void params_say_unread(struct session *s)
{
	(void)s;
}

#endif
