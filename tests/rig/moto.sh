#!/usr/bin/env bash
# moto (Apache-2.0), a double of AWS from PyPI, here for S3, SNS and SQS. It keeps all in memory and checks no
# signatures. See lib.sh.
#   moto.sh start RUN PORT        every service on PORT, in every region; the account is 123456789012
NAME=moto
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

MOTO_VERSION=5.2.5

fetch() { cached "moto-$MOTO_VERSION" fill_moto; }

# Only what its S3, SNS and SQS need: all that moto's own `server` extra asks for is twice as much.
fill_moto() {
  need python3
  nice -n 15 python3 -m pip install --quiet --disable-pip-version-check --target "$1/packages" "moto[s3]==$MOTO_VERSION" flask flask-cors
}

ready() { curl -fsS -m 5 -o /dev/null "http://127.0.0.1:$PORT/moto-api/"; }

start() {
  need curl
  local folder
  folder=$(fetch)
  mkdir -p "$RUN/home"
  # The run's folder is on the command line so that the process can be told from others by it.
  export PYTHONPATH=$folder/packages PYTHONPYCACHEPREFIX=$RUN/pycache HOME=$RUN/home
  launch ready python3 -X "pycache_prefix=$RUN/pycache" -m moto.server -H 127.0.0.1 -p "$PORT"
}

main "$@"
