"""Written by tools/stubs.py from the verbs; do not edit."""

from annotated_types import Ge
from pathlib import Path
from typing import Annotated, Any, Literal
from .baselines.compare_result import CompareResult
from .clustering.case_mix import CaseMix
from .clustering.clusters import ClusterList
from .clustering.drift import DriftTable
from .clustering.reidentify import Reidentification
from .clustering.similar import SimilarCases
from .clustering.tag import OutlierResult
from .clustering.test_clusters import ClusterTests
from .cohort.cache import CacheReport
from .cohort.duplicates import Duplicates
from .cohort.privacy import PrivacyReport
from .cohort.register import RegistrationReport
from .dae.import_checkpoint import ImportedCheckpoint
from .dae.reconstruction import Reconstruction
from .dae.trainer import TrainResult
from .detection_limits.result import Sensitivity
from .detection_limits.sensitivity import EffectName
from .embeddings.embed import EmbeddingResult
from .errors import DaebiasError as DaebiasError
from .explanation.counterfactual.counterfactual import Counterfactual
from .explanation.dynamics.training_dynamics import Dynamics
from .explanation.masked_views.local_view import LocalView
from .explanation.mitigation.mitigate import Mitigation
from .explanation.result import Explanation
from .findings.review import ReviewResult
from .parameters import Accumulate, AdjustFor, Advanced, Architecture, Backend, BatchSize, Bootstraps, ByField, ByFields, Cases, CheckpointFolder, ClusterName, ClusterNames, ColorBy, ColouredBy, Correlation, DateField, DdimSteps, Device, Encoder, Epochs, Expected, FieldValue, FindingKey, Folds, ImageFolder, ImageSize, ImagesSeen, Kernel, Label, LearningRate, Like, Looks, MapKey, Matrix, MaxSamples, MostMaps, MostSamples, MovedSamples, Neighbors, NumberOfTests, OutFile, PairedBatchSize, Patience, Permutations, Perplexity, PickedConfig, PickedFile, Preset, ProbedField, ProbedFields, Protected, Repeats, Resamples, RunKeys, Scale, Seed, Seeds, Share, ShiftDates, SimilarityIndex, Slices, SlicesAVolume, SmallestCluster, Spacing, Span, Steps, StratifyBy, SubjectField, Subjects, TableFile, TagName, Threshold, TrialRepeats, VectorField, VectorFieldOrFields, VectorFields, Versions, Volume, WeightDecay, Workers
from .phantoms.phantom import PhantomReport
from .probes.disagreements import Disagreements
from .probes.result import ProbeResult, ProbeTable
from .probes.subgroups import SubgroupTable
from .probes.transfer import Transfer
from .progress import Progress
from .quality_control.files import FilesTable
from .quality_control.quality import QualityTable
from .reporting.audit import AuditResult
from .reporting.report import ReportResult
from .run_listing import RunList
from .sharing.share import Imported, Shared
from .stories.facts import Stories

__all__ = [
    "DaebiasError",
    "audit",
    "cache",
    "case_mix",
    "clusters",
    "compare",
    "compute_dae_embeddings",
    "counterfactual",
    "disagreements",
    "drift",
    "duplicates",
    "embed",
    "explain",
    "files",
    "import_checkpoint",
    "import_shared",
    "local_view",
    "mitigate",
    "name_cluster",
    "phantom",
    "privacy",
    "probe",
    "probe_all",
    "quality",
    "reconstruction",
    "register",
    "reidentify",
    "report",
    "review",
    "runs",
    "sensitivity",
    "share",
    "similar",
    "story",
    "subgroups",
    "suggest_clusters",
    "tag",
    "test_clusters",
    "train",
    "train_baseline",
    "training_dynamics",
    "transfer",
]

