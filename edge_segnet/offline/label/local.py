"""The engine ``local``: one process per core, and nothing to install.

driver ──task──► worker 1        A worker has one task at a time and asks for nothing: what it gets depends on who
       ◄─frames─                 is free. One that dies (out of memory, kill -9) is replaced and its task begun
       ──task──► worker 2        again; a task that kills five is given up and named.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import wait
from typing import Any, Final

from edge_segnet.core.errors import EdgeSegnetError, ModelError
from edge_segnet.offline.label import child
from edge_segnet.offline.label.plan import Task
from edge_segnet.offline.label.work import Done, Labeller, Spec

DEATHS: Final = 5
"""Of workers with the same task."""
_ENVIRONMENT: Final = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_FOR_THREADS_NUM": "1"}
"""One thread a worker: there is one worker per core."""


def run(tasks: Iterator[Task], spec: Spec, workers: int, tell: Callable[[int], None]) -> Iterator[Done]:
    """Label tasks, as they come, on ``workers`` processes; ``tell`` hears how many frames are done.

    Raises:
        ModelError, OutputError: as ``Labeller``; the other workers end with it.
    """
    with ExitStack() as stack:
        pool = _Pool(tasks, spec, stack)
        for _ in range(workers):
            pool.hire()
        while pool.busy:
            for worker in pool.ready():
                heard = worker.hear()
                match heard:
                    case int():
                        tell(heard)
                    case Done():
                        yield heard
                        pool.give(worker)
                    case None:
                        if (given_up := pool.bury(worker)) is not None:
                            yield given_up
                    case EdgeSegnetError():
                        raise heard


class _Pool:
    def __init__(self, tasks: Iterator[Task], spec: Spec, stack: ExitStack) -> None:
        self._tasks, self._spec, self._stack = tasks, spec, stack
        self._again: deque[Task] = deque()
        self._deaths: Counter[Task] = Counter()
        self._stillborn = 0
        self.busy: list[_Worker] = []

    def hire(self) -> None:
        """A new worker, if there is anything to do for it."""
        task = self._next()
        if task is not None:
            worker = _Worker(self._spec)
            self._stack.callback(worker.close)
            worker.begin(task)
            self.busy.append(worker)

    def _next(self) -> Task | None:
        return self._again.popleft() if self._again else next(self._tasks, None)

    def give(self, worker: _Worker) -> None:
        """The next task; without one the worker may go."""
        task = self._next()
        if task is None or not worker.begin(task):
            if task is not None:
                self._again.append(task)
            self.busy.remove(worker)
            worker.close()
            if task is not None:
                self.hire()

    def bury(self, worker: _Worker) -> Done | None:
        """A dead worker's task goes to another, unless it has killed too many.

        Raises:
            ModelError: workers die before they have even begun.
        """
        self.busy.remove(worker)
        worker.close()
        task = worker.task
        self._deaths[task] += 1
        if self._deaths[task] < DEATHS:
            self._again.append(task)
            self.hire()
            return None
        if not worker.spoke:
            raise ModelError("workers die while they load the model", hint="is there memory enough? try --workers 1")
        self.hire()
        return Done(task.item.name, broken=f"{task.item.uri}: {DEATHS} workers died of it, the last with {worker.code}")

    def ready(self) -> list[_Worker]:
        """Those that have said something, or died; waits for the first."""
        heard = wait([worker.connection for worker in self.busy])
        return [worker for worker in self.busy if worker.connection in heard]


class _Worker:
    """A process, seen from the driver."""

    def __init__(self, spec: Spec) -> None:
        self._process, self.connection = child.start("edge_segnet.offline.label.local", _ENVIRONMENT)
        self.connection.send(spec)
        self.task: Task
        self.spoke = False

    @property
    def code(self) -> str:
        """How it ended, for people."""
        return child.exit_words(self._process)

    def begin(self, task: Task) -> bool:
        """Hand a task over; False: it is dead."""
        self.task = task
        try:
            self.connection.send(task)
        except OSError:
            return False
        return True

    def hear(self) -> int | Done | EdgeSegnetError | None:
        """What it says; None: it is dead."""
        try:
            heard: int | Done | EdgeSegnetError = self.connection.recv()
        except (EOFError, OSError):
            return None
        self.spoke = True
        return heard

    def close(self) -> None:
        """End it."""
        self.connection.close()
        self._process.kill()
        self._process.wait()


def work(connection: Any) -> None:
    """A worker's life: a spec, then tasks, until the driver is gone."""
    try:
        labeller = Labeller(connection.recv())
        while True:
            task = connection.recv()
            connection.send(labeller.run(task, connection.send))
    except EdgeSegnetError as error:
        connection.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def main() -> None:
    """A worker's process; its one argument is the descriptor of its connection."""
    work(child.parent())


if __name__ == "__main__":
    main()
