"""The ``daebias`` command: one sub-command a verb, generated from the verb's own signature."""

from __future__ import annotations

import argparse
import contextlib
import contextvars
import errno
import json
import logging
import os
import re
import signal
import sys
import textwrap
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from . import atomic, command_table, parallel, verbs
from .errors import DaebiasError, InputError, alike
from .progress import TerminalProgress
from .rendering import as_typed
from .serialize import finite

EXIT_OK, EXIT_CHECK_FAILED, EXIT_INPUT = 0, 1, 2
#: as a shell names the end of a process by SIGINT, SIGPIPE and SIGTERM
EXIT_INTERRUPTED, EXIT_PIPE, EXIT_TERMINATED = 130, 141, 143
#: parameters that may not stand on a command line, with the variable that may hold each
SECRETS = {"secret": "DAEBIAS_SECRET"}
_KEPT = "what was finished is kept: run the same command again to go on"


class Terminated(KeyboardInterrupt):
    """The process was asked to end (``docker stop``, Slurm): everything that saves its state on Ctrl-C does so now."""


def _nobody_reads() -> int:
    # Python flushes once more at its end, and would complain
    os.dup2(os.open(os.devnull, os.O_WRONLY), (_json_to.get() or sys.stdout).fileno())
    return EXIT_PIPE


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
    # what FiftyOne has to say of its own doing (of its database's version, say) would stand between the results
    os.environ.setdefault("FIFTYONE_LOGGING_LEVEL", "ERROR")
    logging.getLogger("fiftyone").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text that a terminal can show
    argv = _command_first(sys.argv[1:] if argv is None else list(argv))
    if "_ARGCOMPLETE" in os.environ:
        _complete()
    with _json_alone(argv):
        return _main(argv)


def _main(argv: list[str]) -> int:
    try:
        parser = build_parser(argv[0] if argv else None)
        args = parser.parse_args(argv)
        if args.command is None:
            print(_first_words())
            return EXIT_INPUT
    except BrokenPipeError:
        return _nobody_reads()
    try:
        if "workers" in args:
            parallel.claim(args.workers)
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
        return _nobody_reads()
    except Exception as error:
        line = as_typed(_what_is_wrong(error), vars(args))
        if not line:
            raise
        print(f"daebias {args.command}: error: {line}", file=sys.stderr)
        return EXIT_INPUT


#: where JSON goes while everything else that is printed goes to stderr
_json_to: contextvars.ContextVar[TextIO | None] = contextvars.ContextVar("json", default=None)


@contextlib.contextmanager
def _json_alone(argv: list[str]) -> Iterator[None]:
    """With ``--json``, what any library or process of its prints to stdout goes to stderr, but for the JSON."""
    if "--json" not in argv or {"-h", "--help"} & set(argv):
        yield
        return
    with contextlib.ExitStack() as undo:
        out = sys.stdout
        if out is sys.__stdout__:  # processes and C code write to the descriptor
            out.flush()
            kept = os.dup(1)
            undo.callback(os.close, kept)
            undo.callback(os.dup2, kept, 1)
            os.dup2(2, 1)
            out = undo.enter_context(open(kept, "w", encoding=out.encoding, errors=out.errors, closefd=False))
        undo.enter_context(contextlib.redirect_stdout(sys.stderr))
        undo.callback(_json_to.reset, _json_to.set(out))
        yield


def _print_json(value: dict | None) -> None:
    out = _json_to.get() or sys.stdout
    print(json.dumps(finite(value), indent=2, default=str), file=out, flush=True)


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
    parser = _Parser(prog="daebias", usage="daebias COMMAND [OPTIONS]")
    parser.wanted = wanted
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and leave")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", prog="daebias", parser_class=_Parser)
    for verb in verbs.VERBS:
        sub = _add_command(commands, verb.command, verb.label)
        if verb.command == wanted:
            _add_verb(sub, verb)
    _add_demo(commands)
    _add_mri_demo(commands)
    _add_app(commands)
    _add_queue(commands)
    _add_doctor(commands)
    _add_signing_key(commands)
    _add_completion(commands)
    return parser


