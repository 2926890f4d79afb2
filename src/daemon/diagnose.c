/* SPDX-License-Identifier: Apache-2.0 */
/* diagnose: why is this connection not inspected (I2)? Each step of the way is judged on the live system, in the order
 * in which operators of the model look; the first that is wrong is the answer, with its mend. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/common.h"
#include "config/decide.h"
#include "daemon/supervisor.h"

#define DIAGNOSE_TEXT_MAX 512

struct diagnosis {
	const struct supervisor *supervisor;
	const struct config *config;
	struct config_flow flow;
	struct config_decision decision;
	char client[INET_ADDRSTRLEN], server[INET_ADDRSTRLEN];
	json_t *steps;
	const char *first; /* step that is wrong; NULL: none */
};

enum step_state { STEP_GOOD, STEP_BAD, STEP_NOTE };

__attribute__((format(printf, 5, 6))) static void diagnosis_step(
	struct diagnosis *diagnosis, const char *name, enum step_state state, const char *mend, const char *fmt, ...)
{
	static const char *const states[] = {"good", "bad", "note"};
	char text[DIAGNOSE_TEXT_MAX];
	json_t *step;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	step = json_pack("{s:s, s:s, s:s}", "step", name, "state", states[state], "text", text);
	if (mend && state != STEP_GOOD)
		json_object_set_new(step, "mend", json_string(mend));
	json_array_append_new(diagnosis->steps, step);
	if (state == STEP_BAD && !diagnosis->first)
		diagnosis->first = name;
}

#define GOOD(name, ...) diagnosis_step(diagnosis, name, STEP_GOOD, NULL, __VA_ARGS__)
#define BAD(name, mend, ...) diagnosis_step(diagnosis, name, STEP_BAD, mend, __VA_ARGS__)
#define NOTE(name, mend, ...) diagnosis_step(diagnosis, name, STEP_NOTE, mend, __VA_ARGS__)

/* --- the steps ------------------------------------------------------------------------------------------------------
 */

static void step_enabled(struct diagnosis *diagnosis)
{
	const struct health_check *refusal = health_refusal(&diagnosis->supervisor->health);

	if (diagnosis->config->ssl_inspection && refusal)
		BAD("enabled", refusal->cost, "SSL inspection is refused on this machine: %s", refusal->title);
	else if (diagnosis->config->ssl_inspection)
		GOOD("enabled", "SSL inspection is enabled");
	else
		BAD("enabled", "set device.ssl_inspection: on and commit", "SSL inspection is disabled");
}

/* bypass: without a live worker the wire passes or drops what it would have inspected (A8) */
static void step_bypass(struct diagnosis *diagnosis)
{
	unsigned int wanted = 0, live = 0;

	for (unsigned int i = 0; i < FLOW_WORKERS_MAX; i++) {
		const struct worker_slot *worker = &diagnosis->supervisor->workers[i];

		wanted += worker->wanted;
		live += worker->wanted && !strcmp(report_worker_state(diagnosis->supervisor, worker), "live");
	}
	if (live)
		GOOD("bypass", "%u of %u workers are live: new sessions are not bypassed", live, wanted);
	else if (!diagnosis->config->ssl_inspection)
		NOTE("bypass", NULL, "no worker runs, because SSL inspection is disabled");
	else if (!diagnosis->config->n_ssl_servers)
		NOTE("bypass", NULL, "no worker runs, because no SSL server is configured");
	else
		BAD("bypass",
			"see \"sluice show log system\" for why workers end; they are started again by themselves",
			"none of %u workers is live: new sessions are bypassed or blocked, as each SSL server's "
			"when_unavailable says",
			wanted);
}

/* A8: on the segment at hand, by command or overload */
static void step_fallback(struct diagnosis *diagnosis)
{
	const struct config_virtual_segment *segment = diagnosis->decision.virtual_segment;
	size_t i = segment ? (size_t)(segment->segment - diagnosis->config->segments) : 0;
	const char *cause = segment ? fallback_cause((struct supervisor *)diagnosis->supervisor, i) : NULL;

	if (!cause || !strcmp(cause, "no live worker"))
		return; /* step_bypass has said it */
	BAD("fallback",
		!strcmp(cause, "command")
			? "\"sluice fallback leave\" ends it"
			: "give the machine more memory, or lower limits.max_sessions; it ends by itself",
		"segment %s is in layer-2 fallback (%s): new sessions are bypassed or blocked", segment->segment->name,
		cause);
}

