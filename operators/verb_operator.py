"""One operator a verb: a form from the function's signature, one library call, a result and a way onward."""

from __future__ import annotations

import logging
import time

import fiftyone.operators as foo
import fiftyone.operators.types as types
from fiftyone.operators.message import GeneratedMessage

from fiftyone_daebias import checks, estimates, schema, store, verbs
from fiftyone_daebias.errors import Cancelled, DaebiasError
from fiftyone_daebias.plugin import PLUGIN_NAME
from fiftyone_daebias.rendering import as_markdown, as_text, parts_of

from .forms import add_parameters, read_values
from .live import LiveProgress, StopFlag, follow
from .next_steps import AUDIT_PANEL, add_files, add_steps, files_of, steps_after, tab_of
from .targets import FROM_APP, add_target, target_of, target_words

logger = logging.getLogger(__name__)

#: progress is shown in a dialog of its own once a run takes longer than this, in seconds
PATIENCE = 1.5
#: parameter that a button of such a dialog hands on, so that the dialog is used again instead of lying below the next
IN_DIALOG = "in_dialog"


def operator_class(verb: verbs.Verb) -> type[foo.Operator]:
    """Makes the operator class of a verb; its name is the command with underscores."""
    made = type(f"Verb_{verb.command.replace('-', '_')}", (VerbOperator,), {"verb": verb})
    made.__doc__ = f"{verb.label}: ``fiftyone_daebias.{verb.name}`` as an operator."
    return made


