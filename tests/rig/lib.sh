# Shared by the scripts beside it; sourced, not run. They start real servers for tests, from package registries.
#
#   SCRIPT start RUN PORT [ARG...]   start on 127.0.0.1:PORT with everything it writes under RUN; wait until it is
#                                    ready; print its process id. Running already: print its process id.
#   SCRIPT stop RUN [-9]             end it: SIGTERM, then SIGKILL after 90 s; with -9 SIGKILL at once
#   SCRIPT wipe RUN                  stop -9, then remove RUN
#   SCRIPT status RUN                print the process id, or exit with 3
#   SCRIPT fetch                     only put what it needs into the cache; print the cache folder
#
# Environment:
#   TRIBUTARY_RIG_CACHE   jars and binaries, shared by all runs (default ~/.cache/tributary-rig)
#   TRIBUTARY_RIG_GUARD   1: standard input guards the server: when its other end closes (the caller ended, however), the
#                         server is killed and RUN removed
#   TRIBUTARY_TEST_KEEP   1: the guard leaves RUN in place
set -euo pipefail
umask 022
CACHE=${TRIBUTARY_RIG_CACHE:-$HOME/.cache/tributary-rig}
# A server needs a few seconds; the rest is for a machine that compiles at the same time.
READY_SECONDS=120

say() { echo "[$NAME] $*" >&2; }
die() { say "$*"; exit 1; }
need() { command -v "$1" >/dev/null || die "$1 is not installed, install it or put it on PATH"; }
usage() { die "usage: $0 start RUN PORT [ARG...] | stop RUN [-9] | wipe RUN | status RUN | fetch"; }

# cached ENTRY FN: the folder CACHE/ENTRY, filled by `FN FOLDER` at the first call. Two callers build it once; a build
# that fails or is interrupted leaves nothing behind.
cached() {
  local entry=$CACHE/$1 fill=$2
  if [ ! -e "$entry/.complete" ]; then
    mkdir -p "$CACHE"
    exec 8>"$CACHE/$1.lock"
    flock 8
    [ -e "$entry/.complete" ] || fill_entry "$entry" "$fill"
    exec 8>&-
  fi
  echo "$entry"
}

fill_entry() {
  local entry=$1 fill=$2 part begun=$SECONDS
  part=$(mktemp -d "$CACHE/.part.XXXXXX")
  say "filling $entry"
  # Not `if ! "$fill"`: inside a condition bash ignores `set -e`. The lock's descriptor stays here: a compiler daemon that
  # outlives the build would keep the lock.
  (set -e; "$fill" "$part") >"$entry.log" 2>&1 </dev/null 8>&- &
  if ! wait $!; then
    tail -n 30 "$entry.log" >&2
    chmod -R u+w "$part"; rm -rf "$part"
    die "could not fill $entry, the whole output is in $entry.log"
  fi
  touch "$part/.complete"
  rm -rf "$entry"
  mv "$part" "$entry"
  say "filled $entry in $((SECONDS - begun)) s"
}

# The process id of a live server of this run. Its command line must name the run folder: a number can be used again.
live_pid() {
  local pid
  pid=$(cat "$RUN/pid" 2>/dev/null) || return 1
  tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$RUN/" && echo "$pid"
}

# Whether nothing is left of a process. While it ends it already has no command line, but still its ports and files; what
# remains of it until its parent takes note is one thread that is a zombie.
ended() {
  local threads=("/proc/$1/task/"*)
  [ ! -e "/proc/$1" ] || { [ "${#threads[@]}" -le 1 ] && grep -qs '^State:.Z' "/proc/$1/status"; } || [ ! -e "/proc/$1" ]
}

port_answers() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# launch READY-FN COMMAND...: start COMMAND apart from this terminal, wait until READY-FN succeeds, print its id.
launch() {
  local ready=$1 pid; shift
  setsid "$@" >>"$RUN/out.log" 2>&1 </dev/null &
  pid=$!
  echo "$pid" >"$RUN/pid"
  if [ "${TRIBUTARY_RIG_GUARD:-0}" = 1 ]; then start_process_guard "$pid"; fi
  local deadline=$((SECONDS + READY_SECONDS))
  while [ "$SECONDS" -lt "$deadline" ]; do
    if "$ready" 2>/dev/null; then echo "$pid"; return; fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
  done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$RUN/pid"
  tail -n 30 "$RUN"/*.log >&2
  die "did not become ready on port $PORT within $READY_SECONDS s, its logs are in $RUN"
}

# `setsid` keeps the watcher alive through a Ctrl-C in the terminal; its output is closed, else a caller that reads this
# script's would wait for it.
start_process_guard() { setsid "$HERE/process-guard.sh" "$1" "$RUN/" "$RUN" <&0 >/dev/null 2>&1 & }

stop() {
  local pid i
  if pid=$(live_pid); then
    if [ "${1:-}" = -9 ]; then kill -9 "$pid"; else kill "$pid"; fi || true
    # One that is killed has not committed what an orderly end commits: a busy machine gets the time for that.
    for i in $(seq 2400); do
      if ended "$pid"; then break; fi
      if [ "$i" = 1800 ]; then say "does not end, and is killed"; kill -9 "$pid" || true; fi
      sleep 0.05
    done
  fi
  rm -f "$RUN/pid"
}

# The entry point of a script: it defines `fetch` and `start ARG...`.
main() {
  local verb=${1:-}; shift || true
  if [ "$verb" = fetch ]; then fetch; return; fi
  RUN=${1:-}; shift || true
  [ -n "$RUN" ] || usage
  RUN=$(realpath -m -- "$RUN")
  case $verb in
    start)
      PORT=${1:-}; shift || true
      [[ $PORT =~ ^[0-9]+$ ]] || usage
      if live_pid; then return; fi
      if port_answers "$PORT"; then die "port $PORT is taken by another process"; fi
      mkdir -p "$RUN"
      start "$@" ;;
    stop) stop "${1:-}" ;;
    wipe) stop -9; rm -rf "$RUN" ;;
    status) live_pid || exit 3 ;;
    *) usage ;;
  esac
}
