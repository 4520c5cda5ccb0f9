#!/usr/bin/env python3
"""A metadata service with one announcement, for a machine that is told to ask it.

    events.py ADDRESS PORT NAME DIR

Answers as Azure's: the machine's name, and the scheduled events in
DIR/events.json (none while there is no such file).  What is approved is
written to DIR/approved, with the time.
"""
import http.server
import json
import os
import sys
import time

address, port, name, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4]


class Metadata(http.server.BaseHTTPRequestHandler):
    def answer(self, status, text):
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        if self.headers.get("Metadata", "").lower() != "true":
            return self.answer(400, "{}")
        if self.path.startswith("/metadata/instance/compute/name"):
            return self.answer(200, name)
        if not self.path.startswith("/metadata/scheduledevents"):
            return self.answer(404, "{}")
        try:
            with open(os.path.join(folder, "events.json")) as f:
                return self.answer(200, f.read())
        except OSError:
            return self.answer(200, '{"DocumentIncarnation":1,"Events":[]}')

    def do_POST(self):
        body = self.rfile.read(min(int(self.headers.get("Content-Length", "0")), 65536))
        with open(os.path.join(folder, "approved"), "a") as f:
            for request in json.loads(body)["StartRequests"]:
                f.write(f"{request['EventId']} {time.time():.1f}\n")
        self.answer(200, "")

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer((address, port), Metadata).serve_forever()
