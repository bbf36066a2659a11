#!/usr/bin/env bash
# A wallet's backup and recovery, call by call. HOLDFAST_URL and HOLDFAST_KEY say where and as whom.
set -euo pipefail
folder=$(mktemp -d) && cd "$folder"
call() { curl --silent --fail-with-body "$HOLDFAST_URL$1" -H "X-API-Key: $HOLDFAST_KEY" "${@:2}"; }
post() { call "$1" -H 'Content-Type: application/json' --data "$2" "${@:3}"; }
pick() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
# The last argument exists in a sandbox only, and approves at once. Elsewhere a person proves who he is.
check() { post /v1/verification/start '{"user_identifier":"ada"}' -H 'x-override-status: approve_inquiry' | pick verification_id; }

# 1. Ada proves who she is, and gets a key.
verification=$(check)
post /v1/key/generate "{\"user_identifier\":\"ada\",\"verification_id\":\"$verification\"}" > key.json
public_key=$(pick public_key < key.json)

# 2. Is the key the enclave's? Keep this PEM with your program: fetched each time it proves little.
curl --silent --fail "$HOLDFAST_URL/.well-known/verification-key.pem" -o enclave.pem
pick signature < key.json | base64 -d > signature.der
printf %s "$public_key" | openssl dgst -sha256 -verify enclave.pem -signature signature.der

# 3. Her device encrypts; the service gets the ciphertext and the SHA-256 of the plaintext.
printf 'correct horse battery staple' > secret
printf '%b' "$(printf %s "$public_key" | sed 's/../\\x&/g')" > key.der
openssl pkeyutl -encrypt -pubin -keyform DER -inkey key.der -in secret -out ciphertext \
  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
post /v1/backup/store "{\"user_identifier\":\"ada\",\"verification_id\":\"$verification\",
  \"public_key\":\"$public_key\",\"backup\":[{\"item_key\":\"words\",
  \"item_value\":\"$(base64 -w 0 ciphertext)\",
  \"item_checksum\":\"$(sha256sum secret | cut -d ' ' -f 1)\"}]}" > stored.json
printf 'stored %s\n' "$(pick backup_id < stored.json)"
rm secret

# 4. Another device: a new check, a new OpenPGP key, and the secret comes back to that key.
verification=$(check)
export GNUPGHOME="$folder/gnupg" && mkdir -m 700 gnupg
gpg --quiet --batch --passphrase '' --quick-generate-key ada default default 1d
block=$(gpg --armor --export ada | awk '{printf "%s\\n", $0}')
post /v1/backup/recover "{\"user_identifier\":\"ada\",\"verification_id\":\"$verification\",
  \"gpg_public_key\":\"$block\"}" > recovered.json
printf 'recovered %s\n' "$(pick item_value < recovered.json | base64 -d | gpg --quiet --decrypt)"
gpgconf --kill all
cd / && rm -r "$folder"
