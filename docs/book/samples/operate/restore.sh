#!/usr/bin/env bash
# Puts a copy into place on an empty machine: FROM is the copy, DATA the service's folder, STATE the enclave's;
# DATABASE is the address of an empty PostgreSQL database, where there is one. Nothing may be running.
set -euo pipefail
umask 077
mkdir -p "$DATA" "$STATE"
for there in "$DATA/server.keys" "$DATA/holdfast.db" "$STATE/signing.keys"; do
  [ ! -e "$there" ] || { printf 'restore: %s is there already; nothing was changed\n' "$there" >&2 && exit 1; }
done
cp -a "$FROM/enclave/." "$STATE/"
cp -a "$FROM/data/." "$DATA/"
# Keys in stock may have been given out after the copy was made: new ones are made in their place.
empty="DELETE FROM pool_keys; DELETE FROM row_seals WHERE place = 'pool_keys'"
if [ -n "${DATABASE-}" ]; then
  psql --quiet --set=ON_ERROR_STOP=1 --single-transaction --dbname="$DATABASE" --file="$DATA/database.sql" >/dev/null
  psql --quiet --set=ON_ERROR_STOP=1 --dbname="$DATABASE" --command="$empty"
  rm "$DATA/database.sql"
else
  sqlite3 "$DATA/holdfast.db" "$empty"
fi
sync
