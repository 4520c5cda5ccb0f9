/*
 * Volumes of a service, as the Engine's Mounts.
 *
 * Source: Compose Specification, "volumes"; Docker Engine API, Mount.
 */
#include <stdlib.h>
#include <string.h>

#include "compose/inner.h"

/* What a service says of one, in either form. */
struct wish {
	const struct node *n;
	const char *type, *source, *target, *propagation, *subpath, *consistency;
	bool read_only, nocopy;
	const struct node *bind, *volume, *image, *tmpfs, *cluster;
};

static const char *text_of(const struct node *map, const char *name)
{
	const struct node *n = node_get(map, name);

	return n != NULL && n->text[0] != '\0' ? n->text : NULL;
}

static bool yes_of(const struct node *map, const char *name)
{
	const struct node *n = node_get(map, name);

	return n != NULL && n->yes;
}

static void add_text(cJSON *to, const char *name, const char *text)
{
	if (text != NULL && text[0] != '\0')
		json_add_str(to, name, text);
}

/* "~" is the operator's home, anything relative is beside the file. */
static char *bind_source(struct load *l, const char *source)
{
	const char *home = source[0] == '~' ? load_var(l, "HOME") : NULL;
	char *whole, *path;

	if (strncmp(source, "\\\\", 2) == 0 ||
	    (is_alpha(source[0]) && source[1] == ':'))
		return xstrdup(source);
	if (source[0] == '/')
		return xstrdup(source);
	if (home == NULL)
		return load_path(l, source);
	whole = xasprintf("%s%s", home, source + 1);
	path = whole[0] == '/' ? xstrdup(whole) : load_path(l, whole);
	free(whole);
	return path;
}

/* A volume's options: what the file's section of it says goes to its driver. */
static void volume_options(struct load *l, const struct wish *w,
			   const struct node *volume, cJSON *mount)
{
	cJSON *options = json_add_obj(mount, "VolumeOptions"), *driver;
	const struct node *opts = node_get(volume, "driver_opts");

	if (w->nocopy || yes_of(w->volume, "nocopy"))
		json_add_bool(options, "NoCopy", true);
	add_text(options, "Subpath", text_of(w->volume, "subpath"));
	if (object_external(volume))
		return;
	labels_convert(l, node_get(volume, "labels"), options);
	if (text_of(volume, "driver") == NULL && opts == NULL)
		return;
	driver = json_add_obj(options, "DriverConfig");
	add_text(driver, "Name", text_of(volume, "driver"));
	if (opts != NULL && opts->n > 0)
		pairs_convert(opts, json_add_obj(driver, "Options"));
}

/* Mount what the file's section has under that name: NULL with e set when it has
 * none. */
static const struct node *add_named(struct load *l, const struct sections *s,
				    const struct wish *w, cJSON *mount,
				    struct err *e)
{
	const struct node *volume = node_find(s->volumes, w->source);
	char *name;

	if (volume == NULL) {
		load_bad(l, w->n, e,
			 "volume \"%s\" is not in the file's volumes", w->source);
		return NULL;
	}
	name = object_name(l, volume, volume->name);
	json_add_str(mount, "Source", name);
	free(name);
	return volume;
}

static int add_volume(struct load *l, const struct sections *s,
		      const struct wish *w, cJSON *mount, struct err *e)
{
	const struct node *volume;

	if (w->source == NULL)
		return 0;
	volume = add_named(l, s, w, mount, e);
	if (volume == NULL)
		return -1;
	volume_options(l, w, volume, mount);
	return 0;
}

static int add_cluster(struct load *l, const struct sections *s,
		       const struct wish *w, cJSON *mount, struct err *e)
{
	json_add_obj(mount, "ClusterOptions");
	if (strncmp(w->source, "group:", 6) == 0) {
		json_add_str(mount, "Source", w->source);
		return 0;
	}
	/* even an external one's: this is how docker has it */
	return add_named(l, s, w, mount, e) == NULL ? -1 : 0;
}

static int add_bind(struct load *l, const struct wish *w, cJSON *mount)
{
	const char *propagation = w->propagation;
	char *source = strcmp(w->type, "bind") == 0 ? bind_source(l, w->source) :
						      xstrdup(w->source);

	json_add_str(mount, "Source", source);
	free(source);
	if (propagation == NULL)
		propagation = text_of(w->bind, "propagation");
	if (w->bind != NULL || propagation != NULL)
		add_text(json_add_obj(mount, "BindOptions"), "Propagation",
			 propagation);
	return 0;
}

static int add_tmpfs(struct load *l, const struct wish *w, cJSON *mount,
		     struct err *e)
{
	const struct node *size = node_get(w->tmpfs, "size");
	int64_t bytes = 0;
	cJSON *options;

	if (w->tmpfs == NULL)
		return 0;
	if (size != NULL && short_size(l, size, &bytes, e) < 0)
		return -1;
	options = json_add_obj(mount, "TmpfsOptions");
	if (bytes > 0)
		json_add_int(options, "SizeBytes", bytes);
	return 0;
}

