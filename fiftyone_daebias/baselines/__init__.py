"""Baselines beside the diffusion autoencoder, and how they compare on a cohort."""
