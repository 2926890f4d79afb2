# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_suggest base)
sluice_unit_test(test_config config)
sluice_unit_test(test_config_problems config)
sluice_unit_test(test_decide config)

# docs/configuration.md is written from the schema; the test fails when it was not written again after a change
add_executable(sluice-config-doc ${CMAKE_SOURCE_DIR}/tests/check/config_doc.c)
target_link_libraries(sluice-config-doc PRIVATE sluice_config)
set_target_properties(sluice-config-doc PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME config_doc_is_current COMMAND sluice-config-doc --check ${CMAKE_SOURCE_DIR}/docs/configuration.md)
