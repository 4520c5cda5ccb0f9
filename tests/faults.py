"""
Every command through every fault: what becomes of it is in the tables below.

    faults.py quick|all AZSWARM CLIENT TEST

AZSWARM serves as the local Azure, CLIENT (a build with sanitizers) is driven.
A cluster on paper is made once; each case gets a copy of it, with a local
Azure of its own, and afterwards the command again without faults.  Most of
the time is spent in pauses, so many cases run at a time.

quick takes each fault at one request of every third command, always another;
all takes every request of every command.
"""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from email.utils import formatdate

HTTP = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
LIMIT_S = 100			# of one command; more is a hang
MODE, AZSWARM, CLIENT, TEST = sys.argv[1:5]
TOP = os.getcwd()
SHORT = {'request': '*', 'fields': ['Retry-After: 0']}	# polls come after a second

# ---- commands: name, words, the cluster they find, what they may not repeat ----

EMPTY, STORED, READY, RUNNING = 'empty', 'stored', 'ready', 'running'
COMMANDS = [
    (EMPTY, 'deploy-storage'),
    (STORED, 'create-shares'),
    (STORED, 'params'),
    (READY, 'deploy-compute'),
    (READY, 'plan'),
    (RUNNING, 'status'),
    (RUNNING, 'view-deployment'),
    (RUNNING, 'list-agents'),
    (RUNNING, 'list-endpoints'),
    (RUNNING, 'resources'),
    (RUNNING, 'locations'),
    (RUNNING, 'sizes'),
    (RUNNING, 'scale-agents 4'),
    (RUNNING, 'scale-agents 2'),
    (RUNNING, 'stop-agents'),
    (RUNNING, 'start-agents'),
    (RUNNING, 'deallocate-agents'),
    (RUNNING, 'destroy-compute --confirm swarm-cluster'),
    (STORED, 'destroy-storage --confirm swarm-storage'),
    (RUNNING, 'destroy-cluster --confirm swarm-cluster'),
]

# ---- faults of one request: name, rule, what becomes of the command ----
# "done" where the request may be sent again; ONCE is what must not be, and
# what is said then.

ONCE = re.compile(r'POST .*/delete\?')
UNKNOWN = (1, r'unknown whether Azure took this.*list-agents')
DONE = (0, '')
PASSING = [
    ('408', {'status': 408}, DONE, (1, 'HTTP 408')),
    ('429, seconds', {'status': 429, 'retryAfter': 1}, DONE, DONE),
    ('429, a date', {'status': 429, 'retryAfter': 'DATE'}, DONE, DONE),
    ('500', {'status': 500}, DONE, (1, 'HTTP 500')),
    ('500, done all the same', {'status': 500, 'late': True}, DONE, (1, 'HTTP 500')),
    ('502', {'status': 502}, DONE, (1, 'HTTP 502')),
    ('503', {'status': 503}, DONE, (1, 'HTTP 503')),
    ('503, come again', {'status': 503, 'retryAfter': 0}, DONE, DONE),
    ('504', {'status': 504}, DONE, (1, 'HTTP 504')),
    ('reset before the answer', {'reset': True}, DONE, UNKNOWN),
    ('reset, done all the same', {'reset': True, 'late': True}, DONE, UNKNOWN),
    ('closed before the answer', {'raw': ''}, DONE, UNKNOWN),
    ('closed within the header', {'raw': HTTP + 'Content-Len'}, DONE, UNKNOWN),
    ('closed after the answer', {'fields': ['Retry-After: 0', 'Connection: close']}, DONE, DONE),
    ('a body cut short', {'raw': HTTP + 'Content-Length: 50\r\n\r\n{"value":['}, DONE, UNKNOWN),
    ('its own body cut short', {'truncate': 9, 'fields': ['Retry-After: 0']}, DONE, DONE),
    ('chunks cut short', {'raw': HTTP + 'Transfer-Encoding: chunked\r\n\r\n40\r\n{"value":['},
     DONE, UNKNOWN),
    ('chunks without an end', {'raw': HTTP + 'Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n'},
     DONE, UNKNOWN),
    ('two lengths', {'raw': HTTP + 'Content-Length: 2\r\nContent-Length: 3\r\n\r\n{} '},
     DONE, UNKNOWN),
    ('a length and chunks', {'raw': HTTP + 'Content-Length: 2\r\nTransfer-Encoding: chunked\r\n'
                             '\r\n2\r\n{}\r\n0\r\n\r\n'}, DONE, UNKNOWN),
    ('an expired token', {'status': 401, 'code': 'ExpiredAuthenticationToken'}, DONE, DONE),
]
LIST = re.compile(r'GET .*/(virtualMachines|networkInterfaces|publicIPAddresses|resources|'
                  r'operations|locations|skus|usages)\?')
