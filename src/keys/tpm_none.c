/* SPDX-License-Identifier: Apache-2.0 */
/* built where there is no tpm2-tss */
#include "keys/tpm.h"

#include <errno.h>
#include <stdio.h>

static int tpm_none(struct tpm_error *error)
{
	snprintf(error->text, sizeof(error->text), "Sluice was built without tpm2-tss, so it cannot use a TPM");
	return -EOPNOTSUPP;
}

int tpm_seal(int fd, uint32_t pcrs, const uint8_t key[DEVICE_KEY_SIZE], struct secret *sealed, struct tpm_error *error)
{
	return tpm_none(error);
}

int tpm_unseal(int fd, struct span sealed, uint8_t key[DEVICE_KEY_SIZE], struct tpm_error *error)
{
	return tpm_none(error);
}
