/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "config/load.h"
#include "config/problems.h"
#include "events/event.h"

struct check {
	const struct config *config;
	const struct tree_node *root;
	struct config_problems *problems;
};

/* where an object stands; the root when it cannot be found again */
static const struct tree_node *check_at(const struct check *check, const char *list, size_t index)
{
	const struct tree_node *node = tree_item(tree_value(check->root, list), index);

	return node ? node : check->root;
}

static const struct tree_node *check_key_at(const struct check *check, const char *list, size_t index, const char *key)
{
	const struct tree_node *object = check_at(check, list, index), *value = tree_value(object, key);

	return value ? value : object;
}

#define check_problem(check, severity, at, ...)                                                          \
	do {                                                                                             \
		const struct tree_node *at_ = (at);                                                      \
		config_problems_add((check)->problems, (severity), at_->line, at_->column, __VA_ARGS__); \
	} while (0)

/* E1: two SSL servers of one profile must not claim the same destination and port */

struct claim { /* one destination of one SSL policy */
	uint32_t first, last;
	size_t policy;
	const struct config_ssl_server *server;
};

static int claim_compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;

	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	if (x->last != y->last)
		return x->last > y->last ? -1 : 1; /* the wider network first */
	return x->policy < y->policy ? -1 : x->policy > y->policy;
}

static bool claim_ports_overlap(const struct claim *a, const struct claim *b, struct config_range *out)
{
	const struct config_ranges *x = &a->server->detection_ports, *y = &b->server->detection_ports;

	for (size_t i = 0; i < x->n; i++) {
		for (size_t j = 0; j < y->n; j++) {
			out->low = MAX(x->items[i].low, y->items[j].low);
			out->high = MIN(x->items[i].high, y->items[j].high);
			if (out->low <= out->high)
				return true;
		}
	}
	return false;
}

/* inherited ones come first */
static size_t check_inherited(const struct config_profile *profile)
{
	size_t n = 0;

	while (n < profile->n_ssl_policies && profile->ssl_policies[n].origin)
		n++;
	return n;
}

/* an inherited one stands elsewhere: what is wrong is that this profile inherits it */
static const struct tree_node *check_policy_at(const struct check *check, size_t profile, size_t policy)
{
	size_t inherited = check_inherited(&check->config->profiles[profile]);
	const struct tree_node *at = check_at(check, "profiles", profile), *own;

	own = policy >= inherited ? tree_item(tree_value(at, "ssl_policies"), policy - inherited)
				  : tree_value(at, "parent");
	return own ? own : at;
}

/* how a policy is called in messages: its place in the document, or the profile that it is inherited from */
static void check_policy_name(const struct check *check, size_t profile, size_t policy, char *out, size_t size)
{
	const struct config_profile *p = &check->config->profiles[profile];
	size_t inherited = check_inherited(p);

	if (policy < inherited)
		snprintf(out, size, "SSL policy \"%s\" of profile \"%s\"", p->ssl_policies[policy].name ?: "?",
			check->config->profiles[p->ssl_policies[policy].origin - 1].name ?: "?");
	else
		snprintf(out, size, "ssl_policies[%zu]", policy - inherited);
}

static void claim_report(const struct check *check, size_t profile, const struct claim *wide,
	const struct claim *narrow, const struct config_range *ports)
{
	const struct claim *first = wide->policy < narrow->policy ? wide : narrow;
	const struct claim *second = first == wide ? narrow : wide;
	const struct config_profile *p = &check->config->profiles[profile];
	const struct tree_node *at = check_policy_at(check, profile, second->policy);
	struct in_addr address = {htonl(narrow->first)};
	char text[INET_ADDRSTRLEN], range[16], where[48] = "parent", other[192];
	int prefix = narrow->first == narrow->last ? 32 : __builtin_clz(narrow->first ^ narrow->last);

	inet_ntop(AF_INET, &address, text, sizeof(text));
	snprintf(range, sizeof(range), ports->low == ports->high ? "%u" : "%u-%u", ports->low, ports->high);
	if (!p->ssl_policies[second->policy].origin)
		snprintf(where, sizeof(where), "ssl_policies[%zu].ssl_server", second->policy - check_inherited(p));
	check_policy_name(check, profile, first->policy, other, sizeof(other));
	if (first->server == second->server)
		check_problem(check, CONFIG_ERROR, at,
			"profiles[%zu].%s: \"%s\" has an SSL policy in this profile already, %s on line %u: remove one",
			profile, where, second->server->name, other, p->ssl_policies[first->policy].line);
	else
		check_problem(check, CONFIG_ERROR, at,
			"profiles[%zu].%s: SSL servers \"%s\" and \"%s\" of this profile both claim "
			"%s/%d port %s: take it out of one of them, or put them into different profiles%s",
			profile, where, first->server->name, second->server->name, text, prefix, range,
			check_inherited(p) ? " (inherited SSL policies count, too)" : "");
}

