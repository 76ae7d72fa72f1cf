"""The registry of analyses: everything that the rest of the package needs to know of one, in one place.

Commands, run listing and deletion, the audit's steps, the false-discovery pool,
the report's sections, Croissant, data sheet, panel tabs, glossary and bundle are
loops over :data:`ANALYSES`. An entry is cheap: what is code is named as
``"module:function"`` inside this package and imported when it is called.
``CONTRIBUTING.md`` shows how to add one.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import schema
from .analysis import Analysis, AuditStep, load

__all__ = ["ANALYSES", "Analysis", "AuditStep", "analysis", "glossary", "kinds_of_tab", "load", "of_kind", "of_tab"]


def _verb(command: str, function: str, label: str, **more) -> dict:
    return {"command": command, "function": function, "label": label, **more}


ANALYSES: tuple[Analysis, ...] = (
    Analysis(
        "case-mix",
        (_verb("case-mix", "clustering.case_mix:case_mix", "Do sites see the same people?", icon="diversity_3"),),
        run=schema.CASE_MIX_RUN,
        run_label="case mix",
        tests=True,
        findings="clustering.case_mix_findings:case_mix_claims",
        result="clustering.case_mix:CaseMix",
        key="case-mix:{field}:{over}",
        speaks=6,
        of_people=True,
        step=AuditStep(
            "case-mix",
            "compare the people of sites",
            listed=("Compare the people of sites", "do sites see the same kind of people?"),
            after=(),
            reads=("table",),
            line="clustering.case_mix_findings:line",
            permutations=9_999,
        ),
        section="People over sites",
        public=True,
        bias="clustering.case_mix_findings:bias",
        next={"case-mix": ("probe", "report")},
        tab="sites",
        glossary=(
            (
                "case mix",
                "The kind of people that a site sees: their sex, age, diagnosis. Where sites see other people, what "
                "tells the people tells the site, and a finding of the one may be the other.",
            ),
        ),
        examples={"case-mix": ("case-mix my-cohort --expected sex age",)},
    ),
    Analysis(
        "quality",
        (
            _verb(
                "quality",
                "quality_control.quality:quality",
                "Measure image quality",
                was="image_quality",
                icon="high_quality",
                delegate=True,
            ),
        ),
        run=schema.QUALITY_RUN,
        owned="quality_control.quality_findings:owned",
        run_label="image quality",
        tests=True,
        findings="quality_control.quality_findings:quality_claims",
        result="quality_control.quality:QualityTable",
        key="quality:{field}",
        speaks=2,
        tells=True,
        measured=True,
        step=AuditStep(
            "quality",
            "measure image quality",
            listed=("Measure image quality", "do scanners differ in noise, shading or sharpness?"),
            after=(),
            reads=("content", "table"),
            line="quality_control.quality_findings:line",
            permutations=9_999,
        ),
        section="Image quality",
        public=True,
        bias="quality_control.quality_findings:bias",
        next={"quality": ("embed", "report")},
        tab="sites",
        glossary=(
            (
                "image quality",
                "Noise, blur, shading and contrast, as 15 measures of each image: what scanners differ in, and what a "
                "model may take for the thing itself.",
            ),
        ),
        group="look",
        examples={"quality": ("quality my-cohort --expected sex age",)},
    ),
    Analysis(
        "file-facts",
        (_verb("files", "quality_control.files:files", "Check files and pictures", icon="folder_open"),),
        run=schema.FILES_RUN,
        run_label="file facts",
        tests=True,
        findings="quality_control.quality_findings:file_claims",
        result="quality_control.files:FilesTable",
        key="file-facts:{field}",
        speaks=7,
        step=AuditStep(
            "files",
            "check files and pictures",
            listed=(
                "Check files and pictures",
                "do files give a field away? are pictures turned, or do they hold text?",
            ),
            after=(),
            reads=("content", "table"),
            line="quality_control.quality_findings:line",
            permutations=9_999,
        ),
        section="File facts",
        public=True,
        bias="quality_control.quality_findings:bias",
        next={"files": ("quality", "report")},
        tab="sites",
        glossary=(
            (
                "file facts",
                "Size, dimensions, bit depth, format, colour and compression of the files, and whether pictures are "
                "turned or hold text: no property of a patient, but a model may take them for one.",
            ),
        ),
        group="look",
        examples={"files": ("files my-cohort", "files my-cohort --fields diagnosis site")},
    ),
    Analysis(
        "probe",
        (
            _verb("probe", "probes.probe:probe", "Probe a field", icon="troubleshoot"),
            _verb("probe-all", "probes.probe:probe_all", "Probe every field", icon="fact_check", delegate=True),
        ),
        run=schema.PROBE_RUN_PREFIX,
        owned="probes.probe_findings:owned",
        run_label="probe",
        tests=True,
        findings="probes.probe_findings:probe_claims",
        settles={
            "probes.result:ProbeResult": "probes.settled:settle",
            "probes.result:ProbeTable": "probes.settled:settle",
        },
        speaks=1,
        tells=True,
        step=AuditStep(
            "probe-all",
            "probe every metadata field",
            listed=("Ask what the images give away", "can sex, age, site … be told from the pixels?"),
            run="probes.probe_findings:probe_safe_vectors",
            line="probes.probe_findings:line",
            permutations=19_999,
        ),
        public=True,
        bias="probes.probe_findings:bias",
        next={
            "probe": ("probe-all", "disagreements", "counterfactual"),
            "probe-all": ("disagreements", "suggest-clusters", "report"),
        },
        tab="probes",
        glossary=(
            (
                "probe",
                "A simple model that tries to tell one fact (the sex, say) from the embedding, and is tested on "
                "persons it has not seen. If it can, the image holds that fact, wanted or not.",
            ),
        ),
        examples={
            "probe": ("probe my-cohort sex", "probe my-cohort site --adjust-for sex age --predictions"),
            "probe-all": ("probe-all my-cohort --adjust-for sex age", "probe-all my-cohort --by region"),
        },
    ),
    Analysis(
        "disagreements",
        (
            _verb("disagreements", "probes.disagreements:disagreements", "Label error or true anatomy?", icon="rule"),
            _verb(
                "subgroups",
                "probes.subgroups:subgroups",
                "Score a probe by group",
                icon="groups",
                delegate=True,
                tests=False,
            ),
            _verb(
                "transfer",
                "probes.transfer:transfer",
                "Probe across groups",
                icon="swap_horiz",
                delegate=True,
                tests=False,
            ),
        ),
        run=schema.DISAGREEMENT_RUN_PREFIX,
        run_label="disagreements",
        tests=True,
        owned="probes.label_findings:owned",
        findings="probes.label_findings:label_claims",
        settles={"probes.disagreements:Disagreements": "probes.settled:settle"},
        shown="probes.label_findings:agreement_findings",
        keeps="probes.label_findings:of_probes_that_hold",
        speaks=10,
        step=AuditStep(
            "disagreements",
            "list labels that images contradict",
            listed=("Look at labels that images contradict", "which labels may be wrong?"),
            after=("probe-all",),
            reads=("table",),
            left_out=("field",),
            extra=(
                (
                    "fields",
                    list,
                    str,
                    None,
                    "fields to look at; default: every label whose probe is strong enough to speak of single samples",
                ),
            ),
            run="probes.label_findings:judge_every_label",
        ),
        next={"disagreements": ("explain", "report"), "subgroups": ("training-dynamics", "transfer")},
        examples={
            "disagreements": ("disagreements my-cohort sex",),
            "subgroups": ("subgroups my-cohort sex --by site age",),
            "transfer": ("transfer my-cohort sex site",),
        },
    ),
    Analysis(
        "outliers",
        (
            _verb("tag", "clustering.tag:tag", "Tag outliers", icon="sell", was="tag_outliers"),
            _verb("similar", "clustering.similar:similar", "Similar cases", icon="image_search"),
        ),
        run="daebias_outliers",
        run_label="outliers",
        step=AuditStep(
            "tag",
            "tag outliers",
            listed=("Tag outliers", "what looks like nothing else: other organs, markers, artefacts?"),
            reads=("content", "vectors"),
        ),
        next={"tag": ("similar",)},
        glossary=(
            (
                "outliers",
                "Images far from all others, the farthest first: a list to look at, no test. Some people are always "
                "far from all others.",
            ),
        ),
        group="look",
        examples={"tag": ("tag my-cohort",), "similar": ("similar my-cohort --cluster 'film edge' --k 10",)},
    ),
    Analysis(
        "cluster",
        (
            _verb(
                "suggest-clusters",
                "clustering.suggest_clusters:suggest_clusters",
                "Suggest clusters",
                icon="bubble_chart",
                delegate=True,
            ),
            _verb(
                "name-cluster",
                "clustering.name_cluster:name_cluster",
                "Name the lassoed cluster",
                icon="highlight_alt",
                on_ticked=True,
            ),
            _verb(
                "clusters", "clustering.clusters:clusters", "List and edit clusters", icon="workspaces", looks="list"
            ),
        ),
        run=schema.CLUSTER_RUN_PREFIX,
        owned="clustering.cluster_findings:owned",
        shown="clustering.cluster_findings:cluster_findings",
        run_label="cluster",
        step=AuditStep(
            "suggest-clusters",
            "suggest clusters",
            listed=("Look for groups", "which groups did nobody expect?"),
            after=("embed", "probe-all", "tag"),
            reads=("vectors",),
            tracked=False,
        ),
        next={
            "suggest-clusters": ("test-clusters", "clusters"),
            "name-cluster": ("test-clusters", "explain", "similar"),
            "clusters": ("test-clusters",),
        },
        tab="clusters",
        glossary=(
            ("cluster", "A group of images that lie together on the map, or that somebody drew around with a lasso."),
        ),
        group="look",
        examples={
            "suggest-clusters": ("suggest-clusters my-cohort", "suggest-clusters my-cohort --by region"),
            "name-cluster": ("name-cluster my-cohort 'film edge' --view 'my saved view' --coloured-by nothing",),
            "clusters": (
                "clusters my-cohort",
                "clusters my-cohort --action rename --cluster suggested-1 --new-name lateral",
            ),
        },
    ),
    Analysis(
        "association",
        (
            _verb(
                "test-clusters", "clustering.test_clusters:test_clusters", "What is it? Test clusters", icon="biotech"
            ),
        ),
        run=schema.ASSOCIATION_RUN,
        run_label="cluster tests",
        tests=True,
        findings="clustering.cluster_findings:association_claims",
        result="clustering.test_clusters:ClusterTests",
        key="association:{cluster}:{field}",
        speaks=3,
        tells=True,
        step=AuditStep(
            "test-clusters",
            "test clusters against metadata",
            listed=("Ask what the groups are", "what does the table know of each group?"),
            after=("embed", "suggest-clusters"),
            reads=("table", "clusters"),
            line="clustering.cluster_findings:line",
            permutations=49_999,
        ),
        public=True,
        bias="clustering.cluster_findings:bias",
        next={"test-clusters": ("explain", "report")},
        examples={"test-clusters": ("test-clusters my-cohort --expected sex age",)},
    ),
    Analysis(
        "drift",
        (_verb("drift", "clustering.drift:drift", "Changes over time", icon="timeline", delegate=True),),
        run=schema.DRIFT_RUN,
        run_label="drift",
        tests=True,
        findings="clustering.drift_findings:drift_claims",
        result="clustering.drift:DriftTable",
        key="drift:{group}:{over}",
        section="Changes over time",
        rows="clustering.drift_findings:settled_rows",
        chart="reporting.charts:time_chart",
        speaks=4,
        step=AuditStep(
            "drift",
            "look for changes over time",
            listed=("Look for changes over time", "did the images change at some date?"),
            line="clustering.drift_findings:line",
            permutations=9_999,
        ),
        public=True,
        bias="clustering.drift_findings:bias",
        next={"drift": ("reidentify", "report")},
        tab="time",
        glossary=(("drift", "The images change at some time: a new scanner, software, protocol or kind of patient."),),
        examples={"drift": ("drift my-cohort --date-field exam_date",)},
    ),
    Analysis(
        "reidentify",
        (
            _verb(
                "reidentify", "clustering.reidentify:reidentify", "Could someone be re-identified?", icon="fingerprint"
            ),
        ),
        run=schema.REIDENTIFY_RUN,
        run_label="re-identification",
        tests=True,
        findings="clustering.reidentify_findings:reidentify_claims",
        settles={"clustering.reidentify:Reidentification": "clustering.reidentify_findings:settle"},
        speaks=5,
        tells=True,
        stories={"reidentify:subject": "persons", "reidentify:month": "month"},
        given_away="clustering.reidentify_findings:given_away",
        step=AuditStep(
            "reidentify",
            "ask what neighbours give away",
            listed=("Ask what neighbours give away", "could a person or a site be told from the embedding?"),
            line="clustering.reidentify_findings:line",
        ),
        public=True,
        next={"reidentify": ("share",)},
        tab="time",
        glossary=(
            (
                "re-identification",
                "Whether somebody who holds embeddings and a few known images could find the same person, site or "
                "month among the others.",
            ),
        ),
        examples={"reidentify": ("reidentify my-cohort",)},
    ),
    Analysis(
        "compare",
        (
            _verb(
                "train-baseline",
                "baselines.train_baseline:train_baseline",
                "Train a baseline",
                icon="model_training",
                delegate=True,
                holds="training",
            ),
            _verb("compare", "baselines.compare:compare", "Compare embeddings", icon="leaderboard", delegate=True),
        ),
        run=schema.COMPARE_RUN,
        run_label="comparison",
        shown="baselines.compare_findings:comparisons",
        next={"train-baseline": ("compare",), "compare": ("report",)},
        tab="explain",
        group="look",
        examples={
            "train-baseline": ("train-baseline my-cohort beta-vae",),
            "compare": ("compare my-cohort --models dae pixels random --fields sex age",),
        },
    ),
    Analysis(
        "explain",
        (
            _verb(
                "explain",
                "explanation.explain:explain",
                "Explain a difference",
                icon="center_focus_strong",
                delegate=True,
            ),
        ),
        run=schema.EXPLAIN_RUN_PREFIX,
        owned="explanation.run_findings:owned",
        run_label="explanation",
        shown="explanation.run_findings:explanations",
        step=AuditStep(
            "explain",
            "explain the strongest findings",
            listed=("Explain the strongest findings", "where do two groups differ, and by how much?"),
            after=("probe-all", "test-clusters"),
            reads=("content", "clusters"),
            left_out=("cluster", "tag", "field", "value", "against"),
            extra=(("top", int, int, 3, "how many findings to explain, the strongest first"),),
            run="explanation.run_findings:explain_strongest",
        ),
        next={"explain": ("counterfactual", "training-dynamics", "report")},
        tab="explain",
        group="explain",
        examples={"explain": ("explain my-cohort --cluster 'film edge'", "explain my-cohort --field site --value C")},
    ),
    Analysis(
        "counterfactual",
        (
            _verb(
                "counterfactual",
                "explanation.counterfactual.counterfactual:counterfactual",
                "Decode counterfactuals",
                icon="compare",
                delegate=True,
            ),
        ),
        run=schema.COUNTERFACTUAL_RUN_PREFIX,
        run_label="counterfactual",
        shown="explanation.run_findings:counterfactuals",
        next={"counterfactual": ("local-view", "report")},
        tab="explain",
        group="explain",
        examples={"counterfactual": ("counterfactual my-cohort --field sex --value F",)},
    ),
    Analysis(
        "dynamics",
        (
            _verb(
                "training-dynamics",
                "explanation.dynamics.training_dynamics:training_dynamics",
                "Follow how a subgroup is learned",
                icon="stacked_line_chart",
                delegate=True,
            ),
        ),
        run=schema.DYNAMICS_RUN_PREFIX,
        run_label="training dynamics",
        shown="explanation.run_findings:dynamics",
        next={"training-dynamics": ("mitigate", "report")},
        tab="explain",
        group="explain",
        examples={"training-dynamics": ("training-dynamics my-cohort sex --by site",)},
    ),
    Analysis(
        "local",
        (
            _verb(
                "local-view",
                "explanation.masked_views.local_view:local_view",
                "Probe inside a mask",
                icon="center_focus_strong",
                delegate=True,
            ),
        ),
        run=schema.LOCAL_RUN_PREFIX,
        run_label="local view",
        shown="explanation.run_findings:local_views",
        tab="explain",
        group="explain",
        examples={"local-view": ("local-view my-cohort sex lung_mask",)},
    ),
    Analysis(
        "mitigation",
        (
            _verb(
                "mitigate",
                "explanation.mitigation.mitigate:mitigate",
                "Try to help the worst-served group",
                icon="balance",
                delegate=True,
            ),
        ),
        run=schema.MITIGATION_RUN_PREFIX,
        run_label="mitigation",
        shown="explanation.run_findings:mitigations",
        next={"mitigate": ("report",)},
        tab="explain",
        group="explain",
        examples={"mitigate": ("mitigate my-cohort sex --by site",)},
    ),
    Analysis(
        "sensitivity",
        (
            _verb(
                "sensitivity",
                "detection_limits.sensitivity:sensitivity",
                "What would have been found?",
                was="audit_sensitivity",
                icon="radar",
                delegate=True,
            ),
        ),
        run=schema.SENSITIVITY_RUN,
        run_label="sensitivity",
        shown="detection_limits.sensitivity_findings:sensitivities",
        step=AuditStep(
            "sensitivity",
            "what would have been found",
            after=("embed", "probe-all"),
            reads=("content", "table"),
            on=False,
        ),
        next={"sensitivity": ("report",)},
        tab="sensitivity",
        examples={"sensitivity": ("sensitivity my-cohort --effects shift marker --repeats 10",)},
    ),
    # the next analysis goes here; see CONTRIBUTING.md
)


def of_kind(kind: str) -> Analysis | None:
    """The analysis whose findings are of a kind."""
    return next((a for a in ANALYSES if kind in a.of_findings), None)


def analysis(name: str) -> Analysis:
    """The analysis of that name."""
    return next(a for a in ANALYSES if a.name == name)


def kinds_of_tab(tab: str) -> tuple[str, ...]:
    """Kinds of findings in a tab of the panel."""
    return tuple(kind for a in ANALYSES if a.tab == tab for kind in a.of_findings)


def of_tab(tab: str) -> tuple[Analysis, ...]:
    """The analyses whose findings are in a tab of the panel."""
    return tuple(a for a in ANALYSES if a.tab == tab)


def glossary() -> Iterator[tuple[str, str]]:
    """The terms of all analyses."""
    return (entry for a in ANALYSES for entry in a.glossary)
