# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=dash
#
# Without BTF, and without a capability. Sourced by init.sh.
run without_btf 90 tests/vm/test_without_btf.sh
run without_resource 60 ./setpriv --bounding-set -sys_resource tests/vm/test_without_resource.sh
