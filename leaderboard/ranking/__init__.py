"""Who stands where: in a track, under one fingerprint, by differences beyond chance. Nothing here draws or prints."""
