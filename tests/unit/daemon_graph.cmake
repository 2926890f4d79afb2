# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_graph daemon)
sluice_unit_test(test_rates daemon)
