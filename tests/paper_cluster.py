#!/usr/bin/env python3
"""Masters and agents to sign in to, where machines exist on paper only.

	paper_cluster.py READY KEYS PLACES

An SSH server (asyncssh) on port 22 of every address of loopback, so in a
network namespace of its own: whoever made keys in KEYS finds its host keys
right.  A connection to 127.77.x.y is one to the master of the cluster in the
directory PLACES/127.77.x.y.  Its Docker Engine shows a swarm of one master and
three agents, where tasks run at once, and have for long; what services and networks there are is
kept in swarm.json of that directory; with "refuses" in it, it tells no nodes;
with "raft" ({"master1": "reachable", ...}), there are those managers, too.  Agents are reached through the master;
any other port answers an HTTP request.  The helper's socket takes machines out
of service at once, and has them back as other nodes.  READY is made when it
listens.

Shapes are those of the Engine API reference, 1.41.
"""
import asyncio
import functools
import io
import json
import os
import struct
import subprocess
import sys
import tarfile
import time
import urllib.parse
from datetime import datetime

import asyncssh

ready, keys, places = sys.argv[1:]
AGENTS = {'10.77.16.%d' % (4 + i): 'agents%06d' % i for i in range(3)}
NODES = [('master0', 'manager', '10.77.0.10')] + [(n, 'worker', a) for a, n in AGENTS.items()]
BEFORE = '2020-01-01T00:00:00.000000000Z'


def now():
    return datetime.utcnow().strftime('%Y-%m-%dT%H:%M:%S.%f') + '000Z'


@functools.cache
def our_digest():
    """Of the program's own image, which each agent offers."""
    p = subprocess.run([os.environ['AZSWARM'], 'image', '-o', '-'], stdout=subprocess.PIPE, check=True)
    with tarfile.open(fileobj=io.BytesIO(p.stdout)) as t:
        return json.load(t.extractfile('index.json'))['manifests'][0]['digest']


def frame(stream, text):
    """As where there is no terminal: whose it is, and how long."""
    return struct.pack('>BxxxI', stream, len(text)) + text.encode()


class Refused(Exception):
    """Status and words."""


