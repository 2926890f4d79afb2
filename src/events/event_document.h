/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What derives from the table of fields for people and for other products. */
#include <stdio.h>

#include "events/event.h"

#define EVENT_NAME_MAX 64

void event_ecs_name(enum event_field field, char out[EVENT_NAME_MAX]);
void event_cef_key(enum event_field field, char out[EVENT_NAME_MAX]);
/* docs/log-fields.md */
void event_write_document(FILE *out);
