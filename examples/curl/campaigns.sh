#!/bin/sh
# campaigns.sh: the newest campaigns, with their ids and rates.
set -eu
: "${SERVER:=http://127.0.0.1:8000}" "${KEY:?is to be an API key}"

exec curl -sS --fail-with-body "$SERVER/graphql" -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
  --data-binary '{"query": "{ campaigns(first: 5) { nodes { id name state recipientCount } } }"}'
