/*
 * argv -> command table -> exit code.  Alone may print results or exit;
 * everything below reports through an error record and what it was given.
 */
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/elf.h"
#include "base/json.h"
#include "cli/cli.h"

/* What this file is, for whoever cannot run it (base/elf.h). */
#define BUILD AZSWARM_VERSION " " AZSWARM_COMMIT
static const struct {
	uint32_t owner_size, build_size, type;
	char owner[sizeof(ELF_NOTE_OWNER)];
	char build[(sizeof(BUILD) - 1 + 3) / 4 * 4];
} build_note __attribute__((section(ELF_NOTE_SECTION), used, aligned(4))) = {
	sizeof(ELF_NOTE_OWNER), sizeof(BUILD) - 1, ELF_NOTE_BUILD,
	ELF_NOTE_OWNER, BUILD
};
_Static_assert(sizeof(ELF_NOTE_OWNER) % 4 == 0, "no padding behind it");

/* What was typed, as a shell takes it again. */
static void add_typed(struct buf *b, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		bool plain = *argv[i] != '\0';

		for (const char *c = argv[i]; *c != '\0'; c++)
			plain &= is_alnum(*c) || strchr("-_./:=,@+%", *c) != NULL;
		buf_adds(b, i > 1 ? " " : "");
		if (plain)
			buf_adds(b, argv[i]);
		else
			buf_add_shell(b, str_of(argv[i]));
	}
}

/* What was typed is for other operators to read. */
static void arm_lock(struct session *s, const struct command *cmd, int argc,
		     char **argv)
{
	struct buf typed = BUF_INIT(4096);

	add_typed(&typed, argc, argv);
	if (typed.over) {
		buf_reset(&typed);
		buf_addf(&typed, "%s ...", cmd->name);
	}
	lock_arm(s, buf_detach(&typed), cmd->changes == CHANGES_SWARM);
}

static int run(struct command_line *line, const struct command *cmd, int argc,
	       char **argv, struct err *e)
{
	struct session *s = &line->session;
	int rc = 0;

	if (cmd->needs != NEEDS_NOTHING && settings_check(&line->settings, e) < 0)
		return -1;
	if (cmd->run != NULL)
		return cmd->run(line, e);
	if (cmd->needs == NEEDS_LOGIN)
		rc = session_open(s, e);
	if (rc == 0 && cmd->changes != CHANGES_NOTHING && !s->dry_run &&
	    !s->trace.print && !(cmd->looks && line->argc == 1 && !s->apply))
		arm_lock(s, cmd, argc, argv);
	if (rc == 0)
		rc = cmd->run_session(s, line->argc, line->argv, e);
	/* a mistake of ours, which is not to look as if all was done */
	if (rc < 0 && e->kind == ERR_NONE)
		err_set(e, ERR_IO, "it failed, and nothing says why");
	lock_end(s, e, rc < 0 ? err_exit_code(e) : s->exit_status);
	session_close(s);
	return rc;
}

/* Who watches the requests of commands that make some. */
static int trace_begin(struct command_line *line, const struct command *cmd,
		       struct err *e)
{
	struct trace *t = &line->session.trace;

	if (line->help || cmd->needs == NEEDS_NOTHING)
		return 0;
	if (trace_open(t, &line->ui, getenv("AZSWARM_LOG"), e) < 0)
		return -1;
	trace_note(t, "azswarm %s (%s): %s", line->build.version,
		   line->build.commit, cmd->name);
	return 0;
}

static void on_signal(int sig)
{
	/* a second Ctrl-C does not wait for anybody */
	if (interrupt_requested())
		_exit(128 + sig);
	interrupt_request();
}

static int watch_signals(struct err *e)
{
	/* no SA_RESTART: reads end */
	struct sigaction act = { .sa_handler = on_signal };

	if (interrupt_init(e) < 0)
		return -1;
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	act.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &act, NULL);
	return 0;
}

/*
 * Make read-only what only the start file had to write (PT_GNU_RELRO): a
 * static program has no loader that would.  The base is where the ELF header
 * is, for a static PIE has no PT_PHDR to tell.
 */
static void seal(void)
{
	extern const char __ehdr_start[] __attribute__((visibility("hidden")));
	const ElfW(Phdr) *ph = (const ElfW(Phdr) *)getauxval(AT_PHDR);
	uintptr_t page = getauxval(AT_PAGESZ), from, to;

	for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
		if (ph[i].p_type != PT_GNU_RELRO)
			continue;
		from = (uintptr_t)__ehdr_start + ph[i].p_vaddr;
		to = (from + ph[i].p_memsz) & ~(page - 1);
		from &= ~(page - 1);
		if (mprotect((void *)from, to - from, PROT_READ) < 0)
			_exit(1);
	}
}

/* The next file to be opened, a connection or a key, would get the number of
 * a standard stream that is closed, and what we print would go there. */
