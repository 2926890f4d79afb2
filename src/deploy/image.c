/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/image.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/common.h"

#define IMAGE_CHUNK (256u << 10)   /* bytes */
#define IMAGE_TEXT_MAX (64u << 10) /* bytes of an OVA's manifest */
#define QCOW2_MAGIC "QFI\xfb"

static void write_hex(const uint8_t digest[32], char out[65])
{
	for (unsigned int i = 0; i < 32; i++)
		snprintf(out + i * 2, 3, "%02x", digest[i]);
}

/* --- one file -------------------------------------------------------------------------------------------------------
 */

static int hash_file(int fd, char out[65])
{
	_cleanup_free_ uint8_t *buffer = malloc(IMAGE_CHUNK);
	gnutls_hash_hd_t hash;
	uint8_t digest[32];
	ssize_t n;

	if (!buffer || gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
		return -ENOMEM;
	while ((n = read(fd, buffer, IMAGE_CHUNK)) > 0)
		gnutls_hash(hash, buffer, n);
	gnutls_hash_deinit(hash, digest);
	write_hex(digest, out);
	return n < 0 ? -errno : 0;
}

/* "SUM  NAME" as sha256sum writes it */
static bool read_sum_beside(const char *path, char sum[65])
{
	char beside[560];
	FILE *file;
	bool good;

	snprintf(beside, sizeof(beside), "%s.sha256", path);
	file = fopen(beside, "re");
	good = file && fscanf(file, "%64[0-9a-fA-F]", sum) == 1 && strlen(sum) == 64;
	if (file)
		fclose(file);
	return good;
}

static void compare_sum(struct image *image, const char *wanted)
{
	char beside[65];
	const char *slash = strrchr(image->path, '/');

	if (wanted) {
		snprintf(image->compared, sizeof(image->compared), "--sha256");
		image->matches = strcasecmp(wanted, image->sha256) == 0;
	} else if (read_sum_beside(image->path, beside)) {
		snprintf(image->compared, sizeof(image->compared), "%.80s.sha256", slash ? slash + 1 : image->path);
		image->matches = strcasecmp(beside, image->sha256) == 0;
	}
}

static uint64_t big_endian(const uint8_t *bytes, unsigned int n)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	return value;
}

/* --- OVA ------------------------------------------------------------------------------------------------------------
 */

static void archive_end(struct archive **archive)
{
	if (*archive)
		archive_read_free(*archive);
}

static struct archive *open_ova(const char *path)
{
	struct archive *archive = archive_read_new();