/* Networks nest or are disjoint, so the sorted claims that still reach over a claim form a stack. Within one server
 * no destination covers another (load.c), so the stack holds each policy at most once. Whether their ports overlap
 * depends on the pair of policies alone: each is compared once, and reported once. */
static void check_claims(
	const struct check *check, size_t profile, const struct claim *claims, size_t n, bool *compared)
{
	const struct config_profile *p = &check->config->profiles[profile];
	_cleanup_free_ const struct claim **stack = calloc(n, sizeof(const struct claim *));
	size_t depth = 0;

	for (size_t i = 0; stack && i < n; i++) {
		while (depth && stack[depth - 1]->last < claims[i].first)
			depth--;
		for (size_t j = 0; j < depth; j++) {
			size_t low = MIN(stack[j]->policy, claims[i].policy),
			       high = MAX(stack[j]->policy, claims[i].policy);
			bool *done = &compared[low * p->n_ssl_policies + high];
			struct config_range ports;

			if (*done)
				continue;
			*done = true;
			if (claim_ports_overlap(stack[j], &claims[i], &ports))
				claim_report(check, profile, stack[j], &claims[i], &ports);
		}
		stack[depth++] = &claims[i];
	}
}

static size_t claims_collect(const struct config_profile *profile, struct claim *out)
{
	size_t n = 0;

	for (size_t i = 0; i < profile->n_ssl_policies; i++) {
		const struct config_ssl_server *server = profile->ssl_policies[i].ssl_server;

		for (size_t d = 0; server && d < server->destinations.n; d++, n++) {
			const struct config_cidr *cidr = &server->destinations.items[d];
			uint32_t first = ntohl(cidr->address.s_addr);
			uint32_t hosts = cidr->prefix < 32 ? UINT32_MAX >> cidr->prefix : 0;

			if (out)
				out[n] = (struct claim){first, first | hosts, i, server};
		}
	}
	return n;
}

static void check_overlaps(const struct check *check, size_t profile)
{
	const struct config_profile *p = &check->config->profiles[profile];
	size_t n = claims_collect(p, NULL);
	_cleanup_free_ struct claim *claims = calloc(n + 1, sizeof(*claims));
	_cleanup_free_ bool *compared = calloc(p->n_ssl_policies * p->n_ssl_policies + 1, sizeof(*compared));

	if (!claims || !compared) {
		check_problem(check, CONFIG_ERROR, check->root, "the memory is full");
		return;
	}
	claims_collect(p, claims);
	qsort(claims, n, sizeof(*claims), claim_compare);
	check_claims(check, profile, claims, n, compared);
}

/* a network interface is one port of one segment */

static void check_port(const struct check *check, size_t index, enum config_side side)
{
	static const char *const keys[] = {"port_a", "port_b"};
	const char *port = check->config->segments[index].port[side];

	for (size_t i = 0; port && i <= index; i++) {
		for (int s = 0; s < (i == index ? (int)side : CONFIG_SIDE_N); s++) {
			const struct config_segment *other = &check->config->segments[i];

			if (!other->port[s] || strcmp(other->port[s], port) != 0)
				continue;
			check_problem(check, CONFIG_ERROR, check_key_at(check, "segments", index, keys[side]),
				"segments[%zu].%s: \"%s\" is %s of segments[%zu] (line %u) already: an interface is "
				"one port of one segment",
				index, keys[side], port, keys[s], i, other->line);
			return;
		}
	}
}

/* warnings: what the document says and nothing does */

static bool check_profile_used(const struct config *config, const struct config_profile *profile)
{
	for (size_t i = 0; i < config->n_virtual_segments; i++)
		if (config->virtual_segments[i].profile == profile)
			return true;
	for (size_t i = 0; i < config->n_profiles; i++)
		if (config->profiles[i].parent == profile) /* told of the child, if it is not used either */
			return true;
	return false;
}

static bool check_segment_used(const struct config *config, const struct config_segment *segment)
{
	for (size_t i = 0; i < config->n_virtual_segments; i++)
		if (config->virtual_segments[i].segment == segment)
			return true;
	return !config->n_virtual_segments; /* of none at all one warning is enough */
}

