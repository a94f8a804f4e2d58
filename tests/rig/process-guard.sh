#!/usr/bin/env bash
# process-guard.sh PID MARK FOLDER: waits for the end of standard input. If PID runs then, and its command line holds MARK (a
# process id can be used again), kills it and removes FOLDER: whoever held the other end is gone and cannot do it.
# TRIBUTARY_TEST_KEEP=1 leaves the folder.
ours() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "$2"; }

cat >/dev/null
if ours "$1" "$2"; then
  kill -9 "$1"
  for _ in $(seq 100); do
    if ! ours "$1" "$2"; then break; fi
    sleep 0.05
  done
  if [ "${TRIBUTARY_TEST_KEEP:-0}" != 1 ]; then rm -rf "$3"; fi
fi
