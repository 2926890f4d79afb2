/* SPDX-License-Identifier: Apache-2.0 */
#include "programs_fixture.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <linux/pkt_cls.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/common.h"
#include "dataplane/publish.h"
#include "dataplane/rtnl.h"

const char fixture_config[] =
	"device: {name: test}\n"
	"segments:\n"
	"  - {name: s0, port_a: a, port_b: b}\n"
	"  - {name: s1, port_a: c, port_b: d}\n"
	"ssl_servers:\n"
	"  - {name: web, destinations: [10.9.0.2], detection_ports: [443, 8443-8450], certificates: [c], "
	"decrypted_service: http}\n"
	"  - {name: pop, destinations: [10.9.0.0/16], detection_ports: [995], certificates: [c], decrypted_service: "
	"pop3, when_unavailable: block}\n"
	"profiles:\n"
	"  - {name: none}\n"
	"  - name: p\n"
	"    ssl_policies:\n"
	"      - {name: p-web, ssl_server: web, source_address_exceptions: [10.9.7.0/24]}\n"
	"      - {name: p-pop, ssl_server: pop}\n"
	"virtual_segments:\n"
	"  - {name: guests, segment: s0, direction: a_to_b, sources: [10.9.8.0/24, 10.9.9.9], profile: none}\n"
	"  - {name: tagged, segment: s0, direction: a_to_b, vlans: [10-20], profile: none}\n"
	"  - {name: in, segment: s0, direction: a_to_b, vlans: [untagged], destinations: [10.9.0.0/16], profile: p}\n"
	"  - {name: in1, segment: s1, direction: a_to_b, profile: p}\n";

struct dataplane wire; /* maps only */
int port_index[PORTS];
static int listener = -1;
uint8_t out[FRAME_MAX];
size_t out_length;

static void fill_map_fds(const struct dataplane_bpf *bpf)
{
	wire.map.counters = bpf_map__fd(bpf->maps.counters);
	wire.map.heartbeats = bpf_map__fd(bpf->maps.heartbeats);
	wire.map.listeners = bpf_map__fd(bpf->maps.listeners);
	wire.map.ports = bpf_map__fd(bpf->maps.ports);
	wire.map.segment_ports = bpf_map__fd(bpf->maps.segment_ports);
	wire.map.epochs = bpf_map__fd(bpf->maps.epochs);
	wire.map.virtual_segments = bpf_map__fd(bpf->maps.virtual_segments);
	wire.map.destinations = bpf_map__fd(bpf->maps.destinations);
	wire.map.servers = bpf_map__fd(bpf->maps.servers);
	wire.map.exceptions = bpf_map__fd(bpf->maps.exceptions);
	wire.map.flows = bpf_map__fd(bpf->maps.flows);
	wire.map.aliases = bpf_map__fd(bpf->maps.aliases);
	wire.map.server_limits = bpf_map__fd(bpf->maps.server_limits);
	wire.map.server_quotas = bpf_map__fd(bpf->maps.server_quotas);
	wire.map.source_quotas = bpf_map__fd(bpf->maps.source_quotas);
	wire.map.bypass_masks = bpf_map__fd(bpf->maps.bypass_masks);
	wire.map.bypass_rules = bpf_map__fd(bpf->maps.bypass_rules);
	wire.control = mmap(
		NULL, sizeof(*wire.control), PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(bpf->maps.control), 0);
	assert_true(wire.control != MAP_FAILED);
	wire.session_limits = mmap(NULL, sizeof(*wire.session_limits), PROT_READ | PROT_WRITE, MAP_SHARED,
		bpf_map__fd(bpf->maps.session_limits), 0);
	assert_true(wire.session_limits != MAP_FAILED);
}

void fixture_add_port(int port, unsigned int mtu)
{
	const struct wire_port entry = {
		.peer = port_index[port ^ 1], .mtu = mtu, .segment = port / 2, .side = port & 1};
	const __u32 key = port_index[port], cell = port;

	assert_int_equal(bpf_map_update_elem(wire.map.ports, &key, &entry, BPF_ANY), 0);
	assert_int_equal(bpf_map_update_elem(wire.map.segment_ports, &cell, &key, BPF_ANY), 0);
}

static void make_ports(void)
{
	static const char *const names[PORTS] = {"a", "b", "c", "d"};
	struct rtnl_link link;
	int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_int_equal(rtnl_veth_create("a", "b", here), 0);
	assert_int_equal(rtnl_veth_create("c", "d", here), 0);
	close(here);
	for (int port = 0; port < PORTS; port++) {
		assert_int_equal(rtnl_link_get(names[port], &link), 0);
		port_index[port] = link.index;
	}
	for (int port = 0; port < PORTS; port++)
		fixture_add_port(port, PORT_MTU);
}

void fixture_publish(const char *text, __u32 epoch, __u32 version)
{
	const uint16_t numbers[] = {0, 1};
	struct config_problems problems = {0};
	struct config *config = NULL;
	struct plan *plan = NULL;

	assert_int_equal(config_parse(text, strlen(text), &config, &problems), 0);
	assert_int_equal(plan_new(&plan, config, numbers), 0);
	assert_int_equal(publish_write(&wire, plan, epoch, version), 0);
	plan_free(&plan);
	config_unref(&config);
	config_problems_clear(&problems);
}

