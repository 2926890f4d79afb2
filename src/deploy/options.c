/* SPDX-License-Identifier: Apache-2.0 */
#include "deploy/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/common.h"
#include "base/suggest.h"
#include "deploy/options_rows.h"

const struct options_command options_commands[] = {
	{"preflight", OPTIONS_PREFLIGHT, "",
		"look at this host and say what stands in the way of a machine, and the mend",
		"Changes nothing. Takes the options of deploy; what is not given is not looked at. Every finding says "
		"what it costs and the command that mends it."},
	{"deploy", OPTIONS_DEPLOY, "NAME", "make a machine from an image and start it",
		"Looks at the host first. Then: the disk, a medium with the settings of day 0, the machine; it waits "
		"until the machine says that it is well, takes the medium out, overwrites and deletes it. What fails "
		"is taken back, step by step."},
	{"status", OPTIONS_STATUS, "NAME", "say how a machine is: state, addresses, health", NULL},
	{"upgrade", OPTIONS_UPGRADE, "NAME UPDATE", "put a new version into a machine's other slot and start it",
		"The machine checks the signature of UPDATE, installs it into the slot that is not in use, and "
		"restarts "
		"with it. If that slot does not come up well the machine goes back to the one before by itself, and "
		"upgrade says so. The wire is open while the machine restarts."},
	{"remove", OPTIONS_REMOVE, "NAME", "stop a machine, undefine it and delete the volumes that deploy made",
		"Volumes that deploy did not make stay."},
};
const size_t options_n_commands = ARRAY_SIZE(options_commands);

#define MAKES (OPTIONS_PREFLIGHT | OPTIONS_DEPLOY)
#define ALL (MAKES | OPTIONS_STATUS | OPTIONS_UPGRADE | OPTIONS_REMOVE)
#define TEXT(member) OPTIONS_TEXT, offsetof(struct options, member), 0, 0
#define FLAG(member) OPTIONS_FLAG, offsetof(struct options, member), 0, 0
#define NUMBER(member, low, high) OPTIONS_NUMBER, offsetof(struct options, member), low, high

const struct options_row options_rows[] = {
	{"--image", "FILE", MAKES, TEXT(image), "sluice-VERSION.qcow2 or .ova"},
	{"--sha256", "HEX", MAKES, TEXT(sha256),
		"SHA-256 of the image; without it FILE.sha256 beside the image is looked at, and an OVA's manifest"},
	{"--day0", "FILE", MAKES, TEXT(day0),
		"settings of day 0 (docs/day0.md); files that they name lie in the same folder"},
	{"--management", "NETWORK", MAKES, TEXT(management),
		"network=NAME or bridge=NAME for the management interface (default network=default)"},
	{"--port-a", "NETWORK", MAKES, TEXT(port_a),
		"the clients' side: bridge=NAME, network=NAME, or vf=PHYSICAL:NUMBER for a virtual function"},
	{"--port-b", "NETWORK", MAKES, TEXT(port_b), "the servers' side, likewise"},
	{"--sessions", "N", MAKES, NUMBER(sessions, 1, 10000000),
		"SSL sessions at once that memory and vCPU are reckoned for (default 10000)"},
	{"--vcpus", "N", MAKES, NUMBER(vcpus, 1, 256), "virtual processors, instead of those reckoned"},
	{"--memory", "MB", MAKES, NUMBER(memory_mib, 512, 4 << 20), "memory in MB, instead of what is reckoned"},
	{"--disk", "GB", MAKES, NUMBER(disk_gib, 4, 65536),
		"size of the disk in GB (default 16); the data partition grows to its end"},
	{"--pool", "NAME", MAKES, TEXT(pool), "storage pool for the disk (default default)"},
	{"--cpus", "LIST", MAKES, TEXT(cpus), "processors of the host, as 2-5,8: each vCPU is pinned to one of them"},
	{"--hugepages", NULL, MAKES, FLAG(hugepages), "memory from the host's huge pages"},
	{"--emulated", NULL, MAKES, FLAG(emulated), "without KVM, ten to fifty times slower: for tests only"},
	{"--no-autostart", NULL, OPTIONS_DEPLOY, FLAG(no_autostart), "do not start the machine with the host"},
	{"--dry-run", NULL, OPTIONS_DEPLOY, FLAG(dry_run),
		"print the domain XML and the commands that the host needs; change nothing"},
	{"--keep", NULL, OPTIONS_DEPLOY, FLAG(keep),
		"leave a machine that does not become well as it is, for a look at its console"},
	{"--wait", "SECONDS", OPTIONS_DEPLOY | OPTIONS_UPGRADE, NUMBER(wait_seconds, 10, 86400),
		"how long the machine may take to be well (default 300; upgrade 900)"},
	{"--yes", NULL, OPTIONS_REMOVE, FLAG(yes), "do not ask"},
	{"--connect", "URI", ALL, TEXT(connect), "the hypervisor (default qemu:///system, or LIBVIRT_DEFAULT_URI)"},
	{"--json", NULL, ALL, FLAG(json), "print the result as JSON, an error too; progress stays on standard error"},
	{"--help", NULL, ALL, FLAG(help), "help for the command"},
};
const size_t options_n_rows = ARRAY_SIZE(options_rows);

static const struct options_command *find_command(const char *name)
{
	for (size_t i = 0; i < options_n_commands; i++)
		if (strcmp(options_commands[i].name, name) == 0)
			return &options_commands[i];
	return NULL;
}

