#!/usr/bin/env bash
# A Ray cluster on this machine alone, reachable from this machine alone, that outlives single commands:
#   clusters/one-machine.sh
#   autogc run search_spaces/quickstart.yaml --address 127.0.0.1:6379
#   ray stop
# (Without --address, autogc starts and stops a Ray of its own; a standing one saves its six seconds a command.)
set -euo pipefail
exec ray start --head --node-ip-address=127.0.0.1 --port="${RAY_PORT:-6379}" --include-dashboard=false --disable-usage-stats "$@"
