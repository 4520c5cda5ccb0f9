/*
 * A machine's end of the cluster's marker, for tests/founding.sh.
 *
 *	life_tool look URL		none, marked FOUNDER BY, or unknown WHY
 *	life_tool make URL NAME		made FOUNDER, taken, or untold WHY
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "node/life.h"

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	struct marker m;

	signal(SIGPIPE, SIG_IGN);
	json_init();
	if (argc == 3 && strcmp(argv[1], "look") == 0) {
		switch (life_look(argv[2], &m, &e)) {
		case LIFE_NONE:
			puts("none");
			break;
		case LIFE_MARKED:
			printf("marked %s %s\n", m.founder, m.by);
			break;
		case LIFE_UNKNOWN:
			printf("unknown %s\n", e.msg);
		}
	} else if (argc == 4 && strcmp(argv[1], "make") == 0) {
		marker_init(&m, argv[3]);
		switch (life_make(argv[2], &m, &e)) {
		case LIFE_MADE:
			printf("made %s\n", m.founder);
			break;
		case LIFE_TAKEN:
			puts("taken");
			break;
		case LIFE_NOT_TOLD:
			printf("untold %s\n", e.msg);
		}
	} else {
		return 2;
	}
	return 0;
}