TOKEN = re.compile(r'POST .*/oauth2/')
BLOB = re.compile('blob ')
POLL = re.compile(r'GET .*/(asyncoperations|operations|operationStatuses|operationresults)/')

# ---- faults of a command's every request: rule, outcome -------------------

POLICY = [{'type': 'PolicyViolation', 'info': {
    'policyDefinitionDisplayName': 'Allowed locations', 'policyAssignmentName': 'eu-only'}}]
CLAIMS = ('WWW-Authenticate: Bearer realm="", authorization_uri="https://login/x", '
          'error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnsiYSI6bnVsbH19"')
LASTING = [
    ('500', {'status': 500, 'retryAfter': 0}, (1, 'HTTP 500')),
    ('429', {'status': 429, 'code': 'TooManyRequests', 'retryAfter': 0}, (1, 'TooManyRequests')),
    ('400', {'status': 400, 'code': 'InvalidParameter', 'message': 'no'},
     (1, r'InvalidParameter: no \[HTTP 400, request .*, correlation ')),
    ('no right', {'status': 403, 'code': 'AuthorizationFailed', 'message': 'not for you'},
     (1, 'AuthorizationFailed: not for you .*ask for the role Contributor')),
    ('a policy', {'status': 403, 'code': 'RequestDisallowedByPolicy', 'message': 'no',
                  'info': POLICY},
     (1, r'RequestDisallowedByPolicy \(policy "Allowed locations", assignment "eu-only"\): no '
         r'.*; a policy of the subscription')),
    ('a refused token', {'status': 401, 'code': 'InvalidAuthenticationToken', 'message': 'bad'},
     (4, 'InvalidAuthenticationToken: bad')),
    ('claims', {'status': 401, 'code': 'X', 'message': 'mfa', 'fields': [CLAIMS]}, (4, 'X: mfa')),
    ('HTML', {'status': 200, 'body': '<html>sign in</html>'}, (1, 'not JSON')),
    ('nothing', {'status': 200, 'body': ''}, ((0, 1), '')),
    ('gone', {'status': 404, 'code': 'ResourceGroupNotFound', 'message': 'gone'}, ((0, 1), '')),
]

# ---- faults of some commands ----------------------------------------------

STORAGE = '*/Microsoft.Storage/storageAccounts/shared*'
QUOTA = ('Operation could not be completed as it results in exceeding approved Total Regional '
         'Cores quota.')


def nested(code, message):
    return {'status': 400, 'body': json.dumps({'error': {
        'code': 'InvalidTemplateDeployment', 'message': 'See inner errors.',
        'details': [{'code': code, 'message': message}]}})}


