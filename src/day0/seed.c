/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/cdrom.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/base64.h"
#include "base/common.h"
#include "base/log.h"
#include "day0/settings.h"
#include "base/system.h"

static const struct seed_label {
	const char *label, *file;
	bool ovf;
} seed_labels[] = {
	{"CIDATA", "user-data", false},
	{"cidata", "user-data", false},
	{"SLUICE", "sluice-day0.yaml", false},
	{"OVF\\x20ENV", "ovf-env.xml", true}, /* udev's spelling of a space */
	{"OVFENV", "ovf-env.xml", true},
};

static int seed_mount(const char *device)
{
	static const char *const types[] = {"iso9660", "vfat", "udf"};

	system_make_directory(SEED_MOUNT, 0700);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (mount(device, SEED_MOUNT, types[i], MS_RDONLY | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL) == 0)
			return 0;
	return log_err_r(-errno, "cannot mount %s", device);
}

int seed_read_file(const struct seed *seed, const char *name, char **out, size_t *len)
{
	char path[256];

	if (!*seed->device)
		return log_err_r(-ENOENT, "%s: there is no medium that could hold it", name);
	snprintf(path, sizeof(path), SEED_MOUNT "/%s", name);
	return system_read_file(path, DAY0_DOCUMENT_MAX, out, len);
}

static int seed_from_ovf(struct seed *seed)
{
	_cleanup_free_ char *xml = TAKE_PTR(seed->text);

	return day0_from_ovf(xml, seed->len, &seed->text, &seed->len);
}

static int seed_from_medium(struct seed *seed, const struct seed_label *label)
{
	char link[96], *device;
	int r;

	snprintf(link, sizeof(link), "/dev/disk/by-label/%s", label->label);
	device = realpath(link, NULL);
	if (!device)
		return -ENOENT;
	snprintf(seed->device, sizeof(seed->device), "%s", device);
	free(device);
	snprintf(seed->file, sizeof(seed->file), "%s", label->file);
	snprintf(seed->origin, sizeof(seed->origin), "medium %s, file %s", seed->device, label->file);
	r = seed_mount(seed->device);
	if (r >= 0)
		r = seed_read_file(seed, label->file, &seed->text, &seed->len);
	if (r >= 0 && label->ovf)
		r = seed_from_ovf(seed);
	return r;
}

/* a document as it is, or in base64, which has no colon; gzip is not taken */
static int seed_from_user_data(struct seed *seed)
{
	_cleanup_free_ char *packed = NULL;
	size_t n = 0;
	int r;

	if (memchr(seed->text, ':', seed->len))
		return 0;
	packed = TAKE_PTR(seed->text);
	for (size_t i = 0; i < seed->len; i++)
		if (!strchr("\r\n ", packed[i]))
			packed[n++] = packed[i];
	r = base64_decode(packed, n, (uint8_t **)&seed->text, &seed->len);
	return r < 0 ? log_err_r(r, "%s is neither a document nor one in base64", seed->file) : 0;
}

static const struct seed_variable {
	const char *name;
	int (*read)(struct seed *seed);
} seed_variables[] = {
	{"guestinfo.ovfEnv", seed_from_ovf},
	{"guestinfo.userdata", seed_from_user_data},
};

static int seed_from_guestinfo(struct seed *seed, const struct seed_variable *variable)
{
	char words[64];
	const char *const command[] = {"vmtoolsd", "--cmd", words, NULL};

	snprintf(words, sizeof(words), "info-get %s", variable->name);
	if (system_output(command, DAY0_DOCUMENT_MAX, &seed->text, &seed->len) < 0)
		return -ENOENT;
	if (!seed->len) {
		free(TAKE_PTR(seed->text));
		return -ENOENT;
	}
	snprintf(seed->origin, sizeof(seed->origin), "VMware's %s", variable->name);
	snprintf(seed->file, sizeof(seed->file), "%s", variable->name);
	seed->guestinfo = true;
	return variable->read(seed);
}

static int seed_from_file(struct seed *seed)
{
	if (access(DAY0_FILE, F_OK) < 0)
		return -ENOENT;
	snprintf(seed->origin, sizeof(seed->origin), "file " DAY0_FILE);
	snprintf(seed->file, sizeof(seed->file), DAY0_FILE);
	seed->on_disk = true;
	return system_read_file(DAY0_FILE, DAY0_DOCUMENT_MAX, &seed->text, &seed->len);
}

int seed_find(struct seed *seed)
{
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < ARRAY_SIZE(seed_labels); i++)
		r = seed_from_medium(seed, &seed_labels[i]);
	for (size_t i = 0; r == -ENOENT && system_is_vmware() && i < ARRAY_SIZE(seed_variables); i++)
		r = seed_from_guestinfo(seed, &seed_variables[i]);
	if (r == -ENOENT)
		r = seed_from_file(seed);
	return r;
}

static void seed_overwrite(const char *path)
{
	static const char zeros[4096];
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	for (off_t at = 0; at < st.st_size; at += sizeof(zeros))
		if (write(fd, zeros, MIN((off_t)sizeof(zeros), st.st_size - at)) < 0)
			break;
	fsync(fd);
	unlink(path);
}

static bool seed_eject(const char *device)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	umount2(SEED_MOUNT, MNT_DETACH);
	return fd >= 0 && ioctl(fd, CDROMEJECT, 0) == 0;
}

void seed_wipe(const struct seed *seed, char *told, size_t size)
{
	char words[80];
	const char *const wipe[] = {"vmtoolsd", "--cmd", words, NULL};

	if (seed->on_disk) {
		seed_overwrite(DAY0_FILE);
		snprintf(told, size, DAY0_FILE " is wiped");
	} else if (seed->guestinfo) {
		snprintf(words, sizeof(words), "info-set %s ", seed->file);
		snprintf(told, size,
			"%s %s; what the hypervisor keeps of it (vApp properties, extra configuration) cannot "
			"be wiped from here: empty the passwords there",
			seed->file, system_run(wipe) == 0 ? "is wiped" : "could not be wiped");
	} else if (!*seed->device) {
		*told = '\0'; /* the console */
	} else {
		snprintf(told, size,
			"the medium %s cannot be wiped from here%s: detach it and delete its file on the hypervisor",
			seed->device, seed_eject(seed->device) ? " and is ejected" : "");
	}
}

void seed_close(struct seed *seed)
{
	if (seed->text)
		explicit_bzero(seed->text, seed->len);
	free(seed->text);
	seed->text = NULL;
	umount2(SEED_MOUNT, MNT_DETACH);
}
