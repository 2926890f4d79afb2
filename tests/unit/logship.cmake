# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_log_file logship)
sluice_unit_test(test_logship logship)
target_compile_definitions(test_logship PRIVATE SLUICE_LOG="$<TARGET_FILE:sluice-log>")
add_dependencies(test_logship sluice-log)
sluice_unit_test(test_spool logship)
