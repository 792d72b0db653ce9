# The public face: what scripts and plug-ins may import. One name a contract; modules below may move.
from .accumulator import Accumulator
from .api import evaluate, load_dataset
from .budget.meter import Meter
from .budget.prediction import Prediction, predict_peak
from .datasets.base import Accounted, Case, Check, Dataset, DatasetInfo, Fetchable, Split
from .errors import (
    BudgetExceededError,
    CheckpointError,
    DataError,
    FormatError,
    GeometryError,
    IntensityError,
    MedbenchError,
    MissingExtraError,
    NotEnoughCasesError,
    SpecError,
    StorageError,
    Unavailable,
    UnknownPluginError,
)
from .features.base import ExtractorInfo, SliceExtractor, VolumeExtractor
from .generators.base import (
    FitRequest,
    Generator,
    GeneratorInfo,
    Predicts,
    SampleRequest,
    Shaped,
    TrainingData,
    sample_seed,
)
from .imaging.findings import Finding
from .imaging.grid import label_map_to_grid, to_grid
from .imaging.slices import plane_slices
from .imaging.volume import LabelMap, Volume
from .metrics.base import Figure, Measured, Measurement, Metric, MetricInfo, require_subjects
from .metrics.evidence import Derivation, Evidence, Side, Workspace
from .progress import Progress, silent
from .records.results import CaseColumns, Definition, Report, Result
from .segmenters.base import Segmenter, SegmenterInfo
from .spec import Grid, Plane, Protocol, SliceProtocol, Spec, Window, fingerprint
from .statistics.resampling import NOT_ASKED, Interval, Replicates, jackknifed, mean_interval
from .storage.files import atomic_path
from .storage.weights import WeightFile

__version__: str

__all__ = [
    "NOT_ASKED",
    "Accounted",
    "Accumulator",
    "BudgetExceededError",
    "Case",
    "CaseColumns",
    "Check",
    "CheckpointError",
    "DataError",
    "Dataset",
    "DatasetInfo",
    "Definition",
    "Derivation",
    "Evidence",
    "ExtractorInfo",
    "Fetchable",
    "Figure",
    "Finding",
    "FitRequest",
    "FormatError",
    "Generator",
    "GeneratorInfo",
    "GeometryError",
    "Grid",
    "IntensityError",
    "Interval",
    "LabelMap",
    "Measured",
    "Measurement",
    "MedbenchError",
    "Meter",
    "Metric",
    "MetricInfo",
    "MissingExtraError",
    "NotEnoughCasesError",
    "Plane",
    "Prediction",
    "Predicts",
    "Progress",
    "Protocol",
    "Replicates",
    "Report",
    "Result",
    "SampleRequest",
    "Segmenter",
    "SegmenterInfo",
    "Shaped",
    "Side",
    "SliceExtractor",
    "SliceProtocol",
    "Spec",
    "SpecError",
    "Split",
    "StorageError",
    "TrainingData",
    "Unavailable",
    "UnknownPluginError",
    "Volume",
    "VolumeExtractor",
    "WeightFile",
    "Window",
    "Workspace",
    "atomic_path",
    "evaluate",
    "fingerprint",
    "jackknifed",
    "label_map_to_grid",
    "load_dataset",
    "mean_interval",
    "plane_slices",
    "predict_peak",
    "require_subjects",
    "sample_seed",
    "silent",
    "to_grid",
]