def register(name: str, images: ImageFolder, table: TableFile | None = ..., *, key: Annotated[str | list[str], Label('Match table and files by'), Advanced] | None = ..., subject: Annotated[str, Label('Subject column')] | None = ..., pattern: Annotated[str, Advanced] | None = ..., include: str | list[str] | None = ..., exclude: str | list[str] | None = ..., sheet: str | None = ..., keep: list[str] | None = ..., missing_codes: list[str] | None = ..., plan: Path | None = ..., from_plan: Path | None = ..., plane: Annotated[Literal['auto', 'sagittal', 'coronal', 'axial'], Advanced] = ..., spacing: Spacing | None = ..., volume: Volume = ..., stratify_by: StratifyBy | None = ..., shift_dates: ShiftDates = ..., to_grey: Annotated[bool, Label('Turn colour into grey'), Advanced] = ..., skip_unreadable: Annotated[bool, Advanced] = ..., check_contents: Annotated[bool, Label('Read all files again'), Advanced] = ..., workers: Workers | None = ..., backend: Backend | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> RegistrationReport: ...

def duplicates(samples: Any, *, threshold: Correlation = ..., subject_field: SubjectField | None = ..., progress: Progress | None = ...) -> Duplicates: ...

def privacy(images: ImageFolder, *, progress: Progress | None = ...) -> PrivacyReport: ...

def cache(*, prune: bool = ..., progress: Progress | None = ...) -> CacheReport: ...

def phantom(out: Path, *, subjects: Subjects = ..., plants: list[str] | None = ..., format: Literal['dicom', 'nifti'] = ..., regions: list[str] | None = ..., sites: list[str] | None = ..., matrix: Matrix = ..., workers: Workers | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> PhantomReport: ...

def train(samples: Any, *, preset: Preset | None = ..., images: ImagesSeen | None = ..., batch_size: BatchSize | None = ..., accumulate: Accumulate | None = ..., lr: LearningRate | None = ..., patience: Patience | None = ..., init: str | None = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> TrainResult: ...

def import_checkpoint(file: PickedFile, *, folder: Path | None = ..., preset: Literal['official-64', 'official-128', 'official-256'] | None = ..., progress: Progress | None = ...) -> ImportedCheckpoint: ...

def reconstruction(samples: Any, *, checkpoint: CheckpointFolder | None = ..., images: Annotated[int, Ge(2)] = ..., steps: DdimSteps = ..., invert_steps: Annotated[int, Advanced] = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> Reconstruction: ...

def embed(samples: Any, *, model: Encoder = ..., checkpoint: CheckpointFolder | None = ..., preset: Preset | None = ..., n_slices: SlicesAVolume | None = ..., pool: Annotated[Literal['concat', 'mean'], Label('Slices are'), Advanced] = ..., perplexity: Perplexity = ..., batch_size: BatchSize = ..., extend: Annotated[bool, Label('Keep the map, place new samples on it')] = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> EmbeddingResult: ...

def compute_dae_embeddings(samples: Any, *, model: Encoder = ..., checkpoint: CheckpointFolder | None = ..., preset: Preset | None = ..., n_slices: SlicesAVolume | None = ..., pool: Annotated[Literal['concat', 'mean'], Label('Slices are'), Advanced] = ..., perplexity: Perplexity = ..., batch_size: BatchSize = ..., extend: Annotated[bool, Label('Keep the map, place new samples on it')] = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> EmbeddingResult: ...

def case_mix(samples: Any, *, expected: Expected | None = ..., over: list[str] | None = ..., n_permutations: Permutations = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> CaseMix: ...

def quality(samples: Any, *, fields: ProbedFields | None = ..., expected: Expected | None = ..., by: ByField | None = ..., n_permutations: Permutations = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> QualityTable: ...

def files(samples: Any, *, fields: ProbedFields | None = ..., expected: Expected | None = ..., pictures: bool = ..., n_permutations: Permutations = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> FilesTable: ...

def probe(samples: Any, field: ProbedField, *, vectors: VectorFieldOrFields = ..., kernel: Kernel = ..., scale: Scale = ..., adjust_for: AdjustFor | None = ..., n_permutations: Permutations = ..., n_bootstrap: Bootstraps = ..., repeats: Repeats = ..., predictions: bool = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> ProbeResult: ...

def probe_all(samples: Any, *, fields: ProbedFields | None = ..., vectors: VectorFieldOrFields = ..., kernel: Kernel = ..., adjust_for: AdjustFor | None = ..., by: ByField | None = ..., n_permutations: Permutations = ..., n_bootstrap: Bootstraps = ..., repeats: Repeats = ..., predictions: bool = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> ProbeTable: ...

def disagreements(samples: Any, field: ProbedField, *, by: ByField | None = ..., vectors: VectorField = ..., most_false: Share = ..., level: Share = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> Disagreements: ...

def subgroups(samples: Any, field: ProbedField, *, by: ByFields | None = ..., vectors: VectorFieldOrFields = ..., kernel: Kernel = ..., n_permutations: Permutations = ..., n_bootstrap: Bootstraps = ..., repeats: Repeats = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> SubgroupTable: ...

def transfer(samples: Any, field: ProbedField, by: ByField, *, vectors: VectorFieldOrFields = ..., kernel: Kernel = ..., n_bootstrap: Bootstraps = ..., repeats: Repeats = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> Transfer: ...

def tag(samples: Any, *, vectors: VectorField = ..., neighbors: Neighbors = ..., threshold: Threshold = ..., local: bool = ..., subject_field: SubjectField | None = ..., progress: Progress | None = ...) -> OutlierResult: ...

def similar(samples: Any, *, to: Like | None = ..., cluster: ClusterName | None = ..., k: Cases = ..., index: SimilarityIndex = ..., same_subject: Annotated[bool, Label('Also the same people'), Advanced] = ..., progress: Progress | None = ...) -> SimilarCases: ...

def suggest_clusters(samples: Any, *, space: Literal['map', 'embedding'] = ..., map_key: MapKey = ..., vectors: VectorField = ..., by: ByField | None = ..., min_size: SmallestCluster | None = ..., resamples: Resamples = ..., opposite: Annotated[bool, Label('Also groups of samples on the other side'), Advanced] = ..., alike: bool = ..., seed: Seed = ..., progress: Progress | None = ...) -> ClusterList: ...

def name_cluster(samples: Any, name: str, *, color: Annotated[str, Advanced] | None = ..., note: str = ..., author: Annotated[str, Advanced] | None = ..., map_key: MapKey | None = ..., coloured_by: ColouredBy = ..., replace: bool = ..., progress: Progress | None = ...) -> ClusterList: ...

def clusters(samples: Any, action: Literal['list', 'accept', 'rename', 'merge', 'subtract', 'delete', 'apply', 'export', 'import'] = ..., *, cluster: ClusterName | None = ..., other: ClusterName | None = ..., new_name: str | None = ..., file: PickedFile | None = ..., progress: Progress | None = ...) -> ClusterList: ...

def test_clusters(samples: Any, *, names: ClusterNames | None = ..., fields: ProbedFields | None = ..., expected: Expected | None = ..., n_permutations: Permutations = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> ClusterTests: ...

def drift(samples: Any, *, by: ByFields | None = ..., sites: bool = ..., date_field: DateField | None = ..., versions: Versions | None = ..., vectors: VectorField = ..., adjust_for: AdjustFor | None = ..., n_permutations: Permutations = ..., subject_field: SubjectField | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> DriftTable: ...

def reidentify(samples: Any, *, fields: ProbedFields | None = ..., date_field: DateField | None = ..., vectors: VectorField = ..., subject_field: SubjectField | None = ..., n_bootstrap: Bootstraps = ..., seed: Seed = ..., progress: Progress | None = ...) -> Reidentification: ...

def train_baseline(samples: Any, model: Literal['beta-vae', 'stylegan2', 'resnet10', 'resnet34', 'densenet121'], *, preset: Preset | None = ..., fields: ProbedFields | None = ..., images: ImagesSeen | None = ..., batch_size: BatchSize | None = ..., lr: LearningRate | None = ..., patience: Patience | None = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> TrainResult: ...

def compare(samples: Any, *, models: list[str] | None = ..., vectors: VectorFields | None = ..., fields: ProbedFields | None = ..., reference: str = ..., folds: Folds = ..., seeds: Seeds = ..., images: ImagesSeen | None = ..., presets: list[str] | None = ..., n_slices: Slices | None = ..., n_bootstrap: Bootstraps = ..., n_permutations: Permutations = ..., subject_field: SubjectField | None = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> CompareResult: ...

def explain(samples: Any, *, cluster: ClusterName | None = ..., tag: TagName | None = ..., field: ProbedField | None = ..., value: FieldValue | None = ..., against: str | None = ..., train: bool = ..., architecture: Architecture = ..., inputs: Annotated[Literal['slices', 'channels'], Advanced] = ..., cam: Annotated[Literal['gradcam', 'gradcam++', 'layercam', 'hirescam'], Advanced] = ..., layer: Annotated[str, Advanced] | None = ..., edge: Annotated[str, Advanced] = ..., n_slices: Slices | None = ..., image_size: ImageSize = ..., steps: Steps = ..., batch_size: PairedBatchSize = ..., weight_decay: WeightDecay = ..., most: MostSamples = ..., n_maps: MostMaps = ..., n_permutations: Permutations = ..., subject_field: SubjectField | None = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> Explanation: ...

def counterfactual(samples: Any, *, cluster: ClusterName | None = ..., tag: TagName | None = ..., field: ProbedField | None = ..., value: FieldValue | None = ..., against: str | None = ..., along: Annotated[Literal['pattern', 'normal'], Advanced] = ..., span: Span = ..., n_samples: MovedSamples = ..., code: Annotated[Literal['auto', 'own', 'shared'], Advanced] = ..., steps: Steps | None = ..., vectors: VectorField = ..., n_permutations: Permutations = ..., n_bootstrap: Bootstraps = ..., subject_field: SubjectField | None = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> Counterfactual: ...

def training_dynamics(samples: Any, field: ProbedField, *, tag: TagName | None = ..., value: FieldValue | None = ..., by: ByField | None = ..., architecture: Architecture = ..., epochs: Epochs = ..., looks: Looks = ..., repeats: Repeats = ..., batch_size: BatchSize = ..., learning_rate: LearningRate = ..., weight_decay: WeightDecay = ..., n_slices: Slices | None = ..., side: int = ..., n_permutations: Permutations = ..., subject_field: SubjectField | None = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> Dynamics: ...

def local_view(samples: Any, field: ProbedField, mask: str, *, classes: list[str] | None = ..., vectors: VectorField = ..., n_permutations: Permutations = ..., n_bootstrap: Bootstraps = ..., repeats: Repeats = ..., subject_field: SubjectField | None = ..., device: Device | None = ..., batch_size: BatchSize = ..., seed: Seed = ..., progress: Progress | None = ...) -> LocalView: ...

def mitigate(samples: Any, field: ProbedField, *, by: ByField | None = ..., cluster: ClusterName | None = ..., tag: TagName | None = ..., vectors: VectorField = ..., kernel: Kernel = ..., neighbors: Neighbors = ..., decode: Annotated[int, Advanced] = ..., repeats: Repeats = ..., n_bootstrap: Bootstraps = ..., subject_field: SubjectField | None = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> Mitigation: ...

def sensitivity(samples: Any, *, effects: list[EffectName] | None = ..., strengths: Annotated[list[float], Advanced] | None = ..., prevalences: Annotated[list[float], Advanced] | None = ..., n_subjects: int | None = ..., max_samples: MaxSamples = ..., repeats: TrialRepeats = ..., islands: Annotated[bool, Advanced] = ..., n_tests: NumberOfTests | None = ..., kernel: Kernel = ..., model: str = ..., subject_field: SubjectField | None = ..., device: Device | None = ..., seed: Seed = ..., progress: Progress | None = ...) -> Sensitivity: ...

def runs(samples: Any, action: Literal['list', 'delete'] = ..., *, names: RunKeys | None = ..., sure: Annotated[bool, Label('Yes, delete')] = ..., progress: Progress | None = ...) -> RunList: ...

def audit(samples: Any, *, target: str | None = ..., expected: Expected | None = ..., protected: Protected | None = ..., config: Annotated[PickedConfig, Advanced] | None = ..., preset: Annotated[Preset, Advanced] | None = ..., by: Annotated[ByField, Advanced] | None = ..., date_field: Annotated[DateField, Advanced] | None = ..., skip: Annotated[list[str], Advanced] | None = ..., out: Annotated[OutFile, Advanced] | None = ..., fail_on: Annotated[list[str], Advanced] | None = ..., write_config: Annotated[Path, Advanced] | None = ..., subject_field: SubjectField | None = ..., seed: Seed | None = ..., progress: Progress | None = ...) -> AuditResult: ...

def story(samples: Any, *, target: str | None = ..., protected: list[str] | None = ..., vectors: str = ..., n_permutations: int = ..., subject_field: str | None = ..., seed: int = ..., progress: Progress | None = ...) -> Stories: ...

def report(samples: Any, out: OutFile | None = ..., *, formats: list[Literal['html', 'json', 'croissant']] | None = ..., title: str | None = ..., color_by: ColorBy | None = ..., k: Cases = ..., to_share: bool = ..., description: Annotated[str, Advanced] = ..., license: Annotated[str, Advanced] = ..., citation: Annotated[str, Advanced] = ..., url: Annotated[str, Label('Address of the App')] = ..., creator: Annotated[str, Advanced] = ..., progress: Progress | None = ...) -> ReportResult: ...

def review(samples: Any, finding: FindingKey, *, status: Annotated[Literal['reviewed', 'confirmed', 'refuted'], Label('What you think of it')] = ..., note: str = ..., author: Annotated[str, Advanced] | None = ..., mark_samples: Annotated[bool, Label('Also mark its samples')] = ..., progress: Progress | None = ...) -> ReviewResult: ...

def share(samples: Any, out: OutFile | None = ..., *, findings: list[str] | None = ..., with_vectors: Annotated[bool, Label('Share the vectors')] = ..., with_notes: Annotated[bool, Label('Share notes and authors')] = ..., with_identity: Annotated[bool, Label('Share identities')] = ..., min_subjects: Annotated[int, Label('Smallest group (subjects)')] = ..., secret: Annotated[str, Advanced] | None = ..., sign: Annotated[Path, Advanced] | None = ..., url: Annotated[str, Label('Address of the App')] = ..., progress: Progress | None = ...) -> Shared: ...

def import_shared(samples: Any, bundle: PickedFile, *, secret: Annotated[str, Advanced] | None = ..., signed_by: Annotated[str, Advanced] | None = ..., progress: Progress | None = ...) -> Imported: ...