SINGLE = [
    # name, commands, rules, outcome, what the log must have
    ('name taken, asked', 'deploy-storage', {'request': '*checkNameAvailability*', 'status': 200,
     'body': '{"nameAvailable":false,"reason":"AlreadyExists","message":"taken"}'},
     (1, 'taken; choose another STORAGE_ACCOUNT_NAME'), ''),
    ('name taken, told', 'deploy-storage', {'request': 'PUT *storageAccounts/*', 'status': 409,
     'code': 'StorageAccountAlreadyTaken', 'message': 'taken'},
     (1, 'StorageAccountAlreadyTaken: taken .*choose another STORAGE_ACCOUNT_NAME'), ''),
    ('provider not registered', 'deploy-storage', {
     'request': 'PUT *storageAccounts/*', 'times': 1, 'status': 409,
     'code': 'MissingSubscriptionRegistration', 'message':
     "The subscription is not registered to use namespace 'Microsoft.Storage'. See https://x"},
     DONE, r'POST .*/providers/Microsoft.Storage/register\?.* -> 200'),
    ('storage is busy', 'create-shares', {'request': 'PUT *shares/*', 'times': 1, 'status': 409,
     'code': 'StorageAccountOperationInProgress'}, DONE, ''),
    ('busy', 'scale-agents 4', {'request': 'PATCH *', 'times': 1, 'status': 409,
     'code': 'AnotherOperationInProgress'}, DONE, ''),
    ('busy', 'scale-agents 2', {'request': 'POST */delete?*', 'times': 1, 'status': 409,
     'code': 'OperationPreempted'}, DONE, ''),
    ('busy', 'deploy-compute', {'request': 'PUT */deployments/*', 'times': 1, 'status': 409,
     'code': 'DeploymentActive'}, DONE, ''),
    ('quota', 'deploy-compute', {'request': '*/validate?*', **nested('QuotaExceeded', QUOTA)},
     (1, 'QuotaExceeded: Operation.* quota.*AGENT_COUNT'), ''),
    ('quota', 'scale-agents 4', {'request': 'PATCH *', 'status': 409,
     'code': 'OperationNotAllowed', 'message': QUOTA},
     (1, 'OperationNotAllowed: .*fewer .AGENT_COUNT.*portal'), ''),
    ('size not available', 'deploy-compute', {'request': '*/validate?*',
     **nested('SkuNotAvailable', 'The requested size is currently not available.')},
     (1, "SkuNotAvailable: .*'azswarm sizes'"), ''),
    ('an agent that is gone', 'scale-agents 2', {
     'request': 'POST */delete?*', 'times': 1, 'status': 400, 'body': json.dumps({'error': {
         'code': 'InvalidParameter', 'target': 'instanceIds', 'message': 'not an active VM'}})},
     DONE, ''),
    ('a policy that wants a token', 'create-shares', [
        {'request': 'PUT *shares/config*', 'times': 1, 'status': 403,
         'code': 'RequestDisallowedByPolicy', 'info': [{'info': {'evaluationDetails': {
             'missingPolicyTokenDetails': {'shouldDeny': True}}}}]},
        {'request': 'POST */acquirePolicyToken*', 'status': 200, 'body': '{"token":"PoP x"}'}],
     DONE, r'(?s)-> 403.*POST .*/acquirePolicyToken.* -> 200.*PUT .*shares/config\?.* -> 20'),
    ('deletes that are blocked', 'destroy-compute --confirm swarm-cluster', {
     'request': 'DELETE *', 'status': 409, 'code': 'ScopeLocked', 'message': 'locked'},
     (1, 'ScopeLocked: locked .*a lock is on it'), ''),
    ('sign-in refused', 'locations', {'request': 'POST *token', 'status': 401,
     'body': '{"error":"invalid_client","error_description":"AADSTS7000222: expired"}'},
     (4, 'AADSTS7000222'), ''),
]
for name, rule, wanted in (('503', {'status': 503}, DONE), ('a reset', {'reset': True}, DONE),
                           ('an answer cut short', {'truncate': 9}, DONE),
                           ('HTML', {'status': 200, 'body': '<html>'}, (1, 'endpoints of .*not JSON'))):
    SINGLE.append(('finding the cloud, ' + name, 'DISCOVER locations',
                   dict(rule, request='GET */metadata/endpoints*', times=1), wanted, ''))
SINGLE.append(('finding the cloud, 500 for ever', 'DISCOVER locations',
               {'request': 'GET */metadata/endpoints*', 'status': 500}, (1, 'endpoints of .*500'), ''))
