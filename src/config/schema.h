/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The one definition of the configuration's keys (schema.c): rows drive parsing, freeing, every message about a bad
 * value, and docs/configuration.md. */
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum schema_section {
	SCHEMA_ROOT,
	SCHEMA_DEVICE,
	SCHEMA_LIMITS,
	SCHEMA_EXCEPTION_POLICIES,
	SCHEMA_SEGMENT,
	SCHEMA_SSL_SERVER,
	SCHEMA_ACTION_SET,
	SCHEMA_PROFILE,
	SCHEMA_FILTER_CATEGORY,
	SCHEMA_FILTER_OVERRIDE,
	SCHEMA_SSL_POLICY,
	SCHEMA_VIRTUAL_SEGMENT,
	SCHEMA_BYPASS_RULE,
	SCHEMA_RULE_VARIABLE,
	SCHEMA_LOG_TARGET,
	SCHEMA_SNMP,
	SCHEMA_SECTION_N
};

enum schema_type {
	SCHEMA_TYPE_NAME,      /* char * */
	SCHEMA_TYPE_INTERFACE, /* char * */
	SCHEMA_TYPE_NUMBER,    /* unsigned int */
	SCHEMA_TYPE_SWITCH,    /* bool */
	SCHEMA_TYPE_WORD,      /* an enum: one of words */
	SCHEMA_TYPE_REFERENCE, /* pointer to an object of section target */
	SCHEMA_TYPE_CIDRS,     /* struct config_cidrs */
	SCHEMA_TYPE_PORTS,     /* struct config_ranges */
	SCHEMA_TYPE_VLANS,     /* struct config_ranges */
	SCHEMA_TYPE_DAYS,      /* struct config_ranges, low and high the same */
	SCHEMA_TYPE_NAMES,     /* struct config_strings */
	SCHEMA_TYPE_PATHS,     /* struct config_strings */
	SCHEMA_TYPE_ITEMS,     /* struct config_strings: items of a filter's address or port list */
	SCHEMA_TYPE_WORDS,     /* unsigned int: a set of bits 1 << value of words */
	SCHEMA_TYPE_PROTOCOLS, /* two uint16_t: lowest, highest */
	SCHEMA_TYPE_KEYS,      /* a mapping: keys of section target */
	SCHEMA_TYPE_OBJECTS,   /* a list of objects of section target; pointer at offset, size_t at count_offset */
	SCHEMA_TYPE_PATH,      /* char * */
	SCHEMA_TYPE_FILTER,    /* char *: a filter's number (sid) */
	SCHEMA_TYPE_HOST,      /* char *: name, IPv4 or IPv6 address */
	SCHEMA_TYPE_HOSTS,     /* struct config_strings */
	SCHEMA_TYPE_N
};

struct schema_word {
	const char *name;
	int value;
};

struct schema_refusal { /* a word that might be expected and is not taken, with the mend */
	const char *name, *why;
};

struct schema_row {
	enum schema_section section;
	const char *key;
	enum schema_type type;
	bool required;
	bool own;  /* not inherited from a parent */
	bool adds; /* a list: the parent's entries, then its own */
	size_t offset, count_offset;
	enum schema_section target;
	unsigned int min, max;                /* of a number; items of a list */
	const char *unit;                     /* of a number */
	const char *default_text;             /* as it would be written; NULL: none (empty, or required) */
	const struct schema_word *words;      /* ends with a NULL name */
	const struct schema_refusal *refused; /* the same */
	const char *no_effect;                /* why this version accepts the option and does nothing (D2, D7) */
	const char *help;                     /* one sentence, with the unit's meaning and the requirement's terms */
	const char *example;
};

struct schema_section_info {
	const char *noun;    /* "SSL server" */
	const char *plural;  /* "SSL servers" */
	const char *heading; /* "ssl_servers[]" */
	const char *help;
	size_t size; /* of the struct; its first member is char *, of the section's first row; 0: not a list's item */
	size_t line_offset, id_offset, origin_offset; /* 0: it has none */
	bool inherits;                                /* its key "parent" names another of the list (inherit.h) */
	struct { /* where the objects are, from struct config; count_offset 0: inside another object */
		size_t items_offset, count_offset;
	} list;
};

extern const struct schema_row schema_rows[];
extern const size_t schema_n_rows;
extern const struct schema_section_info schema_sections[SCHEMA_SECTION_N];
extern const struct schema_word schema_notification_words[];
extern const struct schema_word schema_service_words[], schema_protocol_words[];
extern const struct schema_word schema_log_protocol_words[], schema_log_format_words[];
extern const struct schema_word schema_key_exchange_words[], schema_bulk_words[], schema_mac_words[];

/* the word for a value; NULL when there is none */
const char *schema_word_name(const struct schema_word *words, int value);
/* the next row of a section after `row` (NULL: the first), in the table's order; NULL at the end */
const struct schema_row *schema_next(enum schema_section section, const struct schema_row *row);
/* frees what the rows of a section own inside the object, not the object */
void schema_free_object(enum schema_section section, void *object);

/* docs/configuration.md: every key of the schema, and an example that holds each */
void schema_write_document(FILE *out);
void schema_write_example(FILE *out);
