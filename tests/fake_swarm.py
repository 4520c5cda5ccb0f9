#!/usr/bin/env python3
# Write the files of fake_engine.py: a swarm of three masters and some agents.
#
#	tests/fake_swarm.py DIR [AGENTS [web.3=agents000002]...]
#
# web has eight tasks, tool one a node, redis one; NAME=NODE puts a task
# elsewhere, NAME=NODE:STATE gives it a state, NODE=down takes a node down.
# NODE=evict:TEXT is its label of that name, web=N has that many tasks.  SWARM_NET
# is in front of the addresses instead of 10.77.
import datetime
import hashlib
import json
import os
import sys

where, agents = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 4
wish = dict(a.split('=', 1) for a in sys.argv[3:])
net = os.environ.get('SWARM_NET', '10.77')
now = datetime.datetime.utcnow().strftime('%Y-%m-%dT%H:%M:%S.123456789Z')
nodes = []


def node(name, role, address, **manager):
    n = {
        'ID': ('id' + name).ljust(25, 'x')[:25], 'Version': {'Index': 9},
        'CreatedAt': now, 'UpdatedAt': now,
        'Spec': {'Labels': {}, 'Role': role, 'Availability': 'active'},
        'Description': {
            'Hostname': name, 'Platform': {'Architecture': 'x86_64', 'OS': 'linux'},
            'Resources': {'NanoCPUs': 2000000000, 'MemoryBytes': 4109193216},
            'Engine': {'EngineVersion': '29.2.1'}},
        'Status': {'State': 'ready', 'Addr': address}}
    if manager:
        n['ManagerStatus'] = manager
    if wish.get(name) == 'down':
        n['Status'] = {'State': 'down', 'Message': 'heartbeat failure', 'Addr': address}
    elif wish.get(name, '').startswith('evict:'):
        n['Spec']['Labels']['azswarm.evict'] = wish[name][6:]
    elif wish.get(name):
        n['Spec']['Availability'] = wish[name]
    nodes.append(n)


node('master0', 'manager', '0.0.0.0', Leader=True, Reachability='reachable', Addr=net + '.0.10:2377')
node('master1', 'manager', net + '.0.11', Reachability='reachable', Addr=net + '.0.11:2377')
node('master2', 'manager', net + '.0.12', Reachability='reachable', Addr=net + '.0.12:2377')
for i in range(agents):
    node('agents%06d' % i, 'worker', '%s.%d.%d' % (net, 16 + (4 + i) // 256, (4 + i) % 256))
ids = {n['Description']['Hostname']: n['ID'] for n in nodes}
workers = [n for n in nodes if n['Spec']['Role'] == 'worker'] or nodes


def service(name, mode, image, port=None, **more):
    return {
        'ID': ('sv' + name).ljust(25, 'x')[:25], 'Version': {'Index': 20}, 'CreatedAt': now,
        'UpdatedAt': now,
        'Spec': {'Name': name, 'Labels': {}, 'Mode': mode, 'TaskTemplate': {'ContainerSpec': {
            'Image': image + '@sha256:' + '0' * 64, 'Env': ['PASSWORD=do-not-show-me']}}},
        'Endpoint': {'Ports': [{'PublishedPort': port, 'TargetPort': 8000}]} if port else {}, **more}


services = [
    service('web', {'Replicated': {'Replicas': int(wish.get('web', 8))}}, '127.0.0.1:1339/azswarm:0.1.0', 80),
    service('tool', {'Global': {}}, '127.0.0.1:1339/azswarm:0.1.0', 81),
    service('redis', {'Replicated': {'Replicas': 1}}, 'redis:7-alpine'),
]
tasks = []


def task(name, slot, node_name, number=0):
    label = '%s.%s' % (name, slot or node_name)
    where_to, _, state = wish.get(label, node_name).partition(':')
    t = {
        'ID': ('t%d%s%s' % (number, name, slot or node_name)).ljust(25, 'x')[:25],
        'CreatedAt': now, 'UpdatedAt': now, 'Spec': {'ContainerSpec': {'Env': ['PASSWORD=do-not-show-me']}},
        'ServiceID': ('sv' + name).ljust(25, 'x')[:25], 'NodeID': ids.get(where_to, ''),
        'Status': {'Timestamp': now, 'State': state or 'running', 'ContainerStatus': {'ExitCode': 0}},
        'DesiredState': 'running'}
    if not state or state == 'stopping':
        t['Status']['ContainerStatus']['ContainerID'] = hashlib.sha256(t['ID'].encode()).hexdigest()
    if slot:
        t['Slot'] = slot
    if state == 'failed':
        t['DesiredState'] = 'shutdown'
        t['Status']['Err'] = 'task: non-zero exit (1)'
    if state == 'pending':
        t['NodeID'] = ''
        t['Status']['Err'] = 'no suitable node (insufficient resources on 3 nodes)'
    if state == 'stopping':
        t['Status']['State'], t['DesiredState'] = 'running', 'shutdown'
    if label in wish and not state and where_to != node_name:
        # the task it takes the place of
        tasks.append({**t, 'ID': t['ID'][::-1], 'NodeID': ids[node_name], 'DesiredState': 'shutdown',
                      'Status': {**t['Status'], 'State': 'shutdown'}})
    tasks.append(t)


for i in range(int(wish.get('web', 8))):
    task('web', i + 1, workers[i % len(workers)]['Description']['Hostname'])
for n in nodes:
    if n['Status']['State'] == 'ready':
        task('tool', 0, n['Description']['Hostname'])
task('redis', 1, 'master0')
for name, what in (('nodes', nodes), ('services', services), ('tasks', tasks)):
    with open('%s/%s.json.part' % (where, name), 'w') as f:
        json.dump(what, f)
for name in 'nodes', 'services', 'tasks':
    os.rename('%s/%s.json.part' % (where, name), '%s/%s.json' % (where, name))
with open(where + '/events', 'a') as f:
    f.write('{"Type":"service","Action":"update","Actor":{"ID":"x"},"scope":"swarm"}\n')
