/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of session tickets (D5): made here, the same for all workers of a generation, renewed on a schedule. They are
 * never stored: who copies a disk opens no recorded session, and after a restart clients make a full handshake once. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/shm.h"
#include "daemon/supervisor.h"

static int tickets_publish(struct supervisor *supervisor)
{
	_cleanup_close_ int old = supervisor->ticket_keys_fd;

	supervisor->ticket_keys_fd = -1;
	supervisor->tickets_made_ns = clock_now_ns();
	return shm_create_sealed("sluice-ticket-keys", supervisor->ticket_keys, sizeof(supervisor->ticket_keys),
		&supervisor->ticket_keys_fd);
}

int tickets_open(struct supervisor *supervisor)
{
	supervisor->ticket_keys_fd = -1;
	if (getrandom(supervisor->ticket_keys, sizeof(supervisor->ticket_keys), 0) != sizeof(supervisor->ticket_keys))
		return -EIO;
	return tickets_publish(supervisor);
}

static int tickets_rotate(struct supervisor *supervisor)
{
	uint8_t *keys = supervisor->ticket_keys;
	size_t one = sizeof(supervisor->ticket_keys) / 2;

	memcpy(keys + one, keys, one);
	if (getrandom(keys, one, 0) != (ssize_t)one)
		return -EIO;
	return tickets_publish(supervisor);
}

void tickets_tick(struct supervisor *supervisor)
{
	uint64_t age = clock_now_ns() - supervisor->tickets_made_ns;
	int r;

	if (!supervisor->policy || !supervisor->policy->config ||
		age < supervisor->policy->config->limits.ticket_key_seconds * NSEC_PER_SEC)
		return;
	r = tickets_rotate(supervisor);
	if (r < 0) {
		log_err_r(r, "cannot renew the keys of session tickets");
		return;
	}
	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++)
		if (child_running(&supervisor->workers[i].child))
			child_send(&supervisor->workers[i].child, "ticket_keys", json_object(),
				&supervisor->ticket_keys_fd, 1);
}

void tickets_close(struct supervisor *supervisor)
{
	explicit_bzero(supervisor->ticket_keys, sizeof(supervisor->ticket_keys));
}