static void hold_standard_streams(void)
{
	struct pollfd p[] = { { .fd = STDIN_FILENO },
			      { .fd = STDOUT_FILENO },
			      { .fd = STDERR_FILENO } };

	if (poll(p, 3, 0) < 0)
		_exit(1);
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if ((p[fd].revents & POLLNVAL) != 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
			_exit(1);
}

/* A variable of the environment says yes; empty is as if it were not there. */
static bool said(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && *value != '\0';
}

/*
 * Colors are for terminals, for FORCE_COLOR also where there is none (a log
 * that somebody looks at in color), unless that is 0, which has none.
 * NO_COLOR and --no-color are the stronger: who sets them cannot have color.
 *
 * Source: no-color.org, force-color.org.
 */
static void ui_setup(struct ui *ui)
{
	const char *term = getenv("TERM"), *force = getenv("FORCE_COLOR");
	bool able = term != NULL && strcmp(term, "dumb") != 0;
	bool forced = said("FORCE_COLOR") && strcmp(force, "0") != 0;
	bool never = said("NO_COLOR") || (said("FORCE_COLOR") && !forced);

	ui->out = stdout;
	ui->err = stderr;
	ui->tty = able && isatty(STDERR_FILENO);
	ui->color = !never && (forced || ui->tty);
	ui->color_out = !never && (forced || (able && isatty(STDOUT_FILENO)));
}

/* One line for a person: what went wrong, and what to do about it.  Of a command
 * that was interrupted when it had changed something, whatever it is: what goes
 * on with it. */
static void print_error(const struct command_line *line, const struct command *cmd,
			int argc, char **argv, const struct err *e)
{
	struct buf text = BUF_INIT(64u << 10), clean = BUF_INIT(64u << 10);
	struct buf do_this = BUF_INIT(1024);

	if (e->kind == ERR_INTR && line->session.trace.changes > 0) {
		buf_adds(&text, "; what was begun is half done, or goes on in "
				"Azure: to finish it, azswarm ");
		add_typed(&text, argc, argv);
	} else if (advice(e, &do_this)) {
		buf_addf(&text, "; %s", do_this.str);
	}
	buf_add_clean(&clean, buf_str(&text));
	fprintf(stderr, "azswarm: %s%s%s%s\n", cmd != NULL ? cmd->name : "",
		cmd != NULL ? ": " : "", e->msg, clean.n > 0 ? clean.str : "");
	buf_release(&do_this);
	buf_release(&text);
	buf_release(&clean);
}

int main(int argc, char **argv)
{
	struct command_line line = { 0 };
	const struct command *cmd;
	struct err e = ERR_INIT;
	int status = 0;

	seal();
	hold_standard_streams();
	json_init();
	ui_setup(&line.ui);
	if (argc < 2) {
		help_usage(stderr);
		return 2;
	}
	settings_init(&line.settings);
	line.session.set = &line.settings;
	line.session.ui = &line.ui;
	line.session.version = AZSWARM_VERSION;
	line.build = (struct build){
		.version = AZSWARM_VERSION,
		.commit = AZSWARM_COMMIT,
		.compiler = AZSWARM_COMPILER,
		.bearssl = AZSWARM_BEARSSL,
		.cjson = AZSWARM_CJSON,
		.libyaml = AZSWARM_LIBYAML,
		.date = AZSWARM_DATE,
	};
	/* flags are taken last, for they win */
	if ((cmd = cli_command_of(&line, argv[1])) == NULL)
		cli_unknown(argv[1], &e);
	else if (cmd->needs != NEEDS_NOTHING &&
		 settings_take_file(&line.settings, ".env", &e) == 0)
		settings_take_env(&line.settings);
	if (e.kind == ERR_NONE && watch_signals(&e) == 0 &&
	    cli_parse(&line, cmd, argc, argv, &e) == 0)
		trace_begin(&line, cmd, &e);
	if (line.no_color)
		line.ui.color = line.ui.color_out = false;
	if (e.kind != ERR_NONE) {
		/* it says why */
	} else if (line.help) {
		help_command(cmd, stdout);
	} else {
		run(&line, cmd, argc, argv, &e);
	}
	ui_clear(&line.ui);
	trace_note(&line.session.trace, "ended: %s",
		   e.kind != ERR_NONE ? e.msg : "well");
	trace_close(&line.session.trace);
	if (e.kind == ERR_NONE && (fflush(stdout) != 0 || ferror(stdout)))
		err_sys(&e, ERR_IO, "standard output");
	if ((e.kind == ERR_TLS || e.kind == ERR_AUTH) &&
	    unix_time() < line.build.date)
		err_in(&e,
		       "the clock of this machine is wrong: this program is younger");
	if (e.kind != ERR_NONE) {
		print_error(&line, cmd, argc, argv, &e);
		status = cmd != NULL && cmd->failure != 0 && e.kind != ERR_INTR &&
					 e.kind != ERR_HELD ?
				 cmd->failure :
				 err_exit_code(&e);
	} else if (line.session.exit_status > 0) {
		status = line.session.exit_status;
	}
	settings_release(&line.settings);
	free(line.number);
	return status;
}
