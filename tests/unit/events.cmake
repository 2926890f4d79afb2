# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_event events)
target_link_libraries(test_event PRIVATE PkgConfig::JANSSON)
