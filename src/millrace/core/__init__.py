"""The pure core: graph, types, schedule, state machine, rules, fingerprint, errors. No I/O, no clock."""
