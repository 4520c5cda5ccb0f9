#!/usr/bin/env python3
# Compose files, each deployed by an unmodified docker CLI to an engine that records,
# and read by ours: are the bodies the same?
#
#	tests/compose_same.py NAME DOCKER TOOL FILE...
#
# prints 'ok NAME FILE' or 'not ok NAME FILE: why'.  Comments in a file say what is
# special about it:
#
#	# var NAME=value	is set for both
#	# docker refuses: WORDS	and ours takes it: WORDS are a part of what it says
#	# both refuse: DOCKER'S WORDS | OURS
#	# differs PATH: WHY	this must be another, everything else the same; a
#				path is services.stack_web.TaskTemplate...
#	# ignored: WORDS	ours says so
#	# not before VERSION: WHY	an older docker is not asked
import base64
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import recorder

# What docker's clients of different ages put in, and the Engine takes for nothing.
EMPTY = (None, '', [], {}, False)


def flat(path, v, out):
    """PATH -> value of all leaves."""
    if isinstance(v, dict) and v:
        for k, item in v.items():
            flat(path + '.' + k, item, out)
    elif isinstance(v, list) and v:
        for i, item in enumerate(v):
            flat('%s[%d]' % (path, i), item, out)
    else:
        out[path] = v
    return out


def without_empty(v, keep=()):
    if not isinstance(v, dict):
        return v
    return {k: item for k, item in v.items() if k in keep or item not in EMPTY}


def network(body):
    # asks that no two have one name; the default since API 1.44, and nothing else
    body.pop('CheckDuplicate', None)
    if body.get('IPAM'):
        body['IPAM'] = without_empty(body['IPAM'])
    return without_empty(body)


def config(body):
    body.pop('Named', None)
    if 'Data' in body:
        body['Data'] = base64.b64decode(body['Data']).decode('latin-1')
    # an empty one: docker leaves it out
    return without_empty(body, ('Labels',))


def service(body):
    task = body['TaskTemplate']
    spec = task['ContainerSpec']
    # null is nothing; {} may be more
    strip_nulls(body)
    for ref in spec.get('Secrets', []) + spec.get('Configs', []):
        for kind in ('Secret', 'Config'):
            # ours has no IDs: docker's are the recorder's for the same name
            given = ref.pop(kind + 'ID', None)
            if given is not None and given != 'id-' + ref[kind + 'Name']:
                ref[kind + 'ID'] = given
    # newer clients say what older ones leave out: that it is not set
    if spec.get('Privileges', {}).get('NoNewPrivileges') is False:
        del spec['Privileges']['NoNewPrivileges']
    credential = spec.get('Privileges', {}).get('CredentialSpec')
    if credential and credential['Config'] and not credential['Config'].startswith('id-'):
        credential['Config'] = 'id-' + credential['Config']
    # sets: each version of docker sorts ports in its own way, and references to one
    # name not at all
    for some in (body.get('EndpointSpec', {}).get('Ports'), spec.get('Secrets'), spec.get('Configs')):
        if some:
            some.sort(key=lambda v: json.dumps(v, sort_keys=True))
    return body


def strip_nulls(v):
    if isinstance(v, dict):
        for k in [k for k, item in v.items() if item is None]:
            del v[k]
    for item in v.values() if isinstance(v, dict) else v if isinstance(v, list) else ():
        strip_nulls(item)


MADE = {'networks': network, 'configs': config, 'secrets': config, 'services': service}


def recorded(where):
    out = {}
    for kind, normal in MADE.items():
        for name in os.listdir(os.path.join(where, kind)):
            with open(os.path.join(where, kind, name)) as f:
                body = json.load(f)
            out['%s.%s' % (kind, body['Name'])] = normal(body)
    return out


def ours(doc):
    out = {}
    for kind, normal in MADE.items():
        for body in doc[kind]:
            if not body.get('External'):
                out['%s.%s' % (kind, body['Name'])] = normal(body)
    return out