def _add_command(commands, name: str, label: str) -> argparse.ArgumentParser:
    examples = [f"  daebias {line}" for line in command_table.EXAMPLES.get(name, ())]
    epilog = "\n".join(["examples:", *examples]).replace("%", "%%") if examples else None
    return commands.add_parser(name, help=label, formatter_class=_HelpFormatter, epilog=epilog)


class _Parser(argparse.ArgumentParser):
    """Shows commands in groups, and asks "did you mean" where a word is nearly one that it knows."""

    #: the command at hand
    wanted: str | None = None

    def format_help(self) -> str:
        commands = _commands_of(self)
        if not commands:
            return super().format_help()
        lines = [
            "usage: daebias COMMAND [OPTIONS]",
            "",
            "Audit a medical image cohort before training on it. 'daebias COMMAND --help' explains a command.",
        ]
        labels = {a.dest: a.help or "" for a in commands._choices_actions}
        for name, about, members in command_table.grouped(labels):
            lines += ["", f"{name}: {about}", *(f"  {c:<18} {label}" for c, label in members)]
        lines += ["", "options: --help, --version; with every command: --json, --quiet"]
        return "\n".join(lines) + "\n"

    def error(self, message: str):
        known = [o for a in self._actions for o in a.option_strings]
        if commands := _commands_of(self):
            known = list(commands.choices)
            if self.wanted in commands.choices:
                known = [o for a in commands.choices[self.wanted]._actions for o in a.option_strings]
            elif "invalid choice: " in message:
                message = message.split(" (choose from")[0].replace("argument COMMAND: invalid choice", "no command")
                message += "; 'daebias --help' lists them"
        mistyped = re.match(r"no command: '([^']*)'|unrecognized arguments: ([^\s=]+)", message)
        word = (mistyped.group(1) or mistyped.group(2)) if mistyped else ""
        near = alike(word, known)
        super().error(message + (f"; did you mean {near[0]}?" if near else ""))


def _commands_of(parser: argparse.ArgumentParser):
    return next((a for a in parser._actions if isinstance(a, argparse._SubParsersAction)), None)


def _first_words() -> str:
    """What ``daebias`` alone says."""
    lines = ["Audit a medical image cohort before training on it.", ""]
    lines += [f"  daebias {name:<9} {about}" for name, about in command_table.FIRST]
    return "\n".join([*lines, "", "'daebias --help' lists all commands, 'daebias COMMAND --help' explains one."])


def _command_first(argv: list[str]) -> list[str]:
    """Options that every command has may stand before the command too."""
    before = []
    while argv[len(before) :] and argv[len(before)] in ("--json", "--quiet"):
        before.append(argv[len(before)])
    rest = argv[len(before) :]
    return [rest[0], *before, *rest[1:]] if rest and not rest[0].startswith("-") else argv


def _complete() -> None:
    """Answers a shell that asks how a line could go on, and ends the process."""
    import argcomplete

    words = _command_first(os.environ.get("COMP_LINE", "").split()[1:])
    argcomplete.autocomplete(build_parser(words[0] if words else None))


class _Version(argparse.Action):
    def __call__(self, parser, namespace, values, option_string=None):
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"daebias {version('fiftyone-daebias')}")
        except PackageNotFoundError:
            print("daebias (not installed: run from a folder)")
        parser.exit()


class _HelpFormatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=32, width=110)


