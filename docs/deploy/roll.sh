#!/bin/sh
# Takes a backend out, deploys it, and puts it back: roll.sh ID COMMAND...
set -eu
admin=${LEASTWISE_URL:-http://127.0.0.1:3001}
id=$1
shift

call() {
  curl -fsS -X "$1" ${ADMIN_TOKEN:+-H "Authorization: Bearer $ADMIN_TOKEN"} "$admin/backends/$id$2"
}

call POST /drain > /dev/null
# It ends: after DRAIN_TIMEOUT what is left is cut.
until call GET '' | grep -q '"inFlight":0,'; do sleep 1; done

if ! "$@"; then
  echo "$id: the deployment failed, and it stays drained" >&2
  exit 1
fi

call POST /activate > /dev/null
# The next backend only when this one is well.
until call GET '' | grep -Eq '"health":"(healthy|unknown)"'; do sleep 1; done
echo "$id: is back"
