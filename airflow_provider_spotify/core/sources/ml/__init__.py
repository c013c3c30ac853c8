"""Machine learning: features, runs and datasets."""
