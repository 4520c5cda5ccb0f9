/* node/files: the list of files in a cloud-config, and the hash of what is there. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/asset.h"
#include "base/file.h"
#include "node/files.h"
#include "tests/check.h"

static const struct {
	const char *name, *text;
	const char *path; /* of the last file; NULL: refused */
	unsigned mode;
	const char *content; /* or the words of the refusal */
} rows[] = {
	{ "a text",
	  "#cloud-config\nwrite_files:\n  - path: /a/b\n    permissions: \"0640\"\n"
	  "    content: \"x\\n\\\"y\\\\ \\u00e4\"\n",
	  "/a/b", 0640, "x\n\"y\\ \xc3\xa4" },
	{ "lines that are one",
	  "write_files:\n  - path: /a\n    permissions: \"0600\"\n"
	  "    content: \"\\\n      a=1\\n\\\n      b=2\\n\"\n",
	  "/a", 0600, "a=1\nb=2\n" },
	{ "nothing in it",
	  "write_files:\n  - path: /a\n    permissions: \"0600\"\n    content: \"\"\n",
	  "/a", 0600, "" },
	{ "a block",
	  "write_files:\n  # said\n  - path: /a\n    permissions: \"0755\"\n"
	  "    content: |\n      one\n\n        two\n\n\nruncmd:\n  - [x]\n",
	  "/a", 0755, "one\n\n  two\n" },
	{ "a block, to the end",
	  "write_files:\n  - path: /a\n    permissions: \"0755\"\n"
	  "    content: |\n      one",
	  "/a", 0755, "one\n" },
	{ "a host key",
	  "ssh_keys:\n  ecdsa_private: \"A\\nB\"\n  ecdsa_public: \"p\"\n",
	  FILES_HOST_KEY, 0600, "A\nB" },
	{ "other sections are others'",
	  "bootcmd:\n  - [sh, -c, \"x\n      y\"]\nssh_keys:\n"
	  "  rsa_private: \"K\"\n",
	  "/etc/ssh/ssh_host_rsa_key", 0600, "K" },
	{ "no files", "#cloud-config\nruncmd: []\n", NULL, 0, "has no files" },
	{ "a text without an end",
	  "write_files:\n  - path: /a\n    permissions: \"0600\"\n    content: \"x\n",
	  NULL, 0, "has no end" },
	{ "an escape that is none",
	  "write_files:\n  - path: /a\n    permissions: \"0600\"\n    content: \"\\q\"\n",
	  NULL, 0, "not JSON" },
	{ "something behind a text",
	  "write_files:\n  - path: /a\n    permissions: \"0600\"\n    content: \"x\" y\n",
	  NULL, 0, "another form" },
	{ "a mode that is none",
	  "write_files:\n  - path: /a\n    permissions: \"0689\"\n    content: \"x\"\n",
	  NULL, 0, "another form" },
	{ "content before the mode",
	  "write_files:\n  - path: /a\n    content: \"x\"\n", NULL, 0,
	  "another form" },
	{ "content of nothing", "write_files:\n    content: \"x\"\n", NULL, 0,
	  "another form" },
	{ "a path that is none", "write_files:\n  - path: a\n", NULL, 0,
	  "another form" },
	{ "what cloud-init knows and this does not",
	  "write_files:\n  - path: /a\n    append: true\n", NULL, 0,
	  "another form" },
	{ "a host key of another kind", "ssh_keys:\n  ed25519_private: \"x\"\n",
	  NULL, 0, "not known" },
};

static void forms(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct files f = { 0 };
		struct err e = ERR_INIT;
		int rc = files_read(str_of(rows[i].text), &f, &e);
		const struct file *last = f.n > 0 ? &f.list[f.n - 1] : NULL;

		if (rows[i].path == NULL)
			checkf(rc < 0 && strstr(e.msg, rows[i].content) != NULL,
			       rows[i].name, "%d: %s", rc, e.msg);
		else
			checkf(rc == 0 && last != NULL &&
				       strcmp(last->path, rows[i].path) == 0 &&
				       last->mode == rows[i].mode &&
				       strcmp(last->content.str,
					      rows[i].content) == 0,
			       rows[i].name, "%d %s: \"%s\"", rc, e.msg,
			       last != NULL ? last->content.str : "");
		files_burn(&f);
	}
}

