/*
 * Figures: JSON of an agent whom nobody trusts, and the kernel's files, whose
 * lines hold names that containers choose.  What was taken is written and taken
 * again as the same; no number is outside of what may be.
 */
#include <stdint.h>
#include <stdlib.h>

#include "node/figures.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void good(int64_t v)
{
	must(v >= FIGURES_UNKNOWN && v <= FIGURES_VALUE_MAX);
}

static void good_counts(const struct figures_counts *c)
{
	good(c->cpu_ms);
	good(c->memory);
	good(c->rx);
	good(c->tx);
}

static void kernel(struct str in)
{
	struct figures_counts c;
	char name[32];

	good(cpu_of_machine(in));
	good(memory_of_machine(in));
	good(only_number(in));
	way_out(in, name);
	must(strlen(name) < sizeof(name));
	network_of(in, name, &c);
	good(c.rx);
	good(c.tx);
	network_of(in, "", &c);
	good(c.rx);
	good(c.tx);
	good(less_cache(FIGURES_VALUE_MAX, in, "inactive_file "));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = { (const char *)data, size };
	struct figures *f = xmalloc(sizeof(*f)), *again = xmalloc(sizeof(*again));
	struct buf b = BUF_INIT(FIGURES_TEXT_MAX);
	struct err e = ERR_INIT;

	json_init();
	kernel(in);
	if (figures_parse(in, f, &e) == 0) {
		good(f->at_ms);
		good_counts(&f->node);
		for (size_t i = 0; i < f->n_containers; i++)
			good_counts(&f->containers[i].counts);
		figures_write(f, &b);
		must(!b.over && figures_parse(buf_str(&b), again, &e) == 0 &&
		     again->n_containers == f->n_containers &&
		     again->node.cpu_ms == f->node.cpu_ms &&
		     again->node.tx == f->node.tx);
	} else {
		must(e.msg[0] != '\0');
	}
	buf_release(&b);
	free(f);
	free(again);
	return 0;
}
