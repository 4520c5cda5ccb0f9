/* Private key files, public key lines and blobs, an agent's list. */
#include "tests/ssh_mem.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, blob;
	struct buf b = BUF_INIT(SSH_BLOB_MAX);
	struct err e = ERR_INIT;
	struct ssh_key *k = ssh_key_parse(text, "input", &e);
	struct ssh_agent *a = ssh_agent_empty();
	struct ssh_pub p;
	char *line = str_dup(text);

	if (k != NULL) {
		/* whatever is in it, signing ends with an answer */
		ssh_key_sign(k,
			     ssh_key_is_rsa(k) ? "rsa-sha2-256" :
						 ssh_key_algorithm(k),
			     text, &b, &e);
		buf_reset(&b);
		ssh_key_public(k, &b);
	}
	ssh_key_free(k);
	if (ssh_blob_of_line(line, "input", &b, &e) == 0)
		ssh_pub_parse(&p, buf_str(&b), &e);
	if (ssh_pub_parse(&p, text, &e) == 0)
		ssh_pub_verify(&p, STR("ecdsa-sha2-nistp256"), text, data, size);
	if (ssh_agent_list(a, text, &e) == 0)
		for (size_t i = 0; ssh_agent_key(a, i, &blob); i++)
			ssh_pub_parse(&p, blob, &e);
	ssh_agent_close(a);
	free(line);
	buf_release(&b);
	return 0;
}
