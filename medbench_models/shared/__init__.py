"""What several generators are made of: schedules, samplers, quantisers, autoencoders, losses and training data."""
