/* SPDX-License-Identifier: Apache-2.0 */
/* The certificates of the store, for operators: what there is, who uses it, when it ends. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/common.h"
#include "base/suggest.h"
#include "daemon/certificate.h"
#include "daemon/key_source.h"
#include "daemon/keystore.h"

#define DAY_S 86400
#define EXPIRY_NS (600 * NSEC_PER_SEC)

static bool server_shows(const struct config_ssl_server *server, const char *name)
{
	for (size_t i = 0; i < server->certificates.n; i++)
		if (!strcmp(server->certificates.items[i], name))
			return true;
	return false;
}

json_t *certificate_users(const struct supervisor *supervisor, const char *name)
{
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	json_t *users = json_array();

	for (size_t i = 0; config && i < config->n_ssl_servers; i++)
		if (server_shows(&config->ssl_servers[i], name))
			json_array_append_new(users, json_string(config->ssl_servers[i].name));
	return users;
}

bool certificate_is_used(const struct supervisor *supervisor, const char *name)
{
	json_t *users = certificate_users(supervisor, name);
	bool used = json_array_size(users) > 0;

	json_decref(users);
	return used;
}

static json_t *answer_error(const char *error)
{
	return json_pack("{s:b, s:s}", "ok", 0, "error", error);
}

const char *certificate_missing(const struct supervisor *supervisor, const char *name, char text[CERTIFICATE_MISSING])
{
	json_auto_t *names = store_list_certificates(&supervisor->store);
	struct suggest suggest = {.word = name};
	const json_t *other;
	size_t i;

	json_array_foreach(names, i, other)
	{
		suggest_try(&suggest, json_string_value(other));
	}
	if (suggest.best)
		snprintf(text, CERTIFICATE_MISSING,
			"there is no certificate \"%.63s\" in the store: did you mean \"%.63s\"?", name, suggest.best);
	else
		snprintf(text, CERTIFICATE_MISSING,
			"there is no certificate \"%.63s\" in the store: see \"sluice certificate list\"", name);
	return text;
}

static json_t *answer_missing(const struct supervisor *supervisor, const char *name)
{
	char text[CERTIFICATE_MISSING];

	return answer_error(certificate_missing(supervisor, name ? name : "", text));
}

static json_t *certificate_load(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));

	return name ? store_load_certificate(&supervisor->store, name) : NULL;
}

/* what operators are shown of the facts, which are taken */
static json_t *certificate_row(struct supervisor *supervisor, const char *name, json_t *facts)
{
	const char *state = json_string_value(json_object_get(supervisor->key_states, name));

	json_object_del(facts, "chain");
	json_object_set_new(facts, "days_left", json_integer(expiry_days_left(facts, clock_wall_us() / 1000000)));
	json_object_set_new(facts, "key_state", json_string(state ? state : "not loaded"));
	json_object_set_new(facts, "servers", certificate_users(supervisor, name));
	return facts;
}

json_t *report_certificates(struct supervisor *supervisor, const json_t *request)
{
	json_auto_t *names = store_list_certificates(&supervisor->store);
	json_t *array = json_array(), *name;
	size_t i;

	(void)request;
	json_array_foreach(names, i, name)
	{
		json_t *facts = store_load_certificate(&supervisor->store, json_string_value(name));

		if (facts)
			json_array_append_new(array, certificate_row(supervisor, json_string_value(name), facts));
	}
	return json_pack("{s:b, s:o}", "ok", 1, "certificates", array);
}

json_t *certificate_show(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	json_t *facts = certificate_load(supervisor, request);

	if (!facts)
		return answer_missing(supervisor, name);
	return json_pack("{s:b, s:o}", "ok", 1, "certificate", certificate_row(supervisor, name, facts));
}

json_t *certificate_chain(struct supervisor *supervisor, const json_t *request)
{
	json_t *facts = certificate_load(supervisor, request), *answer;

	if (!facts)
		return answer_missing(supervisor, json_string_value(json_object_get(request, "name")));
	answer = json_pack("{s:b, s:O}", "ok", 1, "chain", json_object_get(facts, "chain"));
	json_decref(facts);
	return answer;
}

static json_t *refuse_removal(const char *name, json_t *users)
{
	char error[1024], *at = error, *end = error + sizeof(error);
	const json_t *user;
	size_t i;

	at += snprintf(at, end - at, "certificate %s is used by SSL server", name);
	json_array_foreach(users, i, user)
	{
		if (end - at > 100)
			at += snprintf(at, end - at, "%s %.60s", i ? "," : "", json_string_value(user));
	}
	snprintf(at, end - at, ": commit a configuration without it first");
	return json_pack("{s:b, s:s, s:o}", "ok", 0, "error", error, "servers", users);
}

