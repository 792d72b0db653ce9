"""Files of 3D images: NIfTI, MetaImage, NRRD and DICOM series, read as RAS+ arrays in Hounsfield units."""

from medbench.imaging.formats.folder import Survey, survey, volume_parts
from medbench.imaging.formats.image import read_header, read_image
from medbench.imaging.formats.stored import Header

__all__ = ["Header", "Survey", "read_header", "read_image", "survey", "volume_parts"]
