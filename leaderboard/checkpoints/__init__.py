"""Which checkpoint of a training is best: chosen on some real volumes, reported on others."""
