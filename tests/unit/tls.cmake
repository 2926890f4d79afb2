# SPDX-License-Identifier: Apache-2.0
sluice_unit_test(test_tls_client_hello tls)
sluice_unit_test(test_tls_fingerprint tls)
sluice_unit_test(test_tls_keyring tls)
foreach(test test_tls_handshake test_tls_data test_tls_openssl)
  sluice_unit_test(${test} tls)
  target_sources(${test} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/tls_fixture.c)
  target_link_libraries(${test} PRIVATE BoringSSL::ssl BoringSSL::crypto)
endforeach()
