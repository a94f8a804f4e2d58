# Apache Kafka from Maven Central, for kafka.sh and connect.sh; sourced after lib.sh. In the cache entry: libs/ holds
# the class path of the broker and of the Connect worker, plugins/ what a worker loads as plugins (the file connectors).
KAFKA_VERSION=4.3.1
LOG4J_VERSION=2.25.4
MAVEN_DEPENDENCY_PLUGIN=org.apache.maven.plugins:maven-dependency-plugin:3.6.1

kafka_jars() { cached "kafka-$KAFKA_VERSION" fill_jars; }

fill_jars() {
  need mvn
  local artifact
  {
    echo '<project xmlns="http://maven.apache.org/POM/4.0.0">'
    echo '<modelVersion>4.0.0</modelVersion><groupId>rig</groupId><artifactId>kafka</artifactId><version>1</version>'
    echo '<packaging>pom</packaging><dependencies>'
    for artifact in kafka_2.13 kafka-tools connect-runtime connect-mirror connect-file; do
      dependency org.apache.kafka "$artifact" "$KAFKA_VERSION"
    done
    dependency org.apache.logging.log4j log4j-slf4j-impl "$LOG4J_VERSION"
    echo '</dependencies></project>'
  } >"$1/pom.xml"
  mvn -B -ntp -f "$1/pom.xml" "$MAVEN_DEPENDENCY_PLUGIN:copy-dependencies" -DincludeScope=runtime -DoutputDirectory="$1/libs"
  mkdir -p "$1/plugins/file"
  mv "$1"/libs/connect-file-*.jar "$1/plugins/file/"
}

# MongoDB's own connectors for the Java worker, with all that they need: a folder of plugins.
MONGO_KAFKA_VERSION=2.0.1

mongo_kafka_plugins() { cached "mongo-kafka-$MONGO_KAFKA_VERSION" fill_mongo_kafka; }

fill_mongo_kafka() {
  need mvn
  mvn -B -ntp "$MAVEN_DEPENDENCY_PLUGIN:copy" -Dartifact="org.mongodb.kafka:mongo-kafka-connect:$MONGO_KAFKA_VERSION:jar:all" \
    -DoutputDirectory="$1/mongo-kafka"
}

# The REST extension that asks for a password, for the class path: its login module is not found in a folder of plugins.
basic_auth_jar() { cached "basic-auth-$KAFKA_VERSION" fill_basic_auth; }

fill_basic_auth() {
  need mvn
  mvn -B -ntp "$MAVEN_DEPENDENCY_PLUGIN:copy" -Dartifact="org.apache.kafka:connect-basic-auth-extension:$KAFKA_VERSION:jar" \
    -DoutputDirectory="$1"
}

dependency() { echo "<dependency><groupId>$1</groupId><artifactId>$2</artifactId><version>$3</version></dependency>"; }

# log_settings FILE: Log4j settings that write RUN/server.log.
log_settings() {
  cat >"$1" <<L
status=error
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
appender.file.type=File
appender.file.name=file
appender.file.fileName=$RUN/server.log
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=[%d] %p %X{connector.context}%m (%c:%L)%n
L
}
