/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

int deploy_main(int argc, char **argv);
