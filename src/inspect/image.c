/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/image.h"

#include <string.h>

#include <hs/hs.h>

#define FNV_PRIME 0x100000001b3ull
#define FNV_BASIS 0xcbf29ce484222325ull

/* FNV-1a: against damage, not against malice: the image comes from a process of ours */
uint64_t image_hash(uint64_t seed, const void *data, uint64_t len)
{
	const uint8_t *bytes = data;
	uint64_t hash = seed ^ FNV_BASIS;

	for (uint64_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * FNV_PRIME;
	return hash;
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
