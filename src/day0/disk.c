/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "base/system.h"

#define DISK_LINK "/dev/disk/by-label/" DISK_LABEL
#define DISK_PLACE "/var/lib/sluice/sluice/log"
#define DISK_SECTORS_MIN ((1ull << 30) / 512) /* 1 GB: less is no place for logs */
#define DISK_BLANK_BYTES (1u << 20)           /* where partition tables, file systems and volume managers begin */

static uint64_t disk_number(const char *name, const char *attribute)
{
	char path[320];
	unsigned long long number = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/sys/class/block/%s/%s", name, attribute);
	file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &number) != 1)
		number = 0;
	fclose(file);
	return number;
}

bool disk_is_candidate(const char *name, uint64_t sectors, bool removable, bool partition)
{
	static const char *const kinds[] = {"vd", "sd", "nvme", "xvd"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strncmp(name, kinds[i], strlen(kinds[i])) == 0)
			return sectors >= DISK_SECTORS_MIN && !removable && !partition;
	return false;
}

static bool disk_is_blank(const char *device)
{
	_cleanup_close_ int fd = open(device, O_RDONLY | O_CLOEXEC);
	static char block[65536];

	for (size_t at = 0; at < DISK_BLANK_BYTES; at += sizeof(block)) {
		if (fd < 0 || pread(fd, block, sizeof(block), at) != sizeof(block))
			return false;
		if (block[0] || memcmp(block, block + 1, sizeof(block) - 1) != 0)
			return false;
	}
	return true;
}

static bool disk_is_partition(const char *name)
{
	char path[320];

	snprintf(path, sizeof(path), "/sys/class/block/%s/partition", name);
	return access(path, F_OK) == 0;
}

/* the only blank one: with two nobody could say which is meant */
static int disk_find_blank(char *out, size_t size)
{
	DIR *directory = opendir("/sys/class/block");
	struct dirent *entry;
	unsigned int found = 0;

	while (directory && (entry = readdir(directory))) {
		const char *name = entry->d_name;
		char device[300];

		snprintf(device, sizeof(device), "/dev/%s", name);
		if (*name == '.' ||
			!disk_is_candidate(name, disk_number(name, "size"), disk_number(name, "removable"),
				disk_is_partition(name)) ||
			!disk_is_blank(device))
			continue;
		snprintf(out, size, "%s", device);
		found++;
	}
	if (directory)
		closedir(directory);
	if (found > 1)
		return log_err_r(-EEXIST, "log_disk: %u disks are blank: attach one of them only", found);
	return found ? 0 : -ENOENT;
}

static int disk_format(const char *device)
{
	const char *const command[] = {"mkfs.ext4", "-q", "-L", DISK_LABEL, "-m", "1", device, NULL};

	if (system_run(command) != 0)
		return log_err_r(-EIO, "log_disk: %s cannot be formatted", device);
	printf("sluice-day0: the blank disk %s is formatted for logs\n", device);
	return 0;
}

/* 0: `device` is to be mounted; -ENOENT: there is none, and need not be */
static int disk_find(char *device, size_t size)
{
	_cleanup_free_ char *known = realpath(DISK_LINK, NULL);
	int r;

	if (known) {
		snprintf(device, size, "%s", known);
		return 0;
	}
	if (access(DISK_FILE, F_OK) < 0)
		return -ENOENT;
	r = disk_find_blank(device, size);
	if (r == -ENOENT)
		return log_err_r(r, "log_disk: there is no second disk, neither labelled " DISK_LABEL
				    " nor blank: logs are on the data partition");
	return r < 0 ? r : disk_format(device);
}

int disk_run(void)
{
	char device[300];
	int r = disk_find(device, sizeof(device));

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = system_make_directory(DISK_PLACE, 0750);
	/* after an error the kernel takes no more writes: as good as full, and the wire does not notice */
	if (r >= 0 && mount(device, DISK_PLACE, "ext4", MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC,
			      "errors=remount-ro") < 0)
		r = log_err_r(-errno, "log_disk: cannot mount %s: logs are on the data partition", device);
	if (r >= 0)
		printf("sluice-day0: logs are on the second disk, %s\n", device);
	return r;
}
