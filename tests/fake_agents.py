#!/usr/bin/env python3
# The agents' GET /figures of a swarm that fake_swarm.py wrote, for all of its
# addresses at once: which node is meant is seen by the address that was asked.
#
#	tests/fake_agents.py DIR PORT
#
# DIR/load.json, read each time: {"NODE": CPUS, "web.3": CPUS}; everything else
# works a little.  Counters follow the clock.  "NODE": "silent" answers nothing,
# "NODE": "TEXT" answers that.
import hashlib
import http.server
import json
import os
import socketserver
import sys
import time

where, port = sys.argv[1], int(sys.argv[2])
began = time.time()
counters = {}


def load(name):
    try:
        with open(where + '/load.json') as f:
            return json.load(f).get(name)
    except FileNotFoundError:
        return None


# cpu seconds, grown since the last look
def grown(name, cpus):
    now = time.time()
    at, value = counters.get(name, (began, 1000.0))
    counters[name] = now, value + cpus * (now - at)
    return int(counters[name][1] * 1000)


class Agent(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def log_message(self, *args):
        pass

    def do_GET(self):
        address = self.connection.getsockname()[0]
        with open(where + '/told', 'a') as f:
            f.write(address + ' ' + self.path + '\n')
        nodes = json.load(open(where + '/nodes.json'))
        node = next((n for n in nodes if address in (
            n['Status']['Addr'], n.get('ManagerStatus', {}).get('Addr', '').split(':')[0])), None)
        name = node['Description']['Hostname'] if node else ''
        wish = load(name)
        if wish == 'silent':
            time.sleep(5)
            return
        body = wish if isinstance(wish, str) else json.dumps(self.figures(node, name, wish))
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def figures(self, node, name, cpus):
        salt = hashlib.sha256(name.encode()).digest()[0] / 255
        wave = abs(((time.time() / 60 + salt * 4) % 2) - 1)
        containers = []
        services = {s['ID']: s['Spec']['Name'] for s in json.load(open(where + '/services.json'))}
        for t in json.load(open(where + '/tasks.json')):
            if t['NodeID'] != node['ID'] or not t['Status']['ContainerStatus'].get('ContainerID'):
                continue
            label = '%s.%s' % (services[t['ServiceID']], t.get('Slot', name))
            busy = load(label)
            containers.append({
                'id': t['Status']['ContainerStatus']['ContainerID'],
                'cpu_ms': grown(t['ID'], busy if busy is not None else 0.02 + 0.3 * wave * salt),
                'memory': int((20 + 40 * salt) * 2**20),
                'rx': grown(t['ID'] + 'rx', 2 + 10 * wave), 'tx': grown(t['ID'] + 'tx', 20 * wave)})
        return {'at_ms': int(time.monotonic() * 1000), 'containers': containers,
                'cpu_ms': grown(name, cpus if cpus is not None else 0.1 + 1.5 * wave * salt),
                'memory': int(4109193216 * (0.2 + 0.5 * salt)),
                'rx': grown(name + 'rx', 30 + 400 * wave), 'tx': grown(name + 'tx', 100 + 90 * wave)}


class Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128


print('ready', flush=True)
Server(('0.0.0.0', port), Agent).serve_forever()
