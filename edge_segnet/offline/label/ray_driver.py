"""Ray's driver, in a process of its own (``on_ray.run``): Ray ends it when the cluster is gone."""

from __future__ import annotations

from multiprocessing.connection import Connection

from edge_segnet.core.errors import EdgeSegnetError, InputError
from edge_segnet.offline.label import child, on_ray
from edge_segnet.offline.label.on_ray import RayOptions
from edge_segnet.offline.label.work import Spec

GONE = (EOFError, BrokenPipeError, ConnectionResetError)


def main() -> None:
    """Its life: a spec and options, then batches of tasks until nobody sends more; after joining Ray and after a batch
    it says None.
    """
    connection = child.parent()
    try:
        spec, options = connection.recv()
        _drive(connection, spec, options)
    except EdgeSegnetError as error:
        connection.send(error)
    except GONE:
        return


def _drive(connection: Connection, spec: Spec, options: RayOptions) -> None:
    ray = on_ray.join(options)
    try:
        connection.send(None)
        while True:
            batch = connection.recv()
            for done in on_ray.labelled(ray, batch, spec, options):
                connection.send(done)
            connection.send(None)
    except GONE:
        raise
    except Exception as error:
        words = " ".join(str(error).split())[-300:]
        what = f"Ray gave up ({type(error).__name__}: {words})"
        raise InputError(what, hint="what is done stays: run again with --resume") from error
    finally:
        ray.shutdown()


if __name__ == "__main__":
    main()
