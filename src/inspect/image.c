/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/image.h"

#include <string.h>

#include <hs/hs.h>

#define HASH_PRIME 0x9e3779b97f4a7c15ull
#define HASH_BASIS 0xcbf29ce484222325ull

static uint64_t mix(uint64_t hash, uint64_t word)
{
	hash = (hash ^ word) * HASH_PRIME;
	return hash ^ hash >> 32;
}

/* eight bytes at a time, since images have megabytes; against damage, not against malice: the image comes from a
 * process of ours */
uint64_t image_hash(uint64_t seed, const void *data, uint64_t len)
{
	const uint8_t *bytes = data;
	uint64_t hash = seed ^ HASH_BASIS ^ len, word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = mix(hash, word);
	}
	word = 0;
	if (len)
		memcpy(&word, bytes, len);
	return mix(hash, word);
}

uint64_t image_build(void)
{
	struct hs_platform_info platform;
	uint64_t features[2] = {0};
	uint64_t hash = image_hash(0, SLUICE_VERSION, strlen(SLUICE_VERSION));

	if (hs_populate_platform(&platform) == HS_SUCCESS) {
		features[0] = platform.tune;
		features[1] = platform.cpu_features;
	}
	hash = image_hash(hash, hs_version(), strlen(hs_version()));
	return image_hash(hash, features, sizeof(features));
}
