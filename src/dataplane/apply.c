/* SPDX-License-Identifier: Apache-2.0 */
/* plan → ports → entries under a new epoch → one store puts them in force → the old ones go. Until
 * the store, every failure is undone and the previous policy has not been touched. */
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/common.h"
#include "base/fault.h"
#include "base/log.h"
#include "dataplane/limits.h"
#include "dataplane/plan.h"
#include "dataplane/ports.h"
#include "dataplane/publish.h"

/* Programs that read the old epoch have ended after this: MEMBARRIER_CMD_GLOBAL waits for an RCU grace period. */
static void policy_wait_for_readers(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) < 0)
		usleep(20000);
}

static __u32 epoch_after(__u32 epoch)
{
	return epoch + 1 ?: 2; /* never 0, and the other half */
}

static int plan_for(struct plan **plan, const struct config *config, const struct ports_set *set)
{
	uint16_t numbers[WIRE_SEGMENTS_MAX] = {0};

	for (size_t i = 0; i < set->n; i++)
		numbers[i] = set->pairs[i].number;
	return plan_new(plan, config, numbers);
}

struct dataplane_change {
	struct ports_set set;
	const struct config *config;
	__u32 epoch, version;
};

/* everything up to the store */
static int change_prepare(struct dataplane *dp, const struct config *config, struct dataplane_change *change)
{
	_cleanup_(plan_free) struct plan *plan = NULL;
	struct ports_set *set = &change->set;
	int err = fault_at(FAULT_WIRE_RESOLVE) ?: ports_resolve(dp, config, set);

	if (!err)
		err = fault_at(FAULT_WIRE_PLAN) ?: plan_for(&plan, config, set);
	if (!err)
		err = publish_purge(dp, dp->control->epoch); /* what a crash may have left */
	if (!err)
		err = ports_enter(dp, set) ?: fault_at(FAULT_WIRE_ENTER);
	if (!err)
		err = publish_write(dp, plan, change->epoch, change->version) ?: fault_at(FAULT_WIRE_WRITE);
	if (!err)
		err = ports_switch(dp, set, config->ssl_inspection) ?: fault_at(FAULT_WIRE_SWITCH);
	return err;
}

int dataplane_prepare(
	struct dataplane *dp, const struct config *config, uint32_t version, struct dataplane_change **out)
{
	struct dataplane_change *change = calloc(1, sizeof(*change));
	int err = change ? 0 : -ENOMEM;

	if (!err) {
		change->epoch = epoch_after(dp->control->epoch);
		change->version = version;
		change->config = config;
		err = change_prepare(dp, config, change);
	}
	if (err) {
		log_warn("policy version %u refused, the previous one stays in force", version);
		dataplane_cancel(dp, &change);
		return err;
	}
	*out = change;
	return 0;
}

void dataplane_cancel(struct dataplane *dp, struct dataplane_change **ref)
{
	struct dataplane_change *change = TAKE_PTR(*ref);

	if (change)
		ports_undo(dp, &change->set);
	free(change);
}

void dataplane_publish(struct dataplane *dp, struct dataplane_change **ref)
{
	struct dataplane_change *change = TAKE_PTR(*ref);

	fault_at(FAULT_WIRE_FLIP);
	__atomic_store_n(&dp->control->epoch, change->epoch, __ATOMIC_RELEASE);
	limits_switch(dp, change->config);
	log_info("policy version %u in force on %zu segments", change->version, change->set.n);
	policy_wait_for_readers();
	/* from here on failures leave waste behind, no wrong policy: the next apply clears it */
	fault_at(FAULT_WIRE_RELEASE);
	ports_release_others(dp, &change->set);
	publish_purge(dp, change->epoch);
	limits_purge(dp, change->epoch);
	free(change);
}

int dataplane_apply(struct dataplane *dp, const struct config *config, uint32_t version)
{
	struct dataplane_change *change = NULL;
	int err = dataplane_prepare(dp, config, version, &change);

	if (!err)
		dataplane_publish(dp, &change);
	return err;
}
