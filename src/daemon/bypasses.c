/* SPDX-License-Identifier: Apache-2.0 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "daemon/asymmetric.h"
#include "daemon/supervisor.h"

static const char *bypass_cause_word(uint32_t cause)
{
	static const char *const words[] = {
#define UNDECRYPTABLE(id, word, scope, alert, text) word,
#include "config/undecryptable.def"
#undef UNDECRYPTABLE
	};

	return cause < ARRAY_SIZE(words) ? words[cause] : "unknown";
}

static json_t *bypass_json(const struct bypass_row *row, uint64_t now_ns)
{
	char client[INET_ADDRSTRLEN] = "any", server[INET_ADDRSTRLEN];

	if (row->key.client.s_addr)
		inet_ntop(AF_INET, &row->key.client, client, sizeof(client));
	inet_ntop(AF_INET, &row->key.server, server, sizeof(server));
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I}", "ssl_server", row->key.ssl_server,
		"server_ip", server, "server_port", (int)row->key.server_port, "sni", row->key.sni, "client_ip", client,
		"ja4", row->key.ja4, "cause", bypass_cause_word(row->cause), "learned", (json_int_t)row->learned_us,
		"seconds_left", (json_int_t)((row->expires_ns - now_ns) / NSEC_PER_SEC), "sessions",
		(json_int_t)row->sessions);
}

static int bypass_newer(const void *a, const void *b)
{
	const struct bypass_row *x = a, *y = b;

	return x->learned_us < y->learned_us ? 1 : x->learned_us > y->learned_us ? -1 : 0;
}

json_t *report_bypasses(struct supervisor *supervisor, const json_t *request)
{
	const char *server = json_string_value(json_object_get(request, "server"));
	_cleanup_free_ struct bypass_row *rows = calloc(BYPASS_TABLE_SLOTS + 1, sizeof(*rows));
	json_t *array = json_array();
	uint64_t now = clock_now_ns();
	unsigned int n = rows ? bypass_table_read(supervisor->bypasses, now, rows, BYPASS_TABLE_SLOTS) : 0;

	if (rows)
		qsort(rows, n, sizeof(*rows), bypass_newer);
	for (unsigned int i = 0; i < n; i++)
		if (!server || !strcmp(rows[i].key.ssl_server, server))
			json_array_append_new(array, bypass_json(&rows[i], now));
	asymmetric_report(supervisor, server, array);
	return json_pack("{s:b, s:o}", "ok", 1, "bypasses", array);
}
