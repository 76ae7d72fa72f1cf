"""The ``daebias`` command: one sub-command a verb, generated from the verb's own signature."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import warnings
from pathlib import Path

from . import verbs
from .errors import DaebiasError
from .progress import TerminalProgress

EXIT_OK, EXIT_CHECK_FAILED, EXIT_INPUT, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(argv: list[str] | None = None) -> int:
    """Runs ``daebias``.

    Returns:
        0 on success; 1 when ``doctor`` finds that the main job cannot run or an audit's condition failed; 2 on bad
        input; 3 when an audit finished but a step of it failed; 130 when interrupted
    """
    # Threads that spin while they wait make two of them slower than one where others use the cores too. It must be
    # set before torch loads its OpenMP.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # what readers say of odd files is in the report, with the file's name
    for module in ("pydicom", "nibabel", "fiftyone_daebias.cohort"):
        warnings.filterwarnings("ignore", module=module)
    # what FiftyOne has to say of its own doing would stand between the results, and before JSON
    logging.getLogger("fiftyone").setLevel(logging.WARNING)
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = build_parser(argv[0] if argv else None)
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return EXIT_INPUT
    try:
        return args.run(args)
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished is kept: run the same command again to go on", file=sys.stderr)
        return EXIT_INTERRUPTED
    except (DaebiasError, FileNotFoundError, PermissionError) as error:
        print(f"daebias {args.command}: error: {_one_line(error)}", file=sys.stderr)
        return EXIT_INPUT


def build_parser(wanted: str | None = None) -> argparse.ArgumentParser:
    """The parser; only the ``wanted`` verb's module is imported, so that help and errors are quick."""
    parser = argparse.ArgumentParser(
        prog="daebias",
        description="Audit a medical image cohort before training on it. 'daebias COMMAND --help' explains a command.",
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for verb in verbs.VERBS:
        sub = commands.add_parser(verb.command, help=verb.label, formatter_class=_HelpFormatter)
        if verb.command == wanted:
            _add_verb(sub, verb)
    _add_demo(commands)
    _add_app(commands)
    _add_doctor(commands)
    return parser


class _HelpFormatter(argparse.HelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=32, width=110)


def _add_verb(sub: argparse.ArgumentParser, verb: verbs.Verb) -> None:
    function = verb.load()
    sub.description = verbs.docstring_summary(function.__doc__ or "")
    if verb.method:
        also = ", or a YAML file that names one" if verb.opens else ""
        sub.add_argument("dataset", help="name of a FiftyOne dataset" + also)
        sub.add_argument("--view", metavar="NAME", help="a saved view of the dataset; default: all of it")
    for parameter in verbs.parameters(function):
        _add_parameter(sub, parameter)
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")
    sub.set_defaults(run=lambda args: _run_verb(verb, function, args))


def _add_parameter(sub: argparse.ArgumentParser, parameter: verbs.Parameter) -> None:
    text = parameter.help.replace("%", "%%")
    flag = "--" + parameter.name.replace("_", "-")
    if parameter.kind is bool:
        sub.add_argument(
            flag, dest=parameter.name, action=argparse.BooleanOptionalAction, help=text,
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


def _run_verb(verb: verbs.Verb, function, args) -> int:
    values = {p.name: getattr(args, p.name) for p in verbs.parameters(function)}
    values["progress"] = None if args.quiet else TerminalProgress()
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
