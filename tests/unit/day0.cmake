# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_day0 day0 config)
# docs/day0.md is written from the rows; the test fails when it was not written again after a change
add_test(NAME day0_doc_is_current COMMAND sh -c "$<TARGET_FILE:sluice-day0> schema | cmp - ${CMAKE_SOURCE_DIR}/docs/day0.md")
