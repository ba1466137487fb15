#!/bin/bash -l
# A small driver job that submits its workers as further jobs, as many as there are items, 20 at most; they speak TLS.
# What a worker job asks for stands in ~/.config/dask/jobqueue.yaml:
#
#   jobqueue:
#     slurm:
#       cores: 4
#       memory: 8GB
#       walltime: "02:00:00"
#       queue: normal
#       account: my-account
#
#SBATCH --job-name=many-items
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=%x-%j.log

# module load 2024; source ~/envs/analysis/bin/activate
# Worker jobs must not inherit what SLURM says of this one.
for name in "${!SLURM_@}" "${!SBATCH_@}"; do [ "$name" = SLURM_CONF ] || unset "$name"; done
exec python -m jobs run map ~/mine.py:smooth \
    --inputs "$HOME/raw/*.nc" --target "$HOME/out/{stem}.zarr" \
    --dask slurm --workers 1:20
