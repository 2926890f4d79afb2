/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One value of the MIB as it goes to a manager, made from the JSON of a report. */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "mib/mib.h"

#define VALUE_BYTES_MAX 255

enum value_wire { VALUE_INTEGER, VALUE_UNSIGNED, VALUE_COUNTER64, VALUE_BYTES };

struct value {
	enum value_wire wire;
	uint64_t number;
	size_t len;
	uint8_t bytes[VALUE_BYTES_MAX];
};

/* false: there is no such value, and the object has no instance */
bool value_from_json(const struct mib_object *object, const json_t *json, struct value *out);
void value_counter(uint64_t number, bool gauge, struct value *out);
