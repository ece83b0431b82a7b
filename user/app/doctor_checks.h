/* SPDX-License-Identifier: BSD-2-Clause */
/* The single checks of doctor: each fills state, detail and remedy. Internal to doctor. */
#ifndef TIERD_APP_DOCTOR_CHECKS_H
#define TIERD_APP_DOCTOR_CHECKS_H

#include "doctor.h"

void doctor_check_privileges(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_pid_namespace(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_kernel(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_btf(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_lockdown(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_task_iterator(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_memstall(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_sched_info(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_task_state(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_psi(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_proc(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_cgroup(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_gpu(const struct doctor_place *place, struct doctor_finding *finding);
void doctor_check_run_dir(const struct doctor_place *place, struct doctor_finding *finding);

#endif
