/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/log.h"
#include "base/system.h"
#include "day0/apply.h"

#define FIRMWARE_UUID "/sys/class/dmi/id/product_uuid"
#define IDENTITY_FILE "/data/identity"
#define IDENTITY_PENDING "/data/clone-pending"
#define UUID_LENGTH 36
#define IDENTITY_ROTATE_NS (180 * NSEC_PER_SEC) /* an emulated machine starts slowly */

static int identity_read(const char *path, char id[UUID_LENGTH + 1])
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = system_read_file(path, 256, &text, &len);

	if (r < 0)
		return r;
	if (strspn(text, "0123456789abcdefABCDEF-") != UUID_LENGTH)
		return log_err_r(-EINVAL, "%s holds no UUID", path);
	snprintf(id, UUID_LENGTH + 1, "%.36s", text);
	return 0;
}

/* what two machines must not share; ticket keys are in no file, and every start makes new ones */
static int identity_renew(const char *id)
{
	int r = system_write_file(IDENTITY_PENDING, 0600, "", 0);

	if (r < 0)
		return r;
	unlink(system_path(DAY0_SSH_KEY));
	unlink(system_path(DAY0_SSH_KEY ".pub"));
	return system_write_file(IDENTITY_FILE, 0600, id, strlen(id));
}

int identity_boot(enum identity *identity)
{
	char id[UUID_LENGTH + 1], before[UUID_LENGTH + 1];
	int r = identity_read(FIRMWARE_UUID, id);

	*identity = IDENTITY_SAME;
	if (r < 0 || strspn(id, "0-") == UUID_LENGTH)
		return r < 0 ? r : 0;
	if (access(system_path(IDENTITY_FILE), F_OK) < 0) {
		*identity = IDENTITY_FIRST;
		return system_write_file(IDENTITY_FILE, 0600, id, strlen(id));
	}
	r = identity_read(IDENTITY_FILE, before);
	if (r < 0 || strcmp(id, before) == 0)
		return r;
	*identity = IDENTITY_CLONE;
	fputs("sluice-day0: this machine is a copy of another one: it gets an SSH host key and a device key of its "
	      "own. Give it "
	      "another host name, management address and device.name; renew the SNMP users, whose engine id is the "
	      "same\n",
		stderr);
	return identity_renew(id);
}

/* The supervisor refuses while it commits, which it does at its start. */
static bool identity_rotate(void)
{
	static const char *const rotate[] = {"sluice", "keystore", "rotate", NULL};
	uint64_t deadline = clock_now_ns() + IDENTITY_ROTATE_NS;

	while (system_run(rotate) != 0) {
		if (clock_now_ns() >= deadline)
			return false;
		sleep(2);
	}
	return true;
}

int identity_settle(void)
{
	if (access(system_path(IDENTITY_PENDING), F_OK) < 0)
		return 0;
	if (!identity_rotate())
		return log_err_r(-EAGAIN,
			"the keystore of this copy keeps the device key of the machine that it was copied from until "
			"`sluice keystore rotate` succeeds; the next boot tries again");
	return unlink(system_path(IDENTITY_PENDING)) < 0 ? -errno : 0;
}
