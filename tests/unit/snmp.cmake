# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_snmp_mib snmp config)

# snmp-mib/SLUICE-MIB.txt is written from the arrays in src/snmp and the counters' definitions
add_executable(sluice-mib ${CMAKE_SOURCE_DIR}/tests/check/mib.c)
target_link_libraries(sluice-mib PRIVATE sluice_snmp)
set_target_properties(sluice-mib PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME mib_published_names_stay COMMAND sluice-mib published ${CMAKE_SOURCE_DIR}/snmp-mib/published.txt)
add_test(NAME mib_is_current COMMAND sluice-mib --check ${CMAKE_SOURCE_DIR}/snmp-mib/SLUICE-MIB.txt)

# provisioning/monitoring and docs/counters.md, from the same arrays: provisioning/monitoring/write writes them
add_executable(sluice-monitoring-doc
  ${CMAKE_SOURCE_DIR}/tests/check/monitoring.c
  ${CMAKE_SOURCE_DIR}/tests/check/monitoring_counters.c
  ${CMAKE_SOURCE_DIR}/tests/check/monitoring_grafana.c
  ${CMAKE_SOURCE_DIR}/tests/check/monitoring_librenms.c
  ${CMAKE_SOURCE_DIR}/tests/check/monitoring_snmp_exporter.c
  ${CMAKE_SOURCE_DIR}/tests/check/monitoring_zabbix.c)
target_link_libraries(sluice-monitoring-doc PRIVATE sluice_snmp)
set_target_properties(sluice-monitoring-doc PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
foreach(document
    snmp-exporter:provisioning/monitoring/snmp_exporter.yml
    snmp-exporter-old:provisioning/monitoring/snmp_exporter-0.22.yml
    zabbix:provisioning/monitoring/zabbix-template.yaml
    librenms:provisioning/monitoring/librenms/os_discovery/sluice.yaml
    grafana:provisioning/monitoring/grafana-dashboard.json
    counters:docs/counters.md)
  string(REPLACE ":" ";" document ${document})
  list(GET document 0 name)
  list(GET document 1 file)
  add_test(NAME monitoring_${name}_is_up_to_date
    COMMAND sluice-monitoring-doc ${name} --check ${CMAKE_SOURCE_DIR}/${file})
endforeach()
