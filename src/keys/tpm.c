/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/tpm.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <tss2/tss2_esys.h>
#include <tss2/tss2_mu.h>

#include "keys/libcrypto.h"
#include "keys/tpm_link.h"

#define MAGIC "SLTP"
#define VERSION 1

struct sealed_header {
	uint8_t magic[4], version, zero[3];
	uint32_t pcrs;
	uint16_t public_len, private_len;
};
_Static_assert(sizeof(struct sealed_header) == 16, "a file format");

struct tpm {
	struct tpm_link *link;
	ESYS_CONTEXT *esys;
	ESYS_TR parent, session;
	struct tpm_error *error;
};

/* --- what went wrong -----------------------------------------------------------------------------------------------
 */

/* format-one codes say which handle, session or parameter in their other bits (TPM 2.0 part 2, section 6.6) */
static TSS2_RC plain_code(TSS2_RC rc)
{
	return rc & TPM2_RC_FMT1 ? rc & (TPM2_RC_FMT1 | 0x3f) : rc & 0xfff;
}

static int tpm_fail(struct tpm *tpm, const char *what, TSS2_RC rc)
{
	char *text = tpm->error->text;
	size_t size = sizeof(tpm->error->text);

	if ((rc & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER)
		snprintf(text, size, "the TPM does not answer (%s)", what);
	else if (rc & TSS2_RC_LAYER_MASK)
		snprintf(text, size, "the TPM cannot be used (%s: 0x%x)", what, rc);
	else if (plain_code(rc) == TPM2_RC_POLICY_FAIL || plain_code(rc) == TPM2_RC_PCR_CHANGED)
		snprintf(text, size,
			"the TPM refuses to open the device key: its PCRs are not as they were when the key was sealed "
			"(another firmware, boot loader or kernel)");
	else if (plain_code(rc) == TPM2_RC_INTEGRITY || plain_code(rc) == TPM2_RC_BINDING)
		snprintf(text, size,
			"the TPM refuses to open the device key: another TPM sealed it, this one was cleared, or the "
			"file is damaged");
	else if (plain_code(rc) == TPM2_RC_BAD_AUTH || plain_code(rc) == TPM2_RC_AUTH_FAIL)
		snprintf(text, size, "the TPM refuses (%s): its owner hierarchy has a password", what);
	else if (plain_code(rc) == TPM2_RC_LOCKOUT)
		snprintf(text, size, "the TPM refuses: it is locked out after failed attempts");
	else
		snprintf(text, size, "the TPM refuses (%s: 0x%x)", what, rc);
	return (rc & TSS2_RC_LAYER_MASK) == TSS2_TCTI_RC_LAYER ? -EIO : -EACCES;
}

static int tpm_damaged(struct tpm_error *error)
{
	snprintf(error->text, sizeof(error->text),
		"the device key's file is damaged, not sealed by a TPM, or made by a later version");
	return -EPROTO;
}

/* --- a conversation ------------------------------------------------------------------------------------------------
 */

static const TPM2B_SENSITIVE_CREATE no_secret;
static const TPM2B_DATA no_info;
static const TPML_PCR_SELECTION no_pcrs;

/* the usual storage key, an elliptic one since RSA takes a discrete TPM many seconds: made from the owner seed, so that
 * it is the same until the TPM is cleared */
static const TPM2B_PUBLIC storage_key = {
	.publicArea = {
		.type = TPM2_ALG_ECC,
		.nameAlg = TPM2_ALG_SHA256,
		.objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |
				    TPMA_OBJECT_USERWITHAUTH | TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
				    TPMA_OBJECT_DECRYPT,
		.parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
						 .keyBits.aes = 128,
						 .mode.aes = TPM2_ALG_CFB},
			.scheme.scheme = TPM2_ALG_NULL,
			.curveID = TPM2_ECC_NIST_P256,
			.kdf.scheme = TPM2_ALG_NULL},
	}};

static TPML_PCR_SELECTION selection_of(uint32_t pcrs)
{
	return (TPML_PCR_SELECTION){.count = 1,
		.pcrSelections = {{.hash = TPM2_ALG_SHA256,
			.sizeofSelect = 3,
			.pcrSelect = {(uint8_t)pcrs, (uint8_t)(pcrs >> 8), (uint8_t)(pcrs >> 16)}}}};
}

/* Salted with the storage key and encrypting the first parameter both ways: the device key does not go over the wires
 * to a discrete TPM in clear. */
