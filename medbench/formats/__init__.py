"""Files of 3D images: NIfTI, MetaImage, NRRD and DICOM series, read as RAS+ arrays in Hounsfield units."""

from medbench.formats.folder import volume_files
from medbench.formats.image import read_image
from medbench.formats.nifti import orientation_is_stored, write_nifti

__all__ = ["orientation_is_stored", "read_image", "volume_files", "write_nifti"]
