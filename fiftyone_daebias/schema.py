"""Every name that lands in a user's database: a file format, so versioned.

Version 1. Fields that come from the user's own table or headers keep their
own names (``sex``, ``age``, ``site`` …) and are not listed here.
"""

SCHEMA_VERSION = 1

#: version of the statistics behind stored runs: p-values of different versions are never corrected together
STATISTICS_VERSION = 2

#: key of this package's facts in ``dataset.info``
INFO_KEY = "daebias"

# --- sample fields written by register -----------------------------------------------------------
SUBJECT_FIELD = "subject_id"
SPLIT_FIELD = "daebias_split"  # train | val | test, by subject
SOURCE_FIELD = "daebias_source"  # path(s) of the original file(s), relative to the cohort's root
GEOMETRY_FIELD = "daebias_geometry"  # dict: what was done to the volume
MONTAGE_FIELD = "montage_path"  # second media field: the 12 centre slices
CACHE_FIELD = "daebias_cache_key"  # key of the sample's slices in the slice cache
YEARS_SUFFIX = "_years"  # a date field once more as a number of years, which the App can colour by
LINKED_FIELD = "daebias_linked_subject"  # the one subject that copies under several ids are of; None for all others
SPLITS = ("train", "val", "test")

#: names under which a dataset that we did not register may hold its subject, in order of preference
SUBJECT_FIELD_GUESSES = (
    "subject_id",
    "subject",
    "participant_id",
    "patient_id",
    "patient",
    "case_id",
    "subject_key",
    "SubjectID",
    "PatientID",
)

# --- embeddings ----------------------------------------------------------------------------------------
EMBEDDING_SUFFIX = "_embedding"  # "dae_embedding", "beta_vae_embedding" …
MAP_SUFFIX = "_map"  # brain key of the t-SNE map: "dae_map"
POINTS_SUFFIX = "_map_points"  # sample field with the map's coordinates
SIMILARITY_SUFFIX = "_similarity"  # brain key of the similarity index
PROVENANCE_SUFFIX = "_provenance"  # custom run

# --- runs, fields and tags of the later steps -----------------------------------------------------------
PROBE_RUN_PREFIX = "daebias_probe_"  # custom run, one a probed field
PROBE_FIELD_PREFIX = "probe_"  # Classification or Regression field, one a probed field, only where asked for
DISAGREEMENT_RUN_PREFIX = "daebias_disagreements_"
CLUSTER_FIELD = (
    "daebias_clusters"  # list of names: the clusters a sample belongs to (Classifications in older versions)
)
CLUSTER_RUN_PREFIX = "daebias_cluster_"  # custom run, one a named or proposed cluster
ASSOCIATION_RUN = "daebias_associations"  # custom run: clusters against fields
CASE_MIX_RUN = "daebias_case_mix"  # custom run: people over sites
QUALITY_RUN = "daebias_image_quality"  # custom run: quality measures against fields
DRIFT_RUN = "daebias_drift"  # custom run: changes over time
REIDENTIFY_RUN = "daebias_reidentification"  # custom run: what neighbours tell
EXPLAIN_RUN_PREFIX = "daebias_explain_"  # custom run, one a pair of groups
EXPLAIN_FIELD_PREFIX = "explain_"  # Heatmap field, one a pair of groups
COUNTERFACTUAL_RUN_PREFIX = "daebias_counterfactual_"  # custom run, one a direction
DYNAMICS_RUN_PREFIX = "daebias_dynamics_"  # custom run: training dynamics of a subgroup
RECONSTRUCTION_RUN = "daebias_reconstruction"  # custom run: held-out images decoded from their codes
MITIGATION_RUN_PREFIX = "daebias_mitigation_"
LOCAL_RUN_PREFIX = "daebias_local_"  # custom run: the view restricted to a mask beside the whole
SENSITIVITY_RUN = "daebias_sensitivity"  # custom run: what would have been found
COMPARE_RUN = "daebias_compare"  # custom run: embeddings beside one another
STORIES_RUN = "daebias_stories"  # custom run: findings of one cause as one story
AUDIT_RUN = "daebias_audit"  # custom run: the steps of the last audit, and what became of each
FINDING_REVIEW_RUN = "daebias_reviews"  # custom run: what people said of findings
FILE_FIELD = "daebias_file"  # document: what the file itself says, before its pixels are looked at
FILE_PREFIX = FILE_FIELD + "."  # + fact
FILE_FACTS = {
    "bytes": "integer",
    "rows": "integer",
    "columns": "integer",
    "format": "string",
    "pixels": "string",  # "8-bit grey", "8-bit RGB of equal channels", "int16" …
    "quality": "integer",  # of JPEG compression, 1 to 100
    "turned": "string",  # beside its fellows: "mirrored", "upside-down" …, "no"; found by the verb files, as is text
    "text": "string",  # burned-in text: "yes" or "no"
}
FILES_RUN = "daebias_files"  # custom run: file facts against fields
QUALITY_FIELD = "daebias_quality"  # document: image quality of the centre slices, one number a measure
QUALITY_PREFIX = QUALITY_FIELD + "."  # + measure
QUALITY_OF_FIELD = QUALITY_PREFIX + "of"  # content key of what was measured
QUALITY_PREFIX_1 = QUALITY_FIELD + "_"  # + measure: one field a measure, as older versions wrote them
OUTLIER_FIELD = "daebias_outlier_score"
LOCAL_FIELD = "daebias_local_score"  # how strange the strangest place of the picture is
LOCAL_PLACE_FIELD = "daebias_local_place"  # Detections: the box around that place, where it is tagged
REVIEW_FIELD = "daebias_review"  # Classification: what a person said of the sample, with author, date and note
SHARED_RUN_PREFIX = "daebias_shared_"  # custom run, one an imported bundle
SHARED_SUFFIX = "_shared_"  # + bundle id: maps and vector fields that came with a bundle
PANEL_NAME = "cohort_audit"  # the panel's name in workspaces
DUPLICATE_FIELD = "daebias_duplicate_group"  # samples with the same value are copies of one another
SYNTHETIC_FIELD = "daebias_synthetic"  # dict: parents, place between them, run; on synthetic samples only
SYNTHETIC_VECTORS = "daebias_synthetic_embedding"  # their embedding, kept apart from that of real samples
LOCKED_FIELD = "daebias_half"  # "exploration" | "confirmation": written by statistics version 1; nobody reads it

