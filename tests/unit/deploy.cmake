# SPDX-License-Identifier: Apache-2.0
# what sluice-deploy does, where it is built
if(TARGET sluice-deploy)
  sluice_unit_test(test_deploy deploy)
  sluice_unit_test(test_deploy_preflight deploy)
  sluice_unit_test(test_deploy_steps deploy)

  # docs/man/sluice-deploy.1 and vm/domain-*.xml are written from its tables
  add_executable(sluice-deploy-doc ${CMAKE_SOURCE_DIR}/tests/check/deploy_doc.c)
  target_link_libraries(sluice-deploy-doc PRIVATE sluice_deploy)
  set_target_properties(sluice-deploy-doc PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME deploy_man_is_current COMMAND sluice-deploy-doc man --check ${CMAKE_SOURCE_DIR}/docs/man/sluice-deploy.1)
  foreach(kind virtio sriov)
    add_test(NAME deploy_${kind}_is_current COMMAND sluice-deploy-doc ${kind} --check ${CMAKE_SOURCE_DIR}/vm/domain-${kind}.xml)
  endforeach()
endif()
