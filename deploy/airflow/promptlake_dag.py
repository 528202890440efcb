"""promptlake by Airflow 3: every night a task for each tenant, or for each share of the users of a large one.

The workers need the program, the pipeline file /etc/promptlake/<tenant>.toml, and what it says of credentials: a variable of
the worker, a file, or the platform's identity. No secret passes through Airflow.
"""

import logging
import subprocess
from datetime import datetime, timedelta, timezone

from airflow.exceptions import AirflowException, AirflowFailException
from airflow.sdk import dag, task

# How many tasks share the users of a tenant. They get no more out of Graph than one would, for its limit is that of the
# app and tenant: more than one is for histories that take a worker's processor to the full.
TENANTS = {"contoso": 1, "fabrikam": 4}

# What a run takes at the most to commit what it holds once it is told to stop, on a store that answers.
STOP_WITHIN = timedelta(minutes=5)

log = logging.getLogger(__name__)


def command(tenant: str, shard: int, shards: int) -> list[str]:
    """What is run for one share of the users of a tenant."""
    whole = ["promptlake", "run", f"/etc/promptlake/{tenant}.toml"]
    return whole if shards == 1 else [*whole, "--shard", f"{shard}/{shards}"]


def conclude(code: int) -> None:
    """What an exit code of promptlake means to Airflow."""
    if code == 0:
        return
    if code == 3:
        # The users are named in the log and in the table users, and are asked again the next night: nothing to repeat.
        log.warning("done, but some users could not be read to the end")
        return
    if code in (2, 4):
        raise AirflowFailException(f"promptlake ended with {code}: settings or rights, which no retry mends")
    # 5 the source, 6 the lake or another run in it, 130 stopped, negative killed: each may be better later, and what was
    # read stays.
    raise AirflowException(f"promptlake ended with {code}")


def run(tenant: str, shard: int, shards: int) -> None:
    """Runs promptlake to its end. Where the task is stopped, so is the run, which then commits what it has read."""
    process = subprocess.Popen(command(tenant, shard, shards))
    try:
        code = process.wait()
    except BaseException:
        process.terminate()
        try:
            process.wait(timeout=STOP_WITHIN.total_seconds())
        except subprocess.TimeoutExpired:
            process.kill()
        raise
    conclude(code)


@dag(
    schedule="17 2 * * *",
    start_date=datetime(2025, 1, 1, tzinfo=timezone.utc),
    # The lake knows what it lacks: a night that was missed is not made up for by a run of its own.
    catchup=False,
    # Two runs of the same users are told apart by the ledger, but the second could only fail.
    max_active_runs=1,
    default_args={
        # A run that was killed without a word is taken for alive for ten minutes: the last retries come after that.
        "retries": 4,
        "retry_delay": timedelta(minutes=2),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
        # Above run.deadline, which ends a run by itself.
        "execution_timeout": timedelta(hours=23),
    },
    tags=["copilot"],
    doc_md=__doc__,
)
def promptlake():
    """The tasks, which don't wait for one another."""
    for tenant, shards in TENANTS.items():
        for shard in range(shards):
            name = tenant if shards == 1 else f"{tenant}_{shard}_of_{shards}"
            task(task_id=name)(run)(tenant, shard, shards)


promptlake()
