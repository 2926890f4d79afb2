/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* eBPF objects of an instance: load, pin, adopt, attach. */
#include "dataplane/state.h"

/* Loads the programs over the pinned maps, which are created where missing; fills dataplane->bpf, control, map and
 * flow_map_fd. */
int programs_load(struct dataplane *dataplane);
void programs_unload(struct dataplane *dataplane);

/* The classifiers; in the current namespace. An attached program is replaced in place, without a gap. */
int programs_attach_port(struct dataplane *dataplane, int ifindex);
/* whether the classifier is there, whoever loaded it */
bool programs_on_port(struct dataplane *dataplane, int ifindex);
int programs_attach_ti0(struct dataplane *dataplane, int ifindex);
/* The listener lookup of `inspect`; its link is pinned and taken over by the next supervisor. */
int programs_attach_lookup(struct dataplane *dataplane);

/* idempotent */
int programs_remove_pins(const struct instance *instance);