static int tpm_start_session(struct tpm *tpm, TPM2_SE kind)
{
	static const TPMT_SYM_DEF aes = {.algorithm = TPM2_ALG_AES, .keyBits.aes = 128, .mode.aes = TPM2_ALG_CFB};
	const TPMA_SESSION flags = TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT | TPMA_SESSION_ENCRYPT;
	TSS2_RC rc = Esys_StartAuthSession(tpm->esys, tpm->parent, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
		ESYS_TR_NONE, NULL, kind, &aes, TPM2_ALG_SHA256, &tpm->session);

	if (!rc)
		rc = Esys_TRSess_SetAttributes(tpm->esys, tpm->session, flags, flags);
	return rc ? tpm_fail(tpm, "session", rc) : 0;
}

static void tpm_flush(struct tpm *tpm, ESYS_TR *handle)
{
	if (*handle != ESYS_TR_NONE)
		Esys_FlushContext(tpm->esys, *handle);
	*handle = ESYS_TR_NONE;
}

static int tpm_policy_pcrs(struct tpm *tpm, uint32_t pcrs)
{
	const TPML_PCR_SELECTION selection = selection_of(pcrs);
	TSS2_RC rc = Esys_PolicyPCR(
		tpm->esys, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &(TPM2B_DIGEST){0}, &selection);

	return rc ? tpm_fail(tpm, "PCRs", rc) : 0;
}

static int tpm_begin(struct tpm *tpm, int fd, struct tpm_error *error)
{
	TSS2_RC rc;

	*tpm = (struct tpm){.parent = ESYS_TR_NONE, .session = ESYS_TR_NONE, .error = error};
	tpm->link = tpm_link_new(fd);
	if (!tpm->link)
		return -ENOMEM;
	rc = Esys_Initialize(&tpm->esys, (TSS2_TCTI_CONTEXT *)tpm->link, NULL);
	if (rc)
		return tpm_fail(tpm, "start", rc);
	rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE, &no_secret,
		&storage_key, &no_info, &no_pcrs, &tpm->parent, NULL, NULL, NULL, NULL);
	return rc ? tpm_fail(tpm, "storage key", rc) : 0;
}

static void tpm_end(struct tpm *tpm)
{
	if (tpm->esys) {
		tpm_flush(tpm, &tpm->session);
		tpm_flush(tpm, &tpm->parent);
		Esys_Finalize(&tpm->esys);
	}
	tpm_link_free(&tpm->link);
}

/* --- sealing -------------------------------------------------------------------------------------------------------
 */

/* the policy that a session with these PCRs, as they are now, comes to */
static int tpm_policy_of(struct tpm *tpm, uint32_t pcrs, TPM2B_DIGEST *policy)
{
	TPM2B_DIGEST *digest = NULL;
	TSS2_RC rc;
	int err = tpm_start_session(tpm, TPM2_SE_TRIAL);

	if (!err)
		err = tpm_policy_pcrs(tpm, pcrs);
	if (err)
		return err;
	rc = Esys_PolicyGetDigest(tpm->esys, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &digest);
	if (rc)
		return tpm_fail(tpm, "policy", rc);
	*policy = *digest;
	Esys_Free(digest);
	tpm_flush(tpm, &tpm->session);
	return 0;
}

static int tpm_pack(
	struct tpm *tpm, uint32_t pcrs, const TPM2B_PUBLIC *public, const TPM2B_PRIVATE *private, struct secret *sealed)
{
	uint8_t data[TPM_SEALED_MAX];
	struct sealed_header header = {.version = VERSION, .pcrs = htobe32(pcrs)};
	size_t at = sizeof(header), middle;

	if (Tss2_MU_TPM2B_PUBLIC_Marshal(public, data, sizeof(data), &at))
		return tpm_damaged(tpm->error);
	middle = at;
	if (Tss2_MU_TPM2B_PRIVATE_Marshal(private, data, sizeof(data), &at))
		return tpm_damaged(tpm->error);
	memcpy(header.magic, MAGIC, sizeof(header.magic));
	header.public_len = htobe16((uint16_t)(middle - sizeof(header)));
	header.private_len = htobe16((uint16_t)(at - middle));
	memcpy(data, &header, sizeof(header));
	if (secret_new(sealed, at))
		return -ENOMEM;
	memcpy(sealed->data, data, at);
	return 0;
}

