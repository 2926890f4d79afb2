/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

int day0_main(int argc, char **argv);
