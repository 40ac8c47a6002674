#!/bin/sh
# callback.sh WEBHOOK REFERENCE [VALUE]: a delivery receipt, as smsmode sends it. WEBHOOK is the address that
# `gql-server sources add --provider smsmode` printed, REFERENCE that of a message, VALUE DELIVERED, UNDELIVERABLE, ...
#
# 200 says that it is kept, on disk: after anything else a provider sends it again, which never does harm.
set -eu
webhook=$1 reference=$2 value=${3:-DELIVERED}

exec curl -sS --fail-with-body "$webhook" -H 'Content-Type: application/json' --data-binary @- <<JSON
{
  "messageId": "$(cat /proc/sys/kernel/random/uuid 2>/dev/null || uuidgen)",
  "refClient": "$reference",
  "status": {"value": "$value", "deliveryDate": "$(date '+%Y-%m-%dT%H:%M:%S')"}
}
JSON
