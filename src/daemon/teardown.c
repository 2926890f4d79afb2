/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/teardown.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/common.h"
#include "base/log.h"
#include "daemon/orphans.h"
#include "dataplane/dataplane.h"
#include "ipc/message.h"

/* a supervisor that still runs is asked to stop, and has until the socket closes */
static void teardown_stop_supervisor(const struct instance *instance)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	json_t *request, *answer = NULL;

	strncpy(address.sun_path, instance->control_path, sizeof(address.sun_path) - 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return;
	request = json_pack("{s:s}", "command", "stop");
	if (request && ipc_send(fd, request, NULL, 0) >= 0 && ipc_recv(fd, 5000, &answer, NULL, NULL) >= 0) {
		json_decref(answer);
		answer = NULL;
		ipc_recv(fd, 15000, &answer, NULL, NULL); /* ends when the supervisor does */
	}
	json_decref(answer);
	json_decref(request);
}

int teardown_main(const struct instance *instance)
{
	int r;

	teardown_stop_supervisor(instance);
	orphans_kill_all(instance);
	r = dataplane_teardown(instance);
	unlink(instance->control_path);
	if (rmdir(instance->run_dir) < 0 && errno != ENOENT)
		r = r < 0 ? r : log_err_r(-errno, "cannot remove %s", instance->run_dir);
	rmdir("/run/sluice"); /* only the last instance's teardown finds it empty */
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
