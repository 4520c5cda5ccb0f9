#!/usr/bin/env python3
# A Docker Engine on a unix socket that is a swarm's manager, runs nothing, and
# keeps what it is sent.
#
#	tests/recorder.py SOCKET DIR [EXTERNAL...]
#
# DIR/networks/NAME.json, and so on for configs, secrets and services, is the body
# of the last POST that made or updated it; DIR/asked has a line for each request,
# 'POST /services/create NAME'.  What is made is there from then on, and DELETE takes
# it away (not its file); EXTERNAL are names that are there from the beginning: of
# networks, configs and secrets alike; '*' is any that is asked for by its name.
# IDs are 'id-NAME'.  Shapes are those of the Engine API reference, 1.41.
import http.server
import json
import os
import socketserver
import sys
import threading
import urllib.parse

KINDS = ('networks', 'configs', 'secrets', 'services')


class Swarm:
    """What is there, and where it is kept."""

    def __init__(self, where, external=()):
        self.where, self.external = where, set(external)
        self.lock = threading.Lock()
        self.made = {kind: {} for kind in KINDS}
        self.version = {}
        for kind in KINDS:
            os.makedirs(os.path.join(where, kind), exist_ok=True)

    def asked(self, line):
        with open(os.path.join(self.where, 'asked'), 'a') as f:
            f.write(line + '\n')

    def keep(self, kind, body):
        name = body['Name']
        self.made[kind][name] = body
        self.version[kind, name] = self.version.get((kind, name), 9) + 1
        with open(os.path.join(self.where, kind, name.replace('/', '%2F') + '.json'), 'w') as f:
            json.dump(body, f, indent=1, sort_keys=True)
        return name

    def name_of(self, kind, ref):
        name = ref[3:] if ref.startswith('id-') else ref
        if name in self.made[kind]:
            return name
        if kind != 'services' and (name in self.external or '*' in self.external):
            return name
        return None

    def show(self, kind, name):
        """As the Engine shows it."""
        spec = self.made[kind].get(name, {'Name': name, 'Labels': {}})
        if kind == 'networks':
            return {**spec, 'Id': 'id-' + name, 'Scope': 'swarm',
                    'Driver': spec.get('Driver', 'overlay'), 'Containers': None}
        shown = {k: v for k, v in spec.items() if kind != 'secrets' or k != 'Data'}
        return {'ID': 'id-' + name, 'Version': {'Index': self.version.get((kind, name), 9)},
                'CreatedAt': '2026-01-02T03:04:05Z', 'UpdatedAt': '2026-01-02T03:04:05Z',
                'Spec': shown}

    def list(self, kind, filters):
        wanted = {k: list(v) for k, v in filters.items()}
        names = list(self.made[kind])
        if kind != 'services':
            for name in wanted.get('name', []):
                if name not in names and self.name_of(kind, name):
                    names.append(name)
        if kind != 'services' and not wanted:
            names += [n for n in sorted(self.external) if n != '*' and n not in names]
        if 'name' in wanted:
            names = [n for n in names if any(n.startswith(w) for w in wanted['name'])]
        for label in wanted.get('label', []):
            key, _, value = label.partition('=')
            names = [n for n in names
                     if (self.made[kind].get(n, {}).get('Labels') or {}).get(key) == value]
        return [self.show(kind, n) for n in names]


class Engine(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def address_string(self):
        return 'local'

    def log_message(self, *args):
        pass

    def answer(self, status, doc):
        body = doc.encode() if isinstance(doc, str) else (json.dumps(doc) + '\n').encode()
        self.send_response(status)
        self.send_header('Content-Type', 'text/plain' if isinstance(doc, str) else 'application/json')
        self.send_header('Api-Version', '1.41')
        self.send_header('Docker-Experimental', 'false')
        self.send_header('Ostype', 'linux')
        self.send_header('Server', 'Docker/20.10.24 (linux)')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    def lacks(self, what):
        self.answer(404, {'message': what + ' not found'})

    def go(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        parts = url.path.strip('/').split('/')
        if parts[0].startswith('v1.'):
            parts = parts[1:]
        body = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        body = json.loads(body) if body else {}
        swarm = self.server.swarm
        with swarm.lock:
            swarm.asked('%s /%s%s' % (self.command, '/'.join(parts),
                                      ' ' + body['Name'] if 'Name' in body else ''))
            self.route(swarm, parts, query, body)

    def route(self, swarm, parts, query, body):
        kind, ref = parts[0], urllib.parse.unquote('/'.join(parts[1:]))
        filters = json.loads(query.get('filters') or '{}')
        if kind == '_ping':
            self.answer(200, 'OK')
        elif kind == 'version':
            self.answer(200, {'Version': '20.10.24', 'ApiVersion': '1.41', 'MinAPIVersion': '1.12',
                              'Os': 'linux', 'Arch': 'amd64', 'Components': []})
        elif kind == 'info':
            self.answer(200, {'ID': 'recorder', 'Name': 'recorder', 'OSType': 'linux',
                              'Swarm': {'LocalNodeState': 'active', 'ControlAvailable': True,
                                        'NodeID': 'id-node', 'Nodes': 1, 'Managers': 1,
                                        'RemoteManagers': [{'NodeID': 'id-node', 'Addr': '127.0.0.1:2377'}],
                                        'Cluster': {'ID': 'id-swarm'}}})
        elif kind in ('tasks', 'nodes', 'containers') and self.command == 'GET':
            self.answer(200, [])
        elif kind not in KINDS:
            self.lacks('page')
        elif self.command == 'POST' and ref == 'create':
            name = swarm.keep(kind, body)
            self.answer(201, {'Id' if kind == 'networks' else 'ID': 'id-' + name, 'Warning': ''})
        elif self.command == 'POST':
            swarm.keep(kind, body)
            self.answer(200, {'Warnings': None})
        elif ref == '':
            self.answer(200, swarm.list(kind, filters))
        elif swarm.name_of(kind, ref) is None:
            self.lacks('%s %s' % (kind[:-1], ref))
        elif self.command == 'DELETE':
            swarm.made[kind].pop(swarm.name_of(kind, ref), None)
            self.answer(204 if kind == 'networks' else 200, '')
        else:
            self.answer(200, swarm.show(kind, swarm.name_of(kind, ref)))

    do_GET = do_HEAD = do_POST = do_DELETE = go


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 128


def serve(path, where, external=()):
    server = Server(path, Engine)
    server.swarm = Swarm(where, external)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    return server


if __name__ == '__main__':
    serve(sys.argv[1], sys.argv[2], sys.argv[3:])
    print('ready', flush=True)
    threading.Event().wait()
