"""Options of the execution: some set before JAX's first use of a device, some settled later."""

import contextlib
import dataclasses
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jax
import psutil
import tyro
from annotated_types import Ge

from dlfun import config as configs
from dlfun.data.dataset import Dataset
from dlfun.data.encoded_images import is_encoded
from dlfun.errors import UserError
from dlfun.experiment import Stage
from dlfun.train import program_cache
from dlfun.train.batches import Feed, bytes_of
from dlfun.train.compile import Parallel
from dlfun.train.cost import pays_on_two

MOST_CPU_DEVICES = 64
"""Virtual devices of a CPU: `settle` says that there are no more."""
GREETING = b"dlfun process 0"
"""Bytes by which process 0 identifies itself: another service may listen at its address."""
ANSWER_SECONDS = 120
"""Time within which all processes must have met."""
MEMORY_SHARE = 0.4
"""Share of a device's memory, or of the machine's: a dataset that is larger is streamed."""


@dataclass(frozen=True)
class Options:
    """Settings of the execution: recorded in config.json, and part of what a resume compares."""

    devices: Annotated[int, Ge(1)] | None = None
    """Devices to split each batch over. Default: one GPU or TPU; on a CPU, two virtual devices
    where a step consists of many small products; on several machines, all devices of all."""
    parallel: Parallel | None = None
    """Way to split it: by the compiler (jit), by pmap or by shard_map. Default: shard_map on
    several devices where the learner averages over them, else jit."""
    feed: Feed | None = None
    """Data on the device, or streamed from the disk. Default: on the device where they fit."""
    loop: Literal["compiled", "python"] = "compiled"
    """compiled: pieces of an epoch are one program; python: one call a step, for debugging."""
    precision: Literal["default", "bfloat16", "tensorfloat32", "float32"] = "default"
    """Precision of matrix products on devices that have a choice."""
    from_run: Annotated[str | None, tyro.conf.arg(name="from", metavar="RUN_DIR")] = None
    """Run whose parameters to start from, those of the same name and shape."""


@dataclass(frozen=True)
class Machines:
    """Training over several processes or machines; found without flags on SLURM and cloud TPU."""

    coordinator: str | None = None
    """HOST:PORT of process 0."""
    num_processes: Annotated[int, Ge(1)] | None = None
    """Number of processes."""
    process_id: Annotated[int, Ge(0)] | None = None
    """Number of this process, from 0; only process 0 writes the run."""


def configure_jax(
    options: Options, machines: Machines | None = None, cpu_devices: int | None = None
) -> None:
    """Configure JAX for this process, before JAX's first use of a device.

    `cpu_devices`: number of virtual CPU devices (default 2, or `options.devices`).
    """
    configs.check(options)
    processes = initialize_distributed(machines or Machines())
    on_each = options.devices or 1
    if processes == 1:
        on_each = max(2, on_each)
    elif on_each > 1:
        on_each = _divide(on_each, processes)
    with contextlib.suppress(RuntimeError):  # A process that has used its devices keeps them.
        wanted = min(cpu_devices or on_each, MOST_CPU_DEVICES)
        jax.config.update("jax_num_cpu_devices", wanted)
    precision = None if options.precision == "default" else options.precision
    jax.config.update("jax_default_matmul_precision", precision)
    program_cache.use()


def _divide(devices: int, processes: int) -> int:
    if devices % processes:
        raise UserError(f"--devices {devices} must be a multiple of the {processes} processes")
    return devices // processes


