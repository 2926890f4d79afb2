/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "daemon/supervisor.h"

struct policy *policy_new(uint32_t version)
{
	struct policy *policy = calloc(1, sizeof(*policy));

	if (!policy)
		return NULL;
	policy->version = version;
	policy->text_fd = -1;
	policy->certificates = json_array();
	policy->filters = json_pack("{s:i, s:i, s:[]}", "loaded", 0, "disabled", 0, "refused");
	return policy;
}

void policy_free(struct policy **ref)
{
	struct policy *policy = TAKE_PTR(*ref);

	if (!policy)
		return;
	config_unref(&policy->config);
	if (policy->text_fd >= 0)
		close(policy->text_fd);
	for (size_t i = 0; i < policy->n_images; i++)
		if (policy->image_fds[i] >= 0)
			close(policy->image_fds[i]);
	free(policy->image_fds);
	json_decref(policy->certificates);
	json_decref(policy->stats_slots);
	json_decref(policy->filters);
	free(policy);
}

bool policy_make_images(struct policy *policy)
{
	policy->image_fds = calloc(policy->config->n_profiles + 1, sizeof(int));
	if (!policy->image_fds)
		return false;
	policy->n_images = policy->config->n_profiles;
	memset(policy->image_fds, -1, policy->n_images * sizeof(int));
	return true;
}
