# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_inspect_track inspect)
sluice_unit_test(test_inspect_decode inspect)
target_link_libraries(test_inspect_decode PRIVATE z brotlienc brotlidec)
sluice_unit_test(test_inspect_keywords inspect)
sluice_unit_test(test_inspect_stream inspect)
sluice_unit_test(test_inspect_session inspect)
sluice_unit_test(test_inspect_mail inspect)
sluice_unit_test(test_inspect_mime inspect)
sluice_unit_test(test_inspect_hostile inspect)
sluice_unit_test(test_inspect_treat inspect)
sluice_unit_test(test_inspect_filter inspect)
sluice_unit_test(test_inspect_http inspect)

# inspect-report DIR: how much of a folder of rule files loads
add_executable(inspect-report ${CMAKE_SOURCE_DIR}/tests/check/inspect_report.c
  ${CMAKE_SOURCE_DIR}/tests/check/rule_classes.c)
target_link_libraries(inspect-report PRIVATE sluice_inspect)
set_target_properties(inspect-report PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME inspect_report_of_a_folder COMMAND inspect-report --min requests=100 ${CMAKE_SOURCE_DIR}/tests/check/rules)
set_tests_properties(inspect_report_of_a_folder PROPERTIES PASS_REGULAR_EXPRESSION "all: 2 of 3 load")
add_test(NAME inspect_report_of_et_open
  COMMAND ${CMAKE_SOURCE_DIR}/tests/check/rule_data.sh $<TARGET_FILE:inspect-report>)
set_tests_properties(inspect_report_of_et_open PROPERTIES SKIP_RETURN_CODE 77)

# inspect-replay SEED FILE...: conversations through the engine alone (tests/oracle)
add_executable(inspect-replay ${CMAKE_SOURCE_DIR}/tests/oracle/inspect_replay.c)
target_link_libraries(inspect-replay PRIVATE sluice_inspect)
target_include_directories(inspect-replay PRIVATE ${CMAKE_SOURCE_DIR}/tests)
set_target_properties(inspect-replay PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)

add_test(NAME inspect_oracle_of_own_rules COMMAND ${CMAKE_SOURCE_DIR}/tests/oracle/oracle.py
  $<TARGET_FILE:inspect-replay> --at-least 40 --cuts 8 ${CMAKE_SOURCE_DIR}/tests/oracle/own.rules)
# those of ET Open where SLUICE_RULE_DATA has them, and Suricata's opinion where SLUICE_SURICATA has it
add_test(NAME inspect_oracle_of_et_open COMMAND ${CMAKE_SOURCE_DIR}/tests/oracle/oracle.py
  $<TARGET_FILE:inspect-replay> --at-least 600 --rules 600 --rule-data)
add_test(NAME inspect_oracle_of_et_open_payload COMMAND ${CMAKE_SOURCE_DIR}/tests/oracle/oracle.py
  $<TARGET_FILE:inspect-replay> --rule-data --payload --at-least 500)
set_tests_properties(inspect_oracle_of_et_open inspect_oracle_of_et_open_payload PROPERTIES SKIP_RETURN_CODE 77)

# docs/filter-keywords.md is written from the tables; the test fails when it was not written again after a change
add_executable(sluice-filters-doc ${CMAKE_SOURCE_DIR}/tests/check/filters_doc.c)
target_link_libraries(sluice-filters-doc PRIVATE sluice_inspect)
set_target_properties(sluice-filters-doc PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME inspect_filters_doc_is_current
  COMMAND sluice-filters-doc --check ${CMAKE_SOURCE_DIR}/docs/filter-keywords.md)
