# SPDX-License-Identifier: BSD-2-Clause
#
# The figures of one policy over a suite, from the output of `tierctl score --json`, with every
# family (a file name up to its seed) counting the same, however many seeds it has:
#
#   jq -r --arg policy adaptive -f suite-figures.jq scores.json
def mean: add / length;
def family: .name | sub("(-[0-9]+)?\\.[^.]*$"; "");
.traces
| group_by(family)
| map({
    name: (.[0] | family),
    oracle: map(.oracle.J) | mean,
    threshold: map(.policies.threshold.J) | mean,
    threshold_switches: map(.policies.threshold.switches_per_hour) | mean,
    own: map(.policies[$policy].J) | mean,
    regret: map(.policies[$policy].worst_regret) | max,
    switches: map(.policies[$policy].switches_per_hour) | mean,
    aborts: map(.policies[$policy].aborts_per_hour) | mean,
    broken: map(.policies[$policy].broken_ups_per_hour) | mean
  })
| {
    ratio: ((map(.own) | add) / (map(.oracle) | add)),
    gap_closed: (((map(.own) | add) - (map(.threshold) | add)) /
                 ((map(.oracle) | add) - (map(.threshold) | add))),
    worst_regret: (map(.regret) | max),
    switches_per_hour: (map(.switches) | mean),
    threshold_switches_per_hour: (map(.threshold_switches) | mean),
    aborts_per_hour: (map(.aborts) | mean),
    broken_ups_per_hour: (map({key: .name, value: .broken}) | from_entries),
    switches: (map({key: .name, value: .switches}) | from_entries),
    loss: (map({key: .name, value: (.oracle - .own)}) | from_entries)
  }
