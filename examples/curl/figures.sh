#!/bin/sh
# figures.sh CAMPAIGN: its five rates, as they are now. What is asked for stands in `variables`, not in the document:
# then the server knows the document from the second time on.
set -eu
: "${SERVER:=http://127.0.0.1:8000}" "${KEY:?is to be an API key}"
campaign=$1

exec curl -sS --fail-with-body "$SERVER/graphql" -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \
  --data-binary @- <<JSON
{
  "query": "query Figures(\$id: ID!) { campaign(id: \$id) { name statistics { total indicators { label count rate } } } }",
  "variables": {"id": "$campaign"}
}
JSON
