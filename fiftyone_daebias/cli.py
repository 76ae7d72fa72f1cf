"""The ``daebias`` command: one sub-command a verb, generated from the verb's own signature."""

from __future__ import annotations

import argparse
import contextlib
import errno
import json
import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

from . import verbs
from .errors import DaebiasError
from .progress import TerminalProgress

EXIT_OK, EXIT_CHECK_FAILED, EXIT_INPUT = 0, 1, 2
#: as a shell names the end of a process by SIGINT, SIGPIPE and SIGTERM
EXIT_INTERRUPTED, EXIT_PIPE, EXIT_TERMINATED = 130, 141, 143
_KEPT = "what was finished is kept: run the same command again to go on"


class Terminated(KeyboardInterrupt):
    """The process was asked to end (``docker stop``, Slurm): everything that saves its state on Ctrl-C does so now."""


def main(argv: list[str] | None = None) -> int:
    """Runs ``daebias``.

    Returns:
        0 on success; 1 when ``doctor`` finds that the main job cannot run or an audit's condition failed; 2 on bad
        input, a full disk or a database that does not answer; 3 when an audit finished but a step of it failed; 130
        when interrupted, 143 when terminated, 141 when nobody reads on
    """
    # Threads that spin while they wait make two of them slower than one where others use the cores too. It must be
    # set before torch loads its OpenMP.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # what readers say of odd files is in the report, with the file's name
    for module in ("pydicom", "nibabel", "fiftyone_daebias.cohort"):
        warnings.filterwarnings("ignore", module=module)
    # what FiftyOne has to say of its own doing would stand between the results, and before JSON
    logging.getLogger("fiftyone").setLevel(logging.WARNING)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text that a terminal can show
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = build_parser(argv[0] if argv else None)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return EXIT_INPUT
    try:
        with _termination_raises():
            code = args.run(args)
            sys.stdout.flush()
            return code
    except Terminated:
        print(f"\nterminated; {_KEPT}", file=sys.stderr)
        return EXIT_TERMINATED
    except KeyboardInterrupt:
        print(f"\ninterrupted; {_KEPT}", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Python flushes once more at its end, and would complain
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_PIPE
    except Exception as error:
        line = _what_is_wrong(error)
        if not line:
            raise
        print(f"daebias {args.command}: error: {line}", file=sys.stderr)
        return EXIT_INPUT


@contextlib.contextmanager
def _termination_raises() -> Iterator[None]:
    """Makes SIGTERM raise :class:`Terminated` in the main thread; a second one ends the process as it always did."""

    def terminate(number, frame):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _what_is_wrong(error: Exception) -> str:
    """One line for what the user can do something about, else ""."""
    if "fiftyone_daebias.store" in sys.modules:
        from .store import connection

        if connection.is_away(error):
            connection.leave()
            return (
                f"the database at {connection.address()} does not answer; start it, or set FIFTYONE_DATABASE_URI to "
                f"another; {_KEPT}"
            )
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    if full or isinstance(error, (DaebiasError, FileNotFoundError, PermissionError)):
        return _one_line(error)
    return ""


def build_parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The parser; only the ``wanted`` verb's module is imported, so that help and errors are quick."""
    parser = argparse.ArgumentParser(
        prog="daebias",
        description="Audit a medical image cohort before training on it. 'daebias COMMAND --help' explains a command.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for verb in verbs.VERBS:
        sub = commands.add_parser(verb.command, help=verb.label, formatter_class=_HelpFormatter)
        if verb.command == wanted:
            _add_verb(sub, verb)
    _add_demo(commands)
    _add_app(commands)
    _add_doctor(commands)
    return parser


class _Version(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"daebias {version('fiftyone-daebias')}")
        except PackageNotFoundError:
            print("daebias (not installed: run from a folder)")
        parser.exit()


class _HelpFormatter(argparse.HelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=32, width=110)


def _add_verb(sub: argparse.ArgumentParser, verb: verbs.Verb) -> None:
    doc, parameters = verb.describe()
    sub.description = verbs.docstring_summary(doc)
    if verb.method:
        also = ", or a YAML file that names one" if verb.opens else ""
        sub.add_argument("dataset", help="name of a FiftyOne dataset" + also)
        sub.add_argument("--view", metavar="NAME", help="a saved view of the dataset; default: all of it")
    for parameter in parameters:
        _add_parameter(sub, parameter)
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")
    if verb.holds:
        sub.add_argument(
            "--wait",
            type=float,
            metavar="SECONDS",
            help="how long to wait while another process writes to the dataset (default: 600, or DAEBIAS_WAIT)",
        )
    sub.set_defaults(run=lambda args: _run_verb(verb, parameters, args))


def _add_parameter(sub: argparse.ArgumentParser, parameter: verbs.Parameter) -> None:
    text = parameter.help.replace("%", "%%")
    flag = "--" + parameter.name.replace("_", "-")
    if parameter.kind is bool:
        sub.add_argument(
            flag,
            dest=parameter.name,
            action=argparse.BooleanOptionalAction,
            help=text,
            default=False if parameter.required else parameter.default,
        )
        return
    options = {"help": text, "type": parameter.item, "metavar": None if parameter.choices else parameter.name.upper()}
    if parameter.choices:
        options["choices"] = parameter.choices
    if parameter.kind is list:
        options["nargs"] = "+"
    if parameter.required:
        sub.add_argument(parameter.name, **options)
        return
    if parameter.default is not None:
        options["help"] = f"{text} (default: {parameter.default})".strip().replace("%)", "%%)")
    sub.add_argument(flag, dest=parameter.name, default=parameter.default, **options)


def _run_verb(verb: verbs.Verb, parameters: tuple[verbs.Parameter, ...], args) -> int:
    values = {p.name: getattr(args, p.name) for p in parameters}
    values = {p.name: v if (v := values[p.name]) is p.default else p.checked(v) for p in parameters}
    values["progress"] = None if args.quiet else TerminalProgress()
    if getattr(args, "wait", None) is not None:
        os.environ["DAEBIAS_WAIT"] = str(args.wait)
    function = verb.load()
    if verb.method:
        from . import store

        if opener := verb.load_opener():
            samples = opener(args.dataset, args.view, values, values["progress"])
        else:
            samples = store.load_samples(args.dataset, args.view)
        result = function(samples, **values)
    else:
        result = function(**values)
    if result is None:
        return EXIT_OK
    print(json.dumps(result.to_dict(), indent=2, default=str) if args.json else result)
    code = getattr(result, "exit_code", None)
    return code if code is not None else EXIT_OK if getattr(result, "passed", True) else EXIT_CHECK_FAILED


def _add_demo(commands) -> None:
    sub = commands.add_parser("demo", help="audit the 1,000 chest radiographs that ship with the package")
    sub.add_argument("--preset", default="cpu-lite", help="training preset (default: cpu-lite)")
    sub.add_argument("--name", default="daebias-demo", help="name of the dataset (default: daebias-demo)")

    def run(args) -> int:
        from .demo import run_demo

        print(run_demo(name=args.name, preset=args.preset, progress=TerminalProgress()))
        return EXIT_OK

    sub.set_defaults(run=run)


def _add_app(commands) -> None:
    sub = commands.add_parser("app", help="open the FiftyOne App on a dataset")
    sub.add_argument("dataset", help="name of a FiftyOne dataset")
    sub.add_argument("--port", type=int, default=5151, help="port of the App (default: 5151)")
    sub.add_argument("--address", default="localhost", help="address to serve on (default: localhost)")
    sub.add_argument("--remote", action="store_true", help="serve only; do not open a browser here")

    def run(args) -> int:
        from .app import open_app

        open_app(args.dataset, port=args.port, address=args.address, remote=args.remote)
        return EXIT_OK

    sub.set_defaults(run=run)


def _add_doctor(commands) -> None:
    sub = commands.add_parser("doctor", help="check that everything the main job needs is here")
    sub.add_argument("--fix", action="store_true", help="mend what can be mended: link the plugin, add the database")
    sub.add_argument("--json", action="store_true", help="print the checks as JSON")

    def run(args) -> int:
        from . import doctor

        if args.fix:
            doctor.mend(print)
        report = doctor.examine()
        print(json.dumps(report.to_dict(), indent=2) if args.json else report)
        return EXIT_OK if report.passed else EXIT_CHECK_FAILED

    sub.set_defaults(run=run)


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {Path(str(error.filename))}"
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
