/* SPDX-License-Identifier: Apache-2.0 */
#include "proxy/compile_cache.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inspect/inspect.h"

#define CACHE_MAGIC 0x31434c53ull /* "SLC1" */
#define CACHE_BYTES_MAX (1ull << 30)

struct cache_header {
	uint64_t magic, checksum; /* of all that follows it */
	uint64_t answer_len, image_len;
};

static uint64_t checksum(const struct cache_header *header, struct span answer, struct span image)
{
	const uint64_t lengths[] = {header->answer_len, header->image_len};
	uint64_t sum = inspect_checksum(CACHE_MAGIC, lengths, sizeof(lengths));

	return inspect_checksum(inspect_checksum(sum, answer.data, answer.len), image.data, image.len);
}

static int read_all(int fd, void *out, size_t len, uint64_t at)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pread(fd, (uint8_t *)out + done, len - done, (off_t)(at + done));

		if (n <= 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

static int write_all(int fd, struct span bytes)
{
	while (bytes.len) {
		ssize_t n = write(fd, bytes.data, bytes.len);

		if (n < 0)
			return -errno;
		bytes = SPAN(bytes.data + n, bytes.len - (size_t)n);
	}
	return 0;
}

static int read_header(int fd, struct cache_header *header)
{
	struct stat st;

	if (fstat(fd, &st) < 0 || read_all(fd, header, sizeof(*header), 0) < 0 || header->magic != CACHE_MAGIC)
		return -ENOENT;
	if (header->answer_len > CACHE_BYTES_MAX || header->image_len > CACHE_BYTES_MAX || !header->image_len ||
		sizeof(*header) + header->answer_len + header->image_len != (uint64_t)st.st_size)
		return -ENOENT;
	return 0;
}

int compile_cache_read(int fd, json_t **answer, uint8_t **image, size_t *image_len)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	_cleanup_free_ char *text = NULL;
	struct cache_header header;

	if (read_header(fd, &header) < 0)
		return -ENOENT;
	text = malloc(header.answer_len + 1);
	bytes = aligned_alloc(INSPECT_IMAGE_ALIGN, inspect_image_room(header.image_len));
	if (!text || !bytes)
		return -ENOMEM;
	if (read_all(fd, text, header.answer_len, sizeof(header)) < 0 ||
		read_all(fd, bytes, header.image_len, sizeof(header) + header.answer_len) < 0 ||
		header.checksum != checksum(&header, SPAN(text, header.answer_len), SPAN(bytes, header.image_len)) ||
		inspect_image_check(bytes, header.image_len) < 0)
		return -ENOENT;
	*answer = json_loadb(text, header.answer_len, 0, NULL);
	if (!*answer)
		return -ENOENT;
	*image = TAKE_PTR(bytes);
	*image_len = header.image_len;
	return 0;
}

int compile_cache_write(int fd, const json_t *answer, struct span image)
{
	_cleanup_free_ char *text = json_dumps(answer, JSON_COMPACT);
	struct cache_header header = {.magic = CACHE_MAGIC, .image_len = image.len};
	int r;

	if (!text)
		return -ENOMEM;
	header.answer_len = strlen(text);
	header.checksum = checksum(&header, SPAN(text, header.answer_len), image);
	r = write_all(fd, SPAN(&header, sizeof(header)));
	if (r == 0)
		r = write_all(fd, SPAN(text, header.answer_len));
	return r < 0 ? r : write_all(fd, image);
}
