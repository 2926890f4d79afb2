/* SPDX-License-Identifier: Apache-2.0 */
/* `show ciphers` (D4): what this version's TLS engine has, and what an SSL server's options make of it (D3). */
#include <stdio.h>

#include "base/common.h"
#include "config/schema.h"
#include "daemon/supervisor.h"
#include "policy/suite.h"

static const char *suite_state(const struct config_ssl_server *server, const struct suite *suite)
{
	if (suite->lack)
		return "not in this version's engine";
	if (!server)
		return "supported";
	return suite_is_selected(server, suite) ? "offered" : "always on with TLS 1.3";
}

static const char *protocol_name(uint16_t version)
{
	return schema_word_name(schema_protocol_words, version) ?: "";
}

static json_t *suite_json(const struct config_ssl_server *server, const struct suite *suite)
{
	char protocols[32], id[8];

	snprintf(id, sizeof(id), "0x%04x", suite->id);
	snprintf(protocols, sizeof(protocols), suite->protocol_min == suite->protocol_max ? "%s" : "%s to %s",
		protocol_name(suite->protocol_min), protocol_name(suite->protocol_max));
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b, s:s, s:s}", "name", suite->iana, "openssl",
		suite->openssl, "id", id, "key_exchange",
		schema_word_name(schema_key_exchange_words, suite->key_exchange), "authentication",
		suite_authentication_name(suite->authentication), "bulk",
		schema_word_name(schema_bulk_words, suite->bulk), "mac", schema_word_name(schema_mac_words, suite->mac),
		"protocols", protocols, "offered", server ? suite_is_offered(server, suite) : !suite->lack, "state",
		suite_state(server, suite), "reason", suite_lack_text(suite->lack));
}

json_t *report_ciphers(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "server"));
	const struct config_ssl_server *server = NULL;
	json_t *array = json_array();

	if (name && supervisor->policy)
		server = config_find_ssl_server(supervisor->policy->config, name);
	if (name && !server) {
		json_decref(array);
		return report_no_server();
	}
	for (size_t i = 0; i < suites_n; i++)
		if (!server || suite_is_selected(server, &suites[i]) || suite_is_offered(server, &suites[i]))
			json_array_append_new(array, suite_json(server, &suites[i]));
	return json_pack("{s:b, s:o}", "ok", 1, "ciphers", array);
}
