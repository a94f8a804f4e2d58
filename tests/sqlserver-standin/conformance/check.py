"""Compares what clients read and wrote with cases.tsv: check.py CASES LIMITS OUTPUT..., an output for each client.

Prints the table of the README and every difference; exits with 1 if there is one that limits.tsv does not explain.
"""

import os
import re
import sys


def records(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]


def main():
    cases, limits, *outputs = sys.argv[1:]
    cases = records(cases)
    limits = [record for record in records(limits)]
    failed = False
    table = []
    for output in outputs:
        client = os.path.basename(output).removesuffix(".tsv")
        said = {(int(number), direction): text for number, direction, text in map(three, records(output))}
        row = [client]
        for direction in ("read", "write"):
            passed, limited, reasons = 0, 0, []
            for number, (kind, null, literal, expected) in enumerate(cases, 1):
                text = said.get((number, direction), "!nothing")
                limit = next((limit for limit in limits if fits(limit, client, direction, kind, literal)), None)
                if text == expected:
                    passed += 1
                elif limit:
                    limited += 1
                else:
                    failed = True
                    print(f"{client}: {direction} {number}: {kind} {null} {literal}: {text!r}, not {expected!r}")
            row.append(f"{passed} of {len(cases)}" + (f", {limited} beyond the client" if limited else ""))
        table.append(row)
    print("\n| client | read | written |\n| --- | --- | --- |")
    for row in table:
        print("| " + " | ".join(row) + " |")
    sys.exit(failed)


def three(record):
    return record + [""] * (3 - len(record))


def fits(limit, client, direction, kind, literal):
    who, way, what, _ = limit
    return who == client and way in (direction, "both") and re.fullmatch(what, f"{kind} = {literal}") is not None


main()
