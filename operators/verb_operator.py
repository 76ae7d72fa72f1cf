"""One operator a verb: a form from the function's signature, one library call, a result with numbers."""

from __future__ import annotations

import fiftyone.operators as foo
import fiftyone.operators.types as types

from fiftyone_daebias import verbs
from fiftyone_daebias.errors import DaebiasError
from fiftyone_daebias.progress import CallbackProgress

from .forms import add_parameter, read_values, target_size


def operator_class(verb: verbs.Verb) -> type[foo.Operator]:
    """Makes the operator class of a verb; its name is the command with underscores."""
    return type(f"Verb_{verb.command.replace('-', '_')}", (VerbOperator,), {"verb": verb})


class VerbOperator(foo.Operator):
    """Base of the generated operators; ``verb`` is set by :func:`operator_class`."""

    verb: verbs.Verb

    @property
    def config(self):
        return foo.OperatorConfig(
            name=self.verb.command.replace("-", "_"),
            label=f"Cohort audit: {self.verb.label}",
            description=self.verb.label,
            icon=self.verb.icon,
            dynamic=True,
            allow_immediate_execution=True,
            allow_delegated_execution=True,
            default_choice_to_delegated=self.verb.delegate,
        )

    def resolve_input(self, ctx):
        inputs = types.Object()
        function = self.verb.load()
        text = verbs.docstring_summary(function.__doc__ or "")
        if self.verb.method:
            if ctx.dataset is None or not len(ctx.dataset):
                inputs.view("empty", types.Error(label="This dataset is empty", description="Register a cohort first"))
                return types.Property(
                    inputs, invalid=True, error_message="this dataset has no samples; register a cohort first"
                )
            size = target_size(self._target(ctx), ctx.dataset)
            inputs.md(f"{text}\n\n{size}", name="about")
        else:
            inputs.md(text, name="about")
        for parameter in verbs.parameters(function):
            add_parameter(inputs, parameter, ctx)
        return types.Property(inputs, view=types.View(label=self.verb.label))

    def _target(self, ctx):
        """What the verb acts on: what is ticked, where that is what it is for, else the view with its lasso."""
        if self.verb.on_ticked and ctx.selected:
            return ctx.dataset.select(list(ctx.selected))
        return ctx.target_view()

    def execute(self, ctx):
        function = self.verb.load()
        values = read_values(ctx.params, verbs.parameters(function))
        values["progress"] = CallbackProgress(lambda share, text: ctx.set_progress(progress=share, label=text))
        try:
            result = function(self._target(ctx), **values) if self.verb.method else function(**values)
        except DaebiasError as error:
            # One clear line in the App, instead of a traceback.
            raise ValueError(str(error)) from None
        if not ctx.delegated:
            if self.verb.method:
                ctx.ops.reload_dataset()
            elif "name" in values:
                ctx.ops.open_dataset(values["name"])
        return {"summary": str(result), "result": result.to_dict()}

    def resolve_output(self, ctx):
        outputs = types.Object()
        outputs.str("summary", label=self.verb.label, view=types.CodeView(language="text", read_only=True))
        return types.Property(outputs, view=types.View(label=f"{self.verb.label}: done"))
