/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What derives from the table of fields for people and for other products. */
#include <stdio.h>

#include "events/event.h"

#define EVENT_NAME_MAX 64

void event_ecs_name(enum event_field field, char out[EVENT_NAME_MAX]);
void event_cef_key(enum event_field field, char out[EVENT_NAME_MAX]);
/* docs/log-fields.md, and what provisioning/siem has for other products */
void event_write_document(FILE *out);
void event_write_elastic(FILE *out); /* an ingest pipeline */
void event_write_splunk(FILE *out);  /* props.conf */
void event_write_qradar(FILE *out);  /* custom event properties, CSV */
