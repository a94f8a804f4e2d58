#!/usr/bin/env bash
# A real Apache Kafka broker: KRaft, one node that is broker and controller (on PORT+1), transactions on. See lib.sh.
#   kafka.sh start RUN PORT [NAME=VALUE...]    the extra arguments are lines of server.properties; the last one wins
# A broker that was stopped and is started again on the same RUN finds its data there.
# Environment: TRIBUTARY_RIG_JVM, the JVM's flags (default -Xms256m -Xmx1g)
NAME=kafka
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"
. "$HERE/jars.sh"

CLUSTER=dHJpYnV0YXJ5LXJpZy0wMQ    # any 16 bytes in URL-safe base 64

fetch() { kafka_jars; }

ready() { grep -qs 'Kafka Server started' "$RUN/server.log"; }

start() {
  need java
  local jars; jars=$(kafka_jars)
  settings "$@" >"$RUN/server.properties"
  log_settings "$RUN/log4j2.properties"
  : >"$RUN/server.log"
  # shellcheck disable=SC2206  # flags are split on purpose
  local jvm=(java ${TRIBUTARY_RIG_JVM:--Xms256m -Xmx1g} -XX:+UseG1GC "-Dlog4j2.configurationFile=$RUN/log4j2.properties" -cp "$jars/libs/*")
  if [ ! -e "$RUN/data/meta.properties" ]; then
    "${jvm[@]}" kafka.tools.StorageTool format -t "$CLUSTER" -c "$RUN/server.properties" >"$RUN/out.log" 2>&1 ||
      { cat "$RUN/out.log" >&2; die "could not format $RUN/data"; }
  fi
  launch ready "${jvm[@]}" kafka.Kafka "$RUN/server.properties"
}

settings() {
  cat <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((PORT + 1))
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$PORT,CONTROLLER://127.0.0.1:$((PORT + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$PORT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$RUN/data
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
P
  if [ $# -gt 0 ]; then printf '%s\n' "$@"; fi
}

main "$@"