static const json_t *certificate_facts(const struct diagnosis *diagnosis, const char *name)
{
	const json_t *facts;
	size_t i;

	json_array_foreach(diagnosis->supervisor->policy->certificates, i, facts)
	{
		const char *known = json_string_value(json_object_get(facts, "name"));

		if (known && !strcmp(known, name))
			return facts;
	}
	return NULL;
}

static bool certificate_expired(const json_t *facts)
{
	const char *end = json_string_value(json_object_get(facts, "not_after"));
	time_t now = time(NULL);
	struct tm tm;
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	return end && strcmp(end, text) < 0;
}

static void certificate_judge(struct diagnosis *diagnosis, const char *name)
{
	const char *state = json_string_value(json_object_get(diagnosis->supervisor->key_states, name));

	if (!state || strcmp(state, "available"))
		BAD("certificate",
			"import it again with \"sluice certificate import\"; \"sluice certificate list\" shows the "
			"state of "
			"each key",
			"the private key of certificate %s is not available: %s", name, state ? state : "not loaded");
	else if (certificate_expired(certificate_facts(diagnosis, name)))
		NOTE("certificate", "import the server's new certificate",
			"certificate %s has expired: clients refuse it", name);
	else
		GOOD("certificate", "certificate %s and its private key are available", name);
}

static void step_certificate(struct diagnosis *diagnosis)
{
	const struct config_ssl_server *server = diagnosis->decision.endpoint;

	if (!child_running(&diagnosis->supervisor->keeper.child))
		BAD("certificate", "see \"sluice show log system\": it is started again by itself",
			"the key keeper is not running, so no private key can be used");
	for (size_t i = 0; server && i < server->certificates.n; i++)
		certificate_judge(diagnosis, server->certificates.items[i]);
}

static void step_server(struct diagnosis *diagnosis)
{
	const struct config_decision *decision = &diagnosis->decision;

	if (!decision->address)
		BAD("server", "add the address to the destinations of an SSL server, or add an SSL server, and commit",
			"no SSL server has the address %s", diagnosis->server);
	else if (!decision->endpoint)
		BAD("port", "add the port to the detection_ports of that SSL server and commit",
			"SSL server %s has the address %s, but no SSL server there has port %u as a detection port",
			decision->address->name, diagnosis->server, diagnosis->flow.port);
	else
		GOOD("server", "SSL server %s has %s and detection port %u", decision->endpoint->name,
			diagnosis->server, diagnosis->flow.port);
}

/* what keeps the virtual segment that comes nearest from taking this connection */
static void segment_explain(struct diagnosis *diagnosis)
{
	static const char *const reasons[] = {
		[CONFIG_MISS_SEGMENT] = "is on another segment",
		[CONFIG_MISS_SIDE] = "takes connections that begin on the other side (direction)",
		[CONFIG_MISS_VLAN] = "does not contain this VLAN (vlans)",
		[CONFIG_MISS_SOURCE] = "does not contain the client's address (sources)",
		[CONFIG_MISS_DESTINATION] = "does not contain the server's address (destinations)",
	};
	const struct config_virtual_segment *nearest = NULL;
	enum config_miss miss = CONFIG_MISS_NONE;

	for (size_t i = 0; i < diagnosis->config->n_virtual_segments; i++) {
		const struct config_virtual_segment *segment = &diagnosis->config->virtual_segments[i];
		enum config_miss m = config_virtual_segment_miss(segment, &diagnosis->flow);

		if (m > miss) {
			miss = m;
			nearest = segment;
		}
	}
	if (nearest)
		BAD("segment", "widen that virtual segment, or add one that contains the connection, and commit",
			"no virtual segment takes the connection: the nearest, %s, %s", nearest->name, reasons[miss]);
	else
		BAD("segment", "add a virtual segment with a profile for the port where clients' requests arrive",
			"there is no virtual segment, so no traffic has a profile");
}

