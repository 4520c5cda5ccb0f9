/*
 * What a helper makes of the first bytes of anybody: the name in a ClientHello,
 * and whether it is a knock.  A name is a part of what came.
 */
#include <stdint.h>
#include <stdlib.h>

#include "node/auth.h"
#include "tls/hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t secret[NODE_SECRET_LEN] = { 1 };
	struct str all = { (const char *)data, size };
	struct str name = tls_hello_name(all);

	if (name.p != NULL &&
	    (name.p < all.p || name.n > (size_t)(all.p + all.n - name.p)))
		abort();
	auth_is_knock(secret, 1700000000, name);
	auth_is_knock(secret, 1700000000, all);
	return 0;
}
