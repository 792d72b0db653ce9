"""DICOM: what a file is (``objects``), which of them make a scan (``scans``), its grid and its voxels (``series``)."""
