"""From a model folder to predictions: device and precision, loading, batches, ensembles."""
