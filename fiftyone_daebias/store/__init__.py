"""The only library module that touches FiftyOne objects; it knows nothing of numerics.

``samples`` always means a ``fo.Dataset`` or a ``fo.DatasetView``.
"""

from . import connection
from .clusters import (
    Lasso,
    content_keys,
    delete_view,
    lasso_of,
    samples_since,
    set_label_colors,
    similarity_runs,
    sort_by_similarity,
    write_classifications,
)
from .fields import (
    check_types,
    clear_field,
    count_tags,
    declare_fields,
    tag,
    untag,
    write_boxes,
    write_evaluation,
    write_heatmaps,
    write_labels,
    write_predictions,
    write_regressions,
    write_values,
    write_vectors,
)
from .leases import check_lease, lease
from .maps import load_map, map_runs, save_map, save_similarity
from .owned import (
    RunFacts,
    all_fields,
    brain_runs,
    count_tag,
    dataset_origin,
    delete_brain_run,
    delete_evaluation,
    delete_workspace,
    run_facts,
    samples_stamp,
)
from .runs import delete_run, list_runs, load_run, run_times, save_run, versions
from .samples import (
    count,
    count_values,
    dataset_of,
    datasets_with,
    ensure_samples,
    everyone,
    has_field,
    load_samples,
    metadata_fields,
    read_field,
    read_info,
    read_labels,
    read_subjects,
    read_table,
    read_vectors,
    real,
    sample_ids,
    subject_field,
    subjects_and_tags,
    vector_fields,
    write_info,
)
from .sharing import app_link, delete_map, file_paths, slug_of, stored_content, workspace_layouts
from .views import (
    save_view,
    save_workspace,
    saved_view_ids,
    saved_views,
    saved_workspaces,
    tags_by_sample,
    view_of_field,
    view_of_ids,
    view_of_tag,
    view_without,
    write_reviews,
)

connection.be_impatient()

__all__ = [
    "Lasso", "check_lease", "check_types", "clear_field", "connection", "content_keys", "count", "count_tags",
    "count_values", "dataset_of", "datasets_with", "declare_fields", "delete_run",
    "delete_view", "ensure_samples", "everyone", "has_field", "lasso_of", "lease", "list_runs", "load_map", "load_run",
    "load_samples", "map_runs", "metadata_fields", "read_field", "read_info", "read_labels", "read_subjects",
    "read_table", "read_vectors", "real", "run_times", "sample_ids", "samples_since", "save_map", "save_run",
    "save_similarity",
    "save_view", "save_workspace", "saved_view_ids", "saved_views", "saved_workspaces", "set_label_colors",
    "similarity_runs", "sort_by_similarity", "subject_field", "subjects_and_tags", "tag",
    "tags_by_sample", "untag", "vector_fields",
    "view_of_field", "view_of_ids", "view_of_tag", "view_without", "write_boxes", "write_classifications",
    "write_evaluation",
    "write_heatmaps", "write_info", "write_labels", "write_predictions", "write_regressions", "write_reviews",
    "write_values",
    "write_vectors", "RunFacts", "all_fields", "brain_runs", "count_tag", "dataset_origin", "delete_brain_run",
    "delete_evaluation", "delete_workspace", "run_facts", "samples_stamp",
    "app_link", "delete_map", "file_paths", "slug_of", "stored_content", "versions", "workspace_layouts",
]
