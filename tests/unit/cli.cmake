# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_cli cli)

# docs/man/sluice.1 is written from the table of commands
add_executable(sluice-cli-man ${CMAKE_SOURCE_DIR}/tests/check/cli_man.c)
target_link_libraries(sluice-cli-man PRIVATE sluice_cli)
set_target_properties(sluice-cli-man PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME cli_man_is_current COMMAND sluice-cli-man --check ${CMAKE_SOURCE_DIR}/docs/man/sluice.1)