def initialize_distributed(machines: Machines) -> int:
    """Connect to the other processes, if there are any; the number of processes in all."""
    configs.check(machines)
    flags = dataclasses.asdict(machines)
    if any(value is not None for value in flags.values()):
        for name, value in flags.items():
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
        if not host or not port.isdigit() or not 0 < int(port) < 2**16:
            raise UserError(f"--coordinator must be HOST:PORT, PORT from 1 to 65535, got {where}")
    else:
        where, processes = None, _cluster_size(os.environ)
    if not processes or processes == 1 or jax.distributed.is_initialized():
        return processes or 1
    if where is not None:
        assert machines.process_id is not None
        _meet(host, int(port), machines.process_id, processes)
    try:
        jax.distributed.initialize(
            where,
            machines.num_processes,
            machines.process_id,
            initialization_timeout=ANSWER_SECONDS,
        )
    except (RuntimeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise UserError(f"cannot meet the other processes at {where}: {reason}") from None
    return processes


def _meet(host: str, port: int, number: int, processes: int) -> None:
    """Wait until process 0 has heard of all others, which send it their numbers, and it greets.

    Raises UserError where it cannot listen or they do not meet in time: JAX would end each process
    with a stack trace.
    """
    where, until = f"--coordinator {host}:{port}", time.monotonic() + ANSWER_SECONDS
    try:
        if number == 0:
            dual_stack = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if dual_stack else socket.AF_INET
            with socket.create_server(
                ("", port), family=family, dualstack_ipv6=dual_stack
            ) as server:
                _hear(server, where, processes, until)
            return
        while True:
            try:
                with socket.create_connection((host, port), timeout=5) as connection:
                    connection.sendall(str(number).encode())
                    if connection.recv(len(GREETING)) != GREETING:
                        raise ConnectionError("something else does")
                return
            except (ConnectionError, TimeoutError) as error:
                if time.monotonic() > until:
                    reason = (error.strerror or str(error)).lower()
                    raise UserError(f"{where}: no process 0 answers: {reason}") from None
                time.sleep(0.5)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{where} cannot be used: {reason}") from None


def _hear(server: socket.socket, where: str, processes: int, until: float) -> None:
    """Wait for a connection of each other process."""
    others = set(range(1, processes))
    while others:
        server.settimeout(max(0.01, until - time.monotonic()))
        try:
            connection, _ = server.accept()
        except TimeoutError:
            missing = ", ".join(map(str, sorted(others)))
            raise UserError(
                f"{where}: of {processes} processes these did not come within {ANSWER_SECONDS} "
                f"seconds: {missing}"
            ) from None
        with connection, contextlib.suppress(OSError, ValueError):
            connection.settimeout(5)
            number = int(connection.recv(16))
            connection.sendall(GREETING)
            others.discard(number)


def _cluster_size(environment: Any) -> int:
    """Processes that SLURM started beside this one, or hosts of a cloud TPU; 1 elsewhere."""
    if "SLURM_PROCID" in environment:
        return int(environment.get("SLURM_STEP_NUM_TASKS", 1))
    return len(environment.get("TPU_WORKER_HOSTNAMES", "").split(","))


def settle(options: Options, stages: Sequence[Stage]) -> Options:
    """The options with every default settled for the stages of a training.

    Raises UserError where they cannot be had: too many devices, a batch larger than the training
    set, a way to split the batch that the learner does not allow.
    """
    for stage in stages:
        stage.dataset.check()
        size = stage.dataset.size("train")
        if stage.batch_size > size:
            raise UserError(
                f"--batch-size must be at most the training set's {size}, got {stage.batch_size}"
            )
    several, available = jax.process_count() > 1, jax.device_count()
    devices = options.devices or (available if several else _default_devices(stages))
    if devices > available:
        raise UserError(f"--devices {devices}: there are only {available} here")
    if several and devices < available:
        raise UserError(f"--devices {devices}: expected the {available} of all processes together")
    averages = all(stage.learner.averages for stage in stages)
    if options.parallel in ("pmap", "shard_map") and devices > 1 and not averages:
        raise UserError(
            f"--parallel {options.parallel} splits the batch, over which this experiment's learner "
            "takes no averages: expected jit"
        )
    parallel = options.parallel or ("shard_map" if devices > 1 and averages else "jit")
    if several and parallel == "pmap":
        raise UserError("--parallel pmap runs in one process: expected shard_map or jit")
    encoded = [stage.dataset.name for stage in stages if is_encoded(stage.dataset)]
    feed = options.feed or choose_feed([stage.dataset for stage in stages])
    if feed == "memory" and encoded:
        raise UserError(f"--feed memory: {encoded[0]} is decoded as it is read: expected stream")
    if several and feed == "memory":
        raise UserError("--feed memory runs in one process: expected stream")
    return dataclasses.replace(options, devices=devices, parallel=parallel, feed=feed)


def _default_devices(stages: Sequence[Stage]) -> int:
    """The default number of devices to split a batch over, in one process."""
    if jax.default_backend() != "cpu" or jax.device_count() < 2:
        return 1
    averages = all(stage.learner.averages for stage in stages)
    return 2 if averages and any(map(pays_on_two, stages)) else 1


def choose_feed(datasets: Sequence[Dataset]) -> Feed:
    """`memory` for decoded data that fit on each device and into the machine; else `stream`."""
    if jax.process_count() > 1 or any(map(is_encoded, datasets)):
        return "stream"
    sizes = [sum(map(bytes_of, dataset.splits.values())) for dataset in datasets]
    return "memory" if max(sizes) <= memory_limit() else "stream"


def memory_limit() -> float:
    """Bytes that data, or the states of members trained together, may take of a device."""
    statistics = jax.local_devices()[0].memory_stats() or {}
    machine = psutil.virtual_memory().total
    return MEMORY_SHARE * min(machine, statistics.get("bytes_limit", machine))
