/* SPDX-License-Identifier: Apache-2.0 */
/* A key ring as a hostile worker might fill it: two bytes of queue head, then four slot indices, then slot 0. */
#include <string.h>

#include "keys/keyring_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct key_store store;

/* one RSA key under id 0, one EC key under whatever it is */
static void make_keys(void)
{
	struct private_key *rsa = calloc(1, sizeof(*rsa)), *ec = calloc(1, sizeof(*ec));

	rsa->pkey = EVP_RSA_gen(1024);
	ec->id = 1;
	ec->pkey = EVP_EC_gen("P-256");
	key_store_add(&store, rsa);
	key_store_add(&store, ec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyring ring;
	struct keyring_server server = {.ring = &ring, .request_eventfd = -1, .response_eventfd = -1};
	static struct key_engine engine;
	static struct key_operation operation;
	uint16_t head = 0;

	if (!store.n)
		make_keys();
	if (size < sizeof(head) + 4 * sizeof(uint32_t))
		return 0;
	memset(&ring.slots[0], 0, sizeof(ring.slots[0]));
	memcpy(&head, data, sizeof(head));
	memcpy(ring.requests.slots, data + sizeof(head), 4 * sizeof(uint32_t));
	data += sizeof(head) + 4 * sizeof(uint32_t);
	size -= sizeof(head) + 4 * sizeof(uint32_t);
	memcpy(&ring.slots[0], data, MIN(size, sizeof(ring.slots[0])));
	atomic_store(&ring.requests.head, head);
	atomic_store(&ring.responses.head, 0);
	for (int i = 0; i < 4 && keyring_server_take(&server, &store, &operation); i++)
		key_engine_run(&engine, &operation, 1, keyring_server_answer);
	return 0;
}