class VerbOperator(foo.Operator):
    """Base of the generated operators; ``verb`` is set by :func:`operator_class`."""

    verb: verbs.Verb

    @property
    def config(self):
        return foo.OperatorConfig(
            name=self.verb.command.replace("-", "_"),
            label=f"Cohort audit: {self.verb.label}",
            description=verbs.docstring_summary(self.verb.load().__doc__ or self.verb.label),
            icon=self.verb.icon,
            dynamic=True,
            execute_as_generator=True,
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            default_choice_to_delegated=self.verb.delegate,
        )

    def __call__(self, samples=None, *, request_delegation: bool = False, **parameters):
        """Runs the operator from Python.

        Args:
            samples: a dataset or view; left out for verbs that make a dataset
            request_delegation: whether to queue it for the background
            **parameters: the verb's own parameters

        Returns:
            an ``ExecutionResult`` whose ``result`` holds "summary" and "result" (or, in a notebook, a task for one)

        Raises:
            TypeError: a parameter that the verb does not have, or no samples where it needs some
        """
        known = [p.name for p in verbs.parameters(self.verb.load())]
        for name in parameters:
            if name not in known:
                raise TypeError(f"{self.verb.name}() has no parameter {name!r}; parameters: {', '.join(known)}")
        ctx: dict = {"params": {k: v if not hasattr(v, "__fspath__") else str(v) for k, v in parameters.items()}}
        if self.verb.method:
            if samples is None:
                raise TypeError(f"{self.verb.name}() needs a dataset or view as its first argument")
            ctx["view"] = samples.view()
            ctx["dataset"] = samples._dataset
        return foo.execute_operator(self.uri, ctx, request_delegation=request_delegation)

    def resolve_input(self, ctx):
        inputs = types.Object()
        function = self.verb.load()
        parameters = verbs.parameters(function)
        text = verbs.docstring_summary(function.__doc__ or "")
        if self.verb.method and (ctx.dataset is None or not store.count(ctx.dataset)):
            inputs.view("empty", types.Error(label="This dataset is empty", description="Register a cohort first"))
            return types.Property(
                inputs, invalid=True, error_message="this dataset has no samples; register a cohort first"
            )
        target = None
        if self.verb.method:
            add_target(inputs, self.verb, ctx)
            target = target_of(self.verb, ctx, form=True)
            text += f"\n\n{target_words(target, ctx.dataset)}"
        values, wrong = self._read(ctx, parameters)
        if target is not None and not store.count(target):
            wrong = "there are no samples here; widen the view, or draw the lasso around some points"
        wrong = wrong or checks.check(self.verb, target, values)
        if wrong.endswith(checks.NO_VALUE):
            missing = wrong.partition(":")[0].split(" and ")
            wrong = f"{checks.NO_VALUE}: {', '.join(p.label for p in parameters if p.name in missing)}"
        about = None if wrong else self._estimate(target, values)
        if about:
            text += f" It {about}."
        inputs.md(text, name="about")
        add_parameters(inputs, parameters, ctx)
        title = types.PromptView(label=self.verb.label)
        if not wrong:
            return types.Property(inputs, view=title)
        return types.Property(inputs, view=title, invalid=True, error_message=wrong)

    def _read(self, ctx, parameters) -> tuple[dict, str]:
        """Values of the form, and what cannot be read of it."""
        try:
            return read_values(ctx.params, parameters), ""
        except (TypeError, ValueError) as error:
            return {}, f"a value cannot be read: {error}"

    def _estimate(self, target, values: dict):
        try:
            return estimates.estimate(self.verb, target, values)
        except DaebiasError:
            return None

    def execute(self, ctx):
        flag = StopFlag(str(ctx._delegated_operation_id or ""))
        if not ctx.delegated and any(key in ctx.request_params for key in FROM_APP):
            return self._in_the_app(ctx, flag)
        try:
            return self._run(ctx, LiveProgress(lambda share, text: ctx.set_progress(progress=share, label=text), flag))
        except DaebiasError as error:
            # One clear line, instead of a traceback.
            raise ValueError(str(error)) from None
        finally:
            flag.clear()

    def _run(self, ctx, progress: LiveProgress) -> dict:
        """The one library call."""
        function = self.verb.load()
        values = read_values(ctx.params, verbs.parameters(function))
        began = time.monotonic()
        if self.verb.method:
            target = target_of(self.verb, ctx)
            result = function(target, **values, progress=progress)
            estimates.remember(self.verb, target, values, time.monotonic() - began)
        else:
            result = function(**values, progress=progress)
        plain = result.to_dict() if result is not None else {}
        said = parts_of(result) if result is not None else ["done"]
        return {
            "summary": as_text(said),
            "markdown": as_markdown(said, tab=tab_of(self.verb.command)),
            "result": plain,
            "files": files_of(plain),
        }

    def _in_the_app(self, ctx, flag: StopFlag):
        """The same as a generator: progress, a button to stop, what to reload, and the outcome."""
        began, dialog = time.monotonic(), bool(ctx.params.get(IN_DIALOG))
        values = read_values(ctx.params, verbs.parameters(self.verb.load()))
        work = follow(lambda progress: self._run(ctx, progress), flag)
        outcome = None
        while outcome is None:
            try:
                share, text = next(work)
                if dialog or time.monotonic() - began > PATIENCE:
                    dialog = True
                    yield self._show(ctx, *self._progress_output(share, text, flag))
            except StopIteration as done:
                results = {"summary": done.value["markdown"], "files": done.value["files"]}
                extra = {IN_DIALOG: True}
                if panel := ctx.params.get(AUDIT_PANEL):
                    extra[AUDIT_PANEL] = panel
                    yield ctx.trigger(f"{PLUGIN_NAME}/{schema.PANEL_NAME}#refresh", dict(panel))
                outcome = self._outputs(values, results["files"], extra), results
                if self.verb.method:
                    yield ctx.ops.reload_dataset()
            except Cancelled as stopped:
                outcome = _notice_output(types.Warning(label="Stopped", description=str(stopped)))
            except (DaebiasError, OSError) as error:
                wrong = types.Error(label="This could not be done", description=" ".join(str(error).split()))
                outcome = _notice_output(wrong)
            except Exception as error:
                # The App would show nothing at all: the answer has begun long before.
                logger.exception("%s failed", self.verb.command)
                words = f"{type(error).__name__}: {' '.join(str(error).split())}; the server's log has the details"
                outcome = _notice_output(types.Error(label="This failed unexpectedly", description=words))
        yield self._show(ctx, *outcome)

    def _show(self, ctx, outputs: types.Property, results: dict) -> GeneratedMessage:
        """A dialog of its own, in place of one shown before: a form cannot open over an operator's own result."""
        return ctx.ops.show_output(outputs.to_json(), results)

    def _progress_output(self, share: float | None, text: str, flag: StopFlag) -> tuple[types.Property, dict]:
        outputs = types.Object()
        outputs.md(f"**{self.verb.label}**", name="title")
        outputs.float("progress", view=types.ProgressView(label=text, variant="linear"))
        outputs.btn(
            "stop",
            label="Stop",
            icon="stop_circle",
            variant="outlined",
            on_click=f"{PLUGIN_NAME}/stop_run",
            params={"token": flag.token},
        )
        return types.Property(outputs, view=types.View(label=self.verb.label)), {"progress": share}

    def _outputs(self, values: dict, files: list[str], extra: dict | None = None) -> types.Property:
        outputs = types.Object()
        # Not a CodeView: its editor is fetched from the internet.
        outputs.md(f"**{self.verb.label}: done**", name="title")
        outputs.str("summary", view=types.MarkdownView())
        add_files(outputs, files)
        add_steps(outputs, steps_after(self.verb.command, values, extra or {}))
        return types.Property(outputs, view=types.View(label=f"{self.verb.label}: done"))

    def resolve_output(self, ctx):
        if "notice" in ctx.results:
            return _notice_output(types.Error(label="This could not be done", description=ctx.results["notice"]))[0]
        values, _ = self._read(ctx, verbs.parameters(self.verb.load()))
        return self._outputs(values, list(ctx.results.get("files") or ()))


def _notice_output(view: types.View) -> tuple[types.Property, dict]:
    outputs = types.Object()
    outputs.view("notice", view)
    return types.Property(outputs), {"notice": view.description}