void certificate_unload_key(struct supervisor *supervisor, const char *key_id)
{
	json_t *names = store_list_certificates(&supervisor->store), *name;
	bool used = false;
	size_t i;

	json_array_foreach(names, i, name)
	{
		json_t *facts = store_load_certificate(&supervisor->store, json_string_value(name));
		const char *id = json_string_value(json_object_get(facts, "key_id"));

		used |= id && key_id && !strcmp(id, key_id);
		json_decref(facts);
	}
	json_decref(names);
	if (key_id && !used)
		key_source_drop(supervisor, key_id);
	if (key_id && !used)
		child_send(&supervisor->keeper.child, "unload", json_pack("{s:s}", "key_id", key_id), NULL, 0);
}

json_t *certificate_remove(struct supervisor *supervisor, const json_t *request)
{
	const char *name = json_string_value(json_object_get(request, "name"));
	json_t *facts = certificate_load(supervisor, request),
	       *users = name ? certificate_users(supervisor, name) : NULL;
	json_t *answer;

	if (!facts)
		answer = answer_missing(supervisor, name);
	else if (supervisor->commit || supervisor->replace)
		answer = answer_error("a commit or a replacement is in progress: try again when it has ended");
	else if (keystore_busy(supervisor))
		answer = answer_error(keystore_busy(supervisor));
	else if (json_array_size(users))
		answer = refuse_removal(name, json_incref(users));
	else if (store_remove_certificate(&supervisor->store, name) < 0)
		answer = answer_error("the state directory cannot be written");
	else
		answer = json_pack("{s:b, s:s}", "ok", 1, "removed", name);
	if (json_is_true(json_object_get(answer, "ok"))) {
		certificate_unload_key(supervisor, json_string_value(json_object_get(facts, "key_id")));
		json_object_del(supervisor->key_states, name);
	}
	json_decref(users);
	json_decref(facts);
	return answer;
}

/* --- expiry (E4) ---------------------------------------------------------------------------------------------------
 */

/* who is told of, and how they are called: certificates of SSL servers, and those shown to log servers */
struct expiry_subject {
	struct supervisor *supervisor;
	const char *what, *note;
};

static void certificate_on_expiry(void *owner, const json_t *facts, int64_t left)
{
	const struct expiry_subject *subject = owner;
	const char *name = json_string_value(json_object_get(facts, "name"));
	const char *end = json_string_value(json_object_get(facts, "not_after"));
	bool hours = left < 2 * DAY_S;

	if (left <= 0)
		supervisor_record(subject->supervisor, EVENT_LOG_SYSTEM, "error", "%s %s has expired at %s%s",
			subject->what, name, end, subject->note);
	else
		supervisor_record(subject->supervisor, EVENT_LOG_SYSTEM, "warning", "%s %s expires in %lld %s, at %s%s",
			subject->what, name, (long long)(left / (hours ? 3600 : DAY_S)), hours ? "hours" : "days", end,
			subject->note);
}

struct expiry_look {
	struct supervisor *supervisor;
	json_t *keys; /* learns those that there are */
};

static void expiry_look(const struct store_key *certificate, void *data)
{
	const struct expiry_look *look = data;
	struct supervisor *supervisor = look->supervisor;
	const struct config *config = supervisor->policy ? supervisor->policy->config : NULL;
	bool used = certificate->of_log_target || certificate_is_used(supervisor, certificate->name);
	struct expiry_subject subject = {supervisor,
		certificate->of_log_target ? "the certificate of log credentials" : certificate->what,
		used ? "" : " (no SSL server uses it)"};
	/* no certificate is called what the key of log credentials is sealed for */
	const char *key = certificate->of_log_target ? certificate->sealed_as : certificate->name;

	json_array_append_new(look->keys, json_string(key));
	if (json_is_string(json_object_get(certificate->facts, "name")))
		expiry_check(&supervisor->expiry, key, certificate->facts, (int64_t)(clock_wall_us() / 1000000),
			config ? &config->certificate_warning_days : NULL, certificate_on_expiry, &subject);
}

void certificate_tick(struct supervisor *supervisor)
{
	struct expiry_look look = {.supervisor = supervisor};
	uint64_t now = clock_now_ns();

	if (supervisor->expiry_checked_ns && now - supervisor->expiry_checked_ns < EXPIRY_NS)
		return;
	supervisor->expiry_checked_ns = now;
	look.keys = json_array();
	store_each_key(&supervisor->store, expiry_look, &look);
	expiry_keep_only(&supervisor->expiry, look.keys);
	json_decref(look.keys);
	if (!supervisor->expiry.changed)
		return;
	/* after it was told: at worst it is told twice */
	if (store_write_told(&supervisor->store, supervisor->expiry.told) >= 0)
		supervisor->expiry.changed = false;
}
