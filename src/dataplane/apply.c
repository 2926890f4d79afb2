/* SPDX-License-Identifier: Apache-2.0 */
/* dataplane_apply(): plan → ports → entries under a new epoch → one store puts them in force → the old ones go. Until
 * the store, every failure is undone and the previous policy has not been touched. */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
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

/* everything up to the store */
static int apply_prepare(
	struct dataplane *dp, const struct config *config, struct ports_set *set, __u32 epoch, __u32 version)
{
	_cleanup_(plan_free) struct plan *plan = NULL;
	int err = ports_resolve(dp, config, set);

	if (!err)
		err = plan_for(&plan, config, set);
	if (!err)
		err = publish_purge(dp, dp->control->epoch); /* what a crash may have left */
	if (!err)
		err = ports_enter(dp, set);
	if (!err)
		err = publish_write(dp, plan, epoch, version);
	if (!err)
		err = ports_switch(dp, set, config->ssl_inspection);
	return err;
}

int dataplane_apply(struct dataplane *dp, const struct config *config, uint32_t version)
{
	const __u32 epoch = epoch_after(dp->control->epoch);
	struct ports_set set = {0};
	int err = apply_prepare(dp, config, &set, epoch, version);

	if (err) {
		ports_undo(dp, &set);
		log_warn("policy version %u refused, the previous one stays in force", version);
		return err;
	}
	__atomic_store_n(&dp->control->epoch, epoch, __ATOMIC_RELEASE);
	log_info("policy version %u in force on %zu segments", version, set.n);
	policy_wait_for_readers();
	/* from here on failures leave waste behind, no wrong policy: the next apply clears it */
	ports_release_others(dp, &set);
	publish_purge(dp, epoch);
	return 0;
}
