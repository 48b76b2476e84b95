#!/usr/bin/env bash
# What each task of a job runs: slurm/task.sh COMMAND…, after the line of shell in SETUP and the staging of the data.
set -eo pipefail
eval "${SETUP:-}"
source slurm/stage.sh
stage
exec "$@"
