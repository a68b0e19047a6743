"""Leases are renewed by one thread while another commits: neither may make the other fail."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from millrace.core.records import Step
from millrace.interfaces import ExecutionStore
from millrace.testing.fakes import SequentialIds
from millrace.testing.storage_samples import Samples

ROUNDS = 40
FAR = 10**15


def test_renewing_and_committing_never_wait_for_each_other(execution: ExecutionStore) -> None:
    samples = Samples(execution, SequentialIds())
    runs = [samples.leased() for _ in range(150)]
    ids = [r.run_id for r in runs]
    rng = random.Random(7)

    def renew() -> None:
        for _ in range(ROUNDS):
            rng.shuffle(ids)
            assert len(execution.renew(samples.owner, ids, now=1, ttl=FAR)) == len(ids)

    def commit() -> None:
        for number in range(ROUNDS):
            some = random.Random(number).sample(runs, 60)
            execution.commit([Step(r.run_id, samples.owner, r.lease_epoch, run=r) for r in some])

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(renew), pool.submit(commit)]:
            done.result()
