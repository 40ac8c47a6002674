#!/bin/sh
# watch.sh CAMPAIGN [FILE]: each message that changes, as it changes, an event a line, over server-sent events.
#
# It outlives restarts of the server. The cursor of the last event is kept in FILE: where that is there already, it goes
# on from there, and nothing is missed.
#
# SILENCE: after so many seconds without a byte the connection is lost. The server says something after 20 at most.
set -eu
: "${SERVER:=http://127.0.0.1:8000}" "${KEY:?is to be an API key}" "${SILENCE:=45}"
campaign=$1 file=${2:-$(mktemp)}

query='subscription Messages($id: ID!) {
  messagesUpdated(campaignId: $id) { resync messages { recipient status statusAt } }
}'

# What comes: lines `id: CURSOR`, `data: EVENT`, `event: next`, an empty one behind each event, and one that begins with a
# colon after at most 20 seconds, as a sign of life. The last line is ours: the status of HTTP.
read_events() {
  while IFS= read -r line; do
    case $line in
      "id: "*) cursor=${line#id: } ;;
      "data: "*'"errors":'*)
        echo "$line" >&2
        # all other errors would only come again
        case $line in
          *'"UNAVAILABLE"'* | *'"TOO_MANY_'* | *'"RATE_LIMITED"'* | *'"TIMEOUT"'* | *'"INTERNAL_ERROR"'*) ;;
          *) return 1 ;;
        esac
        ;;
      "data: {"*) printf '%s\n' "${line#data: }" ;;
      "")
        if [ -n "$cursor" ]; then # the event is whole, and told
          # Into another file first: on a full disk, or when we are killed just now, FILE still holds the old one.
          if ! { printf '%s' "$cursor" >"$file.new" && mv "$file.new" "$file"; }; then
            echo "the cursor cannot be kept in $file" >&2
            return 1
          fi
          : >"$file.came"
          cursor=
        fi
        ;;
      "status: 429") ;;
      "status: 4"*)
        echo "refused, $line" >&2
        return 1
        ;;
    esac
  done
}

wait=1
while :; do
  cursor=$(cat "$file" 2>/dev/null || :)
  # -N: each event at once. The speed is that of a connection that is dead without a word.
  curl -sN --connect-timeout 10 --speed-limit 1 --speed-time "$SILENCE" -w '\nstatus: %{http_code}\n' \
    --get "$SERVER/graphql" \
    -H "Authorization: Bearer $KEY" -H 'Accept: text/event-stream' ${cursor:+-H "Last-Event-ID: $cursor"} \
    --data-urlencode "query=$query" --data-urlencode "variables={\"id\": \"$campaign\"}" |
    { cursor= && read_events; } || exit 1
  # A little longer after each failure, at most half a minute.
  if [ -e "$file.came" ]; then
    rm "$file.came"
    wait=1
  fi
  echo "the connection is lost; again in $wait s" >&2
  sleep "$wait"
  wait=$((wait < 16 ? wait * 2 : 30))
done
