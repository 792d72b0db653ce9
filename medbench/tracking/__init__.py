"""Results in the trackers that laboratories keep: MLflow, Weights & Biases, TensorBoard."""
