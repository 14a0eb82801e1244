#!/usr/bin/env bash
# A Ray cluster on this machine alone that outlives single commands:
#   clusters/one-machine.sh
#   autogc run search_spaces/quickstart.yaml --address auto
#   ray stop
# (Without --address, autogc starts and stops a Ray of its own; a standing one saves its six seconds a command.)
#
# Ray's ports are open to the network, whatever address it is given, so it asks everybody for a token: one in ~/.ray/auth_token, which
# is made here where there is none, and which --address auto finds. With another address say RAY_AUTH_MODE=token before the command.
set -euo pipefail
export RAY_AUTH_MODE=token
ray get-auth-token --generate > /dev/null
exec ray start --head --port="${RAY_PORT:-6379}" --include-dashboard=false --disable-usage-stats "$@"
