/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* tpm2-tss' way to a TPM over a descriptor that is open already, since this process can open none. It is a
 * TSS2_TCTI_CONTEXT for the library: cast it. The descriptor is borrowed. */
struct tpm_link;

struct tpm_link *tpm_link_new(int fd); /* NULL when the memory is full */
void tpm_link_free(struct tpm_link **link);
