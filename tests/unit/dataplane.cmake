# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_dataplane_plan dataplane)
sluice_unit_test(test_dataplane_flows dataplane)
