/* SPDX-License-Identifier: Apache-2.0 */
#include "snmp/numbers.h"

#define CLOSE_NUMBER(id, number)
const uint32_t mib_counter_number[COUNTER_N] = {
#define COUNTER_NUMBER(id, number) [COUNTER_##id] = (number),
#include "snmp/numbers.def"
#undef COUNTER_NUMBER
};
#undef CLOSE_NUMBER

#define COUNTER_NUMBER(id, number)
const uint32_t mib_close_number[CLOSE_REASON_N] = {
#define CLOSE_NUMBER(id, number) [CLOSE_##id] = (number),
#include "snmp/numbers.def"
#undef CLOSE_NUMBER
};
