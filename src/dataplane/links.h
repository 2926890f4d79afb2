/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* A11: ports that are held down because the other port of their segment has no link. */
#include <stdbool.h>

struct dataplane;

/* Down until it is let up again, whatever is applied in between; -ENODEV: there is no such port */
int dataplane_hold_port(struct dataplane *dataplane, const char *port, bool hold);
bool dataplane_port_is_held(const struct dataplane *dataplane, int index);
/* A descriptor, the caller's, that is readable when a link of `wire` may have changed; -errno */
int dataplane_watch_links(struct dataplane *dataplane);
/* reads it until it has nothing more to say */
void dataplane_drain_links(int fd);
