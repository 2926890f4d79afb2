/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The eBPF programs in a namespace of this process's own, with the policy of fixture_config. Segment 0 has ports A and
 * B, segment 1 ports C and D; one worker is live, in slot 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/state.h"
#include "dataplane.skel.h"
#include "frames.h"

enum { A, B, C, D, PORTS };
#define PORT_MTU 1500
#define SMALL_MTU 1400

extern const char fixture_config[];
extern struct dataplane wire; /* maps only */
extern int port_index[PORTS];
extern uint8_t out[FRAME_MAX]; /* the frame after the program */
extern size_t out_length;

int fixture_group_setup(void **state);
int fixture_group_teardown(void **state);
/* empty tables, counters at 0 */
int fixture_setup(void **state);

void fixture_publish(const char *text, __u32 epoch, __u32 version);
void fixture_add_port(int port, unsigned int mtu);
void fixture_set_heartbeat(unsigned int slot, uint64_t ns);
void fixture_set_listener(unsigned int slot);
uint64_t fixture_counter(enum wire_counter which);

/* each returns the program's verdict */
int fixture_run_program(const struct bpf_program *program, const uint8_t *data, size_t length, int ifindex);
int fixture_run_port(void **state, int port, const uint8_t *data, size_t length);
int fixture_port_tcp(void **state, int port, const struct tcp_frame *tcp);
int fixture_inspect_tcp(void **state, const struct tcp_frame *tcp);

/* the flow of the default connection from that client port */
bool fixture_find_flow(struct flow *flow, uint16_t client_port);
/* the frame was taken for inspection, or not: exactly one of the two counters moved */
void fixture_expect_taken(void **state, int port, const struct tcp_frame *tcp, bool taken);

#define TCP(...) (&(const struct tcp_frame){__VA_ARGS__})
/* the server's side of the default connection */
#define BACK_TO(port) \
	.source = SERVER_IP, .destination = CLIENT_IP, .source_port = SERVER_PORT, .destination_port = (port)
#define BACK BACK_TO(CLIENT_PORT)
