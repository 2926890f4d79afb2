/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The supervisor: root, one loop, no packet and no plaintext ever. It owns the data plane's handles, the children of
 * one generation, the configuration in force, and the control socket. */
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/instance.h"
#include "base/loop.h"
#include "config/config.h"
#include "daemon/boot.h"
#include "daemon/child.h"
#include "daemon/elders.h"
#include "daemon/expiry.h"
#include "daemon/stats_slots.h"
#include "daemon/fallback.h"
#include "daemon/graph.h"
#include "daemon/limits.h"
#include "daemon/links.h"
#include "daemon/monitor.h"
#include "daemon/rates.h"
#include "daemon/store.h"
#include "dataplane/dataplane.h"
#include "dataplane/worker_cell.h"
#include "events/event.h"
#include "stats/bypass_table.h"
#include "health/health.h"
#include "stats/session_table.h"
#include "stats/stats.h"

#define SUPERVISOR_GENERATION_SLOTS (FLOW_WORKERS_MAX / 2) /* two generations side by side */
#define SUPERVISOR_PRODUCER 255                            /* of its own records */
#define SUPERVISOR_TICKET_KEYS_SIZE 160                    /* two struct tls_ticket_key */

struct commit;
struct asymmetric_log;
struct quic_log;
struct key_source;
struct keystore_job;
struct targets;
struct replace;

/* one configuration version ready to be given to workers: everything owned */
struct policy {
	uint32_t version;
	struct config *config;
	int text_fd;
	size_t n_images; /* one per profile */
	int *image_fds;
	json_t *certificates; /* facts of those the configuration names */
	json_t *stats_slots;  /* of its SSL servers */
	unsigned int n_workers;
	json_t *filters; /* {loaded, disabled, refused} over all profiles, for the operator */
};
/* policy.c. policy_new(): without configuration; NULL when the memory is full */
struct policy *policy_new(uint32_t version);
void policy_free(struct policy **policy);
bool policy_make_images(struct policy *policy); /* room for one per profile, all -1 */

struct worker_slot {
	struct child child;
	struct supervisor *supervisor;
	unsigned int slot;
	struct session_table *table;
	struct event_ring *events;
	int keyring_fds[3]; /* ring, request eventfd, response eventfd */
	bool wanted, listening, draining;
	unsigned int stats_writer;  /* block of the stats page */
	uint32_t policy_version;    /* last acknowledged */
	unsigned int policies_sent; /* and not answered yet */
	unsigned int failures;      /* ends within RESPAWN_QUICK of the start, in a row */
	struct loop_timer respawn;
};

struct helper_process { /* key keeper, log */
	struct child child;
	struct supervisor *supervisor;
	unsigned int failures;
	struct loop_timer respawn;
};

struct supervisor {
	struct instance instance;
	char bin_dir[4096];
	struct loop *loop;
	struct dataplane *dataplane;
	struct health_facts health; /* J2; of the start */
	struct store store;
	struct stats_page *stats;
	struct bypass_table *bypasses;
	struct elders elders;
	struct stats_slots stats_slots;
	struct event_ring *events;
	uint64_t started_us;
	uint64_t boot_id;
	uint64_t log_boot; /* (device, boot, sequence) tells every log record; later boots are greater */
	uint8_t ticket_keys[SUPERVISOR_TICKET_KEYS_SIZE]; /* current, previous */
	uint64_t tickets_made_ns;
	int ticket_keys_fd, netns_fd;
	struct worker_cell *cells; /* all slots */

	struct policy *policy;   /* in force; NULL before the first commit */
	struct commit *commit;   /* in progress; NULL */
	struct replace *replace; /* in progress; NULL */
	struct expiry expiry;
	uint64_t expiry_checked_ns; /* 0: look again at the next tick */
	uint32_t last_version; /* that workers were given, in force or not: their late answers must not fit another one
				*/

	unsigned int base; /* first slot of this generation */
	unsigned int n_workers;
	struct worker_slot workers[FLOW_WORKERS_MAX];
	struct helper_process keeper, log;
	bool log_keys_sealed;    /* log_credentials_tick() has looked */
	struct targets *targets; /* NULL before the first configuration */
	json_t *spool_state;     /* sluice-log's last report */
	json_t *key_states;      /* certificate name -> "available" or an error */
	struct {
		int pipe_fds[2];          /* with the device key in it; -1: locked, or in a file only */
		struct keystore_job *job; /* NULL: none in progress */
		unsigned int epoch;       /* of the device key: what was sealed in an earlier one does not open */
		unsigned int failures;    /* of the TPM, in a row */
		uint64_t retry_ns;
		char problem[200];     /* why the TPM did not open it; empty: nothing known */
	} keystore;                    /* keystore.c */
	struct key_source *key_source; /* key_source.c; NULL: nothing in it */
	json_t *keyless;               /* SSL server name -> the state of its keys that the System log was told of */
	uint64_t keeper_heard_ns;
	json_t *key_engine; /* the keeper's last word about its engine: {engine, reason} */
	struct monitor monitors[MONITORS];
	struct graph graph;
	struct rates rates;
	struct limits_watch limits;
	struct fallback fallback;
	struct links links;

