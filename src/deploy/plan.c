/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"

/* Memory: the smallest machine that inspects has 2 GB. A session that is inspected takes 8 KB of the processes
 * (docs/benchmarks.md) and the kernel's socket buffers of both legs, for which 56 KB are allowed.
 * vCPU: one for the system, one for each 500 full handshakes a second, half of what one was measured to do, of sessions
 * that live a minute. */
#define SIZE_BASE_MIB 2048
#define SIZE_SESSION_KIB 64
#define SIZE_SESSION_SECONDS 60
#define SIZE_HANDSHAKES 500

const char *const plan_nic_titles[PLAN_NICS] = {"management", "port A", "port B"};
const char *const plan_nic_options[PLAN_NICS] = {"--management", "--port-a", "--port-b"};

void plan_size(unsigned int sessions, unsigned int *vcpus, uint64_t *memory_mib)
{
	uint64_t memory = SIZE_BASE_MIB + ((uint64_t)sessions * SIZE_SESSION_KIB >> 10);
	unsigned int per_second = sessions / SIZE_SESSION_SECONDS;

	*vcpus = MAX(2, 1 + (per_second + SIZE_HANDSHAKES - 1) / SIZE_HANDSHAKES);
	*memory_mib = (memory + 511) / 512 * 512;
}

static bool is_name(const char *text, size_t max)
{
	size_t len = strlen(text);

	return len > 0 && len <= max && text[0] != '.' && text[0] != '-' &&
	       strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-") == len;
}

/* "vf=ens1f0:3" */
static int parse_function(char *name, unsigned int *function)
{
	char *colon = strchr(name, ':'), *end;
	unsigned long number;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return -EINVAL;
	number = strtoul(colon + 1, &end, 10);
	if (*end || number > 255)
		return -EINVAL;
	*colon = '\0';
	*function = number;
	return 0;
}

static int parse_nic(const char *text, enum plan_nic_id id, struct plan_nic *out)
{
	static const char *const kinds[] = {[PLAN_NETWORK] = "network=", [PLAN_BRIDGE] = "bridge=", [PLAN_VF] = "vf="};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i]);

		if (strncmp(text, kinds[i], len) != 0 || strlen(text + len) >= sizeof(out->name))
			continue;
		out->given = true;
		out->kind = i;
		snprintf(out->name, sizeof(out->name), "%s", text + len);
		if (i == PLAN_VF && (id == PLAN_MANAGEMENT || parse_function(out->name, &out->function) < 0))
			return -EINVAL;
		return is_name(out->name, i == PLAN_NETWORK ? 63 : 15) ? 0 : -EINVAL;
	}
	return -EINVAL;
}

/* "2-5,8" */
static int parse_cpus(const char *text, struct plan *plan)
{
	while (*text) {
		char *end;
		unsigned long low = strtoul(text, &end, 10), high = low;

		if (end == text)
			return -EINVAL;
		if (*end == '-') {
			text = end + 1;
			high = strtoul(text, &end, 10);
			if (end == text || high < low)
				return -EINVAL;
		}
		for (unsigned long cpu = low; cpu <= high; cpu++) {
			if (plan->n_cpus == PLAN_CPUS_MAX || cpu > 65535)
				return -EINVAL;
			plan->cpus[plan->n_cpus++] = cpu;
		}
		if (*end && *end != ',')
			return -EINVAL;
		text = *end ? end + 1 : end;
	}
	return plan->n_cpus ? 0 : -EINVAL;
}

static bool same_place(const struct plan_nic *a, const struct plan_nic *b)
{
	return a->given && b->given && a->kind == b->kind && strcmp(a->name, b->name) == 0;
}

static int plan_nics(const struct options *options, struct plan *out, char problem[256], char mend[256])
{
	const char *const texts[PLAN_NICS] = {options->management, options->port_a, options->port_b};

	for (unsigned int i = 0; i < PLAN_NICS; i++)
		if (texts[i] && parse_nic(texts[i], i, &out->nics[i]) < 0) {
			snprintf(problem, 256, "%s '%.100s' names no network", plan_nic_options[i], texts[i]);
			snprintf(mend, 256, "%s",
				i == PLAN_MANAGEMENT
					? "write network=NAME or bridge=NAME"
					: "write bridge=NAME, network=NAME or vf=PHYSICAL:NUMBER, such as vf=ens1f0:0");
			return -EINVAL;
		}
	for (unsigned int a = 0; a < PLAN_NICS; a++)
		for (unsigned int b = a + 1; b < PLAN_NICS; b++)
			if (same_place(&out->nics[a], &out->nics[b]) && out->nics[a].kind != PLAN_NETWORK) {
				snprintf(problem, 256, "%s and %s are both on %s: %s", plan_nic_titles[a],
					plan_nic_titles[b], out->nics[a].name,
					a == PLAN_MANAGEMENT ? "the management would be on the wire"
							     : "a frame would go round in a circle");
				snprintf(mend, 256, "%s",
					out->nics[a].kind == PLAN_VF ? "take virtual functions of two physical ports"
								     : "give each a bridge of its own");
				return -EINVAL;
			}
	return 0;
}

int plan_make(const struct options *options, struct plan *out, char problem[256], char mend[256])
{
	const char *name = options->name ? options->name : "sluice";

	memset(out, 0, sizeof(*out));
	if (!is_name(name, 50) || !is_name(options->pool, 63)) {
		snprintf(problem, 256, "'%.100s' is no name for a machine or pool",
			is_name(name, 50) ? options->pool : name);
		snprintf(mend, 256, "letters, digits, '-', '_' and '.', at most 50");
		return -EINVAL;
	}
	snprintf(out->name, sizeof(out->name), "%s", name);
	snprintf(out->pool, sizeof(out->pool), "%s", options->pool);
	plan_size(options->sessions, &out->vcpus, &out->memory_mib);
	out->sessions = options->sessions;
	out->vcpus = options->vcpus ? options->vcpus : out->vcpus;
	out->memory_mib = options->memory_mib ? options->memory_mib : out->memory_mib;
	out->disk_gib = options->disk_gib;
	out->emulated = options->emulated;
	out->hugepages = options->hugepages;
	out->autostart = !options->no_autostart;
	if (options->cpus && (parse_cpus(options->cpus, out) < 0 || out->n_cpus < out->vcpus)) {
		snprintf(problem, 256, "--cpus '%.100s' names %u processors for %u vCPU", options->cpus, out->n_cpus,
			out->vcpus);
		snprintf(mend, 256, "name as many as there are vCPU, as 2-5,8, or set --vcpus");
		return -EINVAL;
	}
	return plan_nics(options, out, problem, mend);
}

/* FNV-1a: the same name gives the same addresses, so that a machine made again is known to its switches */
static uint32_t hash_name(const char *name, unsigned int salt)
{
	uint32_t hash = 2166136261u ^ salt;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

void plan_choose_macs(struct plan *plan, const char *taken)
{
	for (unsigned int salt = 0; salt < 1000; salt++) {
		uint32_t hash = hash_name(plan->name, salt);
		bool clash = false;

		for (unsigned int i = 0; i < PLAN_NICS; i++) {
			/* 52:54:00 is what qemu's machines have; the last digit is the interface's place */
			snprintf(plan->nics[i].mac, sizeof(plan->nics[i].mac), "52:54:00:%02x:%02x:%x%x", hash & 0xff,
				hash >> 8 & 0xff, hash >> 16 & 0xf, i);
			clash |= taken && strcasestr(taken, plan->nics[i].mac);
		}
		if (!clash)
			return;
	}
}
