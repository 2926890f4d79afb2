/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The command line: one table of commands and one of options, from which parser, --help, completion and
 * docs/man/sluice-deploy.1 come. */
#include <stdbool.h>
#include <stdio.h>

enum deploy_status {
	DEPLOY_OK,
	DEPLOY_FAILED,        /* refused or failed; nothing is left behind */
	DEPLOY_USAGE,         /* the command line means nothing */
	DEPLOY_NO_HYPERVISOR, /* libvirt cannot be reached */
	DEPLOY_UNHEALTHY,     /* the machine does not answer, or is not well */
	DEPLOY_LEFT,          /* done, and something is left to do by hand */
	DEPLOY_STATUS_N
};

struct options {
	const char *command;
	/* by position */
	const char *name, *update;
	/* what the machine is made of */
	const char *image, *sha256, *day0, *pool;
	const char *management, *port_a, *port_b;
	unsigned int sessions, vcpus, memory_mib, disk_gib;
	const char *cpus;
	bool hugepages, emulated, no_autostart;
	/* how */
	const char *connect;
	unsigned int wait_seconds;
	bool dry_run, yes, keep, json, help;
};

/* 0; -EINVAL after it has been said on err */
int options_parse(int argc, char **argv, struct options *out, FILE *err);
/* command NULL: of all */
void options_help(const char *command, FILE *out);
void options_manual(FILE *out);
/* words that can stand next, one a line: the last of argv is what is begun */
void options_complete(int argc, char **argv, FILE *out);
