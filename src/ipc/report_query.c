/* SPDX-License-Identifier: Apache-2.0 */
#include "ipc/report_query.h"

#include <errno.h>

#include "ipc/message.h"

#define QUERY_TIMEOUT_MS 2000

int ipc_query_report(int fd, const char *report, json_t **answer)
{
	json_t *query = json_pack("{s:s, s:s}", "message", "query", "report", report);
	int r = query ? ipc_send(fd, query, NULL, 0) : -ENOMEM;

	json_decref(query);
	if (r >= 0)
		r = ipc_recv(fd, QUERY_TIMEOUT_MS, answer, NULL, NULL);
	if (r < 0)
		return r;
	if (json_is_true(json_object_get(*answer, "ok")))
		return 0;
	json_decref(*answer);
	*answer = NULL;
	return -EAGAIN;
}
