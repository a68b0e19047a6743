"""Runs under ``millrace up``: isolated worker processes, timed by the run's own times."""

from __future__ import annotations

from benchmarks.pipeline_files import CHAIN, FAN_OUT
from benchmarks.service import RunningService, running_service, seconds_of
from benchmarks.surroundings import COMMAND, Surroundings


def measure(around: Surroundings) -> dict[str, list[float]]:
    """Chain and fan-out, over HTTP and through the command line. One run of the fan-out goes before, as warm-up."""
    runs = range(around.sizes.runs)
    with running_service(around) as service:
        first = service.run(CHAIN)
        chain = [service.run(CHAIN) for _ in runs]
        chain_cli = [_through_the_command(around, service, CHAIN) for _ in runs]
        service.run(FAN_OUT)
        fan_out = [service.run(FAN_OUT) for _ in runs]
        fan_out_cli = [_through_the_command(around, service, FAN_OUT) for _ in runs]
    return {
        "up-chain": chain,
        "up-chain-cli": chain_cli,
        "up-chain-first": [first],
        "up-fan-out": fan_out,
        "up-fan-out-cli": fan_out_cli,
    }


def _through_the_command(around: Surroundings, service: RunningService, pipeline: str) -> float:
    run = around.answer([COMMAND, "trigger", pipeline, "--wait", "--json"], MILLRACE_URL=service.url)
    return seconds_of(run)
