# SPDX-License-Identifier: Apache-2.0
sluice_fuzz_target(fuzz_keyring keys)
target_link_libraries(fuzz_keyring PRIVATE crypto)
sluice_fuzz_target(fuzz_fetch keys)
target_link_libraries(fuzz_fetch PRIVATE crypto)
sluice_fuzz_target(fuzz_import keys)
target_link_libraries(fuzz_import PRIVATE crypto)
