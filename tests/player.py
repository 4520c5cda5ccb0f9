#!/usr/bin/python3
"""Answer over TLS what Azure answered when it was recorded.

    player.py RECORDING CERTIFICATE KEY [OLD=NEW...]

Knows one recording and nothing of who asks.  A request is the recorded one
when method and path are the same (case apart, as for Azure; versions and
$expand may differ, years have passed); of several the first that was not
given yet is next, and when all were, the last is given again.  What nobody
recorded is not there: 404.  OLD=NEW gives something in the recording another
name.  Only who asks for a token gets one that was not recorded, and
Retry-After is a second at most, or nobody would wait for it.

Prints "ready PORT", then a line per request: method, path, status, which
exchange it was ("-": none).
"""
import http.server
import json
import pathlib
import ssl
import sys
import urllib.parse

AZURE = "https://management.azure.com"


class Recording:
    def __init__(self, file, names):
        text = pathlib.Path(file).read_text()
        for old, new in names:
            text = text.replace(old, new)
        self.exchanges = json.loads(text)["exchanges"]
        self.given = set()

    @staticmethod
    def what(method, url):
        parts = urllib.parse.urlsplit(url)
        query = [(k.lower(), v) for k, v in
                 urllib.parse.parse_qsl(parts.query, True)
                 if k.lower() not in ("api-version", "$expand",
                                      "forcedeletiontypes")]
        return method, parts.path.lower().rstrip("/"), tuple(sorted(query))

    def next(self, method, url):
        same = [x for x in self.exchanges if
                self.what(x["method"], x["url"]) == self.what(method, url)]
        if not same:
            return None
        x = next((x for x in same if x["i"] not in self.given), same[-1])
        self.given.add(x["i"])
        return x


class Player(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def give(self, status, headers, body, i):
        body = body.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        print(self.command, urllib.parse.urlsplit(self.path).path, status, i,
              flush=True)

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path.endswith("/oauth2/v2.0/token"):
            self.give(200, {"Content-Type": "application/json"}, json.dumps({
                "token_type": "Bearer", "expires_in": 3599,
                "access_token": "eyJ0.recorded.x"}), "token")
            return
        here = "https://" + self.headers["Host"]
        x = self.server.recording.next(self.command, here + self.path)
        if x is None:
            self.give(404, {"Content-Type": "application/json"}, json.dumps({
                "error": {"code": "ResourceNotFound",
                          "message": "nobody recorded that"}}), "-")
            return
        headers = {}
        for name, value in x["response_headers"].items():
            if name.lower() == "retry-after":
                value = str(min(int(value), 1))
            if name.lower() not in ("content-length", "transfer-encoding",
                                    "connection", "date", "server"):
                headers[name] = value.replace(AZURE, here)
        self.give(x["status"], headers,
                  (x["response_body"] or "").replace(AZURE, here), x["i"])

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = answer


def main(argv):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Player)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(argv[2], argv[3])
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.recording = Recording(argv[1], [n.split("=", 1) for n in argv[4:]])
    print("ready", server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv)
