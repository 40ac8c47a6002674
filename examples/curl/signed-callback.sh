#!/bin/sh
# signed-callback.sh WEBHOOK REFERENCE [STATUS]: a delivery receipt, as Twilio sends and signs it. WEBHOOK is the address
# that `gql-server sources add --provider twilio --secret "$AUTH_TOKEN"` printed, AUTH_TOKEN the same token.
#
# Without a good signature it is answered 403. A real token never belongs on a command line, where others can see it.
set -eu
: "${AUTH_TOKEN:?is to be the secret of the source}"
webhook="$1?reference=$2" status=${3:-delivered}
sid=SM$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

# The signature is made over the address, and each name with its value, in the order of the names.
signature=$(printf '%s' "${webhook}MessageSid${sid}MessageStatus${status}" |
  openssl dgst -sha1 -hmac "$AUTH_TOKEN" -binary | openssl base64)

exec curl -sS --fail-with-body "$webhook" -H "X-Twilio-Signature: $signature" \
  --data-urlencode "MessageSid=$sid" --data-urlencode "MessageStatus=$status"
