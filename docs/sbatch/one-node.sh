#!/bin/bash -l
# Many items on one node: the driver and its workers in one allocation. Submit it again after its time is up: it goes on.
#SBATCH --job-name=many-items
#SBATCH --nodes=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=08:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=%x-%j.log

# module load 2024; source ~/envs/analysis/bin/activate
# TERM comes two minutes before the end: exec hands it to the driver, which stops in good order and exits with 130.
exec python -m jobs run map ~/mine.py:smooth \
    --inputs "$HOME/raw/*.nc" --target "$HOME/out/{stem}.zarr" \
    --dask local --workers "$SLURM_CPUS_PER_TASK"
