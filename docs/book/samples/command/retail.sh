#!/usr/bin/env bash
# A wallet's words, there and back. HOLDFAST_URL and HOLDFAST_KEY say where and as whom; a sandbox plays the person.
set -euo pipefail
export HOLDFAST_BASE_URL="$HOLDFAST_URL" HOLDFAST_API_KEY="$HOLDFAST_KEY"
folder=$(mktemp -d) && cd "$folder"
export HOLDFAST_RECEIPTS="$folder/receipts"
user="user-$RANDOM$RANDOM"

# Without a sandbox a person passes the check on the page that the identity provider shows.
check() {
  curl --silent --fail-with-body "$HOLDFAST_URL/v1/verification/start" -H "X-API-Key: $HOLDFAST_KEY" \
    -H 'Content-Type: application/json' "$@" \
    --data "{\"user_identifier\":\"$user\"}" | sed 's/.*"verification_id":"\([^"]*\)".*/\1/'
}
approved() { check -H 'x-override-status: approve_inquiry'; }

# 1. Store, under one check.
printf 'correct horse battery staple' > words
holdfast backup data --user "$user" --verification "$(approved)" --name mnemonic --secret-file words > stored

# 2. Recover, under another. The key of the new device is made beside what comes back.
holdfast recover --user "$user" --verification "$(approved)" --out back > recovered
printf 'recovered %s\n' "$(cat back/mnemonic)"

# 3. A check that is not passed yet has an exit code of its own, so that a script may ask again.
holdfast recover --user "$user" --verification "$(check)" --out never --wait 0 2> refused || printf 'exit code %s\n' "$?"
cd / && rm -r "$folder"
