"""What this costs beside its peers: every figure is a ratio of two commands of the same run."""
