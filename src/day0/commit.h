/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* imports the certificates and commits the configuration that apply_pending() left, through the operator's program */
int commit_pending(void);