class Engine:
    def __init__(self, where):
        self.path = where + '/swarm.json'
        self.swarm = {'services': {}, 'networks': {}, 'changes': 0}
        if os.path.exists(self.path):
            with open(self.path) as f:
                self.swarm = json.load(f)

    def save(self):
        self.swarm['changes'] += 1
        with open(self.path + '.new', 'w') as f:
            json.dump(self.swarm, f)
        os.rename(self.path + '.new', self.path)

    def find(self, kind, name):
        for key, v in self.swarm[kind].items():
            if name in (key, v.get('ID', v.get('Id'))):
                return key
        raise Refused(404, '%s %s not found' % (kind[:-1], name))

    def node(self, name, role, address):
        return {'ID': ('id' + name).ljust(25, 'x'), 'CreatedAt': now(), 'Version': {'Index': 9},
                'Spec': {'Labels': {}, 'Role': role, 'Availability': 'active'},
                'Description': {'Hostname': name}, 'Status': {'State': 'ready', 'Addr': address},
                **({'ManagerStatus': {'Leader': True, 'Reachability': 'reachable'}}
                   if role == 'manager' else {})}

    def tasks(self, query):
        if 'filters' not in query:
            return [{'ID': 't%s%d' % (s['ID'][:12], i), 'ServiceID': s['ID'], 'CreatedAt': BEFORE,
                     'NodeID': self.node(*NODES[i % len(NODES)])['ID'], 'DesiredState': 'running',
                     'Status': {'State': 'running', 'Timestamp': now()}}
                    for s in self.swarm['services'].values()
                    for i in range(s['Spec']['Mode'].get('Replicated', {}).get('Replicas', 0))]
        asked = json.loads(query['filters'][0])
        of = (self.services(query) if 'label' in asked else
              [self.swarm['services'][self.find('services', asked['service'][0])]])
        return [self.task(i, s['ID']) for s in of for i in range(self.wanted(s['Spec']['Mode']))]

    def wanted(self, mode):
        return mode['Replicated'].get('Replicas', 1) if 'Replicated' in mode else len(NODES)

    def task(self, i, service=''):
        return {'ID': 't%024d' % i, 'CreatedAt': BEFORE, 'DesiredState': 'running', 'Slot': i + 1,
                'ServiceID': service, 'NodeID': self.node(*NODES[0])['ID'],
                'Status': {'State': 'running', 'Timestamp': now(),
                           'ContainerStatus': {'ContainerID': '%064x' % i}}}

    def services(self, query):
        """A name is one that begins so, as the Engine has it."""
        asked = json.loads(query['filters'][0]) if 'filters' in query else {}
        label, name = asked.get('label', [None])[0], asked.get('name', [''])[0]
        return [s for s in self.swarm['services'].values() if s['Spec']['Name'].startswith(name) and
                (label is None or label in ['%s=%s' % v for v in s['Spec'].get('Labels', {}).items()])]

    def create(self, kind, name, body):
        self.swarm[kind][name] = body
        self.save()

    def answer(self, method, path, query, body):
        """Status and document."""
        what = (method, path[0], path[-1] if len(path) > 1 else '')
        if what == ('GET', '_ping', ''):
            return 200, 'OK'
        if what == ('GET', 'nodes', ''):
            if 'refuses' in self.swarm:
                raise Refused(503, self.swarm['refuses'])
            return 200, [self.node(*n) for n in NODES]
        if what == ('GET', 'info', ''):
            return 200, {'Name': 'master0', 'ServerVersion': '24.0.7', 'DockerRootDir': '/var/lib/docker',
                         'Swarm': {'NodeID': self.node(*NODES[0])['ID'], 'LocalNodeState': 'active',
                                   'ControlAvailable': True, 'Cluster': {'ID': 'cluster0'}}}
        if what[:2] == ('GET', 'nodes'):
            return 200, next(n for n in map(lambda n: self.node(*n), NODES) if n['ID'] == path[1])
        if what == ('POST', 'nodes', 'update') or what == ('POST', 'swarm', 'init'):
            return 200, '"of no account"'
        if what == ('GET', 'swarm', 'unlockkey'):
            return 200, {'UnlockKey': ''}
        if what in (('GET', 'secrets', ''), ('GET', 'configs', ''), ('GET', 'containers', 'json')):
            return 200, []
        if what == ('GET', 'networks', ''):
            return 200, list(self.swarm['networks'].values())
        if what == ('GET', 'networks', 'docker_gwbridge'):
            return 200, {'Options': {'com.docker.network.driver.mtu': '1400'}}
        if what[:2] == ('GET', 'distribution'):
            ours = '127.0.0.1:1339' in path
            return 200, {'Descriptor': {'digest': our_digest() if ours else 'sha256:' + '0' * 64},
                         'Platforms': [{'architecture': 'arm64' if '@' in path[-2] else 'amd64', 'os': 'linux'}]}
        if what == ('GET', 'swarm', ''):
            return 200, {'Version': {'Index': 10}, 'Spec': {
                             'Name': 'default', 'Labels': {},
                             'EncryptionConfig': {'AutoLockManagers': False}},
                         'JoinTokens': {'Worker': 'SWMTKN-1-a', 'Manager': 'SWMTKN-1-b'}}
        if what == ('POST', 'swarm', 'update'):
            if query != {'version': ['10'], 'rotateWorkerToken': ['true'],
                         'rotateManagerToken': ['true']} or body['Name'] != 'default':
                raise Refused(500, 'rpc error: code = Unknown desc = update out of sequence')
            return 200, None
        if what == ('GET', 'tasks', ''):
            return 200, self.tasks(query)
        if what[:2] == ('GET', 'tasks'):
            return 200, self.task(int(path[1][1:]))
        if what == ('GET', 'services', 'logs'):
            return 200, frame(1, '%s com.docker.swarm.node.id=%s,com.docker.swarm.service.id=%s,'
                              'com.docker.swarm.task.id=%s a page was asked for\n' % (
                                  now(), self.node(*NODES[0])['ID'], path[1], self.task(0)['ID']))
        if what == ('POST', 'containers', 'exec'):
            return 201, {'Id': 'exec0'}
        if what == ('POST', 'exec', 'start'):
            return 101, frame(1, 'master0\n')
        if what == ('GET', 'exec', 'json'):
            return 200, {'Running': False, 'ExitCode': 0}
        if what == ('GET', 'services', ''):
            return 200, self.services(query)
        if what == ('POST', 'services', 'create'):
            id = 'sv%023d' % self.swarm['changes']
            self.create('services', body['Name'], {
                'ID': id, 'Version': {'Index': 20}, 'UpdatedAt': now(), 'Spec': body})
            return 201, {'ID': id}
        if what == ('POST', 'services', 'update'):
            s = self.swarm['services'][self.find('services', path[1])]
            if query['version'] != [str(s['Version']['Index'])]:
                raise Refused(500, 'rpc error: code = Unknown desc = update out of sequence')
            s.update(Spec=body, UpdatedAt=now(), Version={'Index': s['Version']['Index'] + 1})
            self.save()
            return 200, {}
        if what == ('POST', 'networks', 'create'):
            id = 'nw%023d' % self.swarm['changes']
            self.create('networks', body['Name'], {'Id': id, 'Name': body['Name'], 'Scope': 'swarm',
                                                   'Labels': body.get('Labels', {})})
            return 201, {'Id': id}
        if path[0] in ('services', 'networks') and len(path) == 2:
            key = self.find(path[0], path[1])
            if method == 'GET':
                return 200, self.swarm[path[0]][key]
            if method == 'DELETE':
                del self.swarm[path[0]][key]
                self.save()
                return 200 if path[0] == 'services' else 204, None
        raise Refused(404, 'page not found')


