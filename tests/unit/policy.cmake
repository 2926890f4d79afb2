# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_policy_treatment policy)
sluice_unit_test(test_policy_suite policy)
target_link_libraries(test_policy_suite PRIVATE BoringSSL::ssl BoringSSL::crypto)
