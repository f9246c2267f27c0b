"""Executors train the members of a sweep: here, in worker processes, or on a Ray cluster.

All three run `work` on the same members and give the same results; the machines of a Ray cluster
must see the sweep's folder at the same path.
"""

import contextlib
import dataclasses
import itertools
import multiprocessing
import operator
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

from dlfun.errors import UserError
from dlfun.sweep.plan import Executor

WATCH = 1.0
"""Seconds between looks at what worker processes have done."""
Results = Iterator[tuple[str, dict[str, Any]]]
"""(run directory, contents of result.json) of each member as it ends."""
Execute = Callable[["Job"], Results]


@dataclasses.dataclass(frozen=True)
class Job:
    """Members to train; it travels between processes."""

    experiment: str
    members: tuple[tuple[Any, Path], ...]
    """Config and run directory of each."""
    inputs: tuple[str, ...]
    """The swept values: inputs of the compiled programs, whichever members are left to train."""
    precision: str
    command: str
    until: int | None
    sizes: dict[str, int]
    """Members at once by structure, as measured; added to where the job runs here."""
    outputs: tuple[Any, ...] = ()
    """`Outputs` of each member."""
    cpu_devices: int = 1
    """Virtual devices of a CPU, each of which trains members of its own."""

    def parts(self, count: int) -> list["Job"]:
        """The job in `count` parts of consecutive members, as equal as can be."""
        ends = [len(self.members) * i // count for i in range(count + 1)]
        return [
            dataclasses.replace(self, members=self.members[a:b])
            for a, b in itertools.pairwise(ends)
            if a < b
        ]


def work(
    job: Job,
    note: Callable[[str], None] = lambda text: None,
    under_way: Callable[[float], None] = lambda trainings: None,
) -> Results:
    """Train a job's members in this process.

    `under_way` is called with what is done of the members that are trained now.
    """
    from dlfun.train.driver import train_members
    from dlfun.train.options import Options
    from dlfun.train.trainer import Member, Outputs

    members = [Member(config, run) for config, run in job.members]
    for number, result in train_members(
        job.experiment,
        members,
        Options(precision=job.precision),  # type: ignore[arg-type]
        job.command,
        inputs=job.inputs,
        until=job.until,
        sizes=job.sizes,
        outputs=Outputs(*job.outputs),
        note=note,
        under_way=under_way,
    ):
        yield str(members[number].run), result


@contextlib.contextmanager
def executor(
    kind: Executor,
    workers: int | None,
    note: Callable[[str], None],
    under_way: Callable[[float], None],
) -> Iterator[Execute]:
    """A function that trains a job, here or on `workers` workers.

    Of a Ray cluster's members only those that have ended count as done.
    """
    count = workers or 2
    if kind == "here":
        yield lambda job: work(job, note, under_way)
        return

    def parts(job: Job) -> list[Job]:
        return dataclasses.replace(job, cpu_devices=max(1, cores() // count)).parts(count)

    if kind == "processes":
        context = multiprocessing.get_context("spawn")
        done = context.Array("d", count)
        with ProcessPoolExecutor(count, context, _share, (done,)) as pool:
            yield lambda job: _watched(pool, parts(job), done, under_way)
        return
    ray = _ray()
    data = {
        name: os.environ[name] for name in ("DLFUN_DATA", "DLFUN_EXPERIMENTS") if name in os.environ
    }
    ray.init(
        num_cpus=None if "RAY_ADDRESS" in os.environ else count,
        include_dashboard=False,
        log_to_driver=False,
        runtime_env={"env_vars": data},
    )
    try:
        remote = ray.remote(_work).options(num_returns="streaming")
        yield lambda job: _streamed(ray, [remote.remote(part) for part in parts(job)])
    finally:
        ray.shutdown()


def set_up_process(precision: Any, cpu_devices: int) -> None:
    """Configure JAX for a process that trains populations."""
    from dlfun.train import options

    settings = options.Options(precision=precision)
    options.configure_jax(settings, cpu_devices=cpu_devices)


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_shared: list[Any] = []
"""The progress of each part as a number of trainings, in a worker process."""


def _share(done: Any) -> None:
    _shared.append(done)


def _work(job: Job, share: Callable[[float], None] = lambda trainings: None) -> Results:
    """`work` in a process of its own; `share` is called with how much is done of the whole job."""
    set_up_process(job.precision, job.cpu_devices)
    ended: list[str] = []

    def under_way(trainings: float) -> None:
        share(len(ended) + trainings)

    for run, result in work(job, under_way=under_way):
        ended.append(run)
        under_way(0)
        yield run, result


def _work_on_part(job: Job, part: int) -> list[tuple[str, dict[str, Any]]]:
    """The results of a part of a job; how much is done of it lies in the shared array."""
    return list(_work(job, lambda trainings: operator.setitem(_shared[0], part, trainings)))


def _watched(
    pool: ProcessPoolExecutor, parts: list[Job], done: Any, under_way: Callable[[float], None]
) -> Results:
    """The results of the parts of a job, in their order; meanwhile, how much is done of them."""
    futures = [pool.submit(_work_on_part, part, number) for number, part in enumerate(parts)]
    for number, future in enumerate(futures):
        while wait([future], timeout=WATCH).not_done:
            under_way(sum(done))
        yield from future.result()
        done[number] = 0.0


def _streamed(ray: Any, parts: list[Any]) -> Results:
    """The results of the parts of a job, each as soon as its training has ended."""
    while parts:
        ready, _ = ray.wait(parts, num_returns=1)
        try:
            yield ray.get(next(ready[0]))
        except StopIteration:
            parts.remove(ready[0])
        except ray.exceptions.RayTaskError as error:
            # Ray's own error prints the worker's traceback.
            raise error.cause if isinstance(error.cause, UserError) else error from None


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UserError("--executor ray needs the extra: pip install 'dlfun[ray]'") from None
    return ray