class Raft(Engine):
    """Masters: {"master1": "leader", "reachable", "unreachable", or "worker"}.  A
    majority of members that can be reached is what it takes to tell nodes.  One
    whose row was removed has joined again when it is looked for the third time."""

    def rows(self):
        raft = self.swarm['raft']
        for name, v in list(self.swarm.get('joins', {}).items()):
            self.swarm['joins'][name] = v - 1
            if v == 0:
                del self.swarm['joins'][name]
                raft[name] = 'reachable'
                self.swarm.setdefault('ids', {})[name] = 'new' + name
            self.save()
        members = [v for v in raft.values() if v != 'worker']
        if sum(v != 'unreachable' for v in members) * 2 <= len(members):
            raise Refused(503, 'The swarm does not have a leader. ...')
        for name, v in raft.items():
            n = self.node(name, 'worker', '10.77.0.1' + name[-1])
            n['ID'] = (self.swarm.get('ids', {}).get(name, 'id' + name)).ljust(25, 'x')
            n['Spec']['Labels'] = self.swarm.get('labels', {}).get(n['ID'], {})
            if v != 'worker':
                n['Spec']['Role'] = 'manager'
                n['ManagerStatus'] = {'Leader': v == 'leader', 'Addr': '10.77.0.1%s:2377' % name[-1],
                                      'Reachability': 'unreachable' if v == 'unreachable' else 'reachable'}
            if name in self.swarm.get('stale', []):
                n['Spec']['Role'] = 'manager'
            n['Status']['State'] = 'down' if v in ('unreachable', 'worker') else 'ready'
            yield name, n

    def answer(self, method, path, query, body):
        if path == ['info']:
            return 200, {'Name': 'master0', 'Swarm': {
                'LocalNodeState': 'active', 'ControlAvailable': True, 'NodeID': 'idmaster0',
                'Cluster': {'ID': 'thecluster'}}}
        if path == ['swarm']:
            return 200, {'Version': {'Index': self.swarm['changes']}, 'Spec': self.swarm.get('spec', {})}
        if path == ['swarm', 'update']:
            self.swarm['spec'] = body
            self.save()
            return 200, {}
        if path == ['swarm', 'init']:
            if not body['ForceNewCluster']:
                raise Refused(503, 'This node is already part of a swarm')
            alone = 'master%d' % (int(body['AdvertiseAddr'].split('.')[3]) - 10)
            self.swarm['stale'] = [k for k in self.swarm['raft'] if k != alone]
            self.swarm['raft'] = {k: 'leader' if k == alone else 'worker' for k in self.swarm['raft']}
            self.swarm['done'] = self.swarm.get('done', []) + ['alone']
            self.save()
            return 200, '"idmaster0"'
        if path[0] != 'nodes':
            return super().answer(method, path, query, body)
        if len(path) == 1:
            return 200, [n for _, n in self.rows()] + [self.node(*n) for n in NODES[1:]]
        for name, n in list(self.rows()):
            if n['ID'] != path[1]:
                continue
            if method == 'GET':
                return 200, n
            if method == 'DELETE':
                if self.swarm['raft'][name] != 'worker':
                    raise Refused(400, 'node %s is a cluster manager and must be demoted' % name)
                del self.swarm['raft'][name]
                self.swarm.setdefault('joins', {})[name] = 3
                self.swarm['done'] = self.swarm.get('done', []) + ['removed ' + name]
            else:
                self.swarm.setdefault('labels', {})[n['ID']] = body['Labels']
                if body['Role'] == 'worker' and self.swarm['raft'][name] != 'worker':
                    if self.swarm['raft'][name] == 'leader':
                        heir = next(k for k, v in self.swarm['raft'].items() if v == 'reachable')
                        self.swarm['raft'][heir] = 'leader'
                    self.swarm['raft'][name] = 'worker'
                    self.swarm['done'] = self.swarm.get('done', []) + ['demoted ' + name]
            self.save()
            return 200, {}
        raise Refused(404, 'node %s not found' % path[1])