TAG_PREFIX = "daebias:"
TAG_OPPOSITE = "daebias:opposite:"  # + field: the probe puts the sample on the other side of its own label
TAG_OUTLIER = "daebias:outlier"
TAG_LOCAL = "daebias:local-outlier"  # strange in one place
TAG_ALIKE = "daebias:alike:"  # + number: samples that share a strange place
TAG_TURNED = "daebias:turned:"  # + how: "mirrored", "upside-down" …
TAG_TEXT = "daebias:burned-in-text"
TAG_CLUSTER = "daebias:cluster:"  # + cluster name
TAG_UNREADABLE = "daebias:unreadable"
TAG_CONFLICT = "daebias:header-table-conflict"
TAG_FEW_SLICES = "daebias:few-slices"  # fewer slices than are embedded
TAG_MISSING_SLICES = "daebias:missing-slices"
TAG_NO_ROW = "daebias:no-table-row"
TAG_DUPLICATE = "daebias:duplicate"
TAG_REGISTERED_TWICE = "daebias:registered-twice"  # a second sample of one source
TAG_LEAK = "daebias:split-leak"
TAG_SYNTHETIC = "daebias:synthetic"
TAG_LISTED = "listed:"  # + checksum of ids: members of a view too large to hold a list of them


def embedding_field(model: str = "dae") -> str:
    """Sample field of a model's embedding: ``embedding_field("beta-vae") == "beta_vae_embedding"``."""
    return _stem(model) + EMBEDDING_SUFFIX


def map_key(model: str = "dae") -> str:
    """Brain key of a model's t-SNE map."""
    return _stem(model) + MAP_SUFFIX


def points_field(model: str = "dae") -> str:
    """Sample field with the map's coordinates."""
    return _stem(model) + POINTS_SUFFIX


def similarity_key(model: str = "dae") -> str:
    """Brain key of a model's similarity index."""
    return _stem(model) + SIMILARITY_SUFFIX


def provenance_key(model: str = "dae") -> str:
    """Custom run with a model's provenance: config, seed, checkpoint hash, data hash, versions."""
    return _stem(model) + PROVENANCE_SUFFIX


def _stem(model: str) -> str:
    return "".join(c if c.isalnum() else "_" for c in model)


def field_stem(field: str) -> str:
    """A metadata field's name as part of another name."""
    return _stem(field)
