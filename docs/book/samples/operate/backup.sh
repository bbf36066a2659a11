#!/usr/bin/env bash
# Copies an installation, which may be running. DATA is the service's folder, STATE the enclave's, TO a new folder;
# DATABASE is the PostgreSQL address, where there is one.
set -euo pipefail
umask 077
mkdir "$TO" "$TO/data" "$TO/enclave"
# 1. The database first, at one instant.
if [ -n "${DATABASE-}" ]; then
  pg_dump --no-owner --dbname="$DATABASE" --file="$TO/data/database.sql"
else
  sqlite3 -readonly "$DATA/holdfast.db" "VACUUM INTO '$TO/data/holdfast.db'"
fi
# 2. Then the files: each that a row names is there. (A bucket is copied by its own means, at this point.)
[ ! -d "$DATA/files" ] || cp -a "$DATA/files" "$TO/data/"
cp -a "$DATA/server.keys" "$TO/data/"
# 3. The enclave last: it must know of everything that the database says.
find "$STATE" -maxdepth 1 -type f ! -name lock -exec cp -a -t "$TO/enclave" {} +
[ -e "$TO/enclave/state.log" ] || { printf 'backup: %s is no enclave folder\n' "$STATE" >&2 && exit 1; }
sync
