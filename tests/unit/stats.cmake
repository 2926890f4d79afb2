# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_stats stats)
sluice_unit_test(test_session_table stats)
sluice_unit_test(test_bypass_table stats)
