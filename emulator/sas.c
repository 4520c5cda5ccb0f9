/*
 * Shared access signatures: what is signed, and how.
 *
 * Source: "Create a service SAS", "Create an account SAS", "Create a user
 * delegation SAS" (learn.microsoft.com).
 */
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"
#include "emulator/jsonf.h"
#include "emulator/sas.h"

void sas_sign(const char *key, struct str text, struct buf *out)
{
	struct buf raw = BUF_INIT(128);
	struct err e = ERR_INIT;
	uint8_t mac[SHA256_LEN];

	buf_add_unbase64(&raw, str_of(key), &e);
	hmac_sha256(raw.str, raw.n, text.p, text.n, mac);
	buf_add_base64(out, mac, sizeof(mac));
	buf_burn(&raw);
}

/* Each of these fields on a line of its own. */
static void add_lines(struct buf *b, const cJSON *sas, const char *names)
{
	struct str rest = str_of(names), word;
	char name[8];

	while (str_next(&rest, ' ', &word)) {
		snprintf(name, sizeof(name), "%.*s", STR_ARG(word));
		buf_addf(b, "%s\n", json_text(sas, name));
	}
}

void sas_text(const cJSON *sas, const char *account, const char *resource,
	      struct buf *b)
{
	const char *version = json_text(sas, "sv");
	bool ses = strcmp(version, "2020-12-06") >= 0;

	if (json_get(sas, "ss") != NULL) {
		buf_addf(b, "%s\n", account);
		add_lines(b, sas,
			  ses ? "sp ss srt st se sip spr sv ses" :
				"sp ss srt st se sip spr sv");
		return;
	}
	add_lines(b, sas, "sp st se");
	buf_addf(b, "%s\n", resource);
	if (json_get(sas, "skoid") == NULL) {
		add_lines(b, sas, "si");
	} else {
		add_lines(b, sas, "skoid sktid skt ske sks skv");
		if (strcmp(version, "2020-02-10") >= 0)
			add_lines(b, sas, "saoid suoid scid");
		if (strcmp(version, "2025-07-05") >= 0)
			add_lines(b, sas, "skdutid sduoid");
	}
	add_lines(b, sas, "sip spr sv");
	if (strcmp(version, "2018-11-09") >= 0)
		add_lines(b, sas, "sr snapshot");
	if (ses)
		add_lines(b, sas, "ses");
	add_lines(b, sas, "rscc rscd rsce rscl rsct");
	buf_truncate(b, b->n - 1);
}
