"""The audit panel from the operator browser: FiftyOne's own list of panels is out of the keyboard's reach."""

from __future__ import annotations

import fiftyone.operators as foo

from fiftyone_daebias import schema


class OpenAudit(foo.Operator):
    """Opens the audit panel, or brings it to the front."""

    @property
    def config(self):
        return foo.OperatorConfig(
            name="open_audit",
            label="Cohort audit: Open the audit panel",
            description="Stories, findings and runs of this dataset, beside its samples",
            icon="fact_check",
        )

    def execute(self, ctx):
        ctx.ops.open_panel(schema.PANEL_NAME, is_active=True, layout="horizontal")
        return {}
