#!/usr/bin/env bash
# Bento 1.2 (MIT), built from the Go module proxy with no more than its Kafka input and its MongoDB output: a peer in the
# benchmarks. See lib.sh.
#   bento.sh start RUN PORT        in streams mode: pipelines are given by POST /streams/NAME
NAME=bento
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

BENTO_VERSION=v1.2.0

fetch() { cached "bento-$BENTO_VERSION" fill_bento; }

# Two minutes on two cores. Not `go mod tidy`, which also fetches what only the tests of its packages need.
fill_bento() {
  need go
  local work module=github.com/warpstreamlabs/bento
  work=$(mktemp -d)
  cd "$work"
  printf '%s\n' 'module rig/bento' 'go 1.24' "require $module $BENTO_VERSION" >go.mod
  cat >main.go <<GO
package main

import (
	"context"

	_ "$module/public/components/kafka"
	_ "$module/public/components/mongodb"
	_ "$module/public/components/pure"
	"$module/public/service"
)

func main() { service.RunCLI(context.Background()) }
GO
  CGO_ENABLED=0 nice -n 15 go build -mod=mod -trimpath -ldflags '-s -w' -o "$1/bento" .
  cd /
  rm -rf "$work"
}

ready() { port_answers "$PORT"; }

start() {
  local folder
  folder=$(fetch)
  cat >"$RUN/bento.yaml" <<YAML
http: {address: "127.0.0.1:$PORT"}
logger: {level: WARN}
YAML
  launch ready "$folder/bento" -c "$RUN/bento.yaml" streams
}

main "$@"
