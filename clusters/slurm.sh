#!/usr/bin/env bash
# sbatch clusters/slurm.sh search_spaces/quickstart.yaml --run-dir /shared/runs/quickstart
# Everything after the script's name goes to `autogc run`. Submitted again with the same arguments it continues where the time ran out.
#SBATCH --job-name=autogc
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --gpus-per-task=1
#SBATCH --time=12:00:00
#SBATCH --exclusive
set -euo pipefail

# The checkout and its .venv are on a disk that every node sees.
cd "${SLURM_SUBMIT_DIR:?submit this with sbatch, from the checkout}"
. .venv/bin/activate

head_node=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
head_ip=$(srun --nodes=1 --ntasks=1 -w "$head_node" hostname --ip-address | awk '{print $1}')
port=$((20000 + SLURM_JOB_ID % 10000))  # two jobs may share a network

# Whoever reaches Ray's ports can run code, so it asks for a token; ~/.ray must be on a disk that every node sees, as homes usually are.
export RAY_AUTH_MODE=token
ray get-auth-token --generate > /dev/null

# Starts Ray on every node, runs the command on the head once all have joined, and stops Ray when it ends.
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \
  ray symmetric-run --address "$head_ip:$port" --min-nodes "$SLURM_JOB_NUM_NODES" \
  --num-cpus="$SLURM_CPUS_PER_TASK" --include-dashboard=false --disable-usage-stats -- \
  autogc run "$@" --address "$head_ip:$port"
