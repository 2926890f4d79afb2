/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The device key sealed by a TPM 2.0, a vTPM usually (E5): only this TPM opens it again, and only while the PCRs that
 * were named have the values that they had then. The TPM is a descriptor that takes commands and gives responses as
 * they are: /dev/tpmrm0, or a stream socket of a software TPM. Nothing is left in the TPM: the parent is the storage
 * key that it derives from its owner seed each time, what it sealed is a file.
 *
 * A device.key of this kind:
 *   offset  0  "SLTP"
 *           4  version, 1
 *           5  three zero bytes
 *           8  PCRs of the SHA-256 bank, bit n for PCR n; big-endian, as are the lengths
 *          12  length of the public part, 2 bytes, then of the private part
 *          16  TPM2B_PUBLIC, TPM2B_PRIVATE, as the TPM gave them */
#include <stdint.h>

#include "keys/device_key.h"

#define TPM_SEALED_MAX 2048
#define TPM_PCRS_MASK 0xffffffu /* 24 of them */

struct tpm_error {
	char text[200]; /* what the operator can do something with */
};

/* Each: 0, or -errno with error->text. *sealed is the caller's to free; its size is never that of another kind of
 * device.key. */
int tpm_seal(int fd, uint32_t pcrs, const uint8_t key[DEVICE_KEY_SIZE], struct secret *sealed, struct tpm_error *error);
int tpm_unseal(int fd, struct span sealed, uint8_t key[DEVICE_KEY_SIZE], struct tpm_error *error);
