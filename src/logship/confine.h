/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* From here on: files of the log directory, descriptors that come in messages, and nothing else. 0 or -errno. */
int logship_confine(int log_dir_fd, int spool_fd);
