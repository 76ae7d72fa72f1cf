"""``python -m fiftyone_daebias`` is the ``daebias`` command; after ``torchrun`` it runs on many devices::

    torchrun --nproc-per-node 4 -m fiftyone_daebias train chest --preset gpu-256
    torchrun --nproc-per-node 4 -m fiftyone_daebias embed chest

All processes must reach the same database and the same ``DAEBIAS_HOME``.
"""

import contextlib
import io
import os
import sys

from .cli import EXIT_INPUT, main
from .errors import DaebiasError

#: verbs that share their work out among processes
SHARED = ("train", "embed")


def together(argv: list[str]) -> int:
    """Runs a command as one of several processes; the first one alone prints.

    Returns:
        the command's exit code
    """
    from .dae.distributed import join, leave

    if not argv or argv[0] not in SHARED:
        if _rank() == 0:
            given = argv[0] if argv else "nothing"
            print(
                f"daebias: error: torchrun works with {' and '.join(SHARED)}, not {given}; start it without torchrun",
                file=sys.stderr,
            )
        return EXIT_INPUT
    device = argv[argv.index("--device") + 1] if "--device" in argv[:-1] else None
    try:
        group = join(device)
    except DaebiasError as error:
        print(f"daebias {argv[0]}: error: {error}", file=sys.stderr)
        return EXIT_INPUT
    try:
        if group.is_main:
            _start_database()
        group.barrier()
        if group.is_main:
            return main(argv)
        told = io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(told):
            code = main([*argv, "--quiet"])
        if code:
            print(f"process {group.rank} of {group.size}: {told.getvalue().strip()}", file=sys.stderr)
        return code
    finally:
        leave()


def _start_database() -> None:
    """Starts FiftyOne's database unless it runs: two processes that did so at once would be in each other's way."""
    import fiftyone as fo

    fo.list_datasets()


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def _launched() -> bool:
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


if __name__ == "__main__":
    sys.exit(together(sys.argv[1:]) if _launched() else main())
