#!/usr/bin/env bash
# Events on this machine, and a message opened without the service. HOLDFAST_URL and HOLDFAST_KEY say where and as whom.
set -euo pipefail
export HOLDFAST_BASE_URL="$HOLDFAST_URL" HOLDFAST_API_KEY="$HOLDFAST_KEY"
folder=$(mktemp -d) && cd "$folder"

# 1. An endpoint for as long as it runs. It prints what is genuine, and here ends after one event.
holdfast webhooks listen --test --count 1 --json > events
grep -o '"type":"webhook.test"' events | head -n 1

# 2. What Control gave to download, opened with the key that it was asked for with. Nothing is asked of any service.
export GNUPGHOME="$folder"
gpg() { command gpg --batch --quiet --trust-model always --pinentry-mode loopback --passphrase 'my passphrase' "$@"; }
gpg --quick-gen-key anna future-default default never 2> log
gpg --armor --export-secret-keys anna > anna.asc
printf 'the shard of a key' | gpg --recipient anna --encrypt > shard.gpg
printf 'my passphrase\n' > passphrase && chmod 600 passphrase
holdfast recover --message shard.gpg --secret-key anna.asc --passphrase-file passphrase --out back > opened
printf 'opened %s\n' "$(cat back/shard)"

# 3. What a shell completes, and what the exit codes mean.
holdfast completions bash > holdfast.bash && bash -n holdfast.bash
holdfast help exit-codes | head -n 1
gpgconf --kill all
cd / && rm -r "$folder"
