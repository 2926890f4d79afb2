# SPDX-License-Identifier: Apache-2.0
# BoringSSL as Debian's android-libboringssl-dev ships it (no .pc, no CMake config), or any build under
# -DBORINGSSL_ROOT=DIR (DIR/include, DIR/lib). Defines BoringSSL::ssl and BoringSSL::crypto.
set(BORINGSSL_ROOT "" CACHE PATH "root of a BoringSSL build; empty takes Debian's package")
find_path(BORINGSSL_INCLUDE_DIR openssl/is_boringssl.h
  HINTS ${BORINGSSL_ROOT}/include PATHS /usr/include/android NO_DEFAULT_PATH REQUIRED)
foreach(c ssl crypto)
  find_library(BORINGSSL_${c} NAMES ${c}
    HINTS ${BORINGSSL_ROOT}/lib PATHS /usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/android NO_DEFAULT_PATH REQUIRED)
  add_library(BoringSSL::${c} SHARED IMPORTED GLOBAL)
  set_target_properties(BoringSSL::${c} PROPERTIES IMPORTED_LOCATION ${BORINGSSL_${c}}
    INTERFACE_INCLUDE_DIRECTORIES ${BORINGSSL_INCLUDE_DIR})
endforeach()
set_target_properties(BoringSSL::ssl PROPERTIES INTERFACE_LINK_LIBRARIES BoringSSL::crypto)
get_filename_component(BORINGSSL_LIBRARY_DIR ${BORINGSSL_ssl} DIRECTORY)
# Debian keeps these libraries out of the loader's path
list(APPEND CMAKE_BUILD_RPATH ${BORINGSSL_LIBRARY_DIR})
list(APPEND CMAKE_INSTALL_RPATH ${BORINGSSL_LIBRARY_DIR})