	int lock_fd; /* the run directory: one supervisor per instance */
	unsigned int n_clients;
	LIST_HEAD(client_list, client) clients;
	json_int_t usage_queries_made;
	LIST_HEAD(usage_list, usage_query) usage_queries;
	struct loop_source control, signals;
	struct loop_timer tick;
	unsigned int flows;
	struct boot boot;
	struct asymmetric_log *asymmetric_log; /* asymmetric.c; NULL before its first tick */
	struct quic_log *quic_log;             /* quic.c; NULL before its first tick */
	struct {
		unsigned int n;
		json_t *error; /* the last one's */
	} rejected;            /* configurations */
	bool stopping;
	uint64_t stop_deadline_ns;
};

/* the main of sluiced after its arguments; config_path NULL: the stored version. Returns the exit status. */
int supervisor_main(const struct instance *instance, const char *bin_dir, const char *config_path);
void supervisor_stop(struct supervisor *supervisor);
/* a record of the supervisor's own, which has a log and fields */
void supervisor_commit_event(struct supervisor *supervisor, struct event *event);
/* a System or Audit record of the supervisor's own */
void supervisor_record(struct supervisor *supervisor, enum event_log log, const char *severity, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* an Audit record: who did it */
void supervisor_audit(struct supervisor *supervisor, const char *severity, const char *user, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* generation.c */
int generation_start(struct supervisor *supervisor);      /* log and keeper; picks the slots */
int generation_half(const struct supervisor *supervisor); /* of the slots: 0 or 1 */
/* starts or drains workers; the wire learns of them by dataplane_set_workers() once they are ready */
void generation_set_workers(struct supervisor *supervisor, unsigned int n);
void generation_tick(struct supervisor *supervisor); /* watchdog */
void generation_stop(struct supervisor *supervisor);
bool generation_stopped(const struct supervisor *supervisor);
void generation_send_policy(struct supervisor *supervisor, const struct policy *policy);
/* every worker: that version is what the wire decides by now */
void generation_tell_in_force(struct supervisor *supervisor, uint32_t version);
void generation_drop_policy(struct supervisor *supervisor, uint32_t version);
/* all wanted workers have acknowledged version and listen */
bool generation_ready(const struct supervisor *supervisor, uint32_t version);
/* for those who start children of their own kind: the end told and forgotten; the next start after a delay */
void generation_child_ended(struct supervisor *supervisor, const struct child *child, const char *how);
void generation_respawn(struct helper_process *helper, loop_timer_fn *fn);

/* operator.c */
int operator_open(struct supervisor *supervisor);
void operator_close(struct supervisor *supervisor);
/* report.c: answers to `status` and its like; new references */
json_t *report_status(struct supervisor *supervisor, const json_t *request);
const char *report_worker_state(const struct supervisor *supervisor, const struct worker_slot *worker);
json_t *report_counters(struct supervisor *supervisor, const json_t *request);
json_t *report_servers(struct supervisor *supervisor, const json_t *request);
json_t *report_bypass_rules(struct supervisor *supervisor, const json_t *request);
json_t *report_flows(struct supervisor *supervisor, const json_t *request); /* flows.c */
json_t *report_segments(struct supervisor *supervisor, const json_t *request);
/* sessions that match a `clear_sessions` request */
unsigned int report_count_sessions(struct supervisor *supervisor, const json_t *request);
/* tickets.c */
int tickets_open(struct supervisor *supervisor);
void tickets_tick(struct supervisor *supervisor);
void tickets_close(struct supervisor *supervisor);
/* bypasses.c: sessions that are passed undecrypted because an earlier one could not be decrypted (D6) */
json_t *report_bypasses(struct supervisor *supervisor, const json_t *request);
json_t *report_sessions(struct supervisor *supervisor, const json_t *request);
json_t *report_filters_refused(struct supervisor *supervisor, const json_t *request);
json_t *report_graph(struct supervisor *supervisor, const json_t *request);
json_t *report_certificates(struct supervisor *supervisor, const json_t *request);
json_t *report_ciphers(struct supervisor *supervisor, const json_t *request);
json_t *report_health(struct supervisor *supervisor, const json_t *request);
/* health.c: what this machine lacks, in the System log */
void health_record(struct supervisor *supervisor);
/* the answer to a request that names an SSL server there is not */
json_t *report_no_server(void);
json_t *report_diagnose(struct supervisor *supervisor, const json_t *request); /* diagnose.c */
