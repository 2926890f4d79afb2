# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_snmp_mib snmp config)

# snmp-mib/SLUICE-MIB.txt is written from the arrays in src/snmp and the counters' definitions
add_executable(sluice-mib ${CMAKE_SOURCE_DIR}/tests/check/mib.c)
target_link_libraries(sluice-mib PRIVATE sluice_snmp)
set_target_properties(sluice-mib PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
add_test(NAME mib_is_current COMMAND sluice-mib --check ${CMAKE_SOURCE_DIR}/snmp-mib/SLUICE-MIB.txt)
