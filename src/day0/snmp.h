/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Inside day0/: snmpd's users, its engine id and to whom it sends notifications. */
#include "day0/settings.h"

int snmp_apply(const struct day0_settings *settings);
