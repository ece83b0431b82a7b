/* SPDX-License-Identifier: BSD-2-Clause */
/* The two Unix sockets between the manager and its gate. Both return a descriptor that does not
 * wait, or a negative errno. */
#ifndef TIERD_MANAGER_GATE_SOCKET_H
#define TIERD_MANAGER_GATE_SOCKET_H

int gate_socket_connect(const char *path);

/* For datagrams. A socket of an earlier manager is replaced; anything else in its place is
 * -EEXIST. */
int gate_socket_bind_log(const char *path);

#endif
