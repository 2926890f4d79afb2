/* SPDX-License-Identifier: Apache-2.0 */
#include "rule_classes.h"

#include <string.h>

enum word { ACTION, PROTOCOL, SOURCE, SOURCE_PORT, DIRECTION, DESTINATION, DESTINATION_PORT, WORDS };

static bool has(struct span text, const char *part)
{
	return text.len && memmem(text.data, text.len, part, strlen(part));
}

static bool is(struct span text, const char *whole)
{
	return text.len == strlen(whole) && !memcmp(text.data, whole, text.len);
}

/* the words of the head; lists in brackets may hold spaces */
static bool split(struct span line, struct span words[WORDS])
{
	size_t at = 0;

	for (unsigned int i = 0; i < WORDS; i++) {
		size_t begin, depth = 0;

		while (at < line.len && (line.data[at] == ' ' || line.data[at] == '\t'))
			at++;
		for (begin = at; at < line.len && (depth || !strchr(" \t(", line.data[at])); at++) {
			depth += line.data[at] == '[';
			depth -= depth && line.data[at] == ']';
		}
		words[i] = SPAN(line.data + begin, at - begin);
	}
	return words[DESTINATION_PORT].len;
}

static bool may_be_server(struct span address)
{
	return !is(address, "$EXTERNAL_NET");
}

static bool reaches_server(struct span line)
{
	struct span w[WORDS];
	bool request = has(line, "to_server") || has(line, "from_client"), ways;
	bool response = has(line, "to_client") || has(line, "from_server");

	if (!split(line, w))
		return false;
	ways = is(w[DIRECTION], "<>");
	if (!request && !response) {
		request = true;
		response = is(w[DESTINATION_PORT], "any"); /* a client's port */
	}
	return (request && (ways || may_be_server(w[DESTINATION]))) || (response && (ways || may_be_server(w[SOURCE])));
}

static bool has_protocol(struct span line, const char *const *names)
{
	struct span w[WORDS];

	if (!split(line, w))
		return false;
	for (; *names; names++)
		if (is(w[PROTOCOL], *names))
			return true;
	return false;
}

static bool is_any(struct span line)
{
	return true;
}

static bool is_http(struct span line)
{
	static const char *const names[] = {"http", "http1", NULL};

	return has_protocol(line, names);
}

static bool is_http_request(struct span line)
{
	struct span w[WORDS];

	return is_http(line) && split(line, w) && may_be_server(w[DESTINATION]) && !has(line, "to_client") &&
	       !has(line, "from_server");
}

static bool is_stream(struct span line)
{
	static const char *const names[] = {"tcp", "tcp-stream", "tcp-pkt", "smtp", "imap", "pop3", NULL};

	return has_protocol(line, names) && reaches_server(line);
}

static bool is_tls(struct span line)
{
	static const char *const names[] = {"tls", NULL};

	return has_protocol(line, names) && reaches_server(line);
}

const struct rule_class_info rule_classes[RULES_CLASSES] = {
	[RULES_ALL] = {"all", "all", is_any},
	[RULES_HTTP] = {"http", "http", is_http},
	[RULES_HTTP_REQUESTS] = {"requests", "inbound http requests", is_http_request},
	[RULES_STREAMS] = {"streams", "tcp, smtp, imap, pop3 to a server here", is_stream},
	[RULES_TLS] = {"tls", "tls to a server here", is_tls},
};

bool rule_is_active(struct span line)
{
	return line.len && line.data[0] != '#' && has(line, "sid:");
}