class Case:
    def __init__(self, path):
        self.path = path
        with open(path, encoding='utf-8', errors='replace') as f:
            lines = [line[2:].rstrip('\n') for line in f if line.startswith('# ')]
        def of(word):
            return [line[len(word):].strip() for line in lines if line.startswith(word)]
        self.var = dict(v.split('=', 1) for v in of('var '))
        self.refused = of('docker refuses:')
        self.both = [v.split('|') for v in of('both refuse:')]
        self.differs = dict(v.split(': ', 1) for v in of('differs '))
        self.ignored = of('ignored:')
        self.since = [v.split(':')[0] for v in of('not before ')]

    def env(self, home):
        return {'PATH': os.environ['PATH'], 'HOME': home, 'LC_ALL': 'C', **self.var}


def deploy(docker, case, work):
    """Exit code, what docker said, where it is recorded."""
    where, socket = os.path.join(work, 'recorded'), os.path.join(work, 'sock')
    server = recorder.serve(socket, where, ('*',))
    try:
        r = subprocess.run([docker, '--config', os.path.join(work, 'none'), '-H', 'unix://' + socket,
                            'stack', 'deploy', '--resolve-image', 'never', '-c', case.path, 'stack'],
                           env=case.env(work), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, timeout=60)
    finally:
        server.shutdown()
        server.server_close()
    return r.returncode, r.stdout.decode(errors='replace'), where


def read(tool, case, work):
    env = case.env(work)
    for name in ('ASAN_OPTIONS', 'UBSAN_OPTIONS'):
        if name in os.environ:
            env[name] = os.environ[name]
    r = subprocess.run([tool, case.path, 'stack'], env=env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    return r.returncode, r.stdout, r.stderr.decode(errors='replace')


def differences(case, theirs, own):
    a, b = {}, {}
    for name, body in theirs.items():
        flat(name, body, a)
    for name, body in own.items():
        flat(name, body, b)
    why = []
    for path in sorted(set(a) | set(b)):
        same = path in a and path in b and a[path] == b[path] and type(a[path]) is type(b[path])
        # 1 and 1.0 are one number in JSON
        if not same and isinstance(a.get(path), (int, float)) and a.get(path) == b.get(path):
            same = True
        excused = next((d for d in case.differs if path == d or path.startswith(d + '.') or
                        path.startswith(d + '[')), None)
        if excused and not same:
            case.differs[excused] = None
        elif not same:
            why.append('%s: docker has %s, ours %s' % (path, json.dumps(a.get(path, '(nothing)')),
                                                       json.dumps(b.get(path, '(nothing)'))))
    for path, reason in case.differs.items():
        if reason is not None:
            why.append('%s is the same, and should not be' % path)
    return why


def hold(docker, tool, path):
    """None, or what is wrong."""
    case = Case(path)
    work = tempfile.mkdtemp(prefix='compose')
    try:
        code, said, where = deploy(docker, case, work)
        own, out, err = read(tool, case, work)
        said = said.strip().replace('\n', ' ')
        if case.both:
            if code == 0 or case.both[0][0].strip() not in said:
                return 'docker should have refused it: ' + said
            if own != 1 or case.both[0][1].strip() not in err:
                return 'ours should have refused it: ' + (err or 'taken')
            return None
        if own != 0:
            return 'ours: %s (docker: %s)' % (err.strip(), said if code else 'takes it')
        doc = json.loads(out)
        for words in case.ignored:
            if words not in doc['ignored']:
                return '"%s" is not among %s' % (words, doc['ignored'])
        if case.refused:
            if code == 0 or case.refused[0] not in said:
                return 'docker should have refused it: ' + said
            return None
        if code != 0:
            return 'docker: ' + said
        return '; '.join(differences(case, recorded(where), ours(doc))) or None
    finally:
        shutil.rmtree(work)


def version(docker):
    said = subprocess.run([docker, '--version'], stdout=subprocess.PIPE).stdout.decode()
    return tuple(int(n) for n in re.search(r'(\d+)\.(\d+)', said).groups())


def main():
    name, docker, tool, *files = sys.argv[1:]
    have = version(docker)
    for path in files:
        since = Case(path).since
        if since and have < tuple(int(n) for n in since[0].split('.')):
            print('# %s %s: not before %s' % (name, os.path.basename(path), since[0]))
            continue
        why = hold(docker, tool, path)
        label = '%s %s' % (name, os.path.basename(path))
        print('ok ' + label if why is None else 'not ok %s: %s' % (label, why.replace('\n', ' ')), flush=True)


main()
