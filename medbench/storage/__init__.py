"""What lies on disk: ``MEDBENCH_HOME``, whole files, downloads, weight files and their tensors."""
