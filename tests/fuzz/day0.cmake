# SPDX-License-Identifier: Apache-2.0
sluice_fuzz_target(fuzz_day0 day0 config)
