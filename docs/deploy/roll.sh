#!/bin/sh
# Takes a backend out, deploys it, and puts it back: roll.sh ID COMMAND...
set -eu
admin=${LEASTWISE_URL:-http://127.0.0.1:3001}
id=$1
shift

call() {
  curl -fsS -X "$1" ${ADMIN_TOKEN:+-H "Authorization: Bearer $ADMIN_TOKEN"} "$admin/backends/$id$2"
}

# until_done SECONDS COMPLAINT COMMAND...
until_done() {
  left=$1 complaint=$2
  shift 2
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || { echo "$id: $complaint" >&2; exit 1; }
    sleep 1
  done
}

is_idle() {
  call GET '' | grep -q '"inFlight":0,'
}

# When the last check was, and whether it passed; nothing where there are no checks.
last_check() {
  call GET '' | sed -n 's/.*"lastCheck":{"at":"\([^"]*\)","passed":\([a-z]*\).*/\1 \2/p'
}

is_well() {
  check=$(last_check) && [ "$check" != "$seen" ] && [ "${check#* }" = true ]
}

call POST /drain > /dev/null
# After DRAIN_TIMEOUT what is left is cut.
until_done 600 'it still has requests, and stays drained' is_idle

if ! "$@"; then
  echo "$id: the deployment failed, and it stays drained" >&2
  exit 1
fi

call POST /activate > /dev/null
# The next backend only when this one has passed a check since.
seen=$(last_check)
[ -z "$seen" ] || until_done 60 'it is back, and not well' is_well
echo "$id: is back"
