/*
 * Images of services: the digest behind a name, so that every node runs the same
 * bytes; and this program's own, by what its file is as an image.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "swarm/program.h"
#include "swarm/service.h"

#define LOOK_MS 1000
#define REGISTRY_MS 120000 /* of a master that has just got its swarm */

/* What an image may be called by, which is nothing that a path would not have. */
static bool is_name(const char *image)
{
	for (const char *p = image; *p != '\0'; p++)
		if (!is_alnum(*p) && strchr("._-:/@+", *p) == NULL)
			return false;
	return *image != '\0';
}

/*
 * The digest behind a tag, so that every node runs the same bytes and an
 * update sees that there are new ones.  Asked of the registry by the Engine; *doc
 * gets what it tells, which the caller frees.
 */
static char *with_digest(struct docker *d, const char *image, cJSON **doc,
			 struct err *e)
{
	char *path = xasprintf("/distribution/%s/json", image), *full = NULL;
	const char *digest;

	*doc = NULL;
	if (docker_call(d, "GET", path, NULL, doc, e) == 0 &&
	    (digest = json_str(*doc, "Descriptor.digest", e)) != NULL)
		full = service_digest(image) != NULL ?
			       xstrdup(image) :
			       xasprintf("%s@%s", image, digest);
	free(path);
	return full;
}

/* What it runs on, as a placement has it; NULL: not told.  Of the Arm of 32 bits
 * machines say many names, so that any will do. */
static cJSON *platforms_of(const cJSON *told)
{
	const cJSON *p;
	cJSON *all = NULL, *one;

	cJSON_ArrayForEach(p, json_at(told, "Platforms")) {
		if (all == NULL)
			all = cJSON_CreateArray();
		one = cJSON_CreateObject();
		if (!json_is(p, "architecture", "arm"))
			json_add_str(one, "Architecture",
				     json_text(p, "architecture"));
		json_add_str(one, "OS", json_text(p, "os"));
		cJSON_AddItemToArray(all, one);
	}
	return all;
}

char *service_image_of(struct session *s, struct docker *d, const char *image,
		       cJSON **platforms)
{
	struct err why = ERR_INIT;
	char *full = NULL;
	cJSON *told = NULL;

	if (!is_name(image))
		err_set(&why, ERR_DATA, "that is no image's name");
	else
		full = with_digest(d, image, &told, &why);
	/* a mirror may be out of the Engine's sight, or images be put there by
	 * hand */
	if (full == NULL)
		ui_say(s->ui,
		       "%s: its registry does not answer, "
		       "so nodes use what they have (%s)",
		       image, why.msg);
	*platforms = full != NULL ? platforms_of(told) : NULL;
	json_free(told);
	return full != NULL ? full : xstrdup(image);
}

/*
 * What the master offers under our name.  Its agent comes up beside its swarm,
 * so a registry that does not answer is waited for; one that has no such image
 * is not.
 */
static char *offered_image(struct session *s, struct docker *d, const char *tag,
			   struct err *e)
{
	int64_t began = now_ms();
	struct err once = ERR_INIT;
	cJSON *told = NULL;
	char *full;

	while ((full = with_digest(d, tag, &told, &once)) == NULL &&
	       once.kind == ERR_DOCKER && d->status >= 500 &&
	       now_ms() - began < REGISTRY_MS) {
		json_free(told);
		if (s->az.clock.wait(s->az.clock.ctx, now_ms() + LOOK_MS,
				     "the registry of the master's own agent",
				     began, e) < 0)
			return NULL;
		err_clear(&once);
	}
	json_free(told);
	if (full == NULL)
		*e = once;
	return full;
}

const char *service_digest(const char *image)
{
	const char *at = strrchr(image, '@');

	return at != NULL ? at + 1 : NULL;
}

int service_ours_init(struct service_ours *o, struct session *s, struct err *e)
{
	struct program own = PROGRAM_NONE, other = PROGRAM_NONE;
	struct buf list = BUF_INIT(IMAGE_LIST_MAX);
	const struct image *all[ELF_MACHINES];
	struct err none = ERR_INIT;
	int found = 0, rc = -1;

	*o = (struct service_ours){ .own.fd = -1, .other.fd = -1 };
	if (program_own(&own, e) < 0 ||
	    image_init(&o->own, own.path, own.machine, s->version, e) < 0 ||
	    (found = program_other(s->set, &other, &none, e)) < 0 ||
	    (found && image_init(&o->other, other.path, other.machine,
				 s->version, e) < 0))
		goto out;
	if (found) {
		all[own.machine] = &o->own;
		all[other.machine] = &o->other;
		image_index(all, ELF_MACHINES, &list);
		image_digest(buf_str(&list), o->list);
	}
	rc = 0;
out:
	buf_release(&list);
	program_release(&own);
	program_release(&other);
	return rc;
}

void service_ours_release(struct service_ours *o)
{
	image_release(&o->own);
	image_release(&o->other);
}

const char *service_ours_which(const struct service_ours *o, const char *offered)
{
	const struct image *const one[] = { &o->own, &o->other };

	if (offered == NULL)
		return NULL;
	for (size_t i = 0; i < 2; i++)
		if (strcmp(offered, one[i]->docker.digest) == 0 ||
		    strcmp(offered, one[i]->oci.digest) == 0)
			return one[i]->docker.digest;
	return strcmp(offered, o->list) == 0 ? o->list : NULL;
}

/*
 * Our own, by the digest of what this program's file is as an image, and by no
 * other: whoever has the port of a node's registry, its engine takes these
 * bytes or none.  What the master offers is looked at so that a cluster of
 * another build says so, and not each of its tasks.  Machines of the other kind
 * have the other file, and a cluster of both offers both as one.
 */
char *service_image_ours(struct session *s, struct docker *d, struct err *e)
{
	char *tag = xasprintf(SERVICE_OURS ":%s", s->version);
	char *offered = NULL, *image = NULL;
	const char *digest;
	struct service_ours ours;

	if (service_ours_init(&ours, s, e) < 0)
		goto out;
	if ((offered = offered_image(s, d, tag, e)) == NULL) {
		err_in(e,
		       "the registry of the master's own agent, "
		       "asked for this program, %s",
		       s->version);
		goto out;
	}
	if ((digest = service_ours_which(&ours, service_digest(offered))) == NULL) {
		err_set(e, ERR_DATA,
			"the master offers %s, and this program is %s: "
			"the cluster was made with another build or for "
			"another processor (use that one, name its file with "
			"--program, or deploy-storage, params and upgrade with "
			"this), "
			"or port %d there is not our agent's",
			offered, ours.own.docker.digest, LAYOUT_REGISTRY_PORT);
		goto out;
	}
	image = xasprintf("%s@%s", tag, digest);
out:
	service_ours_release(&ours);
	free(offered);
	free(tag);
	return image;
}
