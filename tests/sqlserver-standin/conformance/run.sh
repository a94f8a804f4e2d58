#!/usr/bin/env bash
# Lets independent clients of SQL Server read and write every case of cases.tsv on the stand-in, and compares.
#   run.sh [CLIENT...]    pymssql pytds mssql-python tedious jdbc gomssqldb mssql-client; all of them without an argument
# Microsoft's ODBC driver needs libltdl (Debian: libltdl7).
# Env: STANDIN_BIN (default target/release/sqlserver-standin), CONFORMANCE_CACHE (what is fetched; default
# ~/.cache/standin-conformance), CONFORMANCE_OUT (default a new folder in /tmp)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
bin=${STANDIN_BIN:-$root/target/release/sqlserver-standin}
cache=${CONFORMANCE_CACHE:-$HOME/.cache/standin-conformance}
out=${CONFORMANCE_OUT:-$(mktemp -d /tmp/standin-conformance.XXXX)}
mkdir -p "$cache" "$out"
clients=("$@")
[ ${#clients[@]} -gt 0 ] || clients=(pymssql pytds mssql-python tedious jdbc gomssqldb mssql-client)
cases=$here/cases.tsv

python() {
  [ -x "$cache/python/bin/python" ] || python3 -m venv "$cache/python"
  "$cache/python/bin/python" -c 'import pymssql, pytds, mssql_python' 2>/dev/null ||
    "$cache/python/bin/pip" install -q pymssql==2.4.6 python-tds==1.17.1 mssql-python==1.16.0
  "$cache/python/bin/python" "$@"
}

run_client() {
  case $1 in
    pymssql | pytds | mssql-python) python "$here/python/conformance.py" "$1" 127.0.0.1 "$port" "$cases" ;;
    tedious)
      [ -d "$cache/node/node_modules/tedious" ] ||
        npm install --silent --no-fund --no-audit --prefix "$cache/node" tedious@19.2.2 >&2
      NODE_PATH=$cache/node/node_modules node "$here/tedious/conformance.js" 127.0.0.1 "$port" "$cases"
      ;;
    jdbc)
      [ -e "$cache/mssql-jdbc-12.4.2.jre11.jar" ] || mvn -q dependency:copy \
        -Dartifact=com.microsoft.sqlserver:mssql-jdbc:12.4.2.jre11 -DoutputDirectory="$cache" >&2
      java -cp "$cache/mssql-jdbc-12.4.2.jre11.jar" "$here/jdbc/Conformance.java" 127.0.0.1 "$port" "$cases"
      ;;
    gomssqldb)
      (cd "$here/gomssqldb" && go build -o "$cache/gomssqldb" .)
      "$cache/gomssqldb" 127.0.0.1 "$port" "$cases"
      ;;
    mssql-client)
      cargo build --quiet --release --manifest-path "$here/mssql-client/Cargo.toml" --target-dir "$cache/mssql-client"
      "$cache/mssql-client/release/standin-mssql-client" 127.0.0.1 "$port" "$cases"
      ;;
    *)
      echo "no client $1" >&2
      return 1
      ;;
  esac
}

"$bin" --port 0 --data "$out/data" --password 'Secret1!' >"$out/standin.out" 2>"$out/standin.log" &
standin=$!
trap 'kill "$standin" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  port=$(sed -n 's/.*listening on [^ ]*:\([0-9]*\).*/\1/p' "$out/standin.out" "$out/standin.log" | head -1)
  [ -z "$port" ] || break
  kill -0 "$standin" || { cat "$out/standin.log" >&2; exit 1; }
  sleep 0.1
done
outputs=()
for client in "${clients[@]}"; do
  run_client "$client" >"$out/$client.tsv" 2>"$out/$client.log" || echo "$client failed: $(tail -3 "$out/$client.log")" >&2
  outputs+=("$out/$client.tsv")
done
python3 "$here/check.py" "$cases" "$here/limits.tsv" "${outputs[@]}"
