/* SPDX-License-Identifier: Apache-2.0 */
#include "day0/main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "base/system.h"
#include "day0/apply.h"
#include "day0/commit.h"
#include "day0/console.h"
#include "day0/disk.h"
#include "day0/identity.h"
#include "day0/nic.h"
#include "day0/seed.h"
#include "day0/wizard.h"
#include "health/health.h"

static const char usage_text[] =
	"usage: sluice-day0 boot            names the network interfaces and, at the first boot, reads the settings "
	"that\n"
	"                                   the deployment left (CIDATA medium, OVF environment, /data/day0.yaml)\n"
	"       sluice-day0 commit          imports their certificates and commits their configuration\n"
	"       sluice-day0 settle          what a copied machine needs of its own, once Sluice runs\n"
	"       sluice-day0 check FILE      says what is wrong with settings; changes nothing\n"
	"       sluice-day0 ports           which network interface is which\n"
	"       sluice-day0 schema          every setting, as documentation\n"
	"       sluice-day0 log-disk        puts the logs on the second disk, if there is one\n"
	"       sluice-day0 console         keeps what stands above the login prompt current\n"
	"       sluice-day0 wizard PROGRAM  asks for settings on this terminal if there are none, then runs PROGRAM\n"
	"docs/day0.md describes the settings.\n";

static void main_print_problems(const char *file, const struct config_problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		fprintf(stderr, "sluice-day0: %s:%u:%u: %s\n", file, problems->items[i].line, problems->items[i].column,
			problems->items[i].message);
}

static int main_parse(const char *file, const char *text, size_t len, struct day0_settings **settings)
{
	struct config_problems problems = {0};
	int r = day0_parse(text, len, settings, &problems);

	main_print_problems(file, &problems);
	config_problems_clear(&problems);
	return r;
}

/* the medium is let go once nothing is left to be read again */
static int main_finish(const struct seed *seed)
{
	char told[256];
	int r = apply_done(seed->origin);

	if (r < 0)
		return r;
	seed_wipe(seed, told, sizeof(told));
	fprintf(stderr, "sluice-day0: settings of day 0 are in force%s%s\n", *told ? "; " : "", told);
	return 0;
}

int day0_first_boot(struct seed *seed)
{
	_cleanup_(day0_free) struct day0_settings *settings = NULL;
	bool pending;
	int r = main_parse(seed->file, seed->text, seed->len, &settings);

	if (r < 0)
		return log_err_r(r, "nothing of %s is applied: mend it and boot again", seed->origin);
	r = apply_settings(settings);
	if (r >= 0)
		r = apply_pending(settings, seed, &pending);
	if (r >= 0 && !pending)
		r = main_finish(seed);
	return r;
}

static int main_seed(void)
{
	_cleanup_(seed_close) struct seed seed = {0};
	int r = seed_find(&seed);

	if (r == -ENOENT) {
		fputs("sluice-day0: no settings of day 0 were found: the management interface asks DHCP, the wire is a "
		      "cable.\n"
		      "sluice-day0: attach a CIDATA medium and boot again, or log in and see docs/day0.md\n",
			stderr);
		return 0;
	}
	return r < 0 ? r : day0_first_boot(&seed);
}

static int main_name_interfaces(bool rename)
{
	_cleanup_free_ char *assignments = NULL;
	struct nics nics;
	size_t len;
	int r = nic_list(&nics);

	if (r < 0)
		return r;
	if (access(NIC_PORTS_FILE, F_OK) == 0)
		system_read_file(NIC_PORTS_FILE, 65536, &assignments, &len);
	r = nic_assign(&nics, assignments);
	if (rename && nic_rename(&nics) < 0)
		r = -EIO;
	for (size_t i = 0; i < nics.n; i++)
		printf("%-8s %s %s\n", nics.nic[i].wanted, nics.nic[i].mac, nics.nic[i].pci);
	return r;
}

/* J2: on the console, for who has nothing else yet */
static void main_print_health(void)
{
	struct health_facts facts;
	char found[160];

	health_find(&facts);
	for (size_t i = 0; i < health_n_checks; i++) {
		enum health_state state = health_judge(&health_checks[i], &facts);

		health_describe(&health_checks[i], &facts, found, sizeof(found));
		if (state == HEALTH_WARNING || state == HEALTH_REFUSED)
			fprintf(stderr, "sluice-day0: %s: %s: %s: %s\n", health_state_name(state),
				health_checks[i].title, found, health_checks[i].cost);
	}
}

static int main_boot(void)
{
	int r = access(DAY0_DONE, F_OK) == 0 ? 0 : main_seed();
	int named = main_name_interfaces(true);
	enum identity identity;
	int known = identity_boot(&identity), booted = apply_boot();

	main_print_health();
	return r < 0 ? r : named < 0 ? named : known < 0 ? known : booted;
}

static int main_commit(void)
{
	_cleanup_(seed_close) struct seed seed = {0};
	int r = commit_pending();

	if (r < 0)
		return r;
	r = seed_find(&seed); /* again, to wipe it */
	if (r == -ENOENT)
		r = apply_done("a medium that is detached");
	else if (r >= 0)
		r = main_finish(&seed);
	if (r >= 0)
		r = system_run((const char *const[]){"rm", "-rf", DAY0_PENDING, NULL});
	return r;
}

static int main_settle(void)
{
	int r = commit_wait();

	return r < 0 ? r : identity_settle();
}

static int main_check(const char *path)
{
	_cleanup_(day0_free) struct day0_settings *settings = NULL;
	_cleanup_free_ char *text = NULL;
	size_t len;
	int r = system_read_file(path, DAY0_DOCUMENT_MAX, &text, &len);

	if (r >= 0)
		r = main_parse(path, text, len, &settings);
	if (r >= 0)
		printf("%s: good\n", path);
	return r;
}

int day0_main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	log_set_name("sluice-day0");
	if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0)
		return fputs(usage_text, stdout) < 0;
	if (argc == 3 && strcmp(verb, "check") == 0)
		return main_check(argv[2]) < 0;
	if (argc == 2 && strcmp(verb, "boot") == 0)
		return main_boot() < 0;
	if (argc == 2 && strcmp(verb, "commit") == 0)
		return main_commit() < 0;
	if (argc == 2 && strcmp(verb, "settle") == 0)
		return main_settle() < 0;
	if (argc == 2 && strcmp(verb, "ports") == 0)
		return main_name_interfaces(false) < 0;
	if (argc == 2 && strcmp(verb, "log-disk") == 0)
		return disk_run() < 0;
	if (argc == 2 && strcmp(verb, "console") == 0)
		return console_run() < 0;
	if (argc > 2 && strcmp(verb, "wizard") == 0)
		return wizard_run(argv + 2) < 0;
	if (argc == 2 && strcmp(verb, "schema") == 0)
		return day0_write_document(stdout), 0;
	fputs(usage_text, stderr);
	return 2;
}