SOME = [c for _, c in COMMANDS if c.split()[0] in (
    'deploy-storage', 'deploy-compute', 'scale-agents', 'stop-agents', 'start-agents',
    'deallocate-agents', 'destroy-compute', 'destroy-storage')]
for c in SOME:
    deletes = c.startswith('destroy')
    SINGLE += [
        ('an operation that fails', c, {'operation': '*', 'code': 'AllocationFailed',
         'message': 'no room'}, (1, 'AllocationFailed: no room'), ''),
        ('an operation that is cancelled', c, {'operation': '*', 'cancel': True},
         (1, 'OperationPreempted' if deletes or c == 'deploy-storage' else
          'operation Canceled: OperationPreempted'), ''),
        ('a poll URL that is gone', c, [
            {'operation': '*', 'delay_ms': 60000},
            {'request': 'GET *operation*/*', 'status': 404, 'code': 'NotFound', 'retryAfter': 0}],
         (1, 'still there' if deletes else 'NotFound|HTTP 404'), ''),
    ]
LONG = [(c, {'operation': '*', 'delay_ms': 9000, 'times': 1}) for c in SOME]

# ---- a local Azure and a directory for one case ---------------------------


class Case:
    def __init__(self, name, golden):
        self.name = name
        self.dir = os.path.join(TOP, 'cases', re.sub('[^a-z0-9]+', '-', name.lower()))
        shutil.copytree(golden, self.dir)
        self.azure = None
        self.start()

    def start(self):
        self.azure = subprocess.Popen(
            [AZSWARM, 'emulator', '--dir', 'azure', '--listen', '127.0.0.1:0'], cwd=self.dir,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        ready = self.azure.stdout.readline().decode()
        if not ready.startswith('ready '):
            raise RuntimeError('no local Azure: ' + ready)
        self.env = dict(os.environ, XDG_CACHE_HOME=self.dir + '/cache', HOME=self.dir,
                        ASAN_OPTIONS='exitcode=99', UBSAN_OPTIONS='halt_on_error=1:exitcode=99')
        for line in open(self.dir + '/azure/env'):
            k, v = line.split(' ', 1)[1].rstrip('\n').split('=', 1)
            self.env[k] = v.strip("'")

    def faults(self, rules):
        for r in rules:
            if r.get('retryAfter') == 'DATE':
                r['retryAfter'] = formatdate(time.time() + 2, usegmt=True)
        with open(self.dir + '/azure/new', 'w') as f:
            json.dump(rules, f)
        os.rename(self.dir + '/azure/new', self.dir + '/azure/faults.json')

    def log(self):
        with open(self.dir + '/azure/emulator.log', errors='replace') as f:
            return f.read()

    def requests(self):
        return re.findall(r'Z ((?:blob )?(?:GET|PUT|POST|PATCH|DELETE|HEAD) .*?)(?: -> .*)?$',
                          self.log(), re.M)

    def popen(self, words):
        self.words = words
        if words.startswith('DISCOVER '):	# which cloud this is must be asked
            self.env.pop('AZURE_AUTHORITY_HOST', None)
            words = words[9:]
        return subprocess.Popen([CLIENT] + words.split(), cwd=self.dir, env=self.env,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)

    def run(self, words, limit=LIMIT_S):
        return self.ended(self.popen(words), limit)

    def ended(self, p, limit=LIMIT_S):
        try:
            out, err = p.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            p.kill()
            out, err = p.communicate()
            return 'hung', err.decode(errors='replace')
        self.out = out.decode(errors='replace')
        return p.returncode, err.decode(errors='replace')

    def stop(self):
        if self.azure and self.azure.poll() is None:
            self.azure.terminate()
            try:
                self.azure.wait(20)
            except subprocess.TimeoutExpired:
                self.azure.kill()
                self.azure.wait()
            if self.azure.returncode != 0:
                raise RuntimeError('the local Azure ended with %d' % self.azure.returncode)
            self.azure.stdout.close()
        self.azure = None

    def end(self, keep):
        self.stop()
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


# ---- what must hold whatever happened -------------------------------------


def sound(case, got, err, wanted):
    """None, or what is wrong with how a command ended."""
    codes, words = wanted
    if got == 5 and case.words == 'plan':
        got = 0			# there is something to be done
    codes = codes if isinstance(codes, tuple) else (codes,)
    lines = [x for x in err.split('\n') if x.startswith('azswarm: ')]
    if 'Sanitizer' in err or 'runtime error' in err:
        return 'sanitizer: ' + err[-1500:]
    if got not in codes:
        return 'exit %s, not %s: %s' % (got, codes, err[-300:].replace('\n', ' '))
    if got != 0 and (len(lines) != 1 or not err.endswith(lines[0] + '\n')):
        return 'not one line: ' + err[-300:]
    if got != 0 and not re.search(words, lines[0]):
        return "no '%s' in: %s" % (words, lines[0])
    if len(err) > 20000:
        return 'a flood of words'
    return half_written(case)


def half_written(case):
    for path in glob.glob(case.dir + '/parameters/*') + glob.glob(case.dir + '/cache/azswarm/*'):
        if not path.endswith('.json'):
            return path + ' is left behind'
        try:
            json.load(open(path))
        except ValueError:
            return path + ' is half written'
    return None


def again(case, words, want=None):
    """Without faults the same command does what it is for."""
    case.faults([SHORT])
    got, err = case.run(words)
    return sound(case, got, err, DONE) and 'run again: ' + sound(case, got, err, DONE)


# ---- cases ----------------------------------------------------------------


def case_faults(name, golden, words, rules, wanted, log='', deletes=None, hit=True, rerun=True,
                limit=LIMIT_S):
    case = Case(name, golden)
    why = 'broken off'
    try:
        rules = [dict(r, name='on purpose') for r in (rules if isinstance(rules, list) else [rules])]
        case.faults(rules + [SHORT])
        before = len(case.requests())
        got, err = case.run(words, limit)
        why = sound(case, got, err, wanted)
        text = case.log()
        if not why and hit and 'fault on purpose:' not in text:
            why = 'the fault did not come about'
        if not why and log and not re.search(log, text):
            why = "no '%s' in the log" % log
        sent = len([r for r in case.requests()[before:] if ONCE.match(r)])
        if not why and deletes is not None and sent != deletes:
            why = 'sent %d times, not %d' % (sent, deletes)
        if not why and got != 0 and rerun:
            why = again(case, words)
        return why
    finally:
        case.end(why)


def case_refused(name, golden, words):
    case = Case(name, golden)
    why = 'broken off'
    try:
        case.run('locations')		# for a token
        case.stop()
        with socket.socket() as s:	# or another case's could have the port
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(('127.0.0.1', int(case.env['AZURE_AUTHORITY_HOST'].rsplit(':')[-1])))
            got, err = case.run(words)
        why = sound(case, got, err, (1, 'refused'))
        case.start()
        return why or again(case, words)
    finally:
        case.end(why)


def case_race(name, golden, words, agents):
    """Two at the same thing at the same time: both get what they want."""
    case = Case(name, golden)
    why = 'broken off'
    try:
        case.faults([SHORT])
        both = [case.popen(words), case.popen(words)]
        for p in both:
            got, err = case.ended(p)
            why = sound(case, got, err, DONE)
            if why:
                return why
        there = len(outcome(case)[1])
        why = None if there == agents else '%d agents' % there
        return why
    finally:
        case.end(why)


def wait_log(case, what, process):
    for _ in range(600):
        if what in case.log():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    return False


def case_signal(name, golden, words, rules, sig, final, hit=True):
    """A signal while the command waits; then the same command again."""
    case = Case(name, golden)
    why = 'broken off'
    try:
        case.faults([dict(r, name='on purpose') for r in rules] + [SHORT])
        p = case.popen(words)
        if not wait_log(case, 'fault on purpose:', p):
            p.kill()
            got, err = case.ended(p)
            why = 'the wait did not come about: ' + err[-300:] if hit or got != 0 else None
            return why
        time.sleep(0.3)
        p.send_signal(sig)
        began = time.time()
        got, err = case.ended(p)
        if time.time() - began > 3:
            why = 'took %.1f s to end' % (time.time() - began)
        elif sig == signal.SIGINT:
            # the last look at a deployment that has ended is a courtesy
            done = words == 'deploy-compute' and got == 0 and 'finished' in err
            why = sound(case, got, err, DONE if done else (130, 'interrupted'))
        elif got != -signal.SIGKILL:
            why = 'exit %s' % got
        else:
            why = half_written(case)
        if not why:
            why = again(case, words)
        if not why and final is not None and outcome(case) != final:
            why = 'another outcome: %s, not %s' % (outcome(case), final)
        return why
    finally:
        case.end(why)


def outcome(case):
    """What is there now, as far as it is the same for every run."""
    got, err = case.run('resources --output tsv')
    there = [sorted(case.out.split('\n'))]
    if got == 0 and 'swarm-cluster' in case.out:
        case.run('list-agents --output tsv')
        there.append(sorted(x.split('\t')[1:3] for x in case.out.split('\n') if x))
    for path in sorted(glob.glob(case.dir + '/parameters/*')):
        there.append(os.path.basename(path))
        there.append(sorted(json.load(open(path))['parameters']))
    return there


# ---- the cluster, made once; what each command asks for -------------------


def golden():
    os.mkdir(TOP + '/golden')
    os.mkdir(TOP + '/' + EMPTY)
    case = Case('golden', TOP + '/' + EMPTY)
    stages = [('keys', EMPTY), ('deploy-storage', STORED), ('params', READY),
              ('deploy-compute', RUNNING)]
    case.faults([SHORT])
    for words, stage in stages:
        got, err = case.run(words)
        if got != 0:
            raise RuntimeError('%s: exit %s: %s' % (words, got, err))
        case.stop()
        os.remove(case.dir + '/azure/emulator.log')
        shutil.rmtree(TOP + '/' + stage, ignore_errors=True)
        shutil.copytree(case.dir, TOP + '/' + stage, ignore=shutil.ignore_patterns('cache'))
        case.start()
    case.end(False)


def learn(stage, words):
    case = Case('learn ' + words, TOP + '/' + stage)
    try:
        case.faults([SHORT])
        got, err = case.run(words)
        why = sound(case, got, err, DONE)
        if why:
            raise RuntimeError('%s: %s' % (words, why))
        return case.requests(), outcome(case)
    finally:
        case.end(False)


# ---- the tables, as cases -------------------------------------------------


def passing(commands, requests):
    turn = 0
    for stage, words in commands:
        asked = requests[words][0]
        for name, rule, done, once in PASSING + [
                ('HTML', {'status': 200, 'body': '<html>sign in</html>'}, DONE, UNKNOWN),
                ('nothing', {'status': 200, 'body': ''}, ((0, 1), ''), ((0, 1), ''))]:
            turn += 1
            if MODE == 'quick' and (turn + turn // len(PASSING)) % 3:
                continue
            for k, request in enumerate(asked):
                if MODE == 'quick' and k != turn // 3 % len(asked):
                    continue
                wanted = once if ONCE.match(request) else done
                # what it shows of a deployment on the way is a courtesy
                if name == 'HTML' and LIST.match(request) and words != 'deploy-compute':
                    wanted = (1, 'not JSON')
                if TOKEN.match(request):
                    wanted = {'HTML': (1, 'not JSON'), 'an expired token': (4, '401'),
                              'nothing': ((1, 4), '')}.get(name, wanted)
                if BLOB.match(request):
                    # a HEAD whose answer has a whole head, and another length
                    if name.startswith('chunks') or 'length' in name or name == 'a body cut short':
                        wanted = ((0, 1), 'is not in storage account')
                    wanted = {'an expired token': ((0, 1), 'HTTP 401'), 'HTML': ((0, 1), '')}.get(
                        name, wanted)
                deletes = None
                if words == 'scale-agents 2' and not (ONCE.match(request) and wanted == DONE):
                    deletes = 1 if wanted == DONE or ONCE.match(request) else None
                yield ('%s: %s, at request %d' % (words, name, k), case_faults, (
                    TOP + '/' + stage, words,
                    [dict(rule, request='*', skip=k, times=1)], wanted, '', deletes,
                    # how often it polls is a matter of time
                    k < len(asked) - 4))


def lasting(commands):
    for stage, words in commands:
        for name, rule, wanted in LASTING:
            if wanted[0] == 4 and words.startswith('destroy') and name == 'gone':
                wanted = DONE
            yield ('%s: %s, for ever' % (words, name), case_faults, (
                TOP + '/' + stage, words, dict(rule, request='* /subscriptions/*'), wanted))
        yield '%s: connection refused' % words, case_refused, (TOP + '/' + stage, words)


def single():
    stage_of = {words: stage for stage, words in COMMANDS}
    for name, words, rules, wanted, log in SINGLE:
        yield ('%s: %s' % (words, name), case_faults, (
            TOP + '/' + stage_of[words.replace('DISCOVER ', '')], words, rules, wanted, log, None, True,
            'poll URL' not in name and 'locations' != words))
    for words, agents in (('scale-agents 2', 2), ('scale-agents 0', 0), ('scale-agents 4', 4)):
        yield words + ': two of us', case_race, (TOP + '/' + RUNNING, words, agents)
    for words, rule in LONG:
        yield ('%s: a long operation, and Ctrl-C' % words, case_signal, (
            TOP + '/' + stage_of[words], words, [rule], signal.SIGINT, None))


def slow():
    """What takes as long as our longest patience."""
    for name, rule in (('an answer that trickles', {'trickle_ms': 1000}),
                       ('an answer that never comes', {'delay_ms': 500000})):
        yield 'locations: ' + name, case_faults, (
            TOP + '/' + RUNNING, 'locations', dict(rule, request='GET *'),
            (3, 'timed out|too long'), '', None, True, True, 150)


def interrupts(commands, requests):
    for stage, words in commands:
        asked, final = requests[words]
        for k, request in enumerate(asked):
            for name, rule in (('an answer', {'delay_ms': 2000}),
                               ('its turn', {'status': 429, 'retryAfter': 60})):
                if BLOB.match(request) and name == 'its turn':
                    continue
                for sig in (signal.SIGINT, signal.SIGKILL):
                    if MODE == 'quick' and (2 * k + sig + len(name)) % 4 > 1:
                        continue
                    yield ('%s: %s in wait for %s %d' % (words, sig.name, name, k), case_signal, (
                        TOP + '/' + stage, words, [dict(rule, request='*', skip=k, times=1)],
                        sig, final, k < len(asked) - 4))


def main():
    golden()
    pool = concurrent.futures.ThreadPoolExecutor(int(os.environ.get('FAULTS_JOBS', 40)))
    requests = dict(zip([w for _, w in COMMANDS],
                        pool.map(lambda c: learn(*c), COMMANDS)))
    todo = []
    todo += passing(COMMANDS, requests)
    todo += lasting(COMMANDS if MODE == 'all' else COMMANDS[::3])
    todo += single()
    todo += interrupts([c for c in COMMANDS if c[1].split()[0] in (
        'deploy-storage', 'params', 'deploy-compute', 'scale-agents')], requests)
    if MODE == 'all':
        todo += slow()
    only = os.environ.get('FAULTS_ONLY')
    running = {pool.submit(fn, name, *args): name for name, fn, args in todo
               if not only or re.search(only, name)}
    failed = 0
    for f in concurrent.futures.as_completed(running):
        name = running[f]
        try:
            why = f.result()
        except Exception as e:		# the case itself broke
            why = '%s: %s' % (type(e).__name__, e)
        print('%s %s %s%s' % ('not ok' if why else 'ok', TEST, name,
                              ': ' + ' '.join(str(why).split()) if why else ''), flush=True)
        failed += bool(why)
    sys.exit(failed > 0)


main()
