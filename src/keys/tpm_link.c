/* SPDX-License-Identifier: Apache-2.0 */
#include "keys/tpm_link.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <tss2/tss2_tcti.h>
#include <unistd.h>

#include "base/common.h"

#define LINK_MAGIC 0x534c5549434554ull
#define LINK_PATIENCE_MS 20000 /* a discrete TPM takes seconds for a key, a virtual one milliseconds */
#define HEADER 10              /* tag, size, code (TPM 2.0 part 1, section 18) */

struct tpm_link {
	TSS2_TCTI_CONTEXT_COMMON_V1 tcti; /* first: what the library is given */
	int fd;
	bool waiting; /* for the response to a command */
};

static struct tpm_link *link_of(TSS2_TCTI_CONTEXT *tcti)
{
	return (struct tpm_link *)tcti;
}

static TSS2_RC link_transmit(TSS2_TCTI_CONTEXT *tcti, size_t size, const uint8_t *command)
{
	struct tpm_link *link = link_of(tcti);
	ssize_t n;

	if (link->waiting)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	/* the device wants a command in one write */
	do
		n = write(link->fd, command, size);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)size)
		return TSS2_TCTI_RC_IO_ERROR;
	link->waiting = true;
	return TSS2_RC_SUCCESS;
}

static uint32_t response_size(const uint8_t *header)
{
	return (uint32_t)header[2] << 24 | header[3] << 16 | header[4] << 8 | header[5];
}

/* The device gives a response in one read, a socket in any pieces: what is there until it is as long as it says. */
static TSS2_RC link_read(struct tpm_link *link, uint8_t *response, size_t room, size_t *size)
{
	size_t have = 0, want = HEADER;

	while (have < want) {
		struct pollfd p = {.fd = link->fd, .events = POLLIN};
		ssize_t n;

		if (poll(&p, 1, LINK_PATIENCE_MS) <= 0)
			return TSS2_TCTI_RC_IO_ERROR;
		n = read(link->fd, response + have, room - have);
		if (n <= 0)
			return TSS2_TCTI_RC_IO_ERROR;
		have += (size_t)n;
		if (have >= HEADER)
			want = response_size(response);
		if (want < HEADER || want > room)
			return TSS2_TCTI_RC_MALFORMED_RESPONSE;
	}
	*size = want;
	return TSS2_RC_SUCCESS;
}

static TSS2_RC link_receive(TSS2_TCTI_CONTEXT *tcti, size_t *size, uint8_t *response, int32_t timeout)
{
	struct tpm_link *link = link_of(tcti);

	(void)timeout; /* ours: there is nothing else to do meanwhile */
	if (!link->waiting)
		return TSS2_TCTI_RC_BAD_SEQUENCE;
	if (!response) { /* how long it can be */
		*size = 4096;
		return TSS2_RC_SUCCESS;
	}
	if (*size < HEADER)
		return TSS2_TCTI_RC_INSUFFICIENT_BUFFER;
	link->waiting = false;
	return link_read(link, response, *size, size);
}

static void link_finalize(TSS2_TCTI_CONTEXT *tcti)
{
	(void)tcti;
}

static TSS2_RC link_cancel(TSS2_TCTI_CONTEXT *tcti)
{
	(void)tcti;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC link_poll_handles(TSS2_TCTI_CONTEXT *tcti, TSS2_TCTI_POLL_HANDLE *handles, size_t *n)
{
	(void)tcti, (void)handles, (void)n;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

static TSS2_RC link_locality(TSS2_TCTI_CONTEXT *tcti, uint8_t locality)
{
	(void)tcti, (void)locality;
	return TSS2_TCTI_RC_NOT_IMPLEMENTED;
}

struct tpm_link *tpm_link_new(int fd)
{
	struct tpm_link *link = calloc(1, sizeof(*link));

	if (link)
		*link = (struct tpm_link){.fd = fd,
			.tcti = {.magic = LINK_MAGIC,
				.version = 1,
				.transmit = link_transmit,
				.receive = link_receive,
				.finalize = link_finalize,
				.cancel = link_cancel,
				.getPollHandles = link_poll_handles,
				.setLocality = link_locality}};
	return link;
}

void tpm_link_free(struct tpm_link **link)
{
	free(*link);
	*link = NULL;
}