def _add_verb(sub: argparse.ArgumentParser, verb: verbs.Verb) -> None:
    doc, parameters = verb.describe()
    sub.description = textwrap.fill(verbs.docstring_summary(doc), 106)
    if verb.method:
        also = ", or a YAML file that names one" if verb.opens else ""
        sub.add_argument("dataset", help="name of a FiftyOne dataset" + also)
        sub.add_argument("--view", metavar="NAME", help="a saved view of the dataset; default: all of it")
    for parameter in parameters:
        _add_parameter(sub, parameter)
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    if verb.table:
        sub.add_argument("--table", action="store_true", help="print everything, not only the stories")
        sub.add_argument("--csv", type=Path, metavar="FILE", help="also write everything as comma-separated values")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")
    if not any(p.name == "workers" for p in parameters):
        _add_workers(sub)
    if verb.holds:
        sub.add_argument(
            "--wait",
            type=float,
            metavar="SECONDS",
            help="how long to wait while another process writes to the dataset (default: 600, or DAEBIAS_WAIT)",
        )
    sub.set_defaults(run=lambda args: _run_verb(verb, parameters, args))


def _add_workers(sub: argparse.ArgumentParser) -> None:
    sub.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="most cores to use (default: all it may use, or DAEBIAS_WORKERS); results do not depend on it",
    )


def _add_parameter(sub: argparse.ArgumentParser, parameter: verbs.Parameter) -> None:
    text = parameter.help.replace("%", "%%")
    flag = "--" + parameter.name.replace("_", "-")
    if parameter.name in SECRETS:
        sub.add_argument(flag, dest=f"shown_{parameter.name}", help=argparse.SUPPRESS)
        sub.add_argument(
            f"{flag}-file",
            dest=parameter.name,
            metavar="FILE",
            type=Path,
            help=f"file with {text} (default: {SECRETS[parameter.name]} in the environment)",
        )
        return
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
    values = {p.name: _secret(p.name, args) if p.name in SECRETS else getattr(args, p.name) for p in parameters}
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
        if args.json:
            _print_json(None)
        return EXIT_OK
    if getattr(args, "csv", None) is not None:
        atomic.write_text(args.csv, result.to_csv(), error=InputError, prefix="csv: ")
    if args.json:
        _print_json(result.to_dict())
    else:
        print(result.table() if verb.table and args.table else as_typed(str(result), vars(args)))
    code = getattr(result, "exit_code", None)
    return code if code is not None else EXIT_OK if getattr(result, "passed", True) else EXIT_CHECK_FAILED


def _secret(name: str, args) -> str | None:
    """A secret from a file or the environment; what stands on a command line, others can read."""
    flag, variable = "--" + name.replace("_", "-"), SECRETS[name]
    if getattr(args, f"shown_{name}") is not None:
        raise InputError(
            f"{flag}: everybody on this machine can read a command line, and the shell keeps it; write it into a file "
            f"and pass {flag}-file FILE, or set {variable}"
        )
    file = getattr(args, name)
    if file is None:
        return os.environ.get(variable) or None
    try:
        return file.expanduser().read_text(encoding="utf-8").strip() or None
    except UnicodeDecodeError:
        raise InputError(f"{flag}-file: {file} is not text") from None


def _add_demo(commands) -> None:
    sub = _add_command(commands, "demo", "audit the 1,000 chest radiographs that ship with the package")
    sub.add_argument("--preset", default="cpu-lite", help="training preset (default: cpu-lite)")
    sub.add_argument("--name", default="daebias-demo", help="name of the dataset (default: daebias-demo)")
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")
    _add_workers(sub)

    def run(args) -> int:
        from .demo import run_demo

        result = run_demo(name=args.name, preset=args.preset, progress=None if args.quiet else TerminalProgress())
        _print_json(result.to_dict()) if args.json else print(result)
        return EXIT_OK

    sub.set_defaults(run=run)


