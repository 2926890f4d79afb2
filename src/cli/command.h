/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside cli/: a command of the table, and one command line that was understood as a call of it. */
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/cli.h"

#define CLI_PARAMETERS_MAX 10
#define CLI_COMMANDS_MAX 256
#define CLI_WORDS_MAX 5
#define CLI_WORD_MAX 32

enum cli_kind {
	CLI_TEXT,
	CLI_NUMBER,
	CLI_ADDRESS, /* IPv4 */
	CLI_FLAG,    /* an option without value */
};

struct cli_parameter {
	const char *option;  /* "--limit"; NULL: by position, and required */
	const char *metavar; /* "N" */
	const char *key;     /* in the request; NULL: used by run() only */
	enum cli_kind kind;
	bool required; /* an option that must be given */
	const char *help;
	bool optional; /* a value by position that may be left out */
};

struct cli_call;

struct cli_command {
	const char *words;   /* "show sessions"; no command's words begin another's */
	const char *request; /* the supervisor's command */
	const char *fixed;   /* run()'s own constant; with request: a key that is true */
	bool signs;          /* the request says from where, for the history and the Audit log */
	const char *help;
	const char *detail; /* further sentences for --help and the manual page; may be NULL */
	struct cli_parameter parameters[CLI_PARAMETERS_MAX];
	/* NULL: ask the supervisor and render */
	int (*run)(struct cli *cli, const struct cli_call *call);
	void (*render)(struct cli *cli, const json_t *answer);
};

struct cli_call {
	const struct cli_command *command;
	const char *values[CLI_PARAMETERS_MAX]; /* NULL: not given; a flag that is given: "" */
};

extern const struct cli_command cli_commands[];
extern const size_t cli_n_commands;

/* word i of a command; false when it has fewer */
bool cli_command_word(const struct cli_command *command, unsigned int i, char out[CLI_WORD_MAX]);
unsigned int cli_command_n_words(const struct cli_command *command);
const char *cli_call_value(const struct cli_call *call, const char *metavar);

/* parse.c: CLI_OK with *call; or what was said on err already: CLI_USAGE. *help: print help for the n_words words
 * in `words` instead of running (call->command NULL unless they are a whole command) */
struct cli_line {
	struct cli_call call;
	bool help;
	unsigned int n_words;
	char words[CLI_WORDS_MAX][CLI_WORD_MAX]; /* in full */
};
int cli_parse(struct cli *cli, int argc, char **argv, struct cli_line *line);

/* help.c */
void cli_help(const struct cli_line *line, FILE *out);

/* log.c: the newest records of a log, oldest first, a new reference; -errno, and 0 with an empty array when there is no
 * file yet */
int cli_log_read(const struct cli *cli, const char *log, size_t limit, json_t **records);

/* complete.c: what can stand next after n words, beginning with prefix: a new array of {word, help}; the supervisor is
 * asked for names */
json_t *cli_complete(struct cli *cli, char **words, size_t n, const char *prefix);
int cli_run_complete(struct cli *cli, int argc, char **argv);

/* password.c: what --password-file, --password-stdin or the terminal says */
#define CLI_PASSWORD_MAX 1024
struct cli_password {
	const char *word, *of; /* "passphrase", "keystore": for the prompt and for errors */
};
/* its length or -errno; twice: a terminal is asked again (-EKEYREJECTED when the two differ) */
int cli_check_password_options(struct cli *cli, const struct cli_call *call);
ssize_t cli_read_password(
	const struct cli_call *call, const struct cli_password *wanted, bool twice, char *out, size_t size);
/* a sealed memfd with it; CLI_OK, or what was said on err */
int cli_open_password(
	struct cli *cli, const struct cli_call *call, const struct cli_password *wanted, bool twice, int *fd);

/* np.c */
void cli_render_bypass_rules(struct cli *cli, const json_t *answer);
void cli_render_fallback(struct cli *cli, const json_t *answer);
void cli_render_tse(struct cli *cli, const json_t *answer);

