#!/usr/bin/env bash
# cargo-lambda (MIT) from PyPI: `cargo lambda watch`, the endpoint with which functions in Rust are developed, to compare
# ours with. See lib.sh.
#   cargo-lambda.sh start RUN PORT PROGRAM        Invoke on PORT; one function `probe`, which is the built PROGRAM
NAME=cargo-lambda
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

CARGO_LAMBDA_VERSION=1.9.2

fetch() { cached "cargo-lambda-$CARGO_LAMBDA_VERSION" fill_cargo_lambda; }

# Without the compiler that it would cross-compile with.
fill_cargo_lambda() {
  need python3
  nice -n 15 python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$1" "cargo-lambda==$CARGO_LAMBDA_VERSION"
}

ready() { port_answers "$PORT"; }

start() {
  need cargo
  local folder program=$1
  folder=$(fetch)
  mkdir -p "$RUN/bin" "$RUN/probe/src" "$RUN/home"
  # It builds a function and then runs it: this cargo answers questions, and runs what is built already.
  cat >"$RUN/bin/cargo" <<SH
#!/usr/bin/env bash
if [ "\${1:-}" = run ]; then exec "$program"; fi
exec "$(command -v cargo)" "\$@"
SH
  chmod +x "$RUN/bin/cargo"
  printf '[package]\nname = "probe"\nversion = "0.1.0"\nedition = "2024"\n[workspace]\n' >"$RUN/probe/Cargo.toml"
  echo 'fn main() {}' >"$RUN/probe/src/main.rs"
  export PATH=$RUN/bin:$PATH CARGO=$RUN/bin/cargo
  cd "$RUN/probe"
  launch ready "$folder/bin/cargo-lambda" lambda watch --ignore-changes --invoke-address 127.0.0.1 --invoke-port "$PORT" \
    --manifest-path "$RUN/probe/Cargo.toml"
}

main "$@"
