"""Whether a subgroup is learned later than everybody else."""
