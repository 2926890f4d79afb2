/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* One inspected connection. Steps are listed once in stats/session_steps.def; a step function does what can be done now
 * and returns the next step; session_enter() is the only place that changes the step. */
#include <netinet/in.h>
#include <sys/queue.h>

#include "base/loop.h"
#include "dataplane/flow.h"
#include "inspect/inspect.h"
#include "proxy/leg.h"
#include "proxy/snapshot.h"
#include "stats/close_reason.h"
#include "stats/session_step.h"
#include "stats/stats.h"
#include "tls/fingerprint.h"

struct worker;

/* One direction of the relay: plaintext that may not be sent yet (held for a verdict) or could not be (blocked). */
struct pipe_state {
	uint8_t *held;    /* bytes [sent, received) of the direction; NULL when there are none */
	size_t held_size; /* allocated */
	size_t held_at;   /* offset in held of the first byte not sent */
	uint64_t received, sent;
	uint64_t release; /* sent may not pass this stream offset (B8) */
	bool notify, fin; /* the source ended its stream so */
	bool judged_end;  /* inspect_end() was called */
};

struct session_facts { /* strings for records and the sessions list; kept after handshake state is gone */
	uint16_t version[2], cipher_id[2], group_id[2], signature_id[2];
	const char *cipher[2], *group[2], *version_name[2]; /* static strings of the engine; index as legs[] */
	bool resumed[2], ticket_offered[2];
	const char *signature[2];
	uint32_t handshake_ms[2];
	struct fingerprint client;
	const char *certificate;
	char alpn[16];
};

enum session_bypass { BYPASS_NONE, BYPASS_THIS, BYPASS_REMEMBERED };

enum session_leg { LEG_CLIENT, LEG_SERVER, LEGS };

struct session {
	LIST_ENTRY(session) link;
	struct worker *worker;
	struct snapshot *snapshot; /* a reference */
	const struct snapshot_server *server;
	const struct config_ssl_policy *policy;
	const struct config_profile *profile;
	const struct config_virtual_segment *virtual_segment;
	enum session_step step;
	enum close_reason reason;
	enum session_bypass bypass; /* it is not decrypted, for bypass_cause */
	enum config_undecryptable bypass_cause;
	bool silent;         /* both legs are reset without a word */
	bool running, again; /* guards against recursion through callbacks */
	struct leg legs[LEGS];
	struct pipe_state pipes[INSPECT_DIRS];
	struct loop_timer timer; /* of the step */
	struct loop_timer rekey_timer;
	unsigned int rekeys;           /* renegotiations of the server leg that have been counted */
	struct loop_timer turn;        /* more to do after the other sessions */
	enum config_reset block_reset; /* of a blocked session (B9) */
	struct inspect_stream *stream; /* NULL: nothing to inspect */
	struct stats_cells *server_cells;
	uint8_t *hello; /* the held ClientHello as received, until the client's handshake is complete */
	size_t hello_len, hello_size;
	char *sni; /* NULL: none */
	struct session_facts facts;
	struct flow_key flow_key;
	struct flow_context flow_context;
	struct in_addr client_ip, server_ip;
	uint16_t client_port, server_port; /* host order; the client's true port */
	uint64_t id, started_us, started_ns, established_ns;
	uint64_t settle_until_ns;
	uint64_t handshake_ns; /* when the leg at hand began its handshake */
	int table_slot;
	char detail[128]; /* the engine's words for the record */
};

/* a connection taken from the listener; closes fd in every case of refusal */
void session_accept(struct worker *worker, int fd, const struct sockaddr_in *client);
/* the server of a held flow did not accept (errno): counted and recorded as a session's end; the client knows */
void session_record_refused(struct worker *worker, const struct flow_key *key, int error);
/* does whatever can be done now; the session may be gone afterwards */
void session_run(struct session *session);
/* a byte moved: the step's timeout begins anew; the sessions list shows it */
void session_touch(struct session *session);
/* ends it from outside a step */
void session_abort(struct session *session, enum close_reason reason);
/* B5: no byte of it is inspected from here on, and what inspection holds back may go */
void session_stop_inspection(struct session *session);
/* in the device's total and in the SSL server's own figures */
void session_count(struct session *session, enum counter_id id, uint64_t n);
/* a server leg that has been used gives way to a new one, from the same address and port; 0 or -errno */
int session_reconnect_server(struct session *session);
/* in the facts' and records' order: which leg a direction is read from */
static inline struct leg *session_source(struct session *session, enum inspect_dir dir)
{
	return &session->legs[dir == INSPECT_TO_SERVER ? LEG_CLIENT : LEG_SERVER];
}
static inline struct leg *session_sink(struct session *session, enum inspect_dir dir)
{
	return &session->legs[dir == INSPECT_TO_SERVER ? LEG_SERVER : LEG_CLIENT];
}

/* relay.c: the steps relay and drain */
enum session_step session_step_relay(struct session *session);
enum session_step session_step_drain(struct session *session);
/* held bytes that may go: LEG_OK when nothing released is left */
enum leg_status relay_flush(struct session *session, enum inspect_dir dir);
/* alert.c: what goes before a last alert is being sent */
enum session_step session_step_farewell(struct session *session);
/* ends with reason, from within a step; detail may be NULL */
enum session_step session_fail(struct session *session, enum close_reason reason, const char *detail);
/* leg_reason.c: the close reason of a leg that reports status; side: client or server */
enum close_reason session_leg_reason(const struct session *session, enum session_leg side, enum leg_status status);
