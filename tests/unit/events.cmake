# SPDX-License-Identifier: Apache-2.0
# ipc for its JSON library: lines are read back with a real parser
sluice_unit_test(test_event events ipc)
