/* SPDX-License-Identifier: Apache-2.0 */
/* Bad documents and the exact words for each: what an operator reads is part of the contract. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/common.h"
#include "config/config.h"

#define DEVICE "device: {name: d}\n"
#define SEGMENT "segments: [{name: s, port_a: a0, port_b: b0}]\n"
#define SERVER           \
	"ssl_servers:\n" \
	"- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http}\n"
#define PROFILE "profiles: [{name: p, ssl_policies: [{name: x, ssl_server: w}]}]\n"
#define VIRTUAL "virtual_segments: [{name: v, segment: s, direction: a_to_b, profile: p}]\n"

static const struct {
	const char *name, *document, *problems;
} bad_documents[] = {
	/* clang-format off */
	{"segment_without_virtual_segment",
	 DEVICE "segments: [{name: s, port_a: a0, port_b: b0}, {name: other, port_a: a1, port_b: b1}]\n" SERVER PROFILE VIRTUAL,
	 "2:47: warning: segments[1]: no virtual segment is on segment \"other\": its traffic is forwarded and nothing is inspected\n"},
	{"parent_unknown",
	 DEVICE SEGMENT SERVER
	 "profiles:\n"
	 "- {name: base, filter_packages: [a.rules]}\n"
	 "- {name: p, parent: bsae, ssl_policies: [{name: x, ssl_server: w}]}\n" VIRTUAL,
	 "7:21: error: profiles[1].parent: no profile is named \"bsae\": did you mean \"base\"?\n"},
	{"parent_of_itself",
	 DEVICE SEGMENT SERVER
	 "profiles:\n"
	 "- {name: p, parent: p}\n" VIRTUAL,
	 "6:21: error: profiles[0].parent: a profile cannot be its own parent: remove one \"parent\"\n"},
	{"parents_in_a_ring",
	 DEVICE SEGMENT SERVER
	 "profiles:\n"
	 "- {name: p, parent: q}\n"
	 "- {name: q, parent: r}\n"
	 "- {name: r, parent: q}\n" VIRTUAL,
	 "7:21: error: profiles[1].parent: a profile cannot be its own parent, by way of others: remove one \"parent\"\n"
	 "8:21: error: profiles[2].parent: a profile cannot be its own parent, by way of others: remove one \"parent\"\n"},
	{"errors_of_a_parent_are_told_once",
	 DEVICE SEGMENT SERVER
	 "profiles:\n"
	 "- {name: base, inspect_server_response: maybe, ssl_policies: [{name: x, ssl_server: wxyz}]}\n"
	 "- {name: p, parent: base}\n" VIRTUAL,
	 "6:41: error: profiles[0].inspect_server_response: \"maybe\" is not a switch: allowed are on and off\n"
	 "6:85: error: profiles[0].ssl_policies[0].ssl_server: no SSL server is named \"wxyz\": existing: \"w\"\n"},
	{"inherited_policy_and_own_for_one_server",
	 DEVICE SEGMENT SERVER
	 "profiles:\n"
	 "- {name: base, ssl_policies: [{name: x, ssl_server: w}]}\n"
	 "- {name: p, parent: base, ssl_policies: [{name: y, ssl_server: w}]}\n" VIRTUAL,
	 "7:42: error: profiles[1].ssl_policies[0].ssl_server: \"w\" has an SSL policy in this profile already, SSL policy \"x\" of profile \"base\" on line 6: remove one\n"},
	{"nothing",
	 "",
	 "1:1: error: the document is empty: write at least \"device: {name: sluice-1}\"\n"},
	{"comment_only",
	 "# nothing\n",
	 "1:1: error: the document is empty: write at least \"device: {name: sluice-1}\"\n"},
	{"a_word",
	 "hello",
	 "1:1: error: the document is a single value: keys are needed, write at least \"device: {name: sluice-1}\"\n"},
	{"a_list",
	 "[1, 2]",
	 "1:1: error: the document is a list: keys are needed, write at least \"device: {name: sluice-1}\"\n"},
	{"not_yaml",
	 "device: {name: d\n"
	 "segments: []\n",
	 "2:9: error: not valid YAML: while parsing a flow mapping that began on line 1, did not find expected ',' or '}'\n"},
	{"tab",
	 "device:\n"
	 "\tname: d\n",
	 "2:1: error: not valid YAML: while scanning for the next token, found character that cannot start any token: there is a tab here, indent with spaces\n"},
	{"not_utf8",
	 DEVICE "# \377\n",
	 "2:3: error: not valid YAML: invalid leading UTF-8 octet\n"},
	{"two_documents",
	 DEVICE "---\n" DEVICE,
	 "2:1: error: a second document begins here: a file holds one configuration\n"},
	{"alias",
	 "device: &d {name: d}\n"
	 "limits: *d\n",
	 "1:9: error: YAML anchors are not allowed in a configuration: write the value out where it is needed\n"
	 "2:9: error: YAML aliases are not allowed in a configuration: write the value out where it is needed\n"},
	{"rule_variables",
	 DEVICE "rule_variables:\n"
	 "- {name: A-B, values: [10.0.0.1]}\n"
	 "- {name: HOME_NET, values: [10.0.0.1, $NOBODY]}\n"
	 "- {name: C, values: [$D]}\n"
	 "- {name: D, values: [\"!$C\"]}\n",
	 "3:10: error: rule_variables[0].name: \"A-B\" is not a variable's name: allowed are letters, digits and '_'\n"
	 "4:28: error: rule_variables[1].values: there is no rule variable \"NOBODY\": define it, or write its values here\n"
	 "5:21: error: rule_variables[2].values: \"C\" stands for itself in the end: break the circle\n"},
	{"rule_variable_items",
	 DEVICE "rule_variables: [{name: A, values: [10.0.0.1/8, 8000-8010, 9:8, $, \"!any\", \":80\", \"1024:\"]}]\n",
	 "2:37: error: rule_variables[0].values: \"10.0.0.1/8\" is no address, network, port or variable: allowed are any, 10.9.0.0/16, 443, 8000:8099, $NAME, each with ! before it to exclude it (then in quotes)\n"
	 "2:49: error: rule_variables[0].values: \"8000-8010\" is no address, network, port or variable: allowed are any, 10.9.0.0/16, 443, 8000:8099, $NAME, each with ! before it to exclude it (then in quotes)\n"
	 "2:60: error: rule_variables[0].values: \"9:8\" is no address, network, port or variable: allowed are any, 10.9.0.0/16, 443, 8000:8099, $NAME, each with ! before it to exclude it (then in quotes)\n"
	 "2:65: error: rule_variables[0].values: \"$\" is no address, network, port or variable: allowed are any, 10.9.0.0/16, 443, 8000:8099, $NAME, each with ! before it to exclude it (then in quotes)\n"},
	{"laughs",
	 "a: &a [x, x]\n"
	 "b: &b [*a, *a]\n",
	 "1:1: error: \"a\" is not a key: known here are device, limits, exception_policies, segments, ssl_servers, action_sets, profiles, virtual_segments, rule_variables, bypass_rules, log_targets, snmp\n"
	 "1:1: error: device: is missing: add it, such as \"device: {name: sluice-1}\"\n"
	 "1:4: error: YAML anchors are not allowed in a configuration: write the value out where it is needed\n"
	 "2:1: error: \"b\" is not a key: known here are device, limits, exception_policies, segments, ssl_servers, action_sets, profiles, virtual_segments, rule_variables, bypass_rules, log_targets, snmp\n"
	 "2:4: error: YAML anchors are not allowed in a configuration: write the value out where it is needed\n"
	 "2:8: error: YAML aliases are not allowed in a configuration: write the value out where it is needed\n"
	 "2:12: error: YAML aliases are not allowed in a configuration: write the value out where it is needed\n"},
	{"tag",
	 "device: {name: !!str d}\n",
	 "1:16: error: YAML tags are not allowed in a configuration: remove the word that begins with \"!\"\n"},
	{"control",
	 "device: {name: \"a\\x07b\"}\n",
	 "1:16: error: the value holds a line break or another control character: write it on one line\n"},
	{"c1",
	 "device: {name: \"a\\x9b31m\"}\n",
	 "1:16: error: the value holds a line break or another control character: write it on one line\n"},
	{"deep",
	 "device: [[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]\n",
	 "1:24: error: lists or mappings are nested too deeply: no key needs more than 4 levels\n"},
	{"missing_device",
	 SEGMENT SERVER PROFILE VIRTUAL,
	 "1:1: error: device: is missing: add it, such as \"device: {name: sluice-1}\"\n"},
	{"unknown_key",
	 "device: {nmae: d}\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:10: error: device: \"nmae\" is not a key: did you mean \"name\"?\n"},
	{"unknown_key_far",
	 DEVICE SEGMENT SERVER PROFILE VIRTUAL "zebra: 1\n",
	 "7:1: error: \"zebra\" is not a key: known here are device, limits, exception_policies, segments, ssl_servers, action_sets, profiles, virtual_segments, rule_variables, bypass_rules, log_targets, snmp\n"},
	{"unknown_section_key",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_port: [443], certificates: [c], decrypted_service: http}\n" PROFILE VIRTUAL,
	 "4:39: error: ssl_servers[0]: \"detection_port\" is not a key: did you mean \"detection_ports\"?\n"},
	{"duplicate_key",
	 DEVICE SEGMENT SERVER PROFILE VIRTUAL DEVICE,
	 "7:1: error: \"device\" is given twice, first on line 1: remove one\n"},
	{"no_value",
	 "device: {name: d, workers: }\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:28: error: device.workers: has no value: one value is needed, such as 2\n"},
	{"no_value_list",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "profiles: []\n",
	 "3:13: error: ssl_servers: has no value: a list is needed, or [] for none\n"},
	{"list_for_value",
	 "device: {name: [a, b]}\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:16: error: device.name: is a list: one value is needed, such as sluice-1\n"},
	{"value_for_list",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: 443, certificates: [c], decrypted_service: http}\n" PROFILE VIRTUAL,
	 "4:56: error: ssl_servers[0].detection_ports: is a single value: a list is needed, such as [443, 8443-8450]\n"},
	{"value_for_keys",
	 "device: d\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:9: error: device: is a single value: a mapping of keys is needed\n"},
	{"keys_for_objects",
	 DEVICE "segments: {dmz: {port_a: a0}}\n",
	 "2:11: error: segments: is a mapping of keys: a list is needed\n"},
	{"list_as_key",
	 "? [a]\n"
	 ": b\n" DEVICE SEGMENT SERVER PROFILE VIRTUAL,
	 "1:3: error: a list stands where a key is needed: write \"key: value\"\n"},
	{"object_is_text",
	 DEVICE "segments: [dmz]\n",
	 "2:12: error: segments[0]: is a single value: a mapping of keys is needed\n"},
	{"number_text",
	 "device: {name: d, workers: two}\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:28: error: device.workers: \"two\" is not a whole number: allowed are 0 to 16 processes\n"},
	{"number_range",
	 "device: {name: d, workers: 99}\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:28: error: device.workers: \"99\" is out of range: allowed are 0 to 16 processes\n"},
	{"number_octal",
	 "device: {name: d, workers: 010}\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:28: error: device.workers: \"010\" is not a whole number: allowed are 0 to 16 processes\n"},
	{"number_huge",
	 DEVICE SEGMENT SERVER PROFILE VIRTUAL "limits: {max_sessions: 99999999999999999999}\n",
	 "7:24: error: limits.max_sessions: \"99999999999999999999\" is not a whole number: allowed are 1 to 1000000 sessions\n"},
	{"number_negative",
	 DEVICE SEGMENT SERVER PROFILE VIRTUAL "limits: {idle_timeout_seconds: -1}\n",
	 "7:32: error: limits.idle_timeout_seconds: \"-1\" is not a whole number: allowed are 10 to 86400 seconds\n"},
	{"switch",
	 "device: {name: d, ssl_inspection: maybe}\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:35: error: device.ssl_inspection: \"maybe\" is not a switch: allowed are on and off\n"},
	{"word",
	 DEVICE "segments: [{name: s, port_a: a0, port_b: b0, when_down: bypas}]\n" SERVER PROFILE VIRTUAL,
	 "2:57: error: segments[0].when_down: \"bypas\" is not known: allowed are bypass and block: did you mean \"bypass\"?\n"},
	{"name",
	 "device: {name: a b}\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:16: error: device.name: \"a b\" is not a name: allowed are 1 to 63 letters, digits, '-', '_' and '.', not beginning with '.'\n"},
	{"name_dot",
	 "device: {name: ../x}\n" SEGMENT SERVER PROFILE VIRTUAL,
	 "1:16: error: device.name: \"../x\" is not a name: allowed are 1 to 63 letters, digits, '-', '_' and '.', not beginning with '.'\n"},
	{"interface",
	 DEVICE "segments: [{name: s, port_a: interface-name-too-long, port_b: b0}]\n" SERVER PROFILE VIRTUAL,
	 "2:30: error: segments[0].port_a: \"interface-name-too-long\" is not a network interface: allowed are 1 to 15 letters, digits, '-', '_', '.' and '@', such as ens4\n"},
	{"port_range",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [99999, 0, 8450-8443, 443-, http], certificates: [c], decrypted_service: http}\n" PROFILE VIRTUAL,
	 "4:57: error: ssl_servers[0].detection_ports: \"99999\" is not a port: allowed are 1 to 65535 or a range such as 8443-8450\n"
	 "4:64: error: ssl_servers[0].detection_ports: \"0\" is not a port: allowed are 1 to 65535 or a range such as 8443-8450\n"
	 "4:67: error: ssl_servers[0].detection_ports: \"8450-8443\" is a range that ends before it begins: allowed are 1 to 65535 or a range such as 8443-8450\n"
	 "4:78: error: ssl_servers[0].detection_ports: \"443-\" is not a port: allowed are 1 to 65535 or a range such as 8443-8450\n"
	 "4:84: error: ssl_servers[0].detection_ports: \"http\" is not a port: allowed are 1 to 65535 or a range such as 8443-8450\n"},
	{"port_covered",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443, 443, 400-500], certificates: [c], decrypted_service: http}\n" PROFILE VIRTUAL,
	 "4:62: warning: ssl_servers[0].detection_ports: \"443\" is already covered by an entry before it: remove it\n"
	 "4:67: warning: ssl_servers[0].detection_ports: \"400-500\" covers an entry before it: remove the narrower one\n"},
	{"cidr",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.256, 10.0.0.5/24, 10.0.0.0/33, '2001:db8::1', www.example.com, 10.0.0.1/], detection_ports: [443], certificates: [c], decrypted_service: http}\n" PROFILE VIRTUAL,
	 "4:28: error: ssl_servers[0].destinations: \"10.0.0.256\" is not an IPv4 address or network: allowed are addresses such as 10.9.0.2 and networks such as 10.9.1.0/24, without host bits\n"
	 "4:40: error: ssl_servers[0].destinations: \"10.0.0.5/24\" has bits set beyond its prefix: allowed are addresses such as 10.9.0.2 and networks such as 10.9.1.0/24, without host bits\n"
	 "4:53: error: ssl_servers[0].destinations: \"10.0.0.0/33\" is not an IPv4 address or network: allowed are addresses such as 10.9.0.2 and networks such as 10.9.1.0/24, without host bits\n"
	 "4:66: error: ssl_servers[0].destinations: \"2001:db8::1\" is an IPv6 address, and only IPv4 is decrypted: allowed are addresses such as 10.9.0.2 and networks such as 10.9.1.0/24, without host bits\n"
	 "4:81: error: ssl_servers[0].destinations: \"www.example.com\" is not an IPv4 address or network: allowed are addresses such as 10.9.0.2 and networks such as 10.9.1.0/24, without host bits\n"
	 "4:98: error: ssl_servers[0].destinations: \"10.0.0.1/\" is not an IPv4 address or network: allowed are addresses such as 10.9.0.2 and networks such as 10.9.1.0/24, without host bits\n"},
	{"empty_list",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [], detection_ports: [443], certificates: [c], decrypted_service: http}\n" PROFILE VIRTUAL,
	 "4:27: error: ssl_servers[0].destinations: is empty: at least one entry is needed, such as [10.9.0.2, 10.9.1.0/24]\n"},
	{"vlans",
	 DEVICE SEGMENT SERVER PROFILE "virtual_segments: [{name: v, segment: s, direction: a_to_b, vlans: [0, 4095, 30-20, none, 10], profile: p}]\n",
	 "6:69: error: virtual_segments[0].vlans: \"0\" is not a VLAN: allowed are 1 to 4094, a range such as 20-30, or untagged\n"
	 "6:72: error: virtual_segments[0].vlans: \"4095\" is not a VLAN: allowed are 1 to 4094, a range such as 20-30, or untagged\n"
	 "6:78: error: virtual_segments[0].vlans: \"30-20\" is a range that ends before it begins: allowed are 1 to 4094, a range such as 20-30, or untagged\n"
	 "6:85: error: virtual_segments[0].vlans: \"none\" is not a VLAN: allowed are 1 to 4094, a range such as 20-30, or untagged\n"},
	{"protocols_gap",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http, protocols: [tls1.0, tls1.2]}\n" PROFILE VIRTUAL,
	 "4:118: error: ssl_servers[0].protocols: leaves tls1.1 out between tls1.0 and tls1.2: allowed is a range without gaps: add tls1.1\n"},
	{"protocols_unknown",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http, protocols: [tls1.4, tls1.3]}\n" PROFILE VIRTUAL,
	 "4:119: error: ssl_servers[0].protocols: \"tls1.4\" is not a protocol: allowed are ssl3.0, tls1.0, tls1.1, tls1.2 and tls1.3\n"},
	{"bulk_unknown",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http, bulk: [aes128, aes12]}\n" PROFILE VIRTUAL,
	 "4:122: error: ssl_servers[0].bulk: \"aes12\" is not known: allowed are aes256, aes128, chacha20, 3des and des: did you mean \"aes128\"?\n"},
	{"mac_twice",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http, mac: [sha1, sha1]}\n" PROFILE VIRTUAL,
	 "4:119: warning: ssl_servers[0].mac: sha1 is given twice: remove one\n"},
	{"protocols_ssl3",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http, protocols: [ssl3.0, tls1.0]}\n" PROFILE VIRTUAL,
	 "4:118: warning: ssl_servers[0].protocols: ssl3.0 has no effect in this version: the TLS engine lacks it, such clients are refused and counted\n"},
	{"protocols_ssl3_only",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http, protocols: [ssl3.0]}\n" PROFILE VIRTUAL,
	 "4:118: warning: ssl_servers[0].protocols: ssl3.0 has no effect in this version: the TLS engine lacks it, such clients are refused and counted\n"
	 "4:118: error: ssl_servers[0].protocols: ssl3.0 alone leaves no protocol that this version has: add tls1.2 and what lies between\n"},
	{"no_effect",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http, rekey_interval_seconds: 300, allow_compression: on}\n" PROFILE VIRTUAL,
	 "4:155: warning: ssl_servers[0].allow_compression: has no effect in this version for SSL server \"w\": TLS compression is never negotiated\n"},
	{"no_effect_off",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http, rekey_interval_seconds: 0, allow_compression: no}\n" PROFILE VIRTUAL,
	 ""},
	{"missing_keys",
	 DEVICE SEGMENT "ssl_servers: [{name: w}]\n",
	 "3:15: error: ssl_servers[0].destinations: is missing: add it (the server's addresses and networks), such as \"destinations: [10.9.0.2, 10.9.1.0/24]\"\n"
	 "3:15: error: ssl_servers[0].detection_ports: is missing: add it (TCP ports on which the server speaks TLS), such as \"detection_ports: [443, 8443-8450]\"\n"
	 "3:15: error: ssl_servers[0].certificates: is missing: add it (names in the certificate store, chosen by SNI; the first is for clients without a matching one), such as \"certificates: [web-rsa]\"\n"
	 "3:15: error: ssl_servers[0].decrypted_service: is missing: add it (protocol inside TLS; other: no signature filter acts, any: generic filters only), such as \"decrypted_service: http\"; allowed are http, imap, pop3, smtp, other and any\n"},
	{"twice_named",
	 DEVICE SEGMENT SERVER "- {name: w, destinations: [10.0.0.2], detection_ports: [443], certificates: [c], decrypted_service: http}\n" PROFILE VIRTUAL,
	 "5:10: error: ssl_servers[1]: the name \"w\" is taken by the SSL server on line 4: choose another\n"},
	{"no_such_server",
	 DEVICE SEGMENT SERVER "- {name: mail, destinations: [10.0.0.2], detection_ports: [443], certificates: [c], decrypted_service: http}\n"
	 "profiles: [{name: p, ssl_policies: [{name: x, ssl_server: mial}]}]\n" VIRTUAL,
	 "6:59: error: profiles[0].ssl_policies[0].ssl_server: no SSL server is named \"mial\": existing: \"w\", \"mail\"; did you mean \"mail\"?\n"},
	{"no_server_at_all",
	 DEVICE SEGMENT PROFILE VIRTUAL,
	 "3:59: error: profiles[0].ssl_policies[0].ssl_server: no SSL server is named \"w\": there is none, define it in ssl_servers\n"},
	{"no_such_segment",
	 DEVICE SEGMENT SERVER PROFILE "virtual_segments: [{name: v, segment: dmz, direction: a_to_b, profile: p}]\n",
	 "6:39: error: virtual_segments[0].segment: no segment is named \"dmz\": existing: \"s\"\n"},
	{"no_such_profile",
	 DEVICE SEGMENT SERVER PROFILE "virtual_segments: [{name: v, segment: s, direction: a_to_b, profile: q}]\n",
	 "6:70: error: virtual_segments[0].profile: no profile is named \"q\": existing: \"p\"\n"},
	{"overlap_net",
	 DEVICE SEGMENT "ssl_servers:\n"
	 "- {name: w, destinations: [10.0.0.0/8], detection_ports: [443, 8000-9000], certificates: [c], decrypted_service: http}\n"
	 "- {name: x, destinations: [10.1.2.0/24], detection_ports: [1-442, 8443-8450], certificates: [c], decrypted_service: http}\n"
	 "profiles: [{name: p, ssl_policies: [{name: a, ssl_server: w}, {name: b, ssl_server: x}]}]\n" VIRTUAL,
	 "6:63: error: profiles[0].ssl_policies[1].ssl_server: SSL servers \"w\" and \"x\" of this profile both claim 10.1.2.0/24 port 8443-8450: take it out of one of them, or put them into different profiles\n"},
	{"no_overlap_two_profiles",
	 DEVICE SEGMENT SERVER "- {name: x, destinations: [10.0.0.1], detection_ports: [443], certificates: [c], decrypted_service: http}\n"
	 "profiles: [{name: p, ssl_policies: [{name: a, ssl_server: w}]}, {name: q, ssl_policies: [{name: a, ssl_server: x}]}]\n"
	 "virtual_segments: [{name: v, segment: s, direction: a_to_b, profile: p}, {name: u, segment: s, direction: b_to_a, profile: q}]\n",
	 ""},
	{"no_overlap_ports",
	 DEVICE SEGMENT SERVER "- {name: x, destinations: [10.0.0.1], detection_ports: [995], certificates: [c], decrypted_service: http}\n"
	 "profiles: [{name: p, ssl_policies: [{name: a, ssl_server: w}, {name: b, ssl_server: x}]}]\n" VIRTUAL,
	 ""},
	{"same_server_twice",
	 DEVICE SEGMENT SERVER "profiles: [{name: p, ssl_policies: [{name: a, ssl_server: w}, {name: b, ssl_server: w}]}]\n" VIRTUAL,
	 "5:63: error: profiles[0].ssl_policies[1].ssl_server: \"w\" has an SSL policy in this profile already, ssl_policies[0] on line 5: remove one\n"},
	{"port_used_twice",
	 DEVICE "segments:\n"
	 "- {name: s, port_a: a0, port_b: b0}\n"
	 "- {name: t, port_a: b0, port_b: c0}\n" SERVER PROFILE VIRTUAL,
	 "4:21: error: segments[1].port_a: \"b0\" is port_b of segments[0] (line 3) already: an interface is one port of one segment\n"},
	{"port_both_sides",
	 DEVICE "segments: [{name: s, port_a: a0, port_b: a0}]\n" SERVER PROFILE VIRTUAL,
	 "2:42: error: segments[0].port_b: \"a0\" is port_a of segments[0] (line 2) already: an interface is one port of one segment\n"},
	{"unused_profile",
	 DEVICE SEGMENT SERVER "profiles: [{name: q}, {name: p, ssl_policies: [{name: x, ssl_server: w}]}]\n" VIRTUAL,
	 "5:12: warning: profiles[0]: no virtual segment uses profile \"q\": nothing is inspected by it\n"},
	{"unused_server",
	 DEVICE SEGMENT SERVER "- {name: x, destinations: [10.0.0.2], detection_ports: [443], certificates: [c], decrypted_service: http}\n" PROFILE VIRTUAL,
	 "5:3: warning: ssl_servers[1]: no SSL policy names SSL server \"x\": its traffic is not decrypted\n"},
	{"no_segment",
	 DEVICE,
	 "1:1: warning: no segment is configured: Sluice takes no port\n"},
	{"no_virtual_segment",
	 DEVICE SEGMENT,
	 "1:1: warning: no virtual segment is configured: traffic is forwarded and nothing is inspected\n"},
	{"shadowed",
	 DEVICE SEGMENT SERVER PROFILE "virtual_segments:\n"
	 "- {name: v, segment: s, direction: a_to_b, sources: [10.0.0.0/8], profile: p}\n"
	 "- {name: u, segment: s, direction: a_to_b, vlans: [1], sources: [10.1.0.0/16], profile: p}\n",
	 "8:3: warning: virtual_segments[1]: \"u\" never matches, \"v\" on line 7 takes all its traffic: move it up or remove it\n"},
	{"action_set_words",
	 DEVICE "action_sets: [{name: a, action: quarantine}, {name: b, action: blok}, {name: c, action: block, notify: [trap, loq]}]\n",
	 "2:33: error: action_sets[0].action: \"quarantine\" is not available: this version's signature filters quarantine no host, use block\n"
	 "2:64: error: action_sets[1].action: \"blok\" is not known: allowed are permit, trust and block: did you mean \"block\"?\n"
	 "2:105: error: action_sets[2].notify: \"trap\" is not available: this version's action sets send no traps, use log\n"
	 "2:111: error: action_sets[2].notify: \"loq\" is not known: allowed are log: did you mean \"log\"?\n"},
	{"reset_without_block",
	 DEVICE "action_sets: [{name: a, action: permit, tcp_reset: server}]\n",
	 "2:52: error: action_sets[0].tcp_reset: action set \"a\" does not block, so there is nothing to reset: remove tcp_reset, or use action block\n"},
	{"filter_overrides",
	 DEVICE "action_sets: [{name: quiet, action: block}]\n"
	 "profiles:\n"
	 "- name: p\n"
	 "  default_action_set: quite\n"
	 "  filter_overrides: [{filter: 7}, {filter: 07}, {filter: 7, enabled: off}, {filter: 4294967296}]\n"
	 "  filter_categories: [{category: x}, {category: x}]\n",
	 "5:23: error: profiles[0].default_action_set: no action set is named \"quite\": existing: \"quiet\"; did you mean \"quiet\"?\n"
	 "6:44: error: profiles[0].filter_overrides[1].filter: \"07\" is not a filter's number: allowed are 1 to 4294967295\n"
	 "6:58: error: profiles[0].filter_overrides[2]: the filter \"7\" is taken by the filter override on line 6: choose another\n"
	 "6:85: error: profiles[0].filter_overrides[3].filter: \"4294967296\" is not a filter's number: allowed are 1 to 4294967295\n"
	 "7:49: error: profiles[0].filter_categories[1]: the category \"x\" is taken by the filter category on line 7: choose another\n"},
	{"path",
	 DEVICE SEGMENT SERVER "profiles: [{name: p, filter_packages: [rules/, local.rules, local.rules], ssl_policies: [{name: x, ssl_server: w}]}]\n" VIRTUAL,
	 "5:40: error: profiles[0].filter_packages: \"rules/\" is not a file: allowed are paths of 1 to 1023 bytes, absolute or relative to the configuration file\n"
	 "5:61: warning: profiles[0].filter_packages: \"local.rules\" is already covered by an entry before it: remove it\n"},
	/* clang-format on */
};

