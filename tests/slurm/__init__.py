"""A real SLURM cluster, and a laptop beside it, on one machine: `python -m tests.slurm up`."""
