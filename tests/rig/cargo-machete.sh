#!/usr/bin/env bash
# cargo-machete (MIT): which dependencies no source file names. See lib.sh.
#   cargo-machete.sh check
NAME=cargo-machete
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

CARGO_MACHETE_VERSION=0.9.2

fetch() { cached "cargo-machete-$CARGO_MACHETE_VERSION" fill_cargo_machete; }

fill_cargo_machete() {
  need cargo
  nice -n 15 cargo install --quiet --locked --version "$CARGO_MACHETE_VERSION" --root "$1" --target-dir "$1/target" cargo-machete
  rm -rf "$1/target"
}

# Not xtask/unify, which names dependencies for the sake of their features.
check() {
  cd "$HERE/../.."
  "$(fetch)/bin/cargo-machete" runtime connectors benches examples tests
}

if [ "${1:-}" = check ]; then shift; check "$@"; else main "$@"; fi
