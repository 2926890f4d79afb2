# SPDX-License-Identifier: Apache-2.0
# ipc for its JSON library: lines are read back with a real parser
sluice_unit_test(test_event events ipc)
sluice_unit_test(test_event_line events ipc)
sluice_unit_test(test_event_aggregate events ipc)
add_executable(sluice-fields-doc ${CMAKE_SOURCE_DIR}/tests/check/fields_doc.c)
target_link_libraries(sluice-fields-doc PRIVATE sluice_events)
set_target_properties(sluice-fields-doc PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME events_fields_doc_is_current COMMAND sluice-fields-doc --check ${CMAKE_SOURCE_DIR}/docs/log-fields.md)
foreach(product elastic:elastic-pipeline.json splunk:splunk-props.conf qradar:qradar-properties.csv)
  string(REPLACE ":" ";" product ${product})
  list(GET product 0 name)
  list(GET product 1 file)
  add_test(NAME events_${name}_mapping_is_current
    COMMAND sluice-fields-doc ${name} --check ${CMAKE_SOURCE_DIR}/provisioning/siem/${file})
endforeach()
