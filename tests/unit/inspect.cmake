# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_inspect_keywords inspect)
sluice_unit_test(test_inspect_stream inspect)
sluice_unit_test(test_inspect_filter inspect)
sluice_unit_test(test_inspect_http inspect)