def _add_mri_demo(commands) -> None:
    sub = _add_command(
        commands, "demo-mri", "draw spine MR of 120 people, one site's necks moved by 43 mm, and audit it"
    )
    sub.add_argument("--name", default="daebias-demo-mri", help="name of the dataset (default: daebias-demo-mri)")
    sub.add_argument("--subjects", type=int, default=120, help="people to draw (default: 120)")
    sub.add_argument("--json", action="store_true", help="print the result as JSON")
    sub.add_argument("--quiet", action="store_true", help="no progress bars")
    _add_workers(sub)

    def run(args) -> int:
        from .demo.mri import run_mri_demo

        result = run_mri_demo(args.name, args.subjects, progress=None if args.quiet else TerminalProgress())
        _print_json(result.to_dict()) if args.json else print(result)
        return EXIT_OK

    sub.set_defaults(run=run)


def _add_app(commands) -> None:
    sub = _add_command(commands, "app", "open the FiftyOne App")
    sub.add_argument("dataset", nargs="?", help="name of a FiftyOne dataset; default: the App lists what there is")
    sub.add_argument("--port", type=int, default=5151, help="port of the App (default: 5151)")
    sub.add_argument("--address", default="localhost", help="address to serve on (default: localhost)")
    sub.add_argument("--remote", action="store_true", help="serve only; do not open a browser here")
    sub.add_argument(
        "--queue",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="offer to run long steps in the background, where they go on when the App is closed",
    )

    def run(args) -> int:
        from .app import open_app

        open_app(args.dataset, port=args.port, address=args.address, remote=args.remote, queue=args.queue)
        return EXIT_OK

    sub.set_defaults(run=run)


def _add_queue(commands) -> None:
    sub = _add_command(commands, "queue", "work off the steps that the App sent to the background, until you end it")
    sub.add_argument(
        "--service", action="store_true", help="only print a systemd unit that keeps it at work, also without an App"
    )
    sub.add_argument("--app", type=int, help=argparse.SUPPRESS)

    def run(args) -> int:
        from . import run_queue

        if args.service:
            print(run_queue.service_file(), end="")
        else:
            run_queue.work(args.app, lambda line: print(line, flush=True))
        return EXIT_OK

    sub.set_defaults(run=run)


def _add_doctor(commands) -> None:
    sub = _add_command(commands, "doctor", "check that everything the main job needs is here")
    sub.add_argument(
        "--fix",
        action="store_true",
        help="mend what can be mended: link the plugin, add the database, bring older datasets into the present shape",
    )
    sub.add_argument("--json", action="store_true", help="print the checks as JSON")
    sub.add_argument("--quiet", action="store_true", help="say nothing of what is mended")

    def run(args) -> int:
        from . import doctor

        if args.fix:
            doctor.mend((lambda line: None) if args.quiet or args.json else print)
        report = doctor.examine()
        _print_json(report.to_dict()) if args.json else print(report)
        return EXIT_OK if report.passed else EXIT_CHECK_FAILED

    sub.set_defaults(run=run)


def _add_signing_key(commands) -> None:
    sub = _add_command(commands, "signing-key", "make a key that signs what you share")
    sub.add_argument("file", type=Path, help="file to write, for your eyes only; a key is never overwritten")
    sub.add_argument("--name", default="", help="what imports show beside the key's fingerprint")

    def run(args) -> int:
        from .sharing.signing import new_key

        signer = new_key(args.file, args.name)
        print(f"key in {args.file}; tell teammates its fingerprint by another way than the bundle:")
        print(f"{signer.fingerprint}   (daebias share DATASET --out FILE.zip --sign {args.file})")
        return EXIT_OK

    sub.set_defaults(run=run)


def _add_completion(commands) -> None:
    sub = _add_command(commands, "completion", "print what makes a shell complete commands and options")
    sub.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")

    def run(args) -> int:
        import argcomplete

        print(argcomplete.shellcode(["daebias"], shell=args.shell))
        return EXIT_OK

    sub.set_defaults(run=run)


def _one_line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}: {Path(str(error.filename))}"
    return " ".join(str(error).split())


if __name__ == "__main__":
    sys.exit(main())