static char *problems_text(const char *document, size_t len, int *r)
{
	struct config_problems problems = {0};
	struct config *config = NULL;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	*r = config_parse(document, len, &config, &problems);
	for (size_t i = 0; i < problems.n; i++)
		fprintf(out, "%u:%u: %s: %s\n", problems.items[i].line, problems.items[i].column,
			problems.items[i].severity == CONFIG_ERROR ? "error" : "warning", problems.items[i].message);
	fclose(out);
	assert_int_equal(config == NULL, *r == -EINVAL);
	config_unref(&config);
	config_problems_clear(&problems);
	return text;
}

static void test_messages(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(bad_documents); i++) {
		int r;
		_cleanup_free_ char *text =
			problems_text(bad_documents[i].document, strlen(bad_documents[i].document), &r);

		if (strcmp(text, bad_documents[i].problems) != 0)
			fail_msg("%s: got\n%sinstead of\n%s", bad_documents[i].name, text, bad_documents[i].problems);
		assert_int_equal(r, strstr(text, ": error: ") ? -EINVAL : 0);
	}
}

static void test_document_size_is_bounded(void **state)
{
	size_t len = (4u << 20) + 1;
	_cleanup_free_ char *document = malloc(len), *text = NULL;
	int r;

	memset(document, '#', len);
	text = problems_text(document, len, &r);
	assert_string_equal(text, "1:1: error: the document has 4194305 bytes: allowed are at most 4194304\n");
}

