# Run by `sh -c` as a user other than root: makes the cluster, says where, runs it until the pipe closes. Arguments:
# the folder of the programs, the port, `tls` or nothing. Each word that it is told is answered with a line.
set -eu
bin=$1 port=$2 tls=$3
folder=$(mktemp -d "${TMPDIR:-/tmp}/hf-pg-XXXXXX")
trap 'rm -rf "$folder"' EXIT
make() { "$bin/initdb" -D "$folder/data" -U holdfast -A trust -E UTF8 --no-sync "$@" >"$folder/log" 2>&1; }
# To make one takes a second of a processor, to copy one a tenth: the first leaves one for all others.
model="${TMPDIR:-/tmp}/hf-pg-model-$(id -u)-$("$bin/postgres" --version | tr -cd '0-9.')"
if [ -O "$model" ]; then
    cp -R "$model" "$folder/data"
else
    # A collation that orders otherwise than bytes do, so that a forgotten one is noticed.
    make --locale-provider=icu --icu-locale=und --locale=C.UTF-8 || { rm -rf "$folder/data"; make --locale=C.UTF-8; } ||
        { cat "$folder/log" >&2; exit 1; }
    cp -R "$folder/data" "$folder/model"
    # Of two at once one is too late, and its copy goes with its folder.
    mv -T "$folder/model" "$model" 2>/dev/null || true
fi
listen=
if [ "$tls" = tls ]; then
    cd "$folder/data"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca \
        -keyout ca.key -out "$folder/ca.pem" 2>>"$folder/log"
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost \
        -keyout server.key -out server.csr 2>>"$folder/log"
    printf 'subjectAltName=DNS:localhost\n' >server.ext
    openssl x509 -req -in server.csr -CA "$folder/ca.pem" -CAkey ca.key -CAcreateserial -days 2 \
        -extfile server.ext -out server.crt 2>>"$folder/log"
    chmod 600 server.key
    cd - >/dev/null
    listen="-c listen_addresses=localhost -c ssl=on"
fi
start() {
    "$bin/postgres" -D "$folder/data" -k "$folder" -p "$port" -c listen_addresses= $listen -c fsync=off \
        -c max_connections=400 -c deadlock_timeout=200ms >>"$folder/log" 2>&1 </dev/null &
    pid=$!
}
end() { kill "$1" "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; }
start
echo "$folder"
while read -r word; do
    case $word in
    stop) end -INT ;;
    kill) end -KILL ;;
    immediate) end -QUIT ;;
    # Refused as long as a child of a killed server lives.
    start) sleep 0.02; kill -0 "$pid" 2>/dev/null || start ;;
    esac
    echo "done"
done
end -QUIT
