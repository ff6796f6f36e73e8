#!/bin/sh
# Deploys backends one after the other while the others carry the traffic.
set -euf

usage() {
  cat <<'TEXT'
usage: roll.sh ID... -- COMMAND [ARGUMENT...]

For each backend, in this order:
  1. drains it, and waits until it holds no request
  2. runs COMMAND, which deploys it; the backend's id is in BACKEND_ID
  3. waits until it passes a health check, and activates it
Stops at the first backend where a step fails; that one stays drained.

environment:
  LEASTWISE_URL   admin APIs of the gateways, each of which is told, with blanks
                  between; without it the one that leastwise finds by ADMIN_HOST
                  and ADMIN_PORT, also in .env in this folder
  ADMIN_TOKEN     token of the admin API, also in .env in this folder
  ACTIVATE_TIMEOUT
                  milliseconds to wait for the health check, 60000 by default

example:
  roll.sh shop-1 shop-2 -- sh -c 'ssh "$BACKEND_ID" sudo systemctl restart shop'
TEXT
}

ids=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -*) break ;;
    *) ids="$ids $1" && shift ;;
  esac
done
if [ -z "$ids" ] || [ "${1-}" != -- ] || [ $# -lt 2 ]; then
  usage >&2
  exit 2
fi
shift

gateways=${LEASTWISE_URL-}
# Where it is not in the PATH, npx finds the one of the project that this folder is in.
leastwise=leastwise
command -v leastwise >/dev/null || leastwise='npx --no leastwise'

# at_each_gateway COMMAND ID [OPTION...]
at_each_gateway() {
  if [ -z "$gateways" ]; then
    $leastwise backends "$@"
    return
  fi
  for url in $gateways; do
    $leastwise backends "$@" --url "$url" || return
  done
}

stop() {
  echo "roll.sh: stopped at $BACKEND_ID: $1" >&2
  exit 1
}

for BACKEND_ID in $ids; do
  export BACKEND_ID
  at_each_gateway drain "$BACKEND_ID" --wait || stop 'it is not drained at every gateway'
  "$@" || stop 'the deployment failed, and it stays drained'
  at_each_gateway activate "$BACKEND_ID" --wait --timeout "${ACTIVATE_TIMEOUT:-60000}" ||
    stop 'it did not pass its health check, and stays drained'
done