void fixture_set_heartbeat(unsigned int slot, uint64_t ns)
{
	const struct wire_heartbeat beat = {.ns = ns};

	assert_int_equal(bpf_map_update_elem(wire.map.heartbeats, &slot, &beat, BPF_ANY), 0);
}

void fixture_set_listener(unsigned int slot)
{
	const __u64 value = listener;

	assert_int_equal(bpf_map_update_elem(wire.map.listeners, &slot, &value, BPF_ANY), 0);
}

int fixture_group_setup(void **state)
{
	struct dataplane_bpf *bpf;
	struct rtnl_link lo;

	if (geteuid() != 0)
		exit(77);
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	assert_int_equal(rtnl_link_get("lo", &lo), 0);
	assert_int_equal(rtnl_link_set_flags(lo.index, 1, 1), 0);
	bpf = dataplane_bpf__open_and_load();
	assert_non_null(bpf);
	*state = bpf;
	fill_map_fds(bpf);
	make_ports();
	fixture_publish(fixture_config, 1, 77);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(listen(listener, 8), 0);
	return 0;
}

int fixture_group_teardown(void **state)
{
	munmap(wire.control, sizeof(*wire.control));
	dataplane_bpf__destroy(*state);
	close(listener);
	return 0;
}

static void empty_map(int map)
{
	char key[64];

	while (bpf_map_get_next_key(map, NULL, key) == 0)
		bpf_map_delete_elem(map, key);
}

/* one live worker, in slot 3; nothing in the tables; counters at 0 */
int fixture_setup(void **state)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *zero = calloc(cpus, sizeof(*zero));

	empty_map(wire.map.flows);
	empty_map(wire.map.aliases);
	empty_map(bpf_map__fd(((const struct dataplane_bpf *)*state)->maps.odd_tunnels));
	for (__u32 i = 0; i < WIRE_COUNTERS; i++)
		bpf_map_update_elem(wire.map.counters, &i, zero, BPF_ANY);
	*wire.control = (struct wire_control){.epoch = 1,
		.ti0 = port_index[D],
		.mtu = PORT_MTU,
		.max_flows = 1000,
		.workers = 2ull << 32 | 4,
		.heartbeat_limit_ns = NSEC_PER_SEC};
	for (__u32 slot = 0; slot < FLOW_WORKERS_MAX; slot++)
		bpf_map_delete_elem(wire.map.listeners, &slot);
	fixture_set_listener(3);
	fixture_set_heartbeat(3, clock_now_ns());
	return 0;
}

uint64_t fixture_counter(enum wire_counter which)
{
	uint64_t values[WIRE_COUNTERS];

	assert_int_equal(dataplane_read_counters(&wire, values, WIRE_COUNTERS), 0);
	return values[which];
}

int fixture_run_program(const struct bpf_program *program, const uint8_t *data, size_t length, int ifindex)
{
	struct __sk_buff context = {.ifindex = ifindex};
	LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = data, .data_size_in = length, .data_out = out,
		.data_size_out = sizeof(out), .ctx_in = &context, .ctx_size_in = sizeof(context));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
	out_length = options.data_size_out;
	return options.retval;
}

int fixture_run_port(void **state, int port, const uint8_t *data, size_t length)
{
	const struct dataplane_bpf *bpf = *state;

	return fixture_run_program(bpf->progs.port_ingress, data, length, port_index[port]);
}

int fixture_port_tcp(void **state, int port, const struct tcp_frame *tcp)
{
	uint8_t data[FRAME_MAX];

	return fixture_run_port(state, port, data, frame_tcp(data, tcp));
}

int fixture_inspect_tcp(void **state, const struct tcp_frame *tcp)
{
	const struct dataplane_bpf *bpf = *state;
	uint8_t data[FRAME_MAX];

	return fixture_run_program(bpf->progs.ti0_ingress, data, frame_tcp(data, tcp), port_index[D]);
}

bool fixture_find_flow(struct flow *flow, uint16_t client_port)
{
	const struct flow_key key = {htonl(CLIENT_IP), htonl(SERVER_IP), htons(client_port), htons(SERVER_PORT)};

	return bpf_map_lookup_elem(wire.map.flows, &key, flow) == 0;
}

void fixture_expect_taken(void **state, int port, const struct tcp_frame *tcp, bool taken)
{
	uint64_t before = fixture_counter(COUNT_WIRE_TO_INSPECT), forwarded = fixture_counter(COUNT_WIRE_FORWARDED);

	assert_int_equal(fixture_port_tcp(state, port, tcp), TC_ACT_REDIRECT);
	assert_int_equal(fixture_counter(COUNT_WIRE_TO_INSPECT) - before, taken);
	assert_int_equal(fixture_counter(COUNT_WIRE_FORWARDED) - forwarded, !taken);
}
