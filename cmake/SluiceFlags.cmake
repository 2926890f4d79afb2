# SPDX-License-Identifier: Apache-2.0
# One INTERFACE library carries every compiler flag; each target links it.
option(SLUICE_SANITIZE "AddressSanitizer and UndefinedBehaviorSanitizer" OFF)
option(SLUICE_WERROR "warnings are errors (development and CI presets)" OFF)

add_library(sluice_flags INTERFACE)
target_compile_features(sluice_flags INTERFACE c_std_17)
target_compile_definitions(sluice_flags INTERFACE _GNU_SOURCE SLUICE_VERSION="${PROJECT_VERSION}")
target_compile_options(sluice_flags INTERFACE
  -std=gnu17 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wno-unused-parameter
  -fno-strict-aliasing -fno-omit-frame-pointer)
target_include_directories(sluice_flags INTERFACE ${CMAKE_SOURCE_DIR}/src)
if(SLUICE_WERROR)
  target_compile_options(sluice_flags INTERFACE -Werror)
endif()
if(SLUICE_SANITIZE)
  target_compile_options(sluice_flags INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined)
  target_link_options(sluice_flags INTERFACE -fsanitize=address,undefined)
  target_compile_definitions(sluice_flags INTERFACE SLUICE_SANITIZED=1)
else()
  target_compile_options(sluice_flags INTERFACE $<$<CONFIG:Release>:-D_FORTIFY_SOURCE=2> -fstack-protector-strong)
  target_link_options(sluice_flags INTERFACE -Wl,-z,relro,-z,now)
endif()
if(SLUICE_FUZZ)
  target_compile_options(sluice_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
