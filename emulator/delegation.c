/*
 * Keys for signing addresses of blobs without the account's own: who asks has
 * a token of Entra's for storage, and gets one that is good for seven days at
 * most.  Nothing is kept: the key is made of what it says of itself.
 *
 * Source: "Get User Delegation Key", "Create a user delegation SAS"
 * (learn.microsoft.com).
 */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/time.h"
#include "emulator/delegation.h"
#include "emulator/entra_server.h"
#include "emulator/jsonf.h"

#define LIFE_S (7 * 86400)
#define FIELD_MAX 64

static const char *const fields[] = { "skoid", "sktid", "skt",
				      "ske",   "sks",	"skv" };

void delegation_key(const struct emu *m, const cJSON *sas, struct buf *out)
{
	struct buf text = BUF_INIT(1024);
	uint8_t mac[SHA256_LEN];

	buf_adds(&text, "delegation");
	for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
		buf_addf(&text, "\n%s", json_text(sas, fields[i]));
	hmac_sha256(m->token_key, sizeof(m->token_key), text.str, text.n, mac);
	buf_add_base64(out, mac, sizeof(mac));
	burn(mac, sizeof(mac));
	buf_release(&text);
}

const char *delegation_wrong(const cJSON *sas)
{
	int64_t from, to, end, now = unix_time();

	if (strcmp(json_text(sas, "sks"), "b") != 0 ||
	    !time_parse_iso(str_of(json_text(sas, "skt")), &from) ||
	    !time_parse_iso(str_of(json_text(sas, "ske")), &to) ||
	    to - from > LIFE_S + 86400)
		return "The user delegation key's fields are missing or not well formed.";
	if (now < from || now > to)
		return "The user delegation key is not valid now.";
	if (time_parse_iso(str_of(json_text(sas, "se")), &end) && end > to)
		return "Signed expiry must not be after the user delegation key's.";
	return NULL;
}

static bool element(struct str xml, const char *name, char out[FIELD_MAX])
{
	char tag[FIELD_MAX];
	ptrdiff_t at, end;

	snprintf(tag, sizeof(tag), "<%s>", name);
	if ((at = str_find(xml, str_of(tag))) < 0)
		return false;
	xml = str_skip(xml, (size_t)at + strlen(tag));
	if ((end = str_chr(xml, '<')) <= 0 || end >= FIELD_MAX)
		return false;
	snprintf(out, FIELD_MAX, "%.*s", (int)end, xml.p);
	return true;
}

bool delegation_answer(const struct emu *m, const cJSON *claims,
		       struct str asked, struct str version, struct buf *out)
{
	char from[FIELD_MAX], to[FIELD_MAX], iso[32];
	struct buf key = BUF_INIT(64);
	int64_t begin, end, now = unix_time();
	cJSON *sas;

	/* a key without a beginning begins now */
	if (!element(asked, "Start", from)) {
		time_iso(now, iso);
		snprintf(from, sizeof(from), "%s", iso);
	}
	if (!element(asked, "Expiry", to) ||
	    !time_parse_iso(str_of(from), &begin) ||
	    !time_parse_iso(str_of(to), &end) || end <= now || end <= begin ||
	    end > now + LIFE_S || begin > now + LIFE_S)
		return false;
	time_iso(begin, iso);
	sas = json_fmt("{'skoid':%s,'sktid':%s,'skt':%s,'sks':'b'}",
		       json_text(claims, "oid"), json_text(claims, "tid"), iso);
	time_iso(end, iso);
	json_add_str(sas, "ske", iso);
	json_add_strn(sas, "skv", str_head(version, 10));
	delegation_key(m, sas, &key);
	buf_addf(out,
		 "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?>"
		 "<UserDelegationKey><SignedOid>%s</SignedOid>"
		 "<SignedTid>%s</SignedTid><SignedStart>%s</SignedStart>"
		 "<SignedExpiry>%s</SignedExpiry><SignedService>b</SignedService>"
		 "<SignedVersion>%s</SignedVersion><Value>%s</Value>"
		 "</UserDelegationKey>",
		 json_text(sas, "skoid"), json_text(sas, "sktid"),
		 json_text(sas, "skt"), json_text(sas, "ske"),
		 json_text(sas, "skv"), key.str);
	json_burn(sas);
	buf_burn(&key);
	return true;
}
