#!/usr/bin/env bash
# An institution's own key, a secret under it, and the proof that both are good. HOLDFAST_URL and HOLDFAST_KEY.
set -euo pipefail
folder=$(mktemp -d) && cd "$folder"
call() { curl --silent --fail-with-body "$HOLDFAST_URL$1" -H "X-API-Key: $HOLDFAST_KEY" "${@:2}"; }
post() { call "$1" -H 'Content-Type: application/json' --data "$2"; }
pick() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }

# 1. Every call makes a new key.
post /v1/keys '{"user_identifier":"treasury","key_type":"rsa4096"}' > key.json
public_key=$(pick public_key < key.json)

# 2. Is the key the enclave's? Keep this PEM with your program: fetched each time it proves little.
curl --silent --fail "$HOLDFAST_URL/.well-known/verification-key.pem" -o enclave.pem
pick signature < key.json | base64 -d > signature.der
printf %s "$public_key" | openssl dgst -sha256 -verify enclave.pem -signature signature.der

# 3. Encrypt, and store.
printf 'the passphrase of the vault' > secret
printf '%b' "$(printf %s "$public_key" | sed 's/../\\x&/g')" > key.der
openssl pkeyutl -encrypt -pubin -keyform DER -inkey key.der -in secret -out ciphertext \
  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
post /v1/secure/data "{\"public_key\":\"$public_key\",\"data\":\"$(base64 -w 0 ciphertext)\",
  \"checksum\":\"$(sha256sum secret | cut -d ' ' -f 1)\"}" > stored.json
backup=$(pick backup_id < stored.json)
printf 'stored %s\n' "$backup"

# 4. As often as you like: can the enclave rebuild the key, and open the backup to what was stored?
printf 'key %s\n' "$(call "/v1/keys/$(pick key_id < key.json)/verify" | grep -o '"is_key_valid":[a-z]*')"
printf 'backup %s\n' "$(call "/v1/backups/$backup/verify" | grep -o '"is_backup_valid":[a-z]*')"
cd / && rm -r "$folder"
