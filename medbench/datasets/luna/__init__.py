"""LUNA16: 888 chest CTs, their public files and split."""
