"""How to run: what is set before JAX's first use of a device, and what is settled after it."""

import contextlib
import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
from annotated_types import Ge

from dlfun import config as configs
from dlfun import experiment as experiments
from dlfun.data.encoded_images import is_encoded
from dlfun.errors import UserError
from dlfun.experiment import Experiment
from dlfun.train import loop
from dlfun.train.batches import Feed
from dlfun.train.compile import Parallel


@dataclass(frozen=True)
class Options:
    """How to run, beside what to run: all of it is recorded, and part of what a resume compares."""

    devices: Annotated[int, Ge(1)] | None = None
    """Devices to split each batch over. Default: one GPU or TPU; on a CPU, as many virtual devices
    as the experiment says pay; on several machines, all devices of all."""
    parallel: Parallel | None = None
    """How to split it: by the compiler (jit), by pmap or by shard_map. Default: jit on one device,
    shard_map on more."""
    feed: Feed | None = None
    """Data on the device, or streamed from the disk. Default: on the device where they fit."""
    loop: Literal["compiled", "python"] = "compiled"
    """compiled: pieces of an epoch are one program; python: one call a step."""
    precision: Literal["default", "bfloat16", "tensorfloat32", "float32"] = "default"
    """Precision of matrix products on devices that have a choice."""


@dataclass(frozen=True)
class Machines:
    """Training over several processes or machines; found without flags on SLURM and cloud TPU."""

    coordinator: str | None = None
    """HOST:PORT of process 0."""
    num_processes: Annotated[int, Ge(1)] | None = None
    """How many processes take part."""
    process_id: Annotated[int, Ge(0)] | None = None
    """Which of them this is, from 0; only process 0 writes the run."""


def set_up(
    options: Options,
    data_dir: Path | None = None,
    machines: Machines | None = None,
    cpu_devices: int | None = None,
) -> None:
    """Configure JAX and the data folder for this process, before JAX's first use of a device.

    `cpu_devices` is how many a CPU is to be; by default two, or as many as the options ask for.
    """
    configs.check(options)
    if data_dir is not None:
        if not data_dir.is_dir():
            raise UserError(f"--data-dir {data_dir} is no directory")
        os.environ["DLFUN_DATA"] = str(data_dir)
    processes = _join(machines or Machines())
    on_each = options.devices or 1
    if processes == 1:
        on_each = max(2, on_each)
    elif on_each > 1:
        on_each = _divide(on_each, processes)
    with contextlib.suppress(RuntimeError):  # A process that has used its devices keeps them.
        jax.config.update("jax_num_cpu_devices", cpu_devices or on_each)
    precision = None if options.precision == "default" else options.precision
    jax.config.update("jax_default_matmul_precision", precision)
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "dlfun" / "xla"
    jax.config.update("jax_compilation_cache_dir", str(cache))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _divide(devices: int, processes: int) -> int:
    if devices % processes:
        raise UserError(f"--devices {devices} must be a multiple of the {processes} processes")
    return devices // processes


def _join(machines: Machines) -> int:
    """Meet the other processes, where there are any; how many there are in all."""
    configs.check(machines)
    said = dataclasses.asdict(machines)
    if any(value is not None for value in said.values()):
        for name, value in said.items():
            if value is None:
                flag = name.replace("_", "-")
                raise UserError(f"--{flag} is missing: several machines need all three flags")
        if machines.process_id >= machines.num_processes:  # type: ignore[operator]
            raise UserError(
                f"--process-id must be below --num-processes {machines.num_processes}, "
                f"got {machines.process_id}"
            )
        where, processes = machines.coordinator, machines.num_processes
        host, _, port = str(where).rpartition(":")
        if not host or not port.isdigit():
            raise UserError(f"--coordinator must be HOST:PORT, got {where}")
    else:
        where, processes = None, _allotted(os.environ)
    if not processes or processes == 1 or jax.distributed.is_initialized():
        return processes or 1
    try:
        jax.distributed.initialize(
            where, machines.num_processes, machines.process_id, initialization_timeout=120
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"cannot meet the other processes at {where}: {reason}") from None
    return processes


def _allotted(environment: Any) -> int:
    """Processes that SLURM started beside this one, or hosts of a cloud TPU; 1 elsewhere."""
    if "SLURM_PROCID" in environment:
        return int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    return len(environment.get("TPU_WORKER_HOSTNAMES", "").split(","))


def build(name: str, config: Any, options: Options) -> tuple[Experiment, Options]:
    """The experiment, and the options with every default settled. Raises UserError."""
    configs.check(config)
    configs.check(options)
    experiment = experiments.load(name).build(config)
    size = experiment.dataset.size("train")
    if experiment.batch_size > size:
        raise UserError(
            f"--batch-size must be at most the training set's {size}, got {experiment.batch_size}"
        )
    several, there = jax.process_count() > 1, jax.device_count()
    on_cpu = jax.default_backend() == "cpu"
    alone = experiment.cpu_devices if on_cpu else 1
    devices = options.devices or (there if several else alone)
    if devices > there:
        raise UserError(f"--devices {devices}: there are only {there} here")
    if several and devices < there:
        raise UserError(f"--devices {devices}: expected the {there} of all processes together")
    parallel = options.parallel or loop.usual(devices)
    if several and parallel == "pmap":
        raise UserError("--parallel pmap runs in one process: expected shard_map or jit")
    feed = options.feed or loop.choose_feed(experiment)
    if feed == "memory" and is_encoded(experiment.dataset):
        name = experiment.dataset.name
        raise UserError(f"--feed memory: {name} is decoded as it is read: expected stream")
    if several and feed == "memory":
        raise UserError("--feed memory runs in one process: expected stream")
    return experiment, dataclasses.replace(options, devices=devices, parallel=parallel, feed=feed)


def compile_programs(experiment: Experiment, options: Options) -> loop.Programs:
    """The programs of an experiment under settled options."""
    devices, feed = options.devices or 1, options.feed or "memory"
    return loop.compile_programs(experiment, devices, options.parallel, feed)
