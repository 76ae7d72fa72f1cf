"""``python -m fiftyone_daebias`` and ``torchrun -m fiftyone_daebias`` are the ``daebias`` command."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
