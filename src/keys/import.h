/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Import of a certificate and its key (E2), in steps: parse, find the leaf and order the chain, facts. Everything read
 * here is an operator's file that may come from anywhere; each refusal is one sentence that says what to mend. */
#include <jansson.h>

#include "keys/libcrypto.h"
#include "keys/secret.h"

#define IMPORT_CERTIFICATES_MAX 10 /* what a worker takes */
#define IMPORT_FILE_MAX (1u << 20)
#define IMPORT_PASSWORD_MAX 1024

struct import {
	const char *name;                     /* borrowed */
	X509 *chain[IMPORT_CERTIFICATES_MAX]; /* owned; as read, later leaf first */
	unsigned int n;
	EVP_PKEY *key; /* owned */
	uint64_t key_id;
	json_t *warnings; /* owned; array of text */
	bool one_file;    /* certificates and key come out of the same file */
	bool without_key; /* a key provider has it */
	bool client;      /* it is shown to log servers, not by an SSL server */
	char error[512];
};

void import_clear(struct import *import);
/* sets the error text; -EINVAL */
int import_refuse(struct import *import, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void import_warn(struct import *import, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Each: 0, or -EINVAL with import->error set. */
int import_parse_certificates(struct import *import, struct span file);
/* takes the certificate; one that is there twice counts once */
int import_add_certificate(struct import *import, X509 *certificate);
/* Every certificate of a PEM or DER file, which `what` names in messages, to take(), which owns it then. */
int import_each_certificate(struct import *import, struct span file, const char *what,
	int (*take)(void *data, X509 *certificate), void *data);
/* The certification authorities of a file: "ca" (PEM) and "ca_sha256" in the facts. */
int import_authorities(struct import *import, struct span file, json_t *facts);
/* PKCS#12: everything in one file */
bool import_is_pkcs12(struct span file);
int import_parse_pkcs12(struct import *import, struct span file, const struct secret *password);
/* password: NULL when none was given */
int import_parse_key(struct import *import, struct span file, const struct secret *password);
int import_check_key(struct import *import);
/* in place of a key that only a key provider has: the public one of the leaf, checked as far as that can be */
int import_take_public_key(struct import *import);
int import_order_chain(struct import *import);
/* at most a digest */
json_t *import_hex(const uint8_t *bytes, size_t len);
/* the name of an X.509 subject or issuer, RFC 2253, as a JSON string */
json_t *import_name(const X509_NAME *name);
/* the facts of docs/architecture.md (certificates/NAME.json), and warnings: a list of text */
int import_facts(struct import *import, json_t **facts);
/* all of it; a key without data: it is in the certificate's file */
int import_files(
	struct import *import, struct span certificate, struct span key, const struct secret *password, json_t **facts);
/* the key as PKCS#8, sealed */
/* *out_fd: the sealed key */
int import_seal_to_memfd(struct import *import, int device_key_fd, int *out_fd);
int import_seal(struct import *import, const uint8_t *device_key, struct secret *sealed);
