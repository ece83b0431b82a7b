/* SPDX-License-Identifier: BSD-2-Clause */
/* The version that --version and the status show. */
#ifndef TIERD_APP_VERSION_H
#define TIERD_APP_VERSION_H

#define TIERD_VERSION "0.1.0"

#endif
