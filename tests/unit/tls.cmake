# SPDX-License-Identifier: Apache-2.0
foreach(test test_tls_handshake)
  sluice_unit_test(${test} tls)
  target_sources(${test} PRIVATE ${CMAKE_CURRENT_LIST_DIR}/tls_fixture.c)
  target_link_libraries(${test} PRIVATE BoringSSL::ssl BoringSSL::crypto)
endforeach()
