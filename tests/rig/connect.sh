#!/usr/bin/env bash
# The Java Kafka Connect worker with Kafka's own file connectors: the oracle of the compatibility tests. See lib.sh.
#   connect.sh start RUN PORT [NAME=VALUE...]  REST on PORT; the extra arguments are lines of worker.properties; the last
#                                              one wins
# Environment:
#   RIG_BOOTSTRAP      the broker (required)
#   RIG_CONNECT_MODE   distributed (default) or standalone, which keeps its offsets in RUN/offsets
#   RIG_CONNECT_GROUP  group.id, and the stem of the three internal topics (default connect-cluster)
#   RIG_PLUGIN_PATH    more plugin folders, comma-separated
#   RIG_MONGO_KAFKA    1: with MongoDB's own connectors, which are found by scanning only
#   RIG_BASIC_AUTH     a JAAS file: with the REST extension for passwords on the class path, which logs in by that file
#   TRIBUTARY_RIG_JVM  the JVM's flags (default -Xms256m -Xmx2g, as Kafka's own script has)
# plugin.discovery is one of the lines a caller may give: service_load starts fastest, hybrid_warn is Kafka's default.
NAME=connect
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"
. "$HERE/jars.sh"

MODE=${RIG_CONNECT_MODE:-distributed}
GROUP=${RIG_CONNECT_GROUP:-connect-cluster}

fetch() { kafka_jars; }

# Not `GET /`: a distributed worker answers that one before it has read its topics and joined its group.
ready() {
  if [ -n "${RIG_BASIC_AUTH:-}" ]; then
    # Its own answer: it has no password to show.
    [ "$(curl -sS -m 5 -o /dev/null -w '%{http_code}' "http://127.0.0.1:$PORT/connectors")" = 401 ]
  else
    curl -fsS -m 5 -o /dev/null "http://127.0.0.1:$PORT/connectors"
  fi
}

start() {
  need java
  need curl
  local jars class classpath login=
  [ -n "${RIG_BOOTSTRAP:-}" ] || die "set RIG_BOOTSTRAP to the broker's host:port"
  jars=$(kafka_jars)
  case $MODE in
    distributed) class=ConnectDistributed ;;
    standalone) class=ConnectStandalone ;;
    *) die "RIG_CONNECT_MODE is distributed or standalone, not $MODE" ;;
  esac
  if [ "${RIG_MONGO_KAFKA:-0}" = 1 ]; then RIG_PLUGIN_PATH=${RIG_PLUGIN_PATH:+$RIG_PLUGIN_PATH,}$(mongo_kafka_plugins); fi
  classpath="$jars/libs/*"
  if [ -n "${RIG_BASIC_AUTH:-}" ]; then
    classpath="$classpath:$(basic_auth_jar)/*"
    login=-Djava.security.auth.login.config=$RIG_BASIC_AUTH
  fi
  settings "$jars" "$@" >"$RUN/worker.properties"
  log_settings "$RUN/log4j2.properties"
  # shellcheck disable=SC2086  # flags are split on purpose
  launch ready java ${TRIBUTARY_RIG_JVM:--Xms256m -Xmx2g} $login -XX:+UseG1GC "-Dlog4j2.configurationFile=$RUN/log4j2.properties" \
    -cp "$classpath" "org.apache.kafka.connect.cli.$class" "$RUN/worker.properties"
}

settings() {
  local jars=$1; shift
  cat <<P
bootstrap.servers=$RIG_BOOTSTRAP
listeners=http://127.0.0.1:$PORT
rest.advertised.host.name=127.0.0.1
plugin.path=$jars/plugins${RIG_PLUGIN_PATH:+,$RIG_PLUGIN_PATH}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
P
  if [ "$MODE" = standalone ]; then
    echo "offset.storage.file.filename=$RUN/offsets"
  else
    cat <<P
group.id=$GROUP
config.storage.topic=$GROUP-configs
offset.storage.topic=$GROUP-offsets
status.storage.topic=$GROUP-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
scheduled.rebalance.max.delay.ms=0
P
  fi
  if [ $# -gt 0 ]; then printf '%s\n' "$@"; fi
}

main "$@"