static void check_unused(const struct check *check)
{
	const struct config *config = check->config;
	_cleanup_free_ bool *used = calloc(config->n_ssl_servers + 1, sizeof(*used));

	for (size_t i = 0; i < config->n_profiles; i++) {
		const struct config_profile *profile = &config->profiles[i];

		for (size_t j = 0; used && j < profile->n_ssl_policies; j++)
			used[profile->ssl_policies[j].ssl_server->id] = true;
		if (!check_profile_used(config, profile))
			check_problem(check, CONFIG_WARNING, check_at(check, "profiles", i),
				"profiles[%zu]: no virtual segment uses profile \"%s\": nothing is inspected by it", i,
				profile->name);
	}
	for (size_t i = 0; i < config->n_segments; i++)
		if (!check_segment_used(config, &config->segments[i]))
			check_problem(check, CONFIG_WARNING, check_at(check, "segments", i),
				"segments[%zu]: no virtual segment is on segment \"%s\": its traffic is forwarded and "
				"nothing is inspected",
				i, config->segments[i].name);
	for (size_t i = 0; used && i < config->n_ssl_servers; i++)
		if (!used[i])
			check_problem(check, CONFIG_WARNING, check_at(check, "ssl_servers", i),
				"ssl_servers[%zu]: no SSL policy names SSL server \"%s\": its traffic is not decrypted",
				i, config->ssl_servers[i].name);
}

static void check_nothing_inspected(const struct check *check)
{
	const struct config *config = check->config;

	if (!config->n_segments)
		check_problem(check, CONFIG_WARNING, check->root, "no segment is configured: Sluice takes no port");
	else if (config->ssl_inspection && !config->n_virtual_segments)
		check_problem(check, CONFIG_WARNING, check->root,
			"no virtual segment is configured: traffic is forwarded and nothing is inspected");
}

static bool cidr_covers(const struct config_cidr *wide, const struct config_cidr *narrow)
{
	uint32_t differ = ntohl(wide->address.s_addr) ^ ntohl(narrow->address.s_addr);

	return wide->prefix <= narrow->prefix && (wide->prefix == 0 || differ >> (32 - wide->prefix) == 0);
}

/* an empty list means any */
static bool cidrs_cover(const struct config_cidrs *wide, const struct config_cidrs *narrow)
{
	if (!wide->n)
		return true;
	for (size_t i = 0; i < narrow->n; i++) {
		size_t j = 0;

		while (j < wide->n && !cidr_covers(&wide->items[j], &narrow->items[i]))
			j++;
		if (j == wide->n)
			return false;
	}
	return narrow->n > 0;
}

static bool ranges_cover(const struct config_ranges *wide, const struct config_ranges *narrow)
{
	if (!wide->n)
		return true;
	for (size_t i = 0; i < narrow->n; i++) {
		size_t j = 0;

		while (j < wide->n &&
			(wide->items[j].low > narrow->items[i].low || wide->items[j].high < narrow->items[i].high))
			j++;
		if (j == wide->n)
			return false;
	}
	return narrow->n > 0;
}

static bool check_shadows(const struct config_virtual_segment *a, const struct config_virtual_segment *b)
{
	return a->segment == b->segment && a->direction == b->direction && ranges_cover(&a->vlans, &b->vlans) &&
	       cidrs_cover(&a->sources, &b->sources) && cidrs_cover(&a->destinations, &b->destinations);
}

static void check_shadowed(const struct check *check, size_t index)
{
	const struct config_virtual_segment *segments = check->config->virtual_segments;

	for (size_t i = 0; i < index; i++) {
		if (!check_shadows(&segments[i], &segments[index]))
			continue;
		check_problem(check, CONFIG_WARNING, check_at(check, "virtual_segments", index),
			"virtual_segments[%zu]: \"%s\" never matches, \"%s\" on line %u takes all its traffic: move it "
			"up or remove it",
			index, segments[index].name, segments[i].name, segments[i].line);
		return;
	}
}

/* names of logs are words of events/event.h, of which the schema knows nothing */
static void check_log_names(const struct check *check, size_t index)
{
	const struct config_strings *logs = &check->config->log_targets[index].logs;

	char allowed[256] = "";
	size_t n = 0;

	for (int log = 0; log < EVENT_LOG_N && n < sizeof(allowed); log++)
		n += (size_t)snprintf(allowed + n, sizeof(allowed) - n, "%s%s", log ? ", " : "", event_log_name(log));
	for (size_t i = 0; i < logs->n; i++)
		if (event_log_find(logs->items[i]) < 0)
			check_problem(check, CONFIG_ERROR, check_key_at(check, "log_targets", index, "logs"),
				"log_targets[%zu].logs: \"%s\" is no log: allowed are %s", index, logs->items[i],
				allowed);
}

