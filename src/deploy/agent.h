/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The machine's guest agent (qemu-guest-agent): programs are run in it, without network and password. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "deploy/hypervisor.h"

#define AGENT_OUTPUT_MAX (1u << 20)

/* -EAGAIN: it does not answer (yet) */
int agent_ping(struct hypervisor *hv, const char *domain);
/* argv[0] is a path; ends with NULL. The exit status, or -errno (-ETIMEDOUT: not ended after so many seconds); *out:
 * its standard output and error, the caller's, may be NULL */
int agent_run(struct hypervisor *hv, const char *domain, const char *const *argv, unsigned int seconds, char **out);
/* [{name, address, prefix}] of every interface but lo; a new reference, NULL when it is not known */
json_t *agent_addresses(struct hypervisor *hv, const char *domain);

/* How the appliance is, as it says itself */
struct health {
	bool agent;                 /* the guest agent answers */
	bool supervisor;            /* sluice show status answers */
	bool day0_done;             /* settings of day 0 are in force */
	json_t *status;             /* of `sluice show status --json`, or NULL */
	json_t *slots;              /* of `sluice system slots --json`, or NULL */
	char inspection[32];        /* "on"; "" */
	char version[64], why[160]; /* why it is not well, for a person */
};

void health_clear(struct health *health);
/* settings: there was a medium with settings of day 0. true: it is well */
bool health_look(struct hypervisor *hv, const char *domain, bool settings, struct health *out);
json_t *health_json(const struct health *health);
