/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* RFC 4648 section 4, padding required, no white space. *out is malloc'ed, the caller's. -EINVAL on other input. */
int base64_decode(const char *text, size_t len, uint8_t **out, size_t *out_len);

/* a new string, the caller's; NULL when memory is short */
char *base64_encode(const uint8_t *data, size_t len);

/* what is base64 of a certificate's DER as a PEM file has it (RFC 7468: lines of 64) */
void base64_write_pem(FILE *out, const char *text);
