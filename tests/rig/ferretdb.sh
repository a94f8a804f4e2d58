#!/usr/bin/env bash
# FerretDB 1.24 on SQLite, built from the Go module proxy (Apache-2.0): MongoDB's protocol with users and a replica set's
# hello. See lib.sh.
#   ferretdb.sh start RUN PORT
# It has no transactions, bulkWrite, array filters or updates by pipeline, and closes the connection at a Decimal128.
# Environment: RIG_FERRETDB_USER and RIG_FERRETDB_PASSWORD (no authentication without them), RIG_FERRETDB_SET (a name:
# its hello is that of the only member of a replica set)
NAME=ferretdb
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

FERRETDB_VERSION=v1.24.0

fetch() { cached "ferretdb-$FERRETDB_VERSION" fill_ferretdb; }

# About a minute on two cores. The proxy has this version but no list of versions, which `go install` wants to read.
fill_ferretdb() {
  need go
  local work module=github.com/FerretDB/FerretDB
  work=$(mktemp -d)
  cd "$work"
  printf '%s\n' 'module rig/ferretdb' 'go 1.24' "require $module $FERRETDB_VERSION" "tool $module/cmd/ferretdb" >go.mod
  nice -n 15 go mod tidy
  nice -n 15 go mod vendor
  # The release build writes this file; the program ends without it.
  echo "$FERRETDB_VERSION" >"vendor/$module/build/version/version.txt"
  # An update command keeps a cursor open for each statement, of which the pool allows 100: close each when it is read.
  sed -i 's|result, err := common.UpdateDocument(ctx, c, "update", iter, &u)|&; closer.Close()|' "vendor/$module/internal/handler/msg_update.go"
  grep -q 'closer.Close()$' "vendor/$module/internal/handler/msg_update.go"
  CGO_ENABLED=0 nice -n 15 go build -mod=vendor -trimpath -ldflags '-s -w' -tags ferretdb_no_postgresql,ferretdb_no_mysql \
    -o "$1/ferretdb" "$module/cmd/ferretdb"
  cd /
  rm -rf "$work"
}

ready() { port_answers "$PORT"; }

start() {
  local folder options
  folder=$(fetch)
  mkdir -p "$RUN/data"
  options=(--handler=sqlite "--sqlite-url=file:$RUN/data/" "--state-dir=$RUN/data" "--listen-addr=127.0.0.1:$PORT"
    --debug-addr=- --telemetry=disable --log-level=warn "--repl-set-name=${RIG_FERRETDB_SET:-}")
  if [ -n "${RIG_FERRETDB_USER:-}" ]; then
    options+=(--test-enable-new-auth --setup-database=admin "--setup-username=$RIG_FERRETDB_USER"
      "--setup-password=${RIG_FERRETDB_PASSWORD:-}")
  fi
  launch ready "$folder/ferretdb" "${options[@]}"
}

main "$@"