static int add_image(const struct wish *w, cJSON *mount)
{
	json_add_str(mount, "Source", w->source);
	if (w->image != NULL)
		add_text(json_add_obj(mount, "ImageOptions"), "Subpath",
			 text_of(w->image, "subpath"));
	return 0;
}

/* Options of one type on a mount of another are a mistake. */
static int check_wish(struct load *l, const struct wish *w, struct err *e)
{
	static const struct {
		const char *type;
		bool source, no_source;
	} types[] = {
		{ "volume", false, false }, { "bind", true, false },
		{ "tmpfs", false, true },   { "npipe", true, false },
		{ "cluster", true, false }, { "image", true, false },
	};
	const struct {
		const char *name;
		const struct node *options;
	} given[] = {
		{ "bind", w->bind },   { "volume", w->volume },
		{ "tmpfs", w->tmpfs }, { "cluster", w->cluster },
		{ "image", w->image },
	};
	const char *options = strcmp(w->type, "npipe") == 0 ? "bind" : w->type;
	size_t i = 0;

	while (i < sizeof(types) / sizeof(*types) &&
	       strcmp(types[i].type, w->type) != 0)
		i++;
	if (i == sizeof(types) / sizeof(*types))
		return load_bad(l, w->n, e,
				"a volume's type is volume, bind, tmpfs, npipe, "
				"cluster or image");
	if (types[i].source && w->source == NULL)
		return load_bad(l, w->n, e,
				"a volume of type %s wants a source", w->type);
	if (types[i].no_source && w->source != NULL)
		return load_bad(l, w->n, e, "a volume of type %s has no source",
				w->type);
	for (i = 0; i < sizeof(given) / sizeof(*given); i++)
		if (given[i].options != NULL &&
		    strcmp(given[i].name, options) != 0)
			return load_bad(l, given[i].options, e,
					"options of %s on a volume of type %s",
					given[i].name, w->type);
	return 0;
}

static int add_mount(struct load *l, const struct sections *s,
		     const struct wish *w, cJSON *mounts, struct err *e)
{
	cJSON *mount;

	if (check_wish(l, w, e) < 0)
		return -1;
	mount = json_add_obj(mounts, NULL);
	json_add_str(mount, "Type", w->type);
	add_text(mount, "Target", w->target);
	if (w->read_only)
		json_add_bool(mount, "ReadOnly", true);
	add_text(mount, "Consistency", w->consistency);
	switch (w->type[0]) {
	case 'v':
		return add_volume(l, s, w, mount, e);
	case 'c':
		return add_cluster(l, s, w, mount, e);
	case 't':
		return add_tmpfs(l, w, mount, e);
	case 'i':
		return add_image(w, mount);
	default:
		return add_bind(l, w, mount);
	}
}

static int add_short(struct load *l, const struct sections *s,
		     const struct node *n, cJSON *mounts, struct err *e)
{
	struct short_volume v = { 0 };
	struct wish w = { .n = n };
	int rc = short_volume(l, n, &v, e);

	w.type = v.type;
	w.source = v.source;
	w.target = v.target;
	w.propagation = v.propagation;
	w.read_only = v.read_only;
	w.nocopy = v.nocopy;
	/* docker would refuse the one on the other, too */
	if (rc == 0 && ((v.nocopy && strcmp(v.type, "volume") != 0) ||
			(v.propagation != NULL && strcmp(v.type, "bind") != 0)))
		rc = load_bad(l, n, e,
			      "\"%s\": nocopy is of named volumes, "
			      "propagation of paths",
			      n->text);
	if (rc == 0)
		rc = add_mount(l, s, &w, mounts, e);
	short_volume_release(&v);
	return rc;
}

static int add_long(struct load *l, const struct sections *s,
		    const struct node *n, cJSON *mounts, struct err *e)
{
	struct wish w = {
		.n = n,
		.type = text_of(n, "type"),
		.source = text_of(n, "source"),
		.target = text_of(n, "target"),
		.consistency = text_of(n, "consistency"),
		.read_only = yes_of(n, "read_only"),
		.bind = node_get(n, "bind"),
		.volume = node_get(n, "volume"),
		.image = node_get(n, "image"),
		.tmpfs = node_get(n, "tmpfs"),
		.cluster = node_get(n, "cluster"),
	};

	if (w.type == NULL)
		return load_bad(l, n, e,
				"a volume wants a type: volume, bind, tmpfs");
	return add_mount(l, s, &w, mounts, e);
}

int mounts_convert(struct load *l, const struct sections *s,
		   const struct node *service, cJSON *spec, struct err *e)
{
	const struct node *volumes = node_get(service, "volumes");
	cJSON *mounts;

	if (volumes == NULL || volumes->n == 0)
		return 0;
	mounts = json_add_arr(spec, "Mounts");
	for (size_t i = 0; i < volumes->n; i++) {
		const struct node *n = volumes->item[i];

		if ((n->kind == NODE_MAP ? add_long(l, s, n, mounts, e) :
					   add_short(l, s, n, mounts, e)) < 0)
			return -1;
	}
	return 0;
}
