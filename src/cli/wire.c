/* SPDX-License-Identifier: Apache-2.0 */
/* What concerns the wire itself: ports and flows. */
#include <string.h>

#include "base/common.h"
#include "cli/command.h"
#include "cli/output.h"

#define TABLE(cli, rows, columns, empty) output_table((cli)->out, (rows), (columns), ARRAY_SIZE(columns), (empty))

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static void ports_line_begin(struct cli *cli, const json_t *port, const char *what)
{
	fprintf(cli->out, "%s ", what);
	output_text(cli->out, text_of(port, "name"));
	fputs(": ", cli->out);
}

/* what has no place in a table */
static void ports_render_rest(struct cli *cli, const json_t *port)
{
	static const struct output_column offloads = {"", "offloads", OUTPUT_TEXT};
	const json_t *drops = json_object_get(port, "drops"), *warning, *value;
	const char *cause, *comma = "";
	size_t i;
	char text[512];

	output_cell(port, &offloads, text, sizeof(text));
	if (*text) {
		ports_line_begin(cli, port, "offloads of");
		output_text(cli->out, text);
		fputc('\n', cli->out);
	}
	if (json_object_size(drops)) {
		ports_line_begin(cli, port, "dropped on");
		json_object_foreach((json_t *)drops, cause, value)
		{
			fprintf(cli->out, "%s%s %" JSON_INTEGER_FORMAT, comma, cause, json_integer_value(value));
			comma = ", ";
		}
		fputc('\n', cli->out);
	}
	json_array_foreach(json_object_get(port, "warnings"), i, warning)
	{
		ports_line_begin(cli, port, "WARNING: port");
		output_text(cli->out, text_of(warning, "text"));
		fputc('\n', cli->out);
	}
}

void cli_render_ports(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"PORT", "name", OUTPUT_TEXT},
		{"SEGMENT", "segment", OUTPUT_TEXT},
		{"SIDE", "side", OUTPUT_TEXT},
		{"LINK", "link", OUTPUT_TEXT},
		{"DRIVER", "driver", OUTPUT_TEXT},
		{"MBIT/S", "speed_megabits", OUTPUT_NUMBER},
		{"DUPLEX", "duplex", OUTPUT_TEXT},
		{"RX QUEUES", "rx_queues", OUTPUT_NUMBER},
		{"TX QUEUES", "tx_queues", OUTPUT_NUMBER},
		{"MTU", "mtu", OUTPUT_NUMBER},
		{"RX FRAMES", "rx_frames", OUTPUT_NUMBER},
		{"RX", "rx_bytes", OUTPUT_BYTES},
		{"TX FRAMES", "tx_frames", OUTPUT_NUMBER},
		{"TX", "tx_bytes", OUTPUT_BYTES},
		{"DROPPED", "dropped", OUTPUT_NUMBER},
	};
	const json_t *ports = json_object_get(answer, "ports"), *port;
	size_t i;

	TABLE(cli, ports, columns, "No port: name the ports of a segment in the configuration and commit it.");
	if (json_array_size(ports))
		fputc('\n', cli->out);
	json_array_foreach(ports, i, port) ports_render_rest(cli, port);
}

void cli_render_flows(struct cli *cli, const json_t *answer)
{
	static const struct output_column columns[] = {
		{"CLIENT", "client_ip", OUTPUT_ENDPOINT},
		{"SERVER", "server_ip", OUTPUT_ENDPOINT},
		{"VLAN", "vlan", OUTPUT_NUMBER},
		{"INNER", "vlan_inner", OUTPUT_NUMBER},
		{"TUNNEL", "tunnel", OUTPUT_TEXT},
		{"SEGMENT", "segment", OUTPUT_TEXT},
		{"VIRTUAL SEGMENT", "virtual_segment", OUTPUT_TEXT},
		{"SSL SERVER", "ssl_server", OUTPUT_TEXT},
		{"STATE", "state", OUTPUT_TEXT},
		{"AGE S", "age_seconds", OUTPUT_NUMBER},
		{"IDLE S", "idle_seconds", OUTPUT_NUMBER},
		{"TO SERVER", "bytes_to_server", OUTPUT_BYTES},
		{"TO CLIENT", "bytes_to_client", OUTPUT_BYTES},
		{"WORKER", "worker", OUTPUT_NUMBER},
	};
	const json_t *flows = json_object_get(answer, "flows");

	TABLE(cli, flows, columns, "No flow of an SSL server matches. What is not proxied has no entry here.");
	fprintf(cli->out,
		"%zu of %" JSON_INTEGER_FORMAT " flows that match, %" JSON_INTEGER_FORMAT
		" in the table, which holds %" JSON_INTEGER_FORMAT "; more with --limit N and --skip N\n",
		json_array_size(flows), json_integer_value(json_object_get(answer, "matched")),
		json_integer_value(json_object_get(answer, "total")),
		json_integer_value(json_object_get(answer, "max_flows")));
}
