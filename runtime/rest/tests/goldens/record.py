#!/usr/bin/env python3
"""Sends requests.json to a Connect worker and writes what it answers to recorded.json.

record.py http://127.0.0.1:8083
"""

import http.client
import json
import pathlib
import re
import sys
import time
import urllib.parse

HEADERS = ("allow", "content-type", "location")
FOLDER = pathlib.Path(__file__).parent


def send(host, request):
    """One request on a connection of its own, its path sent as written."""
    connection = http.client.HTTPConnection(host, timeout=100)
    body = request.get("raw")
    if "body" in request:
        body = json.dumps(request["body"], separators=(",", ":"))
    headers = {"Accept": "application/json, */*"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    headers.update(request.get("headers", {}))
    headers = {name: value for name, value in headers.items() if value is not None}
    connection.request(request["method"], request["path"], body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    if request["name"].startswith("loggers"):
        text = few_loggers(text)
    text = re.sub("location='[^']*'", "location='classpath'", text)
    kept = {name: response.getheader(name) for name in HEADERS if response.getheader(name) is not None}
    return {"name": request["name"], "status": response.status, "headers": kept, "body": text}


def few_loggers(text):
    """The root and two more of some hundred."""
    loggers = json.loads(text)
    names = list(loggers)[:2] + ["root"]
    return json.dumps({name: loggers[name] for name in names}, separators=(",", ":"))


def settle(host, request):
    """Repeats a request until its answer holds some texts, or a conflict has passed."""
    deadline = time.time() + 30
    while True:
        answer = send(host, request)
        done = answer["status"] != 409 or "already exists" in answer["body"]
        if all(text in answer["body"] for text in request["until"]) if "until" in request else done:
            return answer
        if time.time() > deadline:
            sys.exit(f"{request['name']}: no {request.get('until')} in {answer}")
        time.sleep(0.1)


def main():
    host = urllib.parse.urlsplit(sys.argv[1]).netloc
    requests = json.loads((FOLDER / "requests.json").read_text())
    recorded = [settle(host, request) for request in requests]
    lines = ",\n".join(json.dumps(answer) for answer in recorded)
    (FOLDER / "recorded.json").write_text(f"[\n{lines}\n]\n")


main()