/* --- rule variables ----------------------------------------------------------------------------------------------- */
static size_t variable_find(const struct config *config, const char *name)
{
	size_t i;

	for (i = 0; i < config->n_rule_variables && strcmp(config->rule_variables[i].name, name) != 0; i++)
		;
	return i;
}

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE };

/* follows what the variable refers to; true when that leads back to one that is being followed */
static bool variable_is_circular(const struct config *config, size_t index, enum mark *marks)
{
	const struct config_strings *values = &config->rule_variables[index].values;
	bool circular = false;

	if (marks[index] != MARK_NEW)
		return marks[index] == MARK_OPEN;
	marks[index] = MARK_OPEN;
	for (size_t i = 0; i < values->n && !circular; i++) {
		const char *dollar = strchr(values->items[i], '$');
		size_t next = dollar ? variable_find(config, dollar + 1) : config->n_rule_variables;

		circular = next < config->n_rule_variables && variable_is_circular(config, next, marks);
	}
	marks[index] = MARK_DONE;
	return circular;
}

static void check_variable(const struct check *check, size_t index, enum mark *marks)
{
	const struct config_rule_variable *variable = &check->config->rule_variables[index];
	const struct tree_node *at = check_key_at(check, "rule_variables", index, "values");

	if (variable->name[strspn(variable->name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")])
		check_problem(check, CONFIG_ERROR, check_key_at(check, "rule_variables", index, "name"),
			"rule_variables[%zu].name: \"%s\" is not a variable's name: allowed are letters, digits and "
			"'_'",
			index, variable->name);
	for (size_t i = 0; i < variable->values.n; i++) {
		const char *dollar = strchr(variable->values.items[i], '$');

		if (dollar && variable_find(check->config, dollar + 1) == check->config->n_rule_variables)
			check_problem(check, CONFIG_ERROR, at,
				"rule_variables[%zu].values: there is no rule variable \"%s\": define it, or write its "
				"values here",
				index, dollar + 1);
	}
	if (variable_is_circular(check->config, index, marks))
		check_problem(check, CONFIG_ERROR, at,
			"rule_variables[%zu].values: \"%s\" stands for itself in the end: break the circle", index,
			variable->name);
}

static void check_variables(const struct check *check)
{
	_cleanup_free_ enum mark *marks = calloc(check->config->n_rule_variables + 1, sizeof(*marks));

	for (size_t i = 0; marks && i < check->config->n_rule_variables; i++)
		check_variable(check, i, marks);
}

/* B8: a session that goes on cannot be reset */
static void check_action_set(const struct check *check, size_t index)
{
	const struct config_action_set *set = &check->config->action_sets[index];

	if (set->action != CONFIG_ACTION_BLOCK && set->tcp_reset != CONFIG_RESET_NONE)
		check_problem(check, CONFIG_ERROR, check_key_at(check, "action_sets", index, "tcp_reset"),
			"action_sets[%zu].tcp_reset: action set \"%s\" does not block, so there is nothing to reset: "
			"remove tcp_reset, or use action block",
			index, set->name);
}

static void check_log_credentials(const struct check *check, size_t index)
{
	const struct config_log_target *target = &check->config->log_targets[index];
	bool tls = config_log_target_has_tls(target);

	if (tls && !target->credentials)
		check_problem(check, CONFIG_ERROR, check_key_at(check, "log_targets", index, "protocol"),
			"log_targets[%zu].protocol: %s needs credentials: the name of what \"sluice log credentials "
			"import\" brought in",
			index, config_log_protocol_name(target->protocol));
	if (!tls && (target->credentials || target->certificate_name))
		check_problem(check, CONFIG_WARNING, check_at(check, "log_targets", index),
			"log_targets[%zu]: credentials and certificate_name have no effect with protocol %s, which is "
			"not encrypted",
			index, config_log_protocol_name(target->protocol));
}

void check_config(
	const struct config *config, const struct tree_node *root, size_t from, struct config_problems *problems)
{
	const struct check check = {config, root, problems};

	for (size_t i = 0; i < config->n_segments; i++)
		for (int side = 0; side < CONFIG_SIDE_N; side++)
			check_port(&check, i, side);
	for (size_t i = 0; i < config->n_profiles; i++)
		check_overlaps(&check, i);
	for (size_t i = 0; i < config->n_action_sets; i++)
		check_action_set(&check, i);
	for (size_t i = 0; i < config->n_log_targets; i++)
		check_log_names(&check, i);
	for (size_t i = 0; i < config->n_log_targets; i++)
		check_log_credentials(&check, i);
	check_variables(&check);
	if (problems_any_error(problems, from))
		return;
	check_unused(&check);
	check_nothing_inspected(&check);
	for (size_t i = 0; i < config->n_virtual_segments; i++)
		check_shadowed(&check, i);
}
