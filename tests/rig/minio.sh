#!/usr/bin/env bash
# MinIO, a real S3 server, built from the Go module proxy (AGPL-3.0: run by tests, never linked or shipped). See lib.sh.
#   minio.sh start RUN PORT [BUCKET...]        path-style S3 on PORT; the buckets are made
# Environment: MINIO_ROOT_USER (tributary), MINIO_ROOT_PASSWORD (tributary-secret), MINIO_REGION (us-east-1)
NAME=minio
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

# The newest commit that the module proxy has: MinIO's own tags are no versions in Go's sense.
MINIO_VERSION=v0.0.0-20260212201848-7aac2a2c5b7c

fetch() { cached "minio-${MINIO_VERSION##*-}" fill_minio; }

# About three minutes on two cores; at low priority, as it usually runs beside another build.
fill_minio() {
  need go
  GOBIN=$1 GOFLAGS=-mod=mod CGO_ENABLED=0 nice -n 15 go install -trimpath -ldflags '-s -w' "github.com/minio/minio@$MINIO_VERSION"
}

# It calls itself ready before it knows its users, and asks clients to try again until then.
ready() {
  local url=http://127.0.0.1:$PORT
  curl -fsS -m 5 -o /dev/null "$url/minio/health/ready" &&
    curl -sS -m 5 --aws-sigv4 "aws:amz:$MINIO_REGION:s3" -u nobody:unknown "$url/" | grep -q InvalidAccessKeyId
}

start() {
  need curl
  local folder bucket
  folder=$(fetch)
  # On a single drive a folder at its root is a bucket.
  mkdir -p "$RUN/data"
  for bucket in "$@"; do mkdir -p "$RUN/data/$bucket"; done
  export MINIO_ROOT_USER=${MINIO_ROOT_USER:-tributary} MINIO_ROOT_PASSWORD=${MINIO_ROOT_PASSWORD:-tributary-secret}
  export MINIO_REGION=${MINIO_REGION:-us-east-1} MINIO_BROWSER=off MINIO_UPDATE=off MINIO_CI_CD=on GOMEMLIMIT=512MiB
  launch ready "$folder/minio" server --quiet --address "127.0.0.1:$PORT" "$RUN/data/"
}

main "$@"