static void step_profile(struct diagnosis *diagnosis)
{
	const struct config_virtual_segment *segment = diagnosis->decision.virtual_segment;
	const struct config_profile *profile = segment->profile;

	GOOD("segment", "virtual segment %s on segment %s takes the connection", segment->name, segment->segment->name);
	if (!profile->n_ssl_policies)
		BAD("profile",
			"give the profile an SSL policy for the server, or assign another profile to the virtual "
			"segment",
			"profile %s of virtual segment %s has no SSL policy at all", profile->name, segment->name);
	else if (!diagnosis->decision.policy)
		BAD("policy", "add an SSL policy for that SSL server to the profile and commit",
			"profile %s of virtual segment %s has no SSL policy for SSL server %s", profile->name,
			segment->name, diagnosis->decision.endpoint ? diagnosis->decision.endpoint->name : "(none)");
	else
		GOOD("profile", "profile %s has SSL policy %s for SSL server %s", profile->name,
			diagnosis->decision.policy->name, diagnosis->decision.policy->ssl_server->name);
}

static void step_exception(struct diagnosis *diagnosis)
{
	if (diagnosis->decision.excepted)
		BAD("exception", "take the client out of the policy's source_address_exceptions and commit",
			"the client %s is a source address exception of SSL policy %s: it passes undecrypted",
			diagnosis->client, diagnosis->decision.policy->name);
	else
		GOOD("exception", "the client is no source address exception");
}

/* sessions of an earlier policy go on as they began: what is open now need not follow the decision above */
static void step_sessions(struct diagnosis *diagnosis)
{
	json_t *request = json_pack("{s:s}", "client", diagnosis->client);
	json_t *listed = report_sessions((struct supervisor *)diagnosis->supervisor, request), *row;
	unsigned int open = 0;
	size_t i;

	json_array_foreach(json_object_get(listed, "sessions"), i, row)
	{
		const char *server = json_string_value(json_object_get(row, "server_ip"));

		open += server && !strcmp(server, diagnosis->server) &&
			json_integer_value(json_object_get(row, "server_port")) == diagnosis->flow.port;
	}
	json_decref(listed);
	json_decref(request);
	if (open)
		GOOD("sessions", "%u sessions between the two are being decrypted now", open);
	else
		NOTE("sessions", NULL, "no session between the two is open now");
}

/* the model asks for its licence here */
static void step_capability(struct diagnosis *diagnosis)
{
	NOTE("capability", NULL, "this version needs no capability package for SSL inspection");
}

/* B5 */
static void step_bypass_rule(struct diagnosis *diagnosis)
{
	const struct config_bypass_rule *rule = diagnosis->decision.bypass_rule;

	if (rule)
		BAD("bypass_rule", "narrow or remove that rule in bypass_rules and commit",
			"bypass rule %s lets the connection pass uninspected", rule->name);
	else if (diagnosis->config->n_bypass_rules)
		GOOD("bypass_rule", "none of %zu bypass rules fits", diagnosis->config->n_bypass_rules);
}

/* F6: beyond the bounds new sessions pass uninspected or are dropped, whatever the rest says */
static void step_limits(struct diagnosis *diagnosis)
{
	const struct limits_watch *watch = &diagnosis->supervisor->limits;
	const struct config_limits *limits = &diagnosis->config->limits;

	if (watch->critical)
		BAD("limits",
			"raise limits.max_sessions, or find out who opens so many (\"sluice show sessions\"); "
			"max_sessions_per_source bounds each client",
			"%llu SSL sessions: the critical threshold of %u is reached, new sessions are %s",
			(unsigned long long)watch->now, limits->max_sessions,
			limits->when_max_sessions == CONFIG_UNAVAILABLE_BLOCK ? "blocked" : "bypassed");
	else
		GOOD("limits", "%llu SSL sessions of at most %u", (unsigned long long)watch->now, limits->max_sessions);
}

