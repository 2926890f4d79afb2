/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The few things that are asked of libvirt's XML, by libxml2. Pure functions of text; what is given back is the
 * caller's. Nothing outside the document is read (no entities, no network). */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* an XPath expression as a string; NULL when the document or the expression is bad, "" when there is nothing */
char *xml_text(const char *document, const char *xpath);
/* <cpu> made of the host-model mode in domain capabilities; NULL when there is none */
char *xml_host_model(const char *domain_capabilities);
/* each node's string value, at most `max`; how many there are */
size_t xml_list(const char *document, const char *xpath, char **out, size_t max);
void xml_escape(FILE *out, const char *text);
