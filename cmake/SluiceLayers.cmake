# SPDX-License-Identifier: Apache-2.0
# sluice_module(NAME SOURCES a.c b.c [DEPS base config] [PRIVATE_LIBS pkg::lib])
# A module is one folder of src/, a static library called sluice_NAME. DEPS are other modules and are the only
# folders its sources may include (checked by tests/check/layers.py).
function(sluice_module name)
  cmake_parse_arguments(M "" "" "SOURCES;DEPS;PRIVATE_LIBS" ${ARGN})
  add_library(sluice_${name} STATIC ${M_SOURCES})
  target_link_libraries(sluice_${name} PUBLIC sluice_flags)
  foreach(d ${M_DEPS})
    target_link_libraries(sluice_${name} PUBLIC sluice_${d})
  endforeach()
  if(M_PRIVATE_LIBS)
    target_link_libraries(sluice_${name} PRIVATE ${M_PRIVATE_LIBS})
  endif()
endfunction()

# sluice_program(NAME MODULE): one main from src/programs over one module
function(sluice_program name module)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/src/programs/${name}.c)
  target_link_libraries(${name} PRIVATE sluice_${module} ${ARGN})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
  # in one folder: the supervisor finds the others beside itself
  install(TARGETS ${name} DESTINATION ${CMAKE_INSTALL_SBINDIR})
endfunction()

# sluice_unit_test(NAME MODULE...): tests/unit/NAME.c, a cmocka program run by ctest
function(sluice_unit_test name)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/unit/${name}.c)
  foreach(m ${ARGN})
    target_link_libraries(${name} PRIVATE sluice_${m})
  endforeach()
  target_link_libraries(${name} PRIVATE cmocka)
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name})
endfunction()
