#!/usr/bin/env bash
# mongo-java-server from Maven Central (BSD-3-Clause): a small double of MongoDB, close to it in what single commands write.
# See lib.sh.
#   mongo.sh start RUN PORT
# It has no authentication, sessions, transactions, bulkWrite or change streams; a write error may lack its code.
# Environment: RIG_MONGO_STORE, memory (default, gone when it stops) or file (RUN/data.mv: what it has answered survives
# a kill), TRIBUTARY_RIG_JVM, the JVM's flags (default -Xmx512m -XX:+UseSerialGC)
NAME=mongo
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"
. "$HERE/jars.sh"

MONGO_JAVA_SERVER_VERSION=1.47.0
STORE=${RIG_MONGO_STORE:-memory}

fetch() { mongo_kafka_plugins >/dev/null; server; }

# Another one when the program around the server changes.
server() {
  local sum
  sum=$(cksum <"$HERE/mongo/RigMongo.java")
  cached "mongo-java-server-$MONGO_JAVA_SERVER_VERSION-${sum%% *}" fill_mongo
}

fill_mongo() {
  need mvn
  need javac
  local artifact
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0">'
    echo '<modelVersion>4.0.0</modelVersion><groupId>rig</groupId><artifactId>mongo</artifactId><version>1</version>'
    echo '<packaging>pom</packaging><dependencies>'
    for artifact in mongo-java-server mongo-java-server-h2-backend; do
      dependency de.bwaldvogel "$artifact" "$MONGO_JAVA_SERVER_VERSION"
    done
    dependency org.slf4j slf4j-simple 2.0.17
    echo '</dependencies></project>'
  } >"$1/pom.xml"
  mvn -B -ntp -f "$1/pom.xml" "$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$1/libs"
  javac -cp "$1/libs/*" -d "$1/classes" "$HERE/mongo/RigMongo.java"
}

ready() { port_answers "$PORT"; }

start() {
  need java
  local folder
  case $STORE in memory | file) ;; *) die "RIG_MONGO_STORE is memory or file, not $STORE" ;; esac
  folder=$(server)
  # shellcheck disable=SC2086  # flags are split on purpose
  launch ready java ${TRIBUTARY_RIG_JVM:--Xmx512m -XX:+UseSerialGC} -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$folder/classes:$folder/libs/*" RigMongo "$PORT" "$RUN/" "$STORE"
}

main "$@"