static void test_values_are_bounded(void **state)
{
	size_t len = 3u << 20;
	_cleanup_free_ char *document = malloc(len + 1), *text = NULL;
	int r;

	document[0] = '[';
	for (size_t i = 1; i < len; i += 2)
		memcpy(document + i, "a,", 2);
	text = problems_text(document, len, &r);
	assert_non_null(strstr(text, "the document has more than 500000 values"));
}

static void test_at_most_a_hundred_errors(void **state)
{
	_cleanup_free_ char *document = NULL, *text = NULL;
	size_t len, lines = 0;
	FILE *out = open_memstream(&document, &len);
	int r;

	for (int i = 0; i < 1000; i++)
		fprintf(out, "unknown%d: 1\n", i);
	fclose(out);
	text = problems_text(document, len, &r);
	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	assert_int_equal(lines, 101);
	assert_non_null(strstr(text, "there may be more errors than these"));
}

/* E1, H3: figures are kept for 256 SSL servers */
static void test_at_most_256_ssl_servers(void **state)
{
	_cleanup_free_ char *document = NULL, *text = NULL;
	size_t len;
	FILE *out = open_memstream(&document, &len);
	int r;

	fprintf(out, DEVICE SEGMENT "ssl_servers:\n");
	for (int i = 0; i < 257; i++)
		fprintf(out,
			"- {name: w%d, destinations: [10.0.%d.%d], detection_ports: [443], certificates: [c], "
			"decrypted_service: http}\n",
			i, i / 256, i % 256);
	fclose(out);
	text = problems_text(document, len, &r);
	assert_string_equal(text, "4:1: error: ssl_servers: has 257 entries: allowed are at most 256 SSL servers\n");
}