static const struct options_row *find_row(const char *name, size_t len, enum options_commands commands)
{
	for (size_t i = 0; i < options_n_rows; i++)
		if (strlen(options_rows[i].name) == len && strncmp(options_rows[i].name, name, len) == 0 &&
			options_rows[i].commands & commands)
			return &options_rows[i];
	return NULL;
}

static int bad_word(FILE *err, const char *what, const char *word, const char *best)
{
	fprintf(err, "sluice-deploy: %s '%s'", what, word);
	if (best)
		fprintf(err, ": did you mean %s?", best);
	fputs("\n  mend: sluice-deploy --help\n", err);
	return -EINVAL;
}

static int bad_command(FILE *err, const char *word)
{
	struct suggest suggest = {.word = word};

	for (size_t i = 0; i < options_n_commands; i++)
		suggest_try(&suggest, options_commands[i].name);
	return bad_word(err, "there is no command", word, suggest.best);
}

static int bad_option(FILE *err, const char *word, enum options_commands commands)
{
	struct suggest suggest = {.word = word};

	for (size_t i = 0; i < options_n_rows; i++)
		if (options_rows[i].commands & commands)
			suggest_try(&suggest, options_rows[i].name);
	return bad_word(err, "there is no option", word, suggest.best);
}

static int set_number(const struct options_row *row, const char *text, unsigned int *out, FILE *err)
{
	char *end;
	unsigned long long value = strtoull(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || value < row->low || value > row->high) {
		fprintf(err, "sluice-deploy: %s '%s': a number from %u to %u is needed\n", row->name, text, row->low,
			row->high);
		return -EINVAL;
	}
	*out = value;
	return 0;
}

static int set_value(const struct options_row *row, const char *value, struct options *out, FILE *err)
{
	char *at = (char *)out + row->offset;

	if (row->kind == OPTIONS_FLAG)
		*(bool *)at = true;
	else if (row->kind == OPTIONS_TEXT)
		*(const char **)at = value;
	else
		return set_number(row, value, (unsigned int *)at, err);
	return 0;
}

/* "--name value" or "--name=value"; how many words it took */
static int parse_option(int argc, char **argv, int at, enum options_commands commands, struct options *out, FILE *err)
{
	const char *word = argv[at], *equals = strchr(word, '=');
	const struct options_row *row = find_row(word, equals ? (size_t)(equals - word) : strlen(word), commands);
	const char *value = equals ? equals + 1 : at + 1 < argc ? argv[at + 1] : NULL;

	if (!row)
		return bad_option(err, word, commands);
	if (row->kind == OPTIONS_FLAG) {
		if (equals)
			return bad_word(err, "no value belongs to", word, NULL);
	} else if (!value || !*value) {
		fprintf(err, "sluice-deploy: %s needs %s: %s\n", row->name, row->metavar, row->help);
		return -EINVAL;
	}
	if (set_value(row, value, out, err) < 0)
		return -EINVAL;
	return row->kind == OPTIONS_FLAG || equals ? 1 : 2;
}

static int parse_position(
	const struct options_command *command, unsigned int *position, const char *word, struct options *out, FILE *err)
{
	const char **places[] = {&out->name, &out->update};
	unsigned int wanted = *command->positions ? strchr(command->positions, ' ') ? 2 : 1 : 0;

	if (*position >= wanted)
		return bad_word(err, "too much:", word, NULL);
	*places[(*position)++] = word;
	return 0;
}

int options_parse(int argc, char **argv, struct options *out, FILE *err)
{
	const struct options_command *command;
	unsigned int position = 0;

	*out = (struct options){.pool = "default", .management = "network=default", .sessions = 10000, .disk_gib = 16};
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		out->help = true;
		return argc < 2 ? -EINVAL : 0;
	}
	command = find_command(argv[1]);
	if (!command)
		return bad_command(err, argv[1]);
	out->command = command->name;
	/* a version that is not well has ten minutes, and another boot, until the machine has gone back */
	out->wait_seconds = command->bit == OPTIONS_UPGRADE ? 900 : 300;
	for (int at = 2; at < argc;) {
		int taken = 1;

		if (argv[at][0] == '-' && argv[at][1])
			taken = parse_option(argc, argv, at, command->bit, out, err);
		else if (parse_position(command, &position, argv[at], out, err) < 0)
			taken = -EINVAL;
		if (taken < 0)
			return taken;
		at += taken;
	}
	if (!out->help && *command->positions && (!out->name || (strchr(command->positions, ' ') && !out->update))) {
		fprintf(err, "sluice-deploy: %s needs %s\n  mend: sluice-deploy %s --help\n", command->name,
			command->positions, command->name);
		return -EINVAL;
	}
	return 0;
}

void options_complete(int argc, char **argv, FILE *out)
{
	const struct options_command *command = argc > 1 ? find_command(argv[0]) : NULL;
	const char *begun = argc > 0 ? argv[argc - 1] : "";

	if (argc <= 1)
		for (size_t i = 0; i < options_n_commands; i++)
			if (strncmp(options_commands[i].name, begun, strlen(begun)) == 0)
				fprintf(out, "%s\n", options_commands[i].name);
	for (size_t i = 0; command && i < options_n_rows; i++)
		if (options_rows[i].commands & command->bit && strncmp(options_rows[i].name, begun, strlen(begun)) == 0)
			fprintf(out, "%s\n", options_rows[i].name);
}
