/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* until the supervisor answers; -ETIMEDOUT after three minutes */
int commit_wait(void);
/* imports the certificates and commits the configuration that apply_pending() left, through the operator's program */
int commit_pending(void);
