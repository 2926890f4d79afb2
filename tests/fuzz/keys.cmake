# SPDX-License-Identifier: Apache-2.0
sluice_fuzz_target(fuzz_keyring keys)
target_link_libraries(fuzz_keyring PRIVATE crypto)