static int tpm_create(struct tpm *tpm, uint32_t pcrs, const TPM2B_DIGEST *policy, const uint8_t key[DEVICE_KEY_SIZE],
	struct secret *sealed)
{
	TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = DEVICE_KEY_SIZE};
	/* with PCRs there is no way in but the policy */
	TPM2B_PUBLIC public = {.publicArea = {.type = TPM2_ALG_KEYEDHASH,
				       .nameAlg = TPM2_ALG_SHA256,
				       .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
							   TPMA_OBJECT_NODA | (pcrs ? 0 : TPMA_OBJECT_USERWITHAUTH),
				       .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
				       .authPolicy = *policy}};
	TPM2B_PUBLIC *out_public = NULL;
	TPM2B_PRIVATE *out_private = NULL;
	TSS2_RC rc;
	int err = tpm_start_session(tpm, TPM2_SE_HMAC);

	if (err)
		return err;
	memcpy(sensitive.sensitive.data.buffer, key, DEVICE_KEY_SIZE);
	rc = Esys_Create(tpm->esys, tpm->parent, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE, &sensitive, &public,
		&no_info, &no_pcrs, &out_private, &out_public, NULL, NULL, NULL);
	OPENSSL_cleanse(&sensitive, sizeof(sensitive));
	err = rc ? tpm_fail(tpm, "sealing", rc) : tpm_pack(tpm, pcrs, out_public, out_private, sealed);
	Esys_Free(out_public);
	Esys_Free(out_private);
	return err;
}

int tpm_seal(int fd, uint32_t pcrs, const uint8_t key[DEVICE_KEY_SIZE], struct secret *sealed, struct tpm_error *error)
{
	_cleanup_(tpm_end) struct tpm tpm;
	TPM2B_DIGEST policy = {0};
	int err = tpm_begin(&tpm, fd, error);

	if (!err && pcrs)
		err = tpm_policy_of(&tpm, pcrs, &policy);
	return err ? err : tpm_create(&tpm, pcrs, &policy, key, sealed);
}

/* --- unsealing -----------------------------------------------------------------------------------------------------
 */

static int tpm_unpack(struct span sealed, uint32_t *pcrs, TPM2B_PUBLIC *public, TPM2B_PRIVATE *private)
{
	static const uint8_t zero[3];
	struct sealed_header header;
	size_t at = sizeof(header), middle;

	if (sealed.len < sizeof(header) || sealed.len > TPM_SEALED_MAX)
		return -EPROTO;
	memcpy(&header, sealed.data, sizeof(header));
	*pcrs = be32toh(header.pcrs);
	middle = sizeof(header) + be16toh(header.public_len);
	if (memcmp(header.magic, MAGIC, sizeof(header.magic)) || header.version != VERSION ||
		memcmp(header.zero, zero, sizeof(zero)) || *pcrs & ~TPM_PCRS_MASK ||
		middle + be16toh(header.private_len) != sealed.len)
		return -EPROTO;
	if (Tss2_MU_TPM2B_PUBLIC_Unmarshal(sealed.data, middle, &at, public) || at != middle)
		return -EPROTO;
	return Tss2_MU_TPM2B_PRIVATE_Unmarshal(sealed.data, sealed.len, &at, private) || at != sealed.len ? -EPROTO : 0;
}

static int tpm_open(struct tpm *tpm, ESYS_TR object, uint8_t key[DEVICE_KEY_SIZE])
{
	TPM2B_SENSITIVE_DATA *data = NULL;
	TSS2_RC rc = Esys_Unseal(tpm->esys, object, tpm->session, ESYS_TR_NONE, ESYS_TR_NONE, &data);
	int err = rc ? tpm_fail(tpm, "unsealing", rc) : 0;

	if (!err && data->size != DEVICE_KEY_SIZE)
		err = tpm_damaged(tpm->error);
	if (!err)
		memcpy(key, data->buffer, DEVICE_KEY_SIZE);
	if (data)
		OPENSSL_cleanse(data, sizeof(*data));
	Esys_Free(data);
	return err;
}

int tpm_unseal(int fd, struct span sealed, uint8_t key[DEVICE_KEY_SIZE], struct tpm_error *error)
{
	_cleanup_(tpm_end) struct tpm tpm = {0};
	TPM2B_PUBLIC public = {0};
	TPM2B_PRIVATE private = {0};
	ESYS_TR object = ESYS_TR_NONE;
	uint32_t pcrs;
	TSS2_RC rc;
	int err = tpm_unpack(sealed, &pcrs, &public, &private);

	if (err)
		return tpm_damaged(error);
	err = tpm_begin(&tpm, fd, error);
	if (!err)
		err = tpm_start_session(&tpm, TPM2_SE_HMAC);
	if (err)
		return err;
	rc = Esys_Load(tpm.esys, tpm.parent, tpm.session, ESYS_TR_NONE, ESYS_TR_NONE, &private, &public, &object);
	if (rc)
		return tpm_fail(&tpm, "loading", rc);
	if (pcrs) {
		tpm_flush(&tpm, &tpm.session);
		err = tpm_start_session(&tpm, TPM2_SE_POLICY);
		if (!err)
			err = tpm_policy_pcrs(&tpm, pcrs);
	}
	if (!err)
		err = tpm_open(&tpm, object, key);
	tpm_flush(&tpm, &object);
	return err;
}
