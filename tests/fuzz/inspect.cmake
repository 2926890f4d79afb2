# SPDX-License-Identifier: Apache-2.0
sluice_fuzz_target(fuzz_http inspect)
sluice_fuzz_target(fuzz_mail inspect)
sluice_fuzz_target(fuzz_mime inspect)
sluice_fuzz_target(fuzz_websocket inspect)
sluice_fuzz_target(fuzz_filter inspect)
sluice_fuzz_target(fuzz_inspect inspect)
sluice_fuzz_target(fuzz_decode inspect)
sluice_fuzz_target(fuzz_confirm inspect)
