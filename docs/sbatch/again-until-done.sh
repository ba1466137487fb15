#!/bin/bash -l
# More than fits into one walltime: each job does what it can, and the next one in the line goes on from there.
# Submit a line of three, of which the later ones end at once when nothing is left:
#
#   job=$(sbatch --parsable again-until-done.sh)
#   for more in 2 3; do job=$(sbatch --parsable --dependency=afterany:$job again-until-done.sh); done
#
#SBATCH --job-name=many-items
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --output=%x-%j.log

# module load 2024; source ~/envs/analysis/bin/activate
exec python -m jobs run l1b "$HOME"/safe/S1*.SAFE --output "$HOME/l1b" \
    --dask local --workers "$SLURM_CPUS_PER_TASK"
