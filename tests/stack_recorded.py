#!/usr/bin/env python3
# What deploy-stack sends to an engine that records, in the form of compose_tool, so
# that compose_same.py can hold it against docker's: without what it puts in by itself,
# which is the MTU of networks and the content in names.
#
#	tests/stack_recorded.py FILE NAME
import json
import os
import re
import subprocess
import sys
import tempfile

import recorder

path, stack = os.path.abspath(sys.argv[1]), sys.argv[2]
tools = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'build/tests')
read = subprocess.run([tools + '/compose_tool', path, stack], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
if read.returncode != 0:
    sys.stderr.buffer.write(read.stderr)
    sys.exit(read.returncode)
doc = json.loads(read.stdout)
external = [item['Name'] for kind in ('networks', 'configs', 'secrets') for item in doc[kind]
            if item.get('External')]
work = tempfile.mkdtemp(prefix='stack')
os.chdir(work)
os.mkdir('keys', 0o700)
with open(os.open('keys/backup.key', os.O_CREAT | os.O_WRONLY, 0o600), 'w') as f:
    f.write('07' * 32)
server = recorder.serve(work + '/sock', work + '/made', external)
run = subprocess.run([tools + '/stack_tool', work + '/sock', 'deploy-stack', path, stack, '--no-wait'],
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
server.shutdown()
if run.returncode != 0:
    sys.stderr.buffer.write(run.stderr)
    sys.exit(run.returncode)


def plain(name):
    return re.sub(r'^((?:id-)?%s_.*)_[0-9a-f]{12}$' % re.escape(stack), r'\1', name)


out = {'ignored': doc['ignored']}
for kind in recorder.KINDS:
    out[kind] = []
    for name in sorted(os.listdir(work + '/made/' + kind)):
        with open(work + '/made/%s/%s' % (kind, name)) as f:
            body = json.load(f)
        if kind in ('configs', 'secrets'):
            body['Name'] = plain(body['Name'])
        if kind == 'networks' and (body.get('Options') or {}).get('com.docker.network.driver.mtu') == '1400':
            del body['Options']['com.docker.network.driver.mtu']
        if kind == 'services':
            body['TaskTemplate'].setdefault('ForceUpdate', 0)
            if body['TaskTemplate']['ForceUpdate'] != 0:
                sys.exit('ForceUpdate')
            spec = body['TaskTemplate']['ContainerSpec']
            for ref in (spec.get('Secrets') or []) + (spec.get('Configs') or []):
                for member in list(ref):
                    if member in ('SecretName', 'ConfigName', 'SecretID', 'ConfigID'):
                        ref[member] = plain(ref[member])
            credential = (spec.get('Privileges') or {}).get('CredentialSpec')
            if credential and credential['Config']:
                if not credential['Config'].startswith('id-'):
                    sys.exit('a name for an ID: ' + credential['Config'])
                credential['Config'] = plain(credential['Config'])
        out[kind].append(body)
print(json.dumps(out))