/* of the segment that takes the connection; of all, where none does */
static void step_link(struct diagnosis *diagnosis)
{
	const struct config_virtual_segment *taken = diagnosis->decision.virtual_segment;
	unsigned int up = 0;

	for (size_t i = 0; i < diagnosis->config->n_segments; i++) {
		const struct config_segment *segment = &diagnosis->config->segments[i];

		for (int side = 0; (!taken || taken->segment == segment) && side < CONFIG_SIDE_N; side++) {
			int link = dataplane_port_link(diagnosis->supervisor->dataplane, segment->port[side]);

			if (links_held(diagnosis->supervisor, segment) == side)
				continue; /* for want of the other's link, which is what is wrong */

			up += link > 0;
			if (link == 0)
				BAD("link", "check the cable, the switch port or the hypervisor's network",
					"port %c (%s) of segment %s has no link", "AB"[side], segment -> port[side],
					segment -> name);
			else if (link < 0)
				BAD("link",
					"bring the interface back and commit: it has left the appliance, or was never "
					"there",
					"port %c (%s) of segment %s is not on the wire", "AB"[side],
					segment -> port[side], segment -> name);
		}
	}
	if (up && (!diagnosis->first || strcmp(diagnosis->first, "link")))
		GOOD("link", "%u ports have a link", up);
}

static void diagnosis_run(struct diagnosis *diagnosis)
{
	step_bypass(diagnosis);
	step_fallback(diagnosis);
	step_capability(diagnosis);
	step_enabled(diagnosis);
	step_certificate(diagnosis);
	step_server(diagnosis);
	if (diagnosis->decision.virtual_segment)
		step_profile(diagnosis);
	else
		segment_explain(diagnosis);
	if (diagnosis->decision.policy)
		step_exception(diagnosis);
	step_limits(diagnosis);
	step_bypass_rule(diagnosis);
	step_link(diagnosis);
	step_sessions(diagnosis);
}

/* --- the question ---------------------------------------------------------------------------------------------------
 */

static const char *diagnosis_read(struct diagnosis *diagnosis, const json_t *request)
{
	const char *client = json_string_value(json_object_get(request, "client"));
	const char *server = json_string_value(json_object_get(request, "server"));
	const char *from = json_string_value(json_object_get(request, "from"));
	const json_t *vlan = json_object_get(request, "vlan");
	json_int_t port = json_integer_value(json_object_get(request, "port"));

	if (!client || inet_pton(AF_INET, client, &diagnosis->flow.client) != 1)
		return "the client is not an IPv4 address";
	if (!server || inet_pton(AF_INET, server, &diagnosis->flow.server) != 1)
		return "the server is not an IPv4 address";
	if (port < 1 || port > 65535)
		return "the port is not a number from 1 to 65535";
	if (from && strcmp(from, "a") && strcmp(from, "b"))
		return "the side on which the client is (--from) is a or b";
	if (vlan && (json_integer_value(vlan) < 1 || json_integer_value(vlan) > 4094))
		return "a VLAN is a number from 1 to 4094";
	diagnosis->flow.port = port;
	diagnosis->flow.vlan = vlan ? (int)json_integer_value(vlan) : -1;
	diagnosis->flow.side = !from ? -1 : *from == 'a' ? CONFIG_SIDE_A : CONFIG_SIDE_B;
	diagnosis->flow.segment = json_string_value(json_object_get(request, "segment"));
	inet_ntop(AF_INET, &diagnosis->flow.client, diagnosis->client, sizeof(diagnosis->client));
	inet_ntop(AF_INET, &diagnosis->flow.server, diagnosis->server, sizeof(diagnosis->server));
	return NULL;
}

json_t *report_diagnose(struct supervisor *supervisor, const json_t *request)
{
	struct diagnosis diagnosis = {.supervisor = supervisor};
	const char *error = diagnosis_read(&diagnosis, request);

	if (error)
		return json_pack("{s:b, s:s}", "ok", 0, "error", error);
	diagnosis.steps = json_array();
	if (supervisor->policy) {
		diagnosis.config = supervisor->policy->config;
		diagnosis.decision = config_decide(diagnosis.config, &diagnosis.flow);
		diagnosis_run(&diagnosis);
	} else {
		diagnosis_step(&diagnosis, "configuration", STEP_BAD, "commit one with \"sluice commit FILE\"",
			"no configuration is in force");
	}
	return json_pack("{s:b, s:s, s:s, s:i, s:b, s:s?, s:s?, s:o}", "ok", 1, "client", diagnosis.client, "server",
		diagnosis.server, "port", (int)diagnosis.flow.port, "inspected", !diagnosis.first, "ssl_server",
		diagnosis.decision.endpoint ? diagnosis.decision.endpoint->name : NULL, "first_problem",
		diagnosis.first, "steps", diagnosis.steps);
}
