# SPDX-License-Identifier: Apache-2.0
sluice_fuzz_target(fuzz_event_record events)
sluice_fuzz_target(fuzz_event_line events)