class Helper(Engine):
    """What a master's helper says on its socket, where all goes at once."""

    def row(self, name, role, address):
        # who looks again sees other nodes: each has come back meanwhile
        return {'id': 'id%s%d' % (name, time.time()), 'hostname': name, 'address': address, 'role': role,
                'leader': role == 'manager', 'reachable': role == 'manager', 'created': now(),
                'state': 'ready', 'availability': 'active'}

    def answer(self, method, path, query, body):
        if path == ['nodes']:
            agents = [('agents%06d' % i, 'worker', '10.77.16.%d' % (4 + i)) for i in range(6)]
            return 200, [self.row(*n) for n in NODES[:1] + agents]
        if path[0] == 'health':
            return 200, {'status': 200}
        if path[0] in ('evict', 'return', 'stop'):
            return 200, {'stage': 'out', 'state': 'ready', 'availability': 'drain'}
        raise Refused(404, 'no such path')


async def engine(kind, where, reader, writer):
    """One connection to Docker's socket, or the helper's."""
    while True:
        try:
            head = (await reader.readuntil(b'\r\n\r\n')).decode().split('\r\n')
        except (asyncio.IncompleteReadError, OSError, asyncssh.Error):
            break
        method, target, _ = head[0].split(' ')
        fields = {k.lower(): v.strip() for k, _, v in (x.partition(':') for x in head[1:])}
        body = await reader.readexactly(int(fields.get('content-length', 0)))
        path, _, query = target.partition('?')
        words = [w for w in path.split('/') if w and not w.startswith('v1.')]
        try:
            if kind is Engine and 'raft' in kind(where).swarm:
                kind = Raft
            status, doc = kind(where).answer(method, words, urllib.parse.parse_qs(query),
                                               json.loads(body) if body else None)
        except Refused as e:
            status, doc = e.args[0], {'message': e.args[1]}
        if status == 101:	# and all that is said, and its end
            writer.write(b'HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n' + doc)
            break
        text = doc if isinstance(doc, bytes) else (
            doc if isinstance(doc, str) else '' if doc is None else json.dumps(doc)).encode()
        length = b'' if status == 204 else b'Content-Length: %d\r\n' % len(text)
        writer.write(b'HTTP/1.1 %d X\r\nApi-Version: 1.41\r\n%s\r\n%s' %
                     (status, length, text))
    writer.close()