	archive_read_support_format_tar(archive);
	if (archive_read_open_filename(archive, path, IMAGE_CHUNK) != ARCHIVE_OK) {
		archive_read_free(archive);
		return NULL;
	}
	return archive;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* "SHA256(NAME)= SUM" for this member: does it say so? */
static bool manifest_has(const char *manifest, const char *name, const char *sum)
{
	char line[512];

	snprintf(line, sizeof(line), "SHA256(%.300s)= %s", name, sum);
	return strstr(manifest, line) != NULL;
}

/* the member's bytes into a hash, and into text when it is not NULL */
static int read_member(struct archive *archive, char sum[65], char *text, size_t max)
{
	gnutls_hash_hd_t hash;
	uint8_t digest[32];
	const void *block;
	size_t size, used = 0;
	la_int64_t offset;
	int r;

	if (gnutls_hash_init(&hash, GNUTLS_DIG_SHA256) < 0)
		return -ENOMEM;
	while ((r = archive_read_data_block(archive, &block, &size, &offset)) == ARCHIVE_OK) {
		gnutls_hash(hash, block, size);
		if (text && used + size < max)
			memcpy(text + used, block, size);
		used += size;
	}
	gnutls_hash_deinit(hash, digest);
	write_hex(digest, sum);
	if (text)
		text[MIN(used, max - 1)] = '\0';
	return r == ARCHIVE_EOF ? 0 : -EBADMSG;
}

struct ova_sums {
	unsigned int n;
	struct {
		char name[256], sum[65];
	} items[8];
};

static int read_ova_members(struct archive *archive, struct image *image, struct ova_sums *sums, char *manifest)
{
	struct archive_entry *entry;
	int r = 0;

	while (r >= 0 && archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
		const char *name = archive_entry_pathname(entry);
		bool is_manifest = ends_with(name, ".mf");

		if (sums->n == ARRAY_SIZE(sums->items))
			return -EBADMSG;
		if (ends_with(name, ".vmdk"))
			image->bytes = archive_entry_size(entry);
		snprintf(sums->items[sums->n].name, sizeof(sums->items[0].name), "%s", name);
		r = read_member(archive, sums->items[sums->n].sum, is_manifest ? manifest : NULL, IMAGE_TEXT_MAX);
		sums->n += !is_manifest;
	}
	return r < 0 ? r : image->bytes ? 0 : -EBADMSG;
}

/* every member is in the manifest, with its sum (DSP0243) */
static int open_as_ova(struct image *image, char problem[256])
{
	_cleanup_(archive_end) struct archive *archive = open_ova(image->path);
	_cleanup_free_ char *manifest = calloc(1, IMAGE_TEXT_MAX);
	struct ova_sums sums = {0};

	if (!archive || !manifest || read_ova_members(archive, image, &sums, manifest) < 0) {
		snprintf(problem, 256, "%.200s is neither a qcow2 nor an OVA", image->path);
		return -EBADMSG;
	}
	image->kind = IMAGE_OVA;
	if (*image->compared || !*manifest)
		return 0;
	snprintf(image->compared, sizeof(image->compared), "its manifest");
	image->matches = true;
	for (unsigned int i = 0; i < sums.n; i++)
		image->matches &= manifest_has(manifest, sums.items[i].name, sums.items[i].sum);
	return 0;
}

int image_open(const char *path, const char *wanted, struct image *out, char problem[256])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t head[32] = {0};
	struct stat st;
	int r;

	memset(out, 0, sizeof(*out));
	snprintf(out->path, sizeof(out->path), "%s", path);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		r = fd < 0 ? -errno : -EINVAL;
		snprintf(problem, 256, "cannot read %.150s: %s", path, fd < 0 ? strerror(-r) : "it is no file");
		return r;
	}
	if (pread(fd, head, sizeof(head), 0) < 0 || hash_file(fd, out->sha256) < 0) {
		snprintf(problem, 256, "cannot read %.200s to its end", path);
		return -EIO;
	}
	compare_sum(out, wanted);
	if (memcmp(head, QCOW2_MAGIC, 4) != 0)
		return open_as_ova(out, problem);
	out->kind = IMAGE_QCOW2;
	out->bytes = st.st_size;
	out->capacity = big_endian(head + 24, 8); /* qcow2's header: size of the virtual disk */
	return 0;
}

/* --- the disk's bytes -----------------------------------------------------------------------------------------------
 */

static ssize_t file_read(struct source *source, void *buffer, size_t n)
{
	ssize_t r = read((int)(intptr_t)source->data, buffer, n);

	return r < 0 ? -errno : r;
}

static void file_close(struct source *source)
{
	close((int)(intptr_t)source->data);
}

static ssize_t member_read(struct source *source, void *buffer, size_t n)
{
	la_ssize_t r = archive_read_data(source->data, buffer, n);

	return r < 0 ? -EBADMSG : r;
}

static void member_close(struct source *source)
{
	archive_read_free(source->data);
}

static int disk_of_ova(const struct image *image, struct source *out)
{
	struct archive *archive = open_ova(image->path);
	struct archive_entry *entry;

	while (archive && archive_read_next_header(archive, &entry) == ARCHIVE_OK)
		if (ends_with(archive_entry_pathname(entry), ".vmdk")) {
			*out = (struct source){
				.size = image->bytes, .data = archive, .read = member_read, .close = member_close};
			return 0;
		}
	if (archive)
		archive_read_free(archive);
	return -EBADMSG;
}

int image_source(const struct image *image, struct source *out)
{
	int fd;

	if (image->kind == IMAGE_OVA)
		return disk_of_ova(image, out);
	fd = open(image->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*out = (struct source){
		.size = image->bytes, .data = (void *)(intptr_t)fd, .read = file_read, .close = file_close};
	return 0;
}