/* diagnose.c */
void cli_render_diagnosis(struct cli *cli, const json_t *answer);

/* files.c, import.c, log.c */
int cli_run_files(struct cli *cli, const struct cli_call *call);
int cli_run_import(struct cli *cli, const struct cli_call *call);
int cli_run_keystore(struct cli *cli, const struct cli_call *call);
int cli_run_log_credentials(struct cli *cli, const struct cli_call *call);
int cli_run_log(struct cli *cli, const struct cli_call *call);
int cli_run_watch(struct cli *cli, const struct cli_call *call);
int cli_run_graph(struct cli *cli, const struct cli_call *call);
int cli_run_metrics(struct cli *cli, const struct cli_call *call);
int cli_run_np(struct cli *cli, const struct cli_call *call);
int cli_run_diagnose(struct cli *cli, const struct cli_call *call);
int cli_run_diff(struct cli *cli, const struct cli_call *call);
int cli_run_backup(struct cli *cli, const struct cli_call *call);
int cli_run_system(struct cli *cli, const struct cli_call *call);
int cli_run_version(struct cli *cli, const struct cli_call *call);

/* the request of a call by itself: NULL when a word is not UTF-8 */
json_t *cli_build_request(const struct cli_call *call);

/* versions.c */
void cli_render_history(struct cli *cli, const json_t *answer);
void cli_render_configuration(struct cli *cli, const json_t *answer);

/* wire.c */
void cli_render_ports(struct cli *cli, const json_t *answer);
void cli_render_flows(struct cli *cli, const json_t *answer);

/* render.c */
void cli_render_status(struct cli *cli, const json_t *answer);
void cli_render_sessions(struct cli *cli, const json_t *answer);
void cli_render_bypasses(struct cli *cli, const json_t *answer);
void cli_render_bypasses_cleared(struct cli *cli, const json_t *answer);
void cli_render_counters(struct cli *cli, const json_t *answer);
void cli_render_servers(struct cli *cli, const json_t *answer);
void cli_render_ciphers(struct cli *cli, const json_t *answer);
void cli_render_health(struct cli *cli, const json_t *answer);
void cli_render_stages(struct cli *cli, const json_t *answer);
void cli_render_rates(struct cli *cli, const json_t *answer);
void cli_render_segments(struct cli *cli, const json_t *answer);
void cli_render_filters_top(struct cli *cli, const json_t *answer);
void cli_render_refused(struct cli *cli, const json_t *answer);
void cli_render_cleared(struct cli *cli, const json_t *answer);
void cli_render_checked(struct cli *cli, const json_t *answer);
void cli_render_committed(struct cli *cli, const json_t *answer);
void cli_render_imported(struct cli *cli, const json_t *answer);
void cli_render_replaced(struct cli *cli, const json_t *answer);
void cli_render_certificate(struct cli *cli, const json_t *answer);
void cli_render_chain(struct cli *cli, const json_t *answer);
void cli_render_removed(struct cli *cli, const json_t *answer);
/* one record of a log that is followed: an array of one */
void cli_render_log_line(struct cli *cli, const char *log, const json_t *records);
void cli_render_log_credentials(struct cli *cli, const json_t *answer);
void cli_render_log_credentials_changed(struct cli *cli, const json_t *answer);
void cli_render_keystore(struct cli *cli, const json_t *answer);
void cli_render_certificates(struct cli *cli, const json_t *answer);
void cli_render_log_status(struct cli *cli, const json_t *answer);
void cli_render_graph_traffic(struct cli *cli, const json_t *answer);
void cli_render_graph_active(struct cli *cli, const json_t *answer);
void cli_render_graph_new(struct cli *cli, const json_t *answer);
void cli_render_stopped(struct cli *cli, const json_t *answer);
void cli_render_log(struct cli *cli, const char *log, const json_t *records, const char *path);