/* Cut anywhere it is refused, or has fewer files; and it never hangs. */
static void own(void)
{
	struct files f = { 0 };
	struct err e = ERR_INIT;
	struct buf text;
	size_t all, more = 0;

	asset_get("cloud-init/node.yaml", &text);
	checkf(files_known(&f, &e) == 0 && f.n > 12, "our own", "%zu: %s", f.n,
	       e.msg);
	all = f.n;
	check(files_get(&f, "/usr/local/sbin/azswarm-setup") != NULL &&
		      files_get(&f, FILES_MERGED) != NULL &&
		      files_get(&f, "/no") == NULL,
	      "our own: found by path", "not");
	files_burn(&f);
	for (size_t n = 0; n < text.n; n += 7) {
		struct err ignored = ERR_INIT;

		files_read(str_head(buf_str(&text), n), &f, &ignored);
		more += f.n > all;
		files_burn(&f);
	}
	check(more == 0, "cut anywhere", "more files than there are");
	buf_release(&text);
}

static void put(const char *path, const char *text, unsigned mode)
{
	struct err e = ERR_INIT;

	if (dir_make("root/etc/docker", 0700, &e) < 0 ||
	    file_write(path, str_of(text), mode, &e) < 0)
		abort();
}

static void hash_of(const char *program, char out[FILES_HASH_MAX])
{
	static const char text[] =
		"write_files:\n"
		"  - path: /etc/a\n    permissions: \"0644\"\n    content: \"A\"\n"
		"  - path: /etc/b\n    permissions: \"0600\"\n    content: \"\"\n"
		"  - path: " FILES_MERGED
		"\n    permissions: \"0644\"\n    content: \"{}\"\n";
	struct files f = { 0 };
	struct err e = ERR_INIT;

	if (files_read(STR(text), &f, &e) < 0)
		abort();
	if (*program != '\0')
		files_look(&f, "root");
	files_hash(&f, *program != '\0' ? program : "P", out);
	files_burn(&f);
}

static void hashes(void)
{
	char wanted[FILES_HASH_MAX], got[FILES_HASH_MAX], sum[65];

	hash_of("", wanted);
	put("root/etc/a", "A", 0644);
	put("root" FILES_MERGED, "{\"x\": 1}", 0644);
	hash_of("P", got);
	check(strcmp(wanted, got) == 0 && strlen(got) == 16, "as it should be",
	      got);
	hash_of("Q", got);
	check(strcmp(wanted, got) != 0, "another program", "the same");
	put("root/etc/a", "A", 0600);
	hash_of("P", got);
	check(strcmp(wanted, got) != 0, "another mode", "the same");
	put("root/etc/a", "a", 0644);
	hash_of("P", got);
	check(strcmp(wanted, got) != 0, "another content", "the same");
	put("root/etc/a", "A", 0644);
	put("root/etc/b", "B", 0600);
	hash_of("P", got);
	check(strcmp(wanted, got) != 0, "a file that should not be", "the same");
	remove("root/etc/b");
	remove("root/etc/a");
	hash_of("P", got);
	check(strcmp(wanted, got) != 0, "a file that is not there", "the same");
	put("root/etc/a", "abc", 0644);
	files_program("root/etc/a", sum);
	check(strcmp(sum, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410"
			  "ff61f20015ad") == 0,
	      "a program's sum (FIPS 180-4, B.1)", sum);
	files_program("root/none", sum);
	check(sum[0] == '\0', "of one that is not there", sum);
}

int main(void)
{
	forms();
	own();
	hashes();
	return check_failed();
}
