"""Reads and writes every case through one of three Python clients: conformance.py CLIENT HOST PORT CASES.

CLIENT is pymssql (FreeTDS), pytds (python-tds) or mssql-python (Microsoft's ODBC driver). Prints a line for each case and
direction: number, "read" or "write", the text; a failure begins with "!".
"""

import datetime
import decimal
import struct
import sys
import uuid

USER, PASSWORD = "sa", "Secret1!"


def connect(client, host, port):
    if client == "pymssql":
        import pymssql

        return pymssql.connect(server=host, port=str(port), user=USER, password=PASSWORD, autocommit=True, charset="UTF-8")
    if client == "pytds":
        import pytds

        return pytds.connect(dsn=host, port=int(port), user=USER, password=PASSWORD, autocommit=True)
    import mssql_python

    target = f"Server={host},{port};UID={USER};PWD={PASSWORD};TrustServerCertificate=yes;Encrypt=yes"
    return mssql_python.connect(target, autocommit=True)


def shortened(text):
    """x*N for x repeated N times, when that is long."""
    for size in (1, 2, 3):
        times, rest = divmod(len(text), size)
        if times > 100 and rest == 0 and text == text[:size] * times:
            return f"{text[:size]}*{times}"
    return text


def moment(value, scale):
    """Date and time with so many digits of the second; clients give microseconds at most."""
    digits = f"{value.microsecond:06d}0"[:scale]
    text = value.strftime("%H:%M:%S") + ("." + digits if scale else "")
    if isinstance(value, datetime.datetime):
        text = f"{value.year:04d}-{value.month:02d}-{value.day:02d} " + text
    return text


def offset(value):
    minutes = int(value.utcoffset().total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f" {sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def scale_of(kind):
    return int(kind[kind.index("(") + 1 : kind.index(")")]) if "(" in kind else 7


def exact(base, kind, value):
    """A number with the digits of its type behind the point: clients leave zeros away."""
    digits = {"money": 4, "smallmoney": 4}.get(base)
    if base in ("decimal", "numeric"):
        digits = int(kind[kind.index(",") + 1 : kind.index(")")])
    padded = f"{value:f}" if digits is None else f"{value:.{digits}f}"
    return padded if decimal.Decimal(padded) == value else f"{value:f}"


def text_of(kind, value):
    base = kind.split("(")[0].split(" ")[0]
    if value is None:
        return "NULL"
    if base in ("real", "float"):
        return struct.pack(">f" if base == "real" else ">d", value).hex()
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, decimal.Decimal):
        return exact(base, kind, value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return shortened(bytes(value).hex())
    if isinstance(value, uuid.UUID):
        return str(value).upper()
    if isinstance(value, datetime.datetime):
        if base == "datetimeoffset":
            return moment(value, scale_of(kind)) + offset(value)
        if base == "datetime2":
            return moment(value, scale_of(kind))
        if base == "smalldatetime":
            return moment(value, 0)
        # Clients round three-hundredths of a second to microseconds, each in its own way.
        thousandths = (value.microsecond + 500) // 1000
        return moment(value, 0) + f".{thousandths:03d}"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, datetime.time):
        return moment(value, scale_of(kind))
    return shortened(str(value))


def attempt(act):
    try:
        return act()
    except Exception as error:  # every client has its own kinds
        return "!" + type(error).__name__ + ": " + " ".join(str(error).split())[:200]


class Cases:
    def __init__(self, client, connection):
        self.client = client
        self.marker = "?" if client == "mssql-python" else "%s"
        self.cursor = connection.cursor()

    def run(self, sql, *parameters):
        self.cursor.execute(sql, parameters) if parameters else self.cursor.execute(sql)

    def value(self, sql):
        self.run(sql)
        return self.cursor.fetchall()[0][0]

    def each(self, number, kind, null, literal):
        self.run(f"CREATE TABLE r{number} (v {kind} {null})")
        self.run(f"INSERT INTO r{number} (v) VALUES ({literal})")
        value = self.value(f"SELECT v FROM r{number}")
        print(number, "read", text_of(kind, value), sep="\t")

        # Both take bytes for text unless they are told.
        if isinstance(value, bytes) and self.client == "pymssql":
            value = bytearray(value)
        if isinstance(value, bytes) and self.client == "pytds":
            import pytds

            value = pytds.Binary(value)

        def write():
            self.run(f"CREATE TABLE w{number} (v {kind} {null})")
            self.run(f"INSERT INTO w{number} (v) VALUES ({self.marker})", value)
            return text_of(kind, self.value(f"SELECT v FROM w{number}"))

        print(number, "write", attempt(write), sep="\t", flush=True)


def main():
    client, host, port, path = sys.argv[1:]
    connection = connect(client, host, port)
    cases = Cases(client, connection)
    database = "conformance_" + client.replace("-", "_")
    cases.run(f"CREATE DATABASE {database}")
    cases.run(f"USE {database}")
    lines = [line for line in open(path, encoding="utf-8").read().split("\n") if line and not line.startswith("#")]
    for number, line in enumerate(lines, 1):
        kind, null, literal, _ = line.split("\t")
        failed = attempt(lambda: cases.each(number, kind, null, literal))
        if failed:
            print(number, "read", failed, sep="\t", flush=True)


main()