async def web(reader, writer):
    await reader.readuntil(b'\r\n\r\n')
    writer.write(b'HTTP/1.0 200 OK\r\n\r\non paper\n')
    writer.write_eof()


async def pump(reader, writer):
    try:
        while True:
            b = await reader.read(65536)
            if not b:
                break
            writer.write(b)
        writer.write_eof()
    except (OSError, asyncssh.Error):
        pass


async def through(port, reader, writer):
    there, back = await asyncio.open_connection('127.0.0.1', port)
    await asyncio.gather(pump(reader, back), pump(there, writer))
    back.close()


class Master(asyncssh.SSHServer):
    agents_port = 0

    def connection_made(self, conn):
        self.where = places + '/' + conn.get_extra_info('sockname')[0]

    def unix_connection_requested(self, path):
        return lambda r, w: engine(Helper if 'helper' in path else Engine, self.where, r, w)

    def connection_requested(self, host, port, *of):
        if port == 22 and host in AGENTS:
            return lambda r, w: through(Master.agents_port, r, w)
        return web


def command(name):
    async def run(process):
        if process.command == 'hostname':
            process.stdout.write(name.encode() + b'\n')
        elif process.command and process.command.startswith('sudo -n journalctl '):
            process.stdout.write(b'swarm-helper: here\n')
        elif process.command == 'sudo -n /bin/sh -s':	# azswarm upgrade
            head = (await process.stdin.read()).split(b'\n', 1)[0]
            if head == b'mode=apply engine=yes':
                process.stdout.write(b'engine 2\nend\n')
            elif head == b'mode=look engine=yes':
                process.stdout.write(b'wants docker.io 1 to 2\nengine 1\n' +
                                     (b'' if name == 'master0' else b'reboot\n') + b'end\n')
            else:
                process.stdout.write(b'version 0.0.1\nend\n')
        elif process.command == 'sudo -n /usr/local/bin/azswarm prune':
            keeps = await process.stdin.read()
            process.stdout.write(b'image 1048576 old:1\nfreed 1048576\nend\n' if keeps.endswith(b'\nend\n') else b'')
        elif process.command and process.command.startswith('sudo -n sh -c '):
            # a script, with two words behind it: what an engine keeps of its swarm
            if process.command.endswith(" pack '/var/lib/docker'"):
                process.stdout.write(b'5\nstate')
            elif process.command.endswith(" stage '/var/lib/docker'"):
                got = await process.stdin.read()
                process.exit(0 if got == b'state' else 1)
                return
        else:
            process.stderr.write(b'what?\n')
            process.exit(5)
            return
        process.exit(0)
    return run


async def main():
    of = {'encoding': None, 'authorized_client_keys': keys + '/cluster.pub'}
    await asyncssh.create_server(
        Master, '0.0.0.0', 22, server_host_keys=[keys + '/host-master.pem'],
        process_factory=command('master0'), **of)
    agents = await asyncssh.create_server(
        asyncssh.SSHServer, '127.0.0.1', 0, server_host_keys=[keys + '/host-agent.pem'],
        process_factory=command('agents000000'), **of)
    Master.agents_port = agents.sockets[0].getsockname()[1]
    open(ready, 'w').close()
    await asyncio.Event().wait()


asyncio.run(main())
