#!/usr/bin/env python3
# A Docker Engine on a unix socket that shows a swarm out of files.
#
#	tests/fake_engine.py SOCKET DIR
#
# GET /nodes, /services and /tasks answer DIR/nodes.json and so on, /info and
# /swarm likewise where there is such a file; a line appended to DIR/events is an
# event.  Anything but GET, and any other path, is
# noted in DIR/strange.  Shapes are those of the Engine API reference, 1.41.
import http.server
import os
import socketserver
import sys
import time

socket_path, where = sys.argv[1:]


class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def address_string(self):
        return 'local'

    def log_message(self, *args):
        pass

    def answer(self, status, body):
        self.send_response(status)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Api-Version', '1.41')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def events(self):
        self.send_response(200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Transfer-Encoding', 'chunked')
        self.end_headers()
        self.wfile.flush()
        with open(where + '/events') as f:
            f.seek(0, os.SEEK_END)
            while True:
                line = f.readline().encode()
                if line:
                    self.wfile.write(b'%x\r\n%s\r\n' % (len(line), line))
                    self.wfile.flush()
                else:
                    time.sleep(0.05)

    def do_GET(self):
        path = self.path.split('?')[0]
        if path.startswith('/v1.'):
            path = '/' + path.split('/', 2)[2]
        with open(where + '/asked', 'a') as f:
            f.write(path + '\n')
        if path == '/_ping':
            self.answer(200, b'OK')
        elif path == '/events':
            self.events()
        elif path in ('/nodes', '/services', '/tasks'):
            if os.path.exists(where + '/refuse'):
                self.answer(503, b'{"message":"This node is not a swarm manager."}')
            else:
                self.answer(200, open(where + path + '.json', 'rb').read())
        elif path in ('/info', '/swarm') and os.path.exists(where + path + '.json'):
            self.answer(200, open(where + path + '.json', 'rb').read())
        else:
            self.strange()

    def strange(self):
        with open(where + '/strange', 'a') as f:
            f.write(self.command + ' ' + self.path + '\n')
        self.answer(404, b'{"message":"page not found"}')

    do_POST = do_DELETE = do_PUT = do_HEAD = strange


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


open(where + '/events', 'a').close()
Server(socket_path, Engine).serve_forever()
