#!/usr/bin/env bash
# A user's key, a secret under it, and what the receipts prove. HOLDFAST_URL and HOLDFAST_KEY say where and as whom.
set -euo pipefail
export HOLDFAST_BASE_URL="$HOLDFAST_URL" HOLDFAST_API_KEY="$HOLDFAST_KEY"
folder=$(mktemp -d) && cd "$folder"
export HOLDFAST_RECEIPTS="$folder/receipts"
user="user-$RANDOM$RANDOM"

# 1. A key, which is printed only if the enclave vouches for it. The receipt keeps the enclave's word.
holdfast keys assign --user "$user" --environment HOT --customer harbour-bank --package basic > assigned

# 2. A secret, encrypted on this machine. It comes from a file or a pipe: others can read a command line.
printf 'the shard of a key' | holdfast backup data --user "$user" --environment HOT \
  --customer harbour-bank --package basic > stored

# 3. The receipt proves the key without the service, by the signing key that was kept on the first day.
curl --silent --fail "$HOLDFAST_URL/.well-known/verification-key.pem" -o enclave.pem
for receipt in receipts/*.json; do
  env -u HOLDFAST_BASE_URL -u HOLDFAST_API_KEY \
    holdfast keys verify --receipt "$receipt" --verification-key enclave.pem > verified
  printf 'proven %s\n' "$(basename "$receipt" | cut -d - -f 1)"
done

# 4. The log is proven by its checkpoint, which is fetched first, under a key that the operator told you.
log() { curl --silent --fail "$HOLDFAST_URL/v1/audit/$1" -H "X-API-Key: $HOLDFAST_KEY" "${@:2}"; }
log checkpoint -H 'Accept: text/plain' > checkpoint.txt
log checkpoint -H 'Accept: application/json' | sed 's/.*"key":"\([^"]*\)".*/\1/' > log.key
log export > export.jsonl
holdfast audit verify export.jsonl checkpoint.txt --key "$(cat log.key)" > proven
printf 'the log holds\n'

# 5. What was changed by a letter does not.
sed -i 's/key.assigned/key.rotated/' export.jsonl
holdfast audit verify export.jsonl checkpoint.txt --key "$(cat log.key)" > refused || printf 'changed: exit code %s\n' "$?"
cd / && rm -r "$folder"
