"""The engine ``ray``: Ray Data with a pool of actors, on this machine or a cluster (extra ``ray``).

Every actor is a ``Labeller``; a block is a task. Ray starts an actor anew that dies, and has its task done again. All
machines see the inputs and the output under the same paths.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection
from typing import Any, Final

from edge_segnet.core.errors import EdgeSegnetError, InputError, UsageError
from edge_segnet.offline.label import child
from edge_segnet.offline.label.plan import Task
from edge_segnet.offline.label.work import Done, Labeller, Spec

BLOCKS: Final = 10_000
"""Tasks that Ray is handed at once, at most: it keeps a few kB of each in the driver."""


CONNECT_S: Final = 5.0
END_S: Final = 10.0
"""For a Ray of our own to end by itself; then its driver is killed, and what it started with it."""
_PATIENT: Final = {"RAY_agent_register_timeout_ms": "180000", "RAY_BACKEND_LOG_LEVEL": "fatal"}
"""Ray gives its own parts 30 seconds to start, which a small or busy machine needs for their imports alone; and its
libraries write to our standard error.
"""


@dataclass(frozen=True)
class RayOptions:
    """``address``: of a cluster, ``auto`` the one that this machine belongs to; None: one is started here, and ended.
    ``workers``: actors; 0: one per core, or per GPU where ``gpus``.
    """

    address: str | None
    workers: int
    gpus: bool


def run(tasks: Iterator[Task], spec: Spec, options: RayOptions, tell: Callable[[int], None]) -> Iterator[Done]:
    """Label tasks; ``tell`` hears how many frames are done.

    Ray's driver is a process of its own: where the cluster is gone Ray ends the process that it is in, without a word.

    Raises:
        UsageError: Ray is not installed.
        InputError: there is no such cluster, or it went away.
        ModelError, OutputError: as ``Labeller``.
    """
    process, connection = child.start("edge_segnet.offline.label.ray_driver", {})
    try:
        connection.send((spec, options))
        _heard(connection)  # it has joined
        while batch := list(islice(tasks, BLOCKS)):
            connection.send(batch)
            while (done := _heard(connection)) is not None:
                tell(done.frames)
                yield done
    except (EOFError, OSError) as error:
        what = f"the Ray cluster went away (Ray's driver ended with {child.exit_words(process)})"
        raise InputError(what, hint="what is done stays: run again with --resume") from error
    finally:
        connection.close()  # which tells it to end
        with suppress(subprocess.TimeoutExpired):
            process.wait(END_S)
        process.kill()
        process.wait()


def _heard(connection: Connection) -> Done | None:
    found: Done | EdgeSegnetError | None = connection.recv()
    if isinstance(found, EdgeSegnetError):
        raise found
    return found


def labelled(ray: Any, batch: list[Task], spec: Spec, options: RayOptions) -> Iterator[Done | EdgeSegnetError]:
    """What becomes of tasks on the Ray that ``join`` gave."""
    workers = options.workers or _workers(ray, options.gpus)
    yield from _labelled(batch, spec, min(workers, len(batch)), options.gpus)


def join(options: RayOptions) -> Any:
    """Ray itself, started or joined as ``options`` say; raises as ``run``."""
    # Nothing leaves the machine that nobody asked for: Ray reads this when it is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    for name, value in _PATIENT.items():
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise UsageError(f"--engine ray: {error}", hint="pip install 'edge-segnet[ray]'") from error
    if options.address is not None:
        _require_answer(options.address)
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    cores = None if options.address or not options.workers or options.gpus else options.workers
    try:
        ray.init(
            address=options.address or "local",
            num_cpus=cores,
            include_dashboard=False if options.address is None else None,
            logging_level=logging.ERROR,
            log_to_driver=False,
        )
    except Exception as error:
        what = f"--address {options.address or 'local'}: Ray can't be reached ({' '.join(str(error).split())[:200]})"
        raise InputError(what, hint="ray status") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return ray


def _require_answer(address: str) -> None:
    """Ray itself tries for minutes; raises InputError where nobody listens at HOST:PORT."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        what = f"--address {address}: Ray can't be reached ({getattr(error, 'strerror', None) or error})"
        raise InputError(what, hint="ray status") from error


def _workers(ray: Any, gpus: bool) -> int:
    return max(1, int(ray.cluster_resources().get("GPU" if gpus else "CPU", 1)))


def has_gpus(address: str) -> bool:
    """Whether a cluster has any; raises as ``run``."""
    ray = join(RayOptions(address, 0, gpus=False))
    try:
        return float(ray.cluster_resources().get("GPU", 0)) > 0
    finally:
        ray.shutdown()


def _labelled(tasks: list[Task], spec: Spec, workers: int, gpus: bool) -> Iterator[Done | EdgeSegnetError]:
    import ray.data

    rows = ray.data.from_items([{"task": pickle.dumps(task)} for task in tasks], override_num_blocks=len(tasks))
    labelled = rows.map_batches(
        Actor,
        batch_size=1,
        concurrency=workers,
        num_cpus=None if gpus else 1,
        num_gpus=1 if gpus else None,
        fn_constructor_args=(spec,),
    )
    for row in labelled.iter_rows():
        found: Done | EdgeSegnetError = pickle.loads(row["done"])  # of our own actors
        yield found


class Actor:
    """A ``Labeller`` as Ray Data wants it. What is wrong is handed back, because Ray would put it into many lines."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._labeller: Labeller | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """``batch``: tasks; their ``Done``."""
        return {"done": [pickle.dumps(self._run(pickle.loads(task))) for task in batch["task"]]}

    def _run(self, task: Task) -> Done | EdgeSegnetError:
        try:
            self._labeller = self._labeller or Labeller(self._spec)
            return self._labeller.run(task)
        except EdgeSegnetError as error:
            return error
