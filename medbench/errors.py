"""The exceptions a caller of medbench may meet.

    MedbenchError                 the user's input or environment; exit code 2
    ├── SpecError                 contradicting or unknown options; a run folder of another spec
    ├── UnknownPluginError        no generator, dataset, metric, ... of that name
    ├── PluginError               a plug-in's own code failed
    ├── MissingExtraError         an optional library, weights file or licence is absent
    ├── DataError                 a data set, folder or file is absent, damaged or not what it should be
    │   ├── FormatError           a file that is not a readable 3D CT volume or label map
    │   ├── GeometryError         spacing, affine or grid that is impossible or does not match
    │   └── IntensityError        voxels that cannot be Hounsfield units
    ├── NotEnoughCasesError       fewer subjects than a metric needs
    ├── NoNumberError             not one metric could be computed; exit code 1 where one crashed
    ├── CheckpointError           weights that are damaged or belong to another model
    ├── StorageError              disk full, output not writable
    └── BudgetExceededError       more memory needed than the budget allows; exit code 3

A message says what was wanted, what came (file or case), and what to do; it is one line.
"""


class MedbenchError(Exception):
    """An error that the user can mend; its message is one line."""

    exit_code = 2


class SpecError(MedbenchError):
    """Options that contradict each other, or a run folder made by another spec."""


class UnknownPluginError(MedbenchError):
    """No plug-in of the wanted kind has this name."""


class PluginError(MedbenchError):
    """The code of a generator, data set, segmenter or feature network failed."""


class MissingExtraError(MedbenchError):
    """An optional library, weights file or licence is absent."""


class DataError(MedbenchError):
    """A data set, folder or file is absent, damaged or not what it should be."""


class FormatError(DataError):
    """A file that is not a readable 3D volume or label map."""


class GeometryError(DataError):
    """A spacing, affine or grid that is impossible or does not match its partner."""


class IntensityError(DataError):
    """Voxels that cannot be Hounsfield units."""


class NotEnoughCasesError(MedbenchError):
    """Fewer subjects than a metric needs."""


class NoNumberError(MedbenchError):
    """Not one of the metrics that were asked for could be computed.

    Args:
        message: one line, with a reason a metric.
        exit_code: 1 where a metric crashed, else 2.
    """

    def __init__(self, message: str, exit_code: int = 2) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class CheckpointError(MedbenchError):
    """Weights that are damaged or belong to another model."""


class StorageError(MedbenchError):
    """The disk is full or the output cannot be written."""


class BudgetExceededError(MedbenchError):
    """More memory is needed than the budget allows."""

    exit_code = 3


class Unavailable(Exception):
    """Raised by evidence or a metric that cannot be had here; the message becomes the reason in ``skipped``."""
