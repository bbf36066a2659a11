#!/usr/bin/env bash
# A key for a customer's user, and a secret stored under it. HOLDFAST_URL and HOLDFAST_KEY say where and as whom.
set -euo pipefail
folder=$(mktemp -d) && cd "$folder"
call() { curl --silent --fail-with-body "$HOLDFAST_URL$1" -H "X-API-Key: $HOLDFAST_KEY" "${@:2}"; }
post() { call "$1" -H 'Content-Type: application/json' --data "$2"; }
pick() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }

# 1. A user of an organisation has one key. Asked for again, it is 409: GET /v1/partner/keys finds it.
user="user-$RANDOM$RANDOM"
post /v1/partner/keys "{\"user_identifier\":\"$user\",\"key_type\":\"rsa4096\",\"key_environment\":\"HOT\",
  \"organisation\":{\"customer_id\":\"harbour-bank\",\"customer_name\":\"Harbour Bank\"},
  \"package\":{\"package_id\":\"basic\",\"package_name\":\"Basic\"}}" > key.json
public_key=$(pick public_key < key.json)

# 2. Is the key the enclave's? Keep this PEM with your program: fetched each time it proves little.
curl --silent --fail "$HOLDFAST_URL/.well-known/verification-key.pem" -o enclave.pem
pick signature < key.json | base64 -d > signature.der
printf %s "$public_key" | openssl dgst -sha256 -verify enclave.pem -signature signature.der

# 3. Up to 446 bytes are one ciphertext, which the enclave opens once to compare the checksum.
printf 'the shard of a key' > secret
printf '%b' "$(printf %s "$public_key" | sed 's/../\\x&/g')" > key.der
openssl pkeyutl -encrypt -pubin -keyform DER -inkey key.der -in secret -out ciphertext \
  -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256
post /v1/partner/secure/data "{\"public_key\":\"$public_key\",\"data\":\"$(base64 -w 0 ciphertext)\",
  \"checksum\":\"$(sha256sum secret | cut -d ' ' -f 1)\"}" > stored.json
printf 'stored %s\n' "$(pick backup_id < stored.json)"

# 4. A file is stored as it comes: encrypt it first, in a form that you can open with the key's private half.
head -c 100000 /dev/urandom > encrypted-file
call /v1/partner/secure/file -F "public_key=$public_key" \
  -F 'file=@encrypted-file;type=application/octet-stream' \
  -F 'metadata={"original_filename":"share.bin"}' > file.json
printf 'stored file %s\n' "$(pick backup_id < file.json)"
cd / && rm -r "$folder"
