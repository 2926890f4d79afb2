/* SPDX-License-Identifier: Apache-2.0 */
#include "inspect/keyword_meta.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/span.h"

const struct classification classifications[] = {
	{"not-suspicious", 3},
	{"unknown", 3},
	{"bad-unknown", 2},
	{"attempted-recon", 2},
	{"successful-recon-limited", 2},
	{"successful-recon-largescale", 2},
	{"attempted-dos", 2},
	{"successful-dos", 2},
	{"attempted-user", 1},
	{"unsuccessful-user", 1},
	{"successful-user", 1},
	{"attempted-admin", 1},
	{"successful-admin", 1},
	{"rpc-portmap-decode", 2},
	{"shellcode-detect", 1},
	{"string-detect", 3},
	{"suspicious-filename-detect", 2},
	{"suspicious-login", 2},
	{"system-call-detect", 2},
	{"tcp-connection", 4},
	{"trojan-activity", 1},
	{"unusual-client-port-connection", 2},
	{"network-scan", 3},
	{"denial-of-service", 2},
	{"non-standard-protocol", 2},
	{"protocol-command-decode", 3},
	{"web-application-activity", 2},
	{"web-application-attack", 1},
	{"misc-activity", 3},
	{"misc-attack", 2},
	{"icmp-event", 3},
	{"inappropriate-content", 1},
	{"policy-violation", 1},
	{"default-login-attempt", 2},
	{"targeted-activity", 1},
	{"exploit-kit", 1},
	{"external-ip-check", 2},
	{"domain-c2", 1},
	{"pup-activity", 2},
	{"credential-theft", 1},
	{"social-engineering", 2},
	{"coin-mining", 2},
	{"command-and-control", 1},
};
const size_t classifications_n = ARRAY_SIZE(classifications);

int keyword_msg(struct parser *p, char *value)
{
	char *text = value;
	bool negated;
	struct span quoted = {0};
	size_t n = 0;

	if (!filter_lex_quoted(text, &negated, &quoted) || negated)
		return parser_fail(p, "msg is not a quoted text");
	free(p->filter->name);
	p->filter->name = calloc(1, quoted.len + 1);
	if (!p->filter->name)
		return -ENOMEM;
	for (size_t i = 0; i < quoted.len; i++) {
		if (quoted.data[i] == '\\' && i + 1 < quoted.len)
			i++;
		p->filter->name[n++] = (char)quoted.data[i];
	}
	return 0;
}

static int parse_id(struct parser *p, const char *value, uint32_t *out)
{
	uint64_t id;
	int r = parser_unsigned(p, value, UINT32_MAX, &id);

	if (r == 0)
		*out = (uint32_t)id;
	return r;
}

int keyword_sid(struct parser *p, char *value)
{
	int r = parse_id(p, value, &p->filter->facts.sid);

	return r == 0 && !p->filter->facts.sid ? parser_fail(p, "sid 0 is not allowed") : r;
}

int keyword_rev(struct parser *p, char *value)
{
	return parse_id(p, value, &p->filter->facts.revision);
}

int keyword_gid(struct parser *p, char *value)
{
	return parse_id(p, value, &p->filter->facts.generator);
}

int keyword_classtype(struct parser *p, char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(classifications); i++) {
		if (strcmp(value, classifications[i].name))
			continue;
		p->has_class = true;
		if (!p->has_priority)
			p->filter->facts.severity = classifications[i].priority;
	}
	free(p->filter->category);
	p->filter->category = strdup(value);
	return p->filter->category ? 0 : -ENOMEM;
}

/* "signature_severity Major, created_at ..." */
int keyword_metadata(struct parser *p, char *value)
{
	static const struct {
		const char *name;
		unsigned int severity;
	} severities[] = {{"critical", 1}, {"major", 1}, {"minor", 2}, {"informational", 3}};
	static const char key[] = "signature_severity";
	char *item, *rest = value;

	while ((item = strsep(&rest, ","))) {
		item += strspn(item, " \t");
		if (strncmp(item, key, sizeof(key) - 1))
			continue;
		item += sizeof(key) - 1;
		item += strspn(item, " \t");
		item[strcspn(item, " \t")] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(severities); i++)
			if (!strcasecmp(item, severities[i].name) && !p->has_priority && !p->has_class)
				p->filter->facts.severity = severities[i].severity;
	}
	return 0;
}

int keyword_priority(struct parser *p, char *value)
{
	uint64_t priority;
	int r = parser_unsigned(p, value, 255, &priority);

	if (r < 0)
		return r;
	if (!priority)
		return parser_fail(p, "priority 0 is not allowed");
	p->has_priority = true;
	p->filter->facts.severity = (unsigned int)priority;
	return 0;
}
