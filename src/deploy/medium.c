/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/medium.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* libisofs gives its image as libburn's struct burn_source, which it then declares itself */
#define LIBISOFS_WITHOUT_LIBBURN
#include <libisofs/libisofs.h>

#include "base/common.h"

#define MEDIUM_TEXTS_MAX 4
#define SECTOR 2048

struct medium {
	IsoImage *image;
	struct burn_source *output;
	/* libisofs frees them; they may hold secrets, so they are overwritten before */
	struct {
		void *data;
		size_t len;
	} texts[MEDIUM_TEXTS_MAX];
	unsigned int n_texts;
	uint8_t sector[SECTOR]; /* what was made and not read yet */
	size_t at, filled;
};

/* once for the process: its end would be the end of every image */
static bool medium_library(void)
{
	static bool begun;

	begun = begun || iso_init() >= 0;
	return begun;
}

int medium_new(const char *label, struct medium **out)
{
	struct medium *medium = calloc(1, sizeof(*medium));

	if (!medium || !medium_library() || iso_image_new(label, &medium->image) < 0) {
		free(medium);
		return -ENOMEM;
	}
	iso_set_msgs_severities("NEVER", "NEVER", ""); /* its functions' results say enough */
	*out = medium;
	return 0;
}

void medium_free(struct medium **medium)
{
	struct medium *it = *medium;

	if (!it)
		return;
	if (it->output) {
		it->output->cancel(it->output);
		it->output->free_data(it->output);
		free(it->output);
	}
	for (unsigned int i = 0; i < it->n_texts; i++)
		explicit_bzero(it->texts[i].data, it->texts[i].len);
	iso_image_unref(it->image);
	explicit_bzero(it->sector, sizeof(it->sector));
	free(it);
	*medium = NULL;
}

int medium_add_text(struct medium *medium, const char *name, const void *data, size_t len)
{
	unsigned char *copy = malloc(len + 1);
	IsoStream *stream;

	if (!copy || medium->n_texts == MEDIUM_TEXTS_MAX) {
		free(copy);
		return copy ? -ENOSPC : -ENOMEM;
	}
	memcpy(copy, data, len);
	if (iso_memory_stream_new(copy, len, &stream) < 0) {
		free(copy);
		return -ENOMEM;
	}
	medium->texts[medium->n_texts].data = copy;
	medium->texts[medium->n_texts++].len = len;
	return iso_tree_add_new_file(iso_image_get_root(medium->image), name, stream, NULL) < 0 ? -EIO : 0;
}

int medium_add_file(struct medium *medium, const char *name, const char *path)
{
	IsoNode *node;
	int r = iso_tree_add_new_node(medium->image, iso_image_get_root(medium->image), name, path, &node);

	if (r < 0)
		return access(path, R_OK) < 0 ? -errno : -EIO;
	/* the owner here means nothing there */
	iso_node_set_uid(node, 0);
	iso_node_set_gid(node, 0);
	iso_node_set_permissions(node, 0400);
	return 0;
}

static ssize_t medium_read(struct source *source, void *buffer, size_t n)
{
	struct medium *medium = source->data;
	size_t done = 0;

	while (done < n) {
		size_t part;

		if (medium->at == medium->filled) {
			int r = medium->output->read_xt(medium->output, medium->sector, SECTOR);

			if (r < 0)
				return -EIO;
			if (r == 0)
				break;
			medium->at = 0;
			medium->filled = r;
		}
		part = MIN(n - done, medium->filled - medium->at);
		memcpy((char *)buffer + done, medium->sector + medium->at, part);
		medium->at += part;
		done += part;
	}
	return done;
}

int medium_source(struct medium *medium, struct source *out)
{
	IsoWriteOpts *options;
	int r;

	if (iso_write_opts_new(&options, 0) < 0)
		return -ENOMEM;
	iso_write_opts_set_iso_level(options, 3); /* files may be larger than 4 GB */
	iso_write_opts_set_rockridge(options, 1);
	iso_write_opts_set_joliet(options, 1);
	r = iso_image_create_burn_source(medium->image, options, &medium->output);
	iso_write_opts_free(options);
	if (r < 0)
		return -EIO;
	*out = (struct source){.size = medium->output->get_size(medium->output), .data = medium, .read = medium_read};
	return 0;
}
