/*
 * Whether keys/ is that of the cluster which runs.  A second folder with keys of
 * its own would deploy over it, or be refused by its machines, and neither says
 * why; so nothing is made before this is known.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "swarm/remote.h"
#include "swarm/swarm.h"

#define ALONG_MS 3000 /* for who has not asked for it */
#define LOOK_MS 50
#define CHILD_OTHERS 9 /* exit status: they are others */

/* "ssh-rsa AAAA..." without the comment. */
static struct str key_of(const char *line)
{
	struct str rest = str_trim(str_of(line)), type = STR_NULL, key = STR_NULL;

	str_next(&rest, ' ', &type);
	str_next(&rest, ' ', &key);
	return key;
}

static int refuse(struct session *s, struct err *e)
{
	const char *group = settings_get(s->set, S_COMPUTE_GROUP);

	return err_refused(e, ERR_DATA, "OtherKeys", "",
			   "the cluster %s was made with other keys than those "
			   "in keys/ here: copy keys/ from the folder where it "
			   "was made, or 'azswarm destroy-compute' for a new one",
			   group);
}

/* A machine's key against the one here, where both are known. */
static bool differs(const struct session *s, const cJSON *vm)
{
	const cJSON *keys = json_at(vm, "properties.osProfile."
					"linuxConfiguration.ssh.publicKeys");
	struct err ignored = ERR_INIT;
	const cJSON *one;
	char *ours = NULL;
	bool same = false;

	if (keys == NULL || keys->child == NULL ||
	    keys_public(s->set, &ours, &ignored) < 0)
		return false;
	cJSON_ArrayForEach(one, keys)
		same |= str_eq(key_of(json_str_opt(one, "keyData", "")),
			       key_of(ours));
	free(ours);
	return !same;
}

int keys_match(struct session *s, struct err *e)
{
	const cJSON *vm = remote_first_machine(s, e);

	if (vm == NULL)
		return -1;
	if (!cJSON_IsNull(vm) && (!keys_there(s->set) || differs(s, vm)))
		return refuse(s, e);
	return 0;
}

/* In a process of its own, for it may be ended at any point. */
static _Noreturn void ask_along(struct session *s)
{
	struct err none = ERR_INIT;

	interrupt_anew(&none);
	struct err e = ERR_INIT;

	s->ui->quiet = true;
	s->trace.print = false;
	/* nobody is asked who we are: only settings, or a token that is there */
	if (session_reach(s, &e) == 0 && entra_configured(&s->entra) &&
	    *s->az.subscription != '\0')
		keys_match(s, &e);
	_exit(err_is(&e, "OtherKeys") ? CHILD_OTHERS : 0);
}

/* The status of that process, or 0 when it takes too long. */
static int wait_along(pid_t pid, struct err *e)
{
	int64_t until = now_ms() + ALONG_MS;
	int status = 0, rc = 0;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		if (now_ms() < until &&
		    (rc = sleep_until(now_ms() + LOOK_MS, e)) == 0)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		status = 0;
		break;
	}
	if (rc < 0)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 0;
}

int cmd_keys(struct session *s, int argc, char **argv, struct err *e)
{
	(void)argc, (void)argv;
	if (!keys_there(s->set)) {
		pid_t pid = fork();

		if (pid == 0)
			ask_along(s);
		switch (pid < 0 ? 0 : wait_along(pid, e)) {
		case -1:
			return -1;
		case CHILD_OTHERS:
			return refuse(s, e);
		}
	}
	return keys_make(s->set, s->ui, e);
}