static void test_long_text_is_cut_between_characters(void **state)
{
	char document[400] = "device: {name: \"a";
	_cleanup_free_ char *text = NULL;
	int r;

	for (int i = 0; i < 100; i++)
		strcat(document, "\xc3\xa4");
	strcat(document, "\"}\n");
	text = problems_text(document, strlen(document), &r);
	assert_non_null(strstr(text, "\xc3\xa4...\" is not a name"));
	assert_null(strstr(text, "\xc3..."));
}

static void test_problems_are_appended(void **state)
{
	struct config_problems problems = {0};
	struct config *config = NULL;

	config_problems_add(&problems, CONFIG_ERROR, 9, 9, "from elsewhere");
	assert_int_equal(config_parse(DEVICE, strlen(DEVICE), &config, &problems), 0);
	assert_string_equal(problems.items[0].message, "from elsewhere");
	assert_int_equal(problems.n, 2); /* and that no segment is configured */
	config_unref(&config);
	config_problems_clear(&problems);
	assert_int_equal(problems.n, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_document_size_is_bounded),
		cmocka_unit_test(test_values_are_bounded),
		cmocka_unit_test(test_at_most_a_hundred_errors),
		cmocka_unit_test(test_at_most_256_ssl_servers),
		cmocka_unit_test(test_long_text_is_cut_between_characters),
		cmocka_unit_test(test_problems_are_appended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
