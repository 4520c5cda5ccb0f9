"""
Every command that asks Azure, through every fault: what becomes of it is in the
tables below.

    faults.py quick|all AZSWARM CLIENT TEST

AZSWARM serves as the local Azure, CLIENT (a build with sanitizers) is driven.
A cluster on paper is made once; each case gets a copy of it, with a local
Azure of its own, and afterwards the command again without faults.  Most of
the time is spent in pauses, so many cases run at a time.

The copies have public addresses of their own, 127.77.x.y, where masters answer
that tests/paper_cluster.py plays: port 22 of all of loopback is its, so this
wants a network namespace (tests/sh/faults.sh).

all takes every request of every command; quick takes each command and each
fault a few times, always with others.
"""
import concurrent.futures
import glob
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from email.utils import formatdate

HTTP = 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n'
LIMIT_S = 240			# of one command; more is a hang
MODE, AZSWARM, CLIENT, TEST = sys.argv[1:5]
TOP = os.getcwd()
HERE = os.path.dirname(os.path.abspath(__file__))
SHORT = {'request': '*', 'fields': ['Retry-After: 0']}	# polls come after a second
# what ended according to an empty answer has not ended
STILL_AT_IT = {'name': 'slow', 'operation': '*', 'times': 1, 'delay_ms': 20000}
PENDING = {'request': 'POST */token', 'status': 400, 'body': '{"error":"authorization_pending"}'}
# Debian's packages, asyncssh among them, are for Debian's Python
DEBIANS = '/usr/bin/python3' if os.path.exists('/usr/bin/python3') else sys.executable

# ---- commands: the cluster they find, their words, what they print -------------

EMPTY, STORED, BAKED, READY, RUNNING, SERVED, STACKED, PUSHED = (
    'empty', 'stored', 'baked', 'ready', 'running', 'served', 'stacked', 'pushed')
PUSH = 'push app:1 --from image.tar'
FORWARD = '9999:10.77.16.4:80'
COMMANDS = [
    (EMPTY, 'login --device-code', '^signed in'),
    (RUNNING, 'status', '^swarm +1 of 1 managers reachable; tolerates the loss of 0$'),
    (EMPTY, 'doctor', ''),
    (EMPTY, 'up --yes', 'agentsFqdn'),
    (EMPTY, 'deploy-storage', ''),
    (STORED, 'create-shares', ''),
    (STORED, 'params', ''),
    (READY, 'deploy-compute', ''),
    (READY, 'plan', ''),
    (RUNNING, 'upgrade', 'machines are what a new one would get$'),
    (RUNNING, 'upgrade --engine --reboot', '^master0: engine 2, before: 1$'),
    (STORED, 'bake-image --yes', 'what is billed from now on is its storage'),
    (BAKED, 'baked-images', ''),
    (BAKED, 'baked-images rm NUMBER', 'removed$'),
    (RUNNING, 'view-deployment', ''),
    (RUNNING, 'list-agents', ''),
    (RUNNING, 'audit', ''),
    (RUNNING, 'rotate join-tokens', ''),
    (STORED, 'rotate storage-key', ''),
    (RUNNING, 'list-endpoints', ''),
    (RUNNING, 'resources', ''),
    (RUNNING, 'locations', ''),
    (RUNNING, 'sizes', ''),
    (RUNNING, 'scale-agents 4', ''),
    (RUNNING, 'scale-agents 2', ''),
    (RUNNING, 'stop-agents', ''),
    (RUNNING, 'start-agents', ''),
    (RUNNING, 'deallocate-agents', ''),
    (RUNNING, 'restart-agents agents_0', ''),
    (RUNNING, 'reimage-agents-serial agents_1', ''),
    (RUNNING, 'reimage-agents-parallel --yes', ''),
    (SERVED, 'chaos-monkey --rounds 1 --seed 1', '^1 rounds, --seed 1$'),
    (SERVED, 'chaos-monkey --rounds 1 --seed 1 --hard', 'loses its power$'),
    (RUNNING, 'replace-master 0 --force --confirm master0', 'waits for the operator'),
    (RUNNING, 'evict agents000000', ''),
    (RUNNING, 'return agents000000', ''),
    (SERVED, 'rebalance --dry-run', ''),
    (SERVED, 'backup -o new.azs --yes', '^new.azs: the swarm of swarm-cluster, as master0 has it'),
    (SERVED, 'restore kept.azs --confirm swarm-cluster', '^the swarm of swarm-cluster is back$'),
    (RUNNING, 'deploy-monitor', 'service monitor: 1 of 1 tasks run'),
    (SERVED, 'kill-monitor', 'service monitor removed'),
    (RUNNING, 'deploy-replicated-service', 'service replicated: 8 of 8 tasks run'),
    (RUNNING, 'deploy-global-service', 'service global: 4 of 4 tasks run'),
    (SERVED, 'scale-service 3', 'service replicated: 3 of 3 tasks run'),
    (SERVED, 'update-service', 'service replicated: 8 of 8 tasks run'),
    (SERVED, 'destroy-service', 'service replicated removed'),
    (SERVED, 'destroy-global-service', 'service global removed'),
    (RUNNING, 'deploy-stack', 'service test-stack_web: 4 of 4 tasks run'),
    (STACKED, 'destroy-stack', 'network test-stack_backend removed'),
    (SERVED, 'logs replicated', r'^replicated.1.t00000000000@master0    \| a page was asked for$'),
    (SERVED, 'exec replicated hostname', '^replicated.1 .t00000000000. on master0$'),
    (SERVED, 'ports', '^ *443 .* door .* no rule$'),
    (SERVED, 'ports --apply', '^ *443 .* door +tcp-443 +tcp-443 +ok$'),
    (STORED, PUSH, '^app:1 pushed; 0.0 MiB'),
    (PUSHED, 'images', '^app +1 +sha256:'),
    (PUSHED, 'images rm app:1 --yes', '^app:1 (removed|is not there)$'),
    (SERVED, 'images --prune', '^agents000000: 1 images gone, 1.0 MiB free again$'),
    (STACKED, 'stacks', '^test-stack +2 '),
    (STACKED, 'ps', '^test-stack_web'),
    (RUNNING, 'proxy', '-> 10.77.16.4:80'),
    (RUNNING, 'ssh agents000000 hostname', '^agents000000$'),
    (RUNNING, 'docker-env', '^export DOCKER_HOST=unix:///'),
    (RUNNING, 'tail-helper', '^swarm-helper: here$'),
    (RUNNING, 'unlock', '^no master is locked$'),
    (RUNNING, 'destroy-compute --confirm swarm-cluster', ''),
    (STORED, 'destroy-storage --confirm swarm-storage', ''),
    (RUNNING, 'destroy-cluster --confirm swarm-cluster', ''),
    (RUNNING, 'down --confirm swarm-cluster', ''),
]
STAGE = {words: stage for stage, words, _ in COMMANDS}
SAYS = {words: says for _, words, says in COMMANDS}
SIGNS_IN = (			# to machines
    'scale-agents stop-agents start-agents deallocate-agents restart-agents '
    'reimage-agents-serial reimage-agents-parallel chaos-monkey evict return rebalance backup restore '
    'deploy-monitor kill-monitor deploy-replicated-service deploy-global-service '
    'scale-service update-service destroy-service destroy-global-service deploy-stack '
    'destroy-stack stacks ps logs exec ports images proxy ssh docker-env tail-helper unlock status upgrade').split()
EXEMPT = {				# what `help` lists, and asks no Azure, but for:
    'logout': 'forgets, asks nobody', 'keys': 'makes files', 'trust': 'remembers a file', 'role': 'prints',
    'clean': 'removes files', 'recover': 'wants a swarm without a leader',
    'emulator': 'is the other side', 'helper': 'runs on a machine', 'agent': 'runs on a machine',
    'demo': 'runs in a container', 'monitor': 'runs in a container',
    'image': 'writes a file', 'completion': 'prints', 'man': 'prints', 'version': 'prints', 'help': 'prints',
}
FINISHED = {'plan': 5}			# there is something to be done
OURS = {'exec replicated hostname': 125}	# whatever it is that failed

# ---- faults of one request: name, rule, what becomes of the command ----
# "done" where the request may be sent again; ONCE is what must not be, and
# what is said then.

DONE = (0, '')
ONCE = re.compile(r'POST .*/delete$')
UNKNOWN = (1, r'unknown whether Azure took this.*list-agents')
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
    ('HTML', {'status': 200, 'body': '<html>sign in</html>'}, DONE, UNKNOWN),
    ('nothing', {'status': 200, 'body': ''}, DONE, DONE),
]

# Where it is otherwise: faults, requests, commands (patterns of all of the
# name), outcome.  The first that fits.
LIST = (r'GET (.*/)?(virtualMachines|networkInterfaces|publicIPAddresses|resources|operations|'
        'locations|skus|usages|subscriptions)')
TOKEN, BLOB = 'POST (/organizations)?/oauth2/.*', '(HEAD|PUT) blob'
GROUP, SCALE_SET = '/resourcegroups/[^/,]*', '/virtualMachineScaleSets/agents'
ACCOUNT, DEPLOYMENT = '/storageAccounts/[^/,]*', '/deployments/[^/,]*'
SWARM_ONLY = ('(kill|deploy)-monitor|deploy-(replicated|global)-service|(update|scale|destroy)-service.*|'
              'destroy-global-service|(deploy|destroy)-stack|evict .*|return .*|rebalance')
EXCEPT = [
    ('HTML|nothing', 'GET /virtualMachineScaleSets', 'baked-images.*', (1, 'list: not JSON')),
    # where there is none, that is an answer
    ('HTML', 'GET .*/agents/virtualMachines', 'baked-images.*', DONE),
    ('nothing', 'GET .*/agents/virtualMachines', 'baked-images.*', (1, 'ResourceGroupNotFound')),
    # it ends with 1 whatever is wrong, and goes on behind it
    ('an expired token', TOKEN, 'doctor', (1, 'HTTP 401 from .*: sign-in refused')),
    ('HTML|nothing', 'GET /permissions', 'doctor', (1, 'list: not JSON')),
    ('nothing', 'GET (/|.*/CheckDnsNameAvailability.*)', 'doctor', (1, 'what Azure does not tell')),
    ('nothing', 'GET ' + GROUP, 'doctor', (1, 'location: expected a string, found nothing')),
    ('HTML|nothing', TOKEN, '.*', (1, 'sign-in answer: not JSON')),
    ('an expired token', TOKEN, '.*', (4, 'HTTP 401 from .*: sign-in refused')),
    # a code buys one token, and that one was lost
    ('.*, done all the same|its own body cut short', 'POST .*/token', 'login .*',
     (4, 'AADSTS70018')),
    # what it shows of a deployment on the way is a courtesy
    ('HTML|nothing', 'GET .*/operations', 'deploy-compute', DONE),
    # nor is it worth more to say how the tasks are spread
    ('HTML|nothing', 'GET /publicIPAddresses', 'scale-agents 4', DONE),
    ('HTML|nothing', LIST + '(, again)?', '.*', (1, 'list: not JSON')),
    # who uses an image is worth no error
    ('HTML|nothing', 'GET /publicIPAddresses', 'images', DONE),
    ('nothing', 'GET ' + ACCOUNT, 'images', (1, 'primaryEndpoints.blob: expected a string')),
    ('an expired token', '(GET|DELETE) blob(, again)?', 'images.*', (1, 'HTTP 401 ExpiredAuthenticationToken')),
    ('HTML|nothing', 'GET blob(, again)?', 'images.*', (1, 'a list of blobs that is not understood')),
    ('HTML|nothing', 'DELETE blob', 'images.*', (1, 'HTTP 200 ')),
    ('an expired token', BLOB, '.*', (1, 'HTTP 401 ExpiredAuthenticationToken')),
    # a HEAD has no body, so nothing is wrong with it but its length
    ('HTML|nothing|a body cut short|chunks .*', 'HEAD blob', 'params',
     (1, "is not in storage account .*'azswarm deploy-storage' puts it there")),
    # what was done is said not to be in the audit trail
    ('HTML|nothing', 'PUT blob', 'backup .*|restore .*', DONE),
    ('HTML|nothing', 'PUT blob', 'push .*', (1, 'app:1: HTTP 200 ')),
    ('HTML|nothing', 'PUT blob', '.*', (1, 'uploading this program: HTTP 200 ')),
    ('nothing', 'POST .*/powerOff', 'chaos-monkey .*', (3, 'is not after 3 minutes')),
    # an empty answer is what a request without one gets; here one was wanted,
    ('nothing', 'GET ' + DEPLOYMENT, 'deploy-compute',
     (1, 'provisioningState: expected a string, found nothing')),
    # it has no size then, and the usual one is said
    ('nothing', 'GET ' + SCALE_SET, 'params', DONE),
    ('nothing', 'GET ' + SCALE_SET, '.*', (1, 'sku.capacity: expected a number, found nothing')),
    ('nothing', 'GET (%s|%s|/virtualMachines/master0|/loadBalancers/agents-lb)' % (GROUP, ACCOUNT), 'status',
     (1, '(location|name|sku.name): expected a string, found nothing')),
    ('nothing', 'GET ' + ACCOUNT, 'params', (1, 'primaryEndpoints.blob: expected a string')),
    ('nothing', 'GET %s, again' % ACCOUNT, '.*', (1, 'primaryEndpoints.blob: expected a string')),
    # what only the swarm is asked for goes on without a lock, and says so
    ('nothing', 'POST .*/ListServiceSas', SWARM_ONLY, DONE),
    ('nothing', 'POST .*/ListServiceSas(, again)?', '.*', (1, 'serviceSasToken: expected a string')),
    ('nothing', 'POST .*/listKeys', '.*', (1, r'keys\[0\].value: expected a string')),
    # ... or is taken for what would have been said, and the next request shows
    ('nothing', '(GET|PUT) ' + GROUP, 'deploy-.*|plan', (1, 'ResourceGroupNotFound')),
    ('nothing', '.*' + GROUP + '|GET /operationresults/.*', 'destroy-.*', (1, 'is still there')),
    ('nothing', 'PUT ' + ACCOUNT, '.*', (1, 'ParentResourceNotFound')),
    ('nothing', 'PUT ' + DEPLOYMENT, 'deploy-compute|up --yes', (1, 'there is no master')),
    ('nothing', 'PUT .*/containers/azswarm', '.*', (1, 'ContainerNotFound')),
]


def becomes(row, request, words):
    """What becomes of the command when that request meets the fault."""
    name, _, done, once = row
    for faults, requests, commands, outcome in EXCEPT:
        if all(re.fullmatch(p, s) for p, s in ((faults, name), (requests, request.name),
                                               (commands, words))):
            return outcome
    return once if ONCE.match(request.name) else done

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
    ('nothing', {'status': 200, 'body': ''}, (1, 'list: not JSON')),
    ('gone', {'status': 404, 'code': 'ResourceGroupNotFound', 'message': 'gone'},
     (1, 'ResourceGroupNotFound: gone')),
]
REFUSED = (1, 'refused')
# As above, without requests.
LASTING_EXCEPT = [
    ('gone', 'baked-images', DONE),
    ('gone', 'baked-images rm .*', (2, 'there is no image')),
    ('a refused token', 'doctor', (1, 'InvalidAuthenticationToken: bad')),
    ('claims', 'doctor', (1, 'X: mfa')),
    ('nothing', 'doctor', (1, 'what Azure does not tell')),
    ('gone', 'create-shares|params|audit|rotate storage-key|restore .*|push .*|images.*', (1, "is not there; 'azswarm deploy-storage' makes it")),
    ('gone', 'resources|destroy-(compute|storage|cluster) .*', DONE),
    ('nothing', 'push .*|images.*', (1, 'primaryEndpoints.blob: expected a string')),
    ('nothing', 'status', (1, 'location: expected a string, found nothing')),
    ('nothing', 'create-shares|deploy-storage|rotate storage-key', (1, 'primaryEndpoints.blob: expected a string')),
    ('nothing', 'deploy-compute', (1, 'provisioningState: expected a string')),
    ('nothing', 'plan|scale-agents .', (1, 'sku.capacity: expected a number')),
    ('nothing', 'destroy-.* --confirm .*', (1, 'is still there')),
]


def lasts(name, outcome, words):
    for faults, commands, other in LASTING_EXCEPT:
        if re.fullmatch(faults, name) and re.fullmatch(commands, words):
            return other
    return outcome


# ---- faults of some commands ----------------------------------------------

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
     (1, 'taken; --yes takes shared0.* in its place.*choose another STORAGE_ACCOUNT_NAME'), ''),
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
                           ('HTML', {'status': 200, 'body': '<html>'},
                            (1, 'endpoints of .*not JSON'))):
    SINGLE.append(('finding the cloud, ' + name, 'DISCOVER locations',
                   dict(rule, request='GET */metadata/endpoints*', times=1), wanted, ''))
SINGLE.append(('finding the cloud, 500 for ever', 'DISCOVER locations',
               {'request': 'GET */metadata/endpoints*', 'status': 500},
               (1, 'endpoints of .*500'), ''))
SOME = [c for _, c, _ in COMMANDS if c.split()[0] in (
    'deploy-storage', 'deploy-compute', 'scale-agents', 'stop-agents', 'start-agents',
    'deallocate-agents', 'destroy-compute', 'destroy-storage')]
for c in SOME:
    deletes = c.startswith('destroy')
    SINGLE += [
        ('an operation that fails', c, {'operation': '*', 'code': 'AllocationFailed',
         'message': 'no room'}, (1, 'AllocationFailed: no room'), ''),
        ('an operation that is cancelled', c, {'operation': '*', 'cancel': True},
         DONE if c == 'deploy-storage' else
         (1, 'OperationPreempted' if deletes else 'operation Canceled: OperationPreempted'), ''),
        ('a poll URL that is gone', c, [
            {'operation': '*', 'delay_ms': 60000},
            {'request': 'GET *operation*/*', 'status': 404, 'code': 'NotFound', 'retryAfter': 0}],
         (1, 'still there' if deletes else 'NotFound|HTTP 404'), ''),
    ]
LONG = [(c, {'operation': '*', 'delay_ms': 9000, 'times': 1}) for c in SOME]

# ---- a local Azure and a directory for one case ---------------------------


class Request:
    """One that a command makes, found again in another run of it.

    Polls, and what is asked beside them, come as often as there is time: of
    these the first is taken."""
    BESIDE_POLLS = re.compile(r'GET .*/deployments/[^/]*/operations$|POST .*/token$|'
                              r'GET .*/instanceView$')
    POLL = re.compile(r'(GET .*/(?:asyncoperations|capsOperations|operations|operationStatuses|'
                      'operationresults)/)[^/]*$')
    WHERE = re.compile(r'/subscriptions/[^/]*|(?<= )/[^/]{36}(?=/oauth2)|'
                       '/resourceGroups/[^/]*(?=/.*/)|/providers/[^/]*(?=/)', re.I)

    def __init__(self, line):
        self.skip, self.loops = 0, None
        target, query, _ = line.partition('?')
        blob = re.match(r'blob (\S+) blob:[^/]*/(.*)', line)
        if blob:
            self.name = blob[1] + ' blob'
            self.pattern = '%s */%s?*' % (blob[1], blob[2].rstrip('/'))
            return
        poll = self.POLL.match(target)
        self.loops = poll or self.BESIDE_POLLS.match(target)
        if poll:
            target = poll[1] + '*'
        self.name = self.WHERE.sub('', target)
        if self.name.endswith(' '):		# the subscription itself
            self.name += '/'
        self.pattern = target + query + ('*' if query else '')

    def rule(self, fault):
        return dict(fault, request=self.pattern, skip=self.skip, times=1)


def told_apart(lines):
    """The Requests in a log that can be met again."""
    met, out = {}, []
    for r in map(Request, lines):
        if r.name == 'POST /devicelogin':	# not the command, the person
            continue
        if re.search('/azswarm/(lock|audit)-', r.pattern) and not r.pattern.startswith('GET'):
            continue				# the lock and the trail are sh/lock's
        key = r.pattern.lower()
        r.skip = met.get(key, 0)
        met[key] = r.skip + 1
        if r.skip and r.loops:
            continue
        if r.skip:
            r.name += ', again'
        out.append(r)
    return out


class Case:
    count = 0
    lock = threading.Lock()

    def __init__(self, name, golden):
        self.name = name
        with Case.lock:
            Case.count += 1
            self.number = Case.count
        self.dir = os.path.join(TOP, 'cases', '%s-%d' % (
            re.sub('[^a-z0-9]+', '-', name.lower())[:190], self.number))
        shutil.copytree(golden, self.dir)
        self.at, self.typed = [], None
        self.give_addresses()
        self.azure = None
        self.start()

    def give_addresses(self):
        """Of its own: all copies have the same, and one server answers at them."""
        path = self.dir + '/azure/state.json'
        if not os.path.exists(path):
            return
        with open(path) as f:
            state = f.read()
        had = sorted(set(re.findall(r'127\.77\.\d+\.\d+', state)))
        for i, address in enumerate(had):
            n = 4 * self.number + i
            new = '127.77.%d.%d' % (n >> 8 & 255, n & 255)
            state = state.replace('"%s"' % address, '"NEW%s"' % new)
            os.symlink(self.dir, TOP + '/places/' + new)
            self.at.append(new)
        with open(path, 'w') as f:
            f.write(state.replace('"NEW', '"'))

    def start(self):
        self.azure = subprocess.Popen(
            [AZSWARM, 'emulator', '--dir', 'azure', '--listen', '127.0.0.1:0'], cwd=self.dir,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        ready = self.azure.stdout.readline().decode()
        if not ready.startswith('ready '):
            raise RuntimeError('no local Azure: ' + ready)
        self.run_dir = '%s/r/%d' % (TOP, self.number)	# sockets have short names
        os.makedirs(self.run_dir, 0o700, exist_ok=True)
        self.env = dict(os.environ, XDG_CACHE_HOME=self.dir + '/cache', HOME=self.dir,
                        XDG_RUNTIME_DIR=self.run_dir, READS=TOP + '/reads',
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

    def faults_of(self, words, rules):
        """For login, what is wrong with its token waits until there is one."""
        if words.startswith('login') and rules[0]['request'].endswith('/token'):
            self.typed = rules
            rules = [PENDING, SHORT]
        self.faults(rules)

    def log(self):
        with open(self.dir + '/azure/emulator.log', errors='replace') as f:
            return f.read()

    def requests(self):
        return re.findall(r'Z ((?:blob )?(?:GET|PUT|POST|PATCH|DELETE|HEAD) .*?)(?: -> .*)?$',
                          self.log(), re.M)

    def text(self, what):
        with open('%s/%s' % (self.dir, what), errors='replace') as f:
            return f.read()

    def popen(self, words, std=''):
        """std: where two run at the same time, what their outputs are called by."""
        self.words, self.std = words, std
        env = dict(self.env)
        words = words.split()
        if words[0] == 'DISCOVER':	# which cloud this is must be asked
            env.pop('AZURE_AUTHORITY_HOST', None)
            words = words[1:]
        if words[0] == 'CERTIFICATE':	# signs, in place of the secret
            env.pop('AZURE_CLIENT_SECRET', None)
            env['AZURE_CLIENT_CERTIFICATE_PATH'] = pem = self.dir + '/azure/client.pem'
            subprocess.run(['openssl', 'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-subj',
                            '/CN=client', '-keyout', pem, '-out', pem + '.crt'], check=True,
                           stderr=subprocess.DEVNULL)
            with open(pem + '.crt') as crt, open(pem, 'a') as f:
                f.write(crt.read())
            words = words[1:]
        if words[0] == 'login':		# a person, and nobody else
            for k in 'TENANT_ID', 'CLIENT_ID', 'CLIENT_SECRET', 'SUBSCRIPTION_ID':
                env.pop('AZURE_' + k, None)
            env['AZURE_TOKEN_CREDENTIALS'] = 'LoginCredential'
        if words[-1] == 'NUMBER':	# of the image, which is of the day
            words[-1] = re.search(r'\d+\.\d+\.20\d{8}', self.text('azure/state.json'))[0]
        if words[0] == 'proxy':
            words += ['-L', '%s:%s' % (self.at[0], FORWARD)]
        with open(self.dir + '/out' + std, 'wb') as out, open(self.dir + '/err' + std, 'wb') as err:
            p = subprocess.Popen([CLIENT] + words, cwd=self.dir, env=env,
                                 stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        if words[0] in COMPANY:
            threading.Thread(target=COMPANY[words[0]], args=(self, p), daemon=True).start()
        return p

    def run(self, words, limit=LIMIT_S):
        return self.ended(self.popen(words), limit)

    def ended(self, p, limit=LIMIT_S, std=''):
        """Exit code, or a word, and what it said."""
        try:
            got = p.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            p.kill()
            p.wait()
            got = 'hung'
        self.out = self.text('out' + std)
        return got, self.text('err' + std)

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
        shutil.rmtree(self.run_dir, ignore_errors=True)		# a tunnel ends without its socket
        for address in self.at:
            os.remove(TOP + '/places/' + address)
        if not keep:
            shutil.rmtree(self.dir, ignore_errors=True)


# ---- who keeps a command company ------------------------------------------


def person(case, p):
    """Types the code that login shows, and says yes."""
    while p.poll() is None:
        said = case.text('err') + case.text('out')
        page = re.search(r'open (https\S+)', said)
        code = re.search(r'enter the code (\S+)$', said, re.M)
        if page and code:
            form = urllib.parse.urlencode({'user_code': code[1], 'answer': 'yes'}).encode()
            trust = ssl.create_default_context(cafile=case.env['SSL_CERT_FILE'])
            urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
            ).open(page[1], form, 20).read()
            if case.typed:
                case.faults(case.typed)
            return
        time.sleep(0.1)


def visitor(case, p):
    """Asks through the proxy for a page, then ends it as people do."""
    while p.poll() is None:
        try:
            with socket.create_connection((case.at[0], int(FORWARD.split(':')[0])), 20) as s:
                s.sendall(b'GET / HTTP/1.0\r\n\r\n')
                page = b''.join(iter(lambda: s.recv(4096), b''))
            if page.endswith(b'on paper\n'):
                p.send_signal(signal.SIGINT)
                return
        except OSError:
            pass
        time.sleep(0.1)


COMPANY = {'login': person, 'proxy': visitor}


def ping(case):
    """Does Docker answer at the socket that docker-env made?"""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(glob.glob(case.run_dir + '/azswarm/docker-*.sock')[0])
        s.sendall(b'GET /_ping HTTP/1.1\r\nHost: docker\r\n\r\n')
        return s.recv(4096).startswith(b'HTTP/1.1 200 ')


# ---- what must hold whatever happened -------------------------------------


def sound(case, got, err, wanted):
    """None, or what is wrong with how a command ended."""
    code, words = wanted
    if code == 0:
        code = FINISHED.get(case.words, 0)
    else:
        code = OURS.get(case.words, code)
    lines = [x for x in err.split('\n') if x.startswith('azswarm: ')]
    if 'Sanitizer' in err or 'runtime error' in err:
        return 'sanitizer: ' + err[-1500:]
    if got != code:
        return 'exit %s, not %s: %s' % (got, code, err[-300:].replace('\n', ' '))
    if wanted[0] != 0 and (len(lines) != 1 or not err.endswith(lines[0] + '\n')):
        return 'not one line: ' + err[-300:]
    if wanted[0] != 0 and not re.search(words, lines[0]):
        return "no '%s' in: %s" % (words, lines[0])
    if len(err) > 20000:
        return 'a flood of words'
    says = SAYS.get(case.words, '')
    if wanted[0] == 0 and not re.search(says, case.out + err, re.M):
        return "no '%s' in: %s" % (says, (case.out + err)[-300:])
    if wanted[0] == 0 and case.words == 'docker-env' and not ping(case):
        return 'Docker does not answer'
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
    case.typed = None
    case.faults([SHORT])
    until = time.time() + 30
    got, err = case.run(words)
    # who was killed is survived, for a moment, by what holds its lock
    while got == 3 and '--break-lock takes' in err and time.time() < until:
        time.sleep(0.5)
        got, err = case.run(words)
    return sound(case, got, err, DONE) and 'run again: ' + sound(case, got, err, DONE)


# ---- cases ----------------------------------------------------------------


def case_faults(name, golden, words, rules, wanted, log='', deletes=None, there=None, rerun=True,
                limit=LIMIT_S):
    """there: what the engine has then; None: whatever"""
    case = Case(name, golden)
    why = 'broken off'
    try:
        rules = rules if isinstance(rules, list) else [rules]
        rules = [dict({'name': 'on purpose'}, **r) for r in rules]
        case.faults_of(words, rules + [SHORT])
        before = len(case.requests())
        got, err = case.run(words, limit)
        why = sound(case, got, err, wanted)
        text = case.log()
        if not why and 'fault on purpose:' not in text:
            why = 'the fault did not come about'
        if not why and log and not re.search(log, text):
            why = "no '%s' in the log" % log
        sent = len([r for r in case.requests()[before:] if ONCE.match(r.partition('?')[0])])
        if not why and deletes is not None and sent != deletes:
            why = 'sent %d times, not %d' % (sent, deletes)
        if not why and there is not None and swarm(case) != there:
            why = 'the swarm has %s, not %s' % (swarm(case), there)
        if not why and wanted[0] != 0 and rerun:
            why = again(case, words)
        return why
    finally:
        case.end(why)


def case_refused(name, golden, words, wanted):
    case = Case(name, golden)
    why = 'broken off'
    try:
        case.run('locations')		# for a token
        case.stop()
        with socket.socket() as s:	# or another case's could have the port
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(('127.0.0.1', int(case.env['AZURE_AUTHORITY_HOST'].rsplit(':')[-1])))
            got, err = case.run(words)
        why = sound(case, got, err, wanted)
        case.start()
        return why or again(case, words)
    finally:
        case.end(why)


def case_race(name, golden, words, agents):
    """Two at the same thing at the same time: both get what they want, who was
    refused when it comes again."""
    case = Case(name, golden)
    why = 'broken off'
    try:
        case.faults([SHORT])
        late = False
        both = [case.popen(words, '1'), case.popen(words, '2')]
        for i, p in enumerate(both):
            got, err = case.ended(p, std=str(i + 1))
            if got == 3 and '--break-lock takes' in err:
                late = True
                continue
            why = sound(case, got, err, DONE)
            if why:
                return why
        why = again(case, words) if late else None
        if why:
            return why
        there = len(outcome(case)[1])
        why = None if there == agents else '%d agents' % there
        return why
    finally:
        case.end(why)


def wait_log(case, what, process):
    for _ in range(2400):
        if what in case.log():
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.05)
    return False


def case_signal(name, golden, words, rules, sig, final):
    """A signal while the command waits; then the same command again."""
    case = Case(name, golden)
    why = 'broken off'
    try:
        case.faults([dict(r, name='on purpose') for r in rules] + [SHORT])
        p = case.popen(words)
        if not wait_log(case, 'fault on purpose:', p):
            p.kill()
            got, err = case.ended(p)
            why = 'the wait did not come about: ' + err[-300:]
            return why
        time.sleep(0.3)
        p.send_signal(sig)
        began = time.time()
        got, err = case.ended(p)
        if time.time() - began > 3:
            why = 'took %.1f s to end' % (time.time() - began)
        elif sig == signal.SIGINT:
            why = sound(case, got, err, (130, 'interrupted'))
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
    # who bakes again has another image
    there = [sorted(set(re.sub(r'\d+\.\d+\.20\d{8}', 'IMAGE', case.out).split('\n')))]
    if got == 0 and 'swarm-cluster' in case.out:
        case.run('list-agents --output tsv')
        there.append(sorted(x.split('\t')[1:3] for x in case.out.split('\n') if x))
    for path in sorted(glob.glob(case.dir + '/parameters/*')):
        there.append(os.path.basename(path))
        there.append(sorted(json.load(open(path))['parameters']))
    return there


# ---- the cluster, made once; what each command asks for -------------------


def kept(case, stage):
    case.stop()
    os.remove(case.dir + '/azure/emulator.log')
    shutil.copytree(case.dir, TOP + '/' + stage, ignore=shutil.ignore_patterns('cache'))
    case.start()


def must(case, words):
    got, err = case.run(words)
    if got != 0:
        raise RuntimeError('%s: exit %s: %s' % (words, got, err))


def golden():
    for d in 'new', 'places', 'r':
        os.mkdir(TOP + '/' + d)
    subprocess.run([sys.executable, HERE + '/images.py', 'saved', TOP + '/new/image.tar', '0'],
                   check=True)
    case = Case('golden', TOP + '/new')
    case.faults([SHORT])
    for words, stage in (('keys', EMPTY), ('deploy-storage', STORED), ('params', READY),
                         ('deploy-compute', RUNNING), (PUSH, PUSHED)):
        must(case, words)
        kept(case, stage)
    case.end(False)
    case = Case('golden image', TOP + '/' + STORED)
    case.faults([SHORT])
    must(case, 'bake-image --yes')
    kept(case, BAKED)
    case.end(False)


def masters():
    """Plays them until the end; None, and why, where that cannot be."""
    # the image that is offered there is the one that the client is
    env = {**os.environ, 'AZSWARM': CLIENT}
    with open(TOP + '/masters.log', 'w') as log:
        p = subprocess.Popen([DEBIANS, '-W', 'ignore', HERE + '/paper_cluster.py', TOP + '/masters',
                              TOP + '/' + EMPTY + '/keys', TOP + '/places'], env=env, stdout=log, stderr=log)
    while not os.path.exists(TOP + '/masters'):
        if p.poll() is not None:
            with open(TOP + '/masters.log') as log:
                return None, log.read().strip().split('\n')[-1]
        time.sleep(0.05)
    return p, ''


def served():
    """The stages that want services."""
    case = Case('golden services', TOP + '/' + RUNNING)
    case.faults([SHORT])
    must(case, 'deploy-stack --no-wait')
    kept(case, STACKED)
    must(case, 'destroy-stack')
    for words in 'deploy-replicated-service', 'deploy-global-service', 'deploy-monitor':
        must(case, words + ' --no-wait')
    must(case, 'backup -o kept.azs --yes')
    # somebody's own, by docker, which nobody is let in to
    with open(case.dir + '/swarm.json') as f:
        doc = json.load(f)
    doc['services']['door'] = {
        'ID': 'svdoor', 'Version': {'Index': 20}, 'UpdatedAt': '2026-01-01T00:00:00Z',
        'Spec': {'Name': 'door', 'Labels': {}, 'Mode': {'Replicated': {'Replicas': 1}},
                 'TaskTemplate': {'ContainerSpec': {'Image': 'door'}},
                 'EndpointSpec': {'Ports': [{'Protocol': 'tcp', 'TargetPort': 8443, 'PublishedPort': 443}]}}}
    with open(case.dir + '/swarm.json', 'w') as f:
        json.dump(doc, f)
    kept(case, SERVED)
    case.end(False)


def swarm(case):
    """What the engine has, apart from when it came by it."""
    try:
        with open(case.dir + '/swarm.json') as f:
            doc = json.load(f)
    except FileNotFoundError:
        return None
    return (sorted(doc['networks']), doc['changes'],
            [(name, v['Spec']) for name, v in sorted(doc['services'].items())])


def learn(words):
    """The requests, and what is there then."""
    case = Case('learn ' + words, TOP + '/' + STAGE[words])
    try:
        case.faults([SHORT])
        got, err = case.run(words)
        why = sound(case, got, err, DONE)
        if why:
            raise RuntimeError('%s: %s' % (words, why))
        case.stop()		# the last line of its log may be late
        asked, final = told_apart(case.requests()), None
        if words.split()[0] in INTERRUPTED:
            case.start()
            final = outcome(case)
        return asked, swarm(case), final
    finally:
        case.end(False)


# ---- settings: what a command reads is what its help says that it takes ------

# Runs beside those that are learnt: of what asks no Azure, and for what is read
# only under conditions.  REAL: the machines are no longer said to be on paper.
REAL = {'request': 'GET */virtualMachines/master0*', 'status': 200, 'body': '{}'}
READERS = [
    (EMPTY, 'keys', [], 0), (EMPTY, 'role', [], 0), (EMPTY, 'logout', [], 0),
    (RUNNING, 'deploy-compute', [REAL], 0), (RUNNING, 'plan', [], 0),
    # machines were made with another port of the blob's, which locks nothing
    (RUNNING, 'up --yes', [], 0),
    (RUNNING, 'doctor', [], 1),
    (RUNNING, 'start-agents --warm-agents 1', [], 0),
    (RUNNING, 'reimage-agents-parallel --at-a-time 1', [], 0),
    (RUNNING, 'CERTIFICATE locations', [], 0),
]


def read_once(name, stage, words, rules, wanted):
    """What is wrong with that run, or ''."""
    case = Case(name, TOP + '/' + stage)
    try:
        case.faults(rules + [SHORT])
        got, err = case.run(words)
        return '' if got == wanted else '%s: exit %s: %s' % (words, got, err)
    finally:
        case.end(False)


def takes(command):
    """What the page of help says, and whether the sign-in's are among them."""
    page = subprocess.run([AZSWARM, 'help', command], stdout=subprocess.PIPE, check=True).stdout.decode()
    said = re.search(r'^Settings: (.*?)\.$', page, re.M | re.S)
    said = ' '.join(said.group(1).split()) if said else ''
    return set(re.findall(r'\b[A-Z][A-Z_]+\b', said)), 'help sign-in' in said


WITH_MACHINES = {
    'deploy-compute': 'DRAIN_LIMIT', 'rotate': 'DRAIN_LIMIT', 'bake-image': 'SSH_PORT',
    'replace-master': 'ADMIN_USERNAME DRAIN_LIMIT OWN_KEY SHARE_SSH SSH_PORT',
    'upgrade': 'AUTOLOCK DRAIN_LIMIT REBALANCE SHARE_SSH',
}


def settings_read(commands):
    """What is wrong with the two, when all have run."""
    wrong = []
    with open(TOP + '/reads') as f:
        read = {tuple(line.split()) for line in f}
    # it runs that for whom something is to be deployed
    read |= {('up', s) for c, s in read if c == 'deploy-compute'}
    # and these, for whom there are machines; that one only looks here
    read |= {('rotate', s) for c, s in read if c in ('params', 'upgrade', 'deploy-compute')}
    read |= {('rebalance', s) for c, s in read if c == 'evict'
             if s in ('LOCATION', 'STORAGE_GROUP', 'STORAGE_ACCOUNT_NAME')}
    # ... and of machines that nobody plays here: sh/masters-paper, sh/replace, sh/upgrade
    read |= {(c, s) for c, names in WITH_MACHINES.items() for s in names.split()}
    said = subprocess.run([AZSWARM, 'help', 'settings'], stdout=subprocess.PIPE, check=True).stdout.decode()
    known = set(re.findall(r'^  ([A-Z][A-Z_]+) ', said, re.M))
    sign_in = {s for s in known if s.startswith('AZURE_')}
    names = {words.split()[0] for words in commands} | {row[1] for row in READERS if row[1] in EXEMPT}
    for name in sorted(names):
        own, signs_in = takes(name)
        did = {s for c, s in read if c == name}
        wrong += ['%s reads %s' % (name, s) for s in sorted(did - own - (sign_in if signs_in else set()))]
        wrong += ['%s does not read %s' % (name, s) for s in sorted(own - did)]
    everybody = {s for _, s in read}
    wrong += ['nobody reads ' + s for s in sorted(known - everybody)]
    return '; '.join(wrong)


# ---- the tables, as cases -------------------------------------------------


def passing(commands, learned, met):
    for i, words in enumerate(commands):
        asked, there, _ = learned[words]
        for j, row in enumerate(PASSING):
            if MODE == 'quick' and (3 * i + j) % 5:
                continue
            for k, request in enumerate(asked):
                if MODE == 'quick' and k != (i + j) % len(asked):
                    continue
                wanted = becomes(row, request, words)
                deletes = None
                if words == 'scale-agents 2' and not (ONCE.match(request.name) and wanted == DONE):
                    deletes = 1 if wanted == DONE or ONCE.match(request.name) else None
                rules = [request.rule(row[1])]
                if row[0] == 'nothing' and words.startswith('destroy') and request.loops:
                    rules.append(STILL_AT_IT)
                met.append((words, row[0]))
                yield ('%s: %s: %s' % (words, row[0], request.name), case_faults, (
                    TOP + '/' + STAGE[words], words, rules, wanted, '', deletes,
                    there if wanted == DONE else None))


def lasting(commands, met):
    for i, words in enumerate(commands):
        for j, (name, rule, wanted) in enumerate(LASTING + [('refused', None, REFUSED)]):
            if MODE == 'quick' and (i + j) % (len(LASTING) + 1):
                continue
            met.append((words, name + ', for ever'))
            wanted = lasts(name, wanted, words)
            at = '%s: %s, for ever' % (words, name)
            if rule is None:
                yield at, case_refused, (TOP + '/' + STAGE[words], words, wanted)
            else:
                yield at, case_faults, (TOP + '/' + STAGE[words], words,
                                        dict(rule, request='* /subscriptions*'), wanted)


def single():
    for name, words, rules, wanted, log in SINGLE:
        yield ('%s: %s' % (words, name), case_faults, (
            TOP + '/' + STAGE[words.replace('DISCOVER ', '')], words, rules, wanted, log, None,
            None, 'poll URL' not in name and 'locations' != words))
    for words, agents in (('scale-agents 2', 2), ('scale-agents 0 --yes', 0), ('scale-agents 4', 4)):
        yield words + ': two of us', case_race, (TOP + '/' + RUNNING, words, agents)
    for words, rule in LONG:
        yield ('%s: a long operation, and Ctrl-C' % words, case_signal, (
            TOP + '/' + STAGE[words], words, [rule], signal.SIGINT, None))


def slow():
    """What takes as long as our longest patience."""
    for name, rule in (('an answer that trickles', {'trickle_ms': 1000}),
                       ('an answer that never comes', {'delay_ms': 500000})):
        yield 'locations: ' + name, case_faults, (
            TOP + '/' + RUNNING, 'locations', dict(rule, request='GET *'),
            (3, 'timed out|too long'), '', None, None, True)


INTERRUPTED = 'deploy-storage', 'params', 'deploy-compute', 'scale-agents', 'bake-image'


def interrupts(commands, learned):
    turn = 0
    for words in commands:
        asked, _, final = learned[words]
        for request in asked:
            for name, rule in (('an answer', {'delay_ms': 2000}),
                               ('its turn', {'status': 429, 'retryAfter': 60})):
                if re.fullmatch(BLOB, request.name) and name == 'its turn':
                    continue
                for sig in (signal.SIGINT, signal.SIGKILL):
                    turn += 1
                    if MODE == 'quick' and turn % 7:
                        continue
                    yield ('%s: %s in wait for %s: %s' % (words, sig.name, name, request.name),
                           case_signal, (TOP + '/' + STAGE[words], words, [request.rule(rule)],
                                         sig, final))


def every_command(commands):
    """A row for whatever `help` lists, and no other; what is wrong."""
    said = subprocess.run([AZSWARM, 'help'], stdout=subprocess.PIPE, check=True).stdout.decode()
    listed = re.findall(r'^  ([a-z][a-z-]*) ', said, re.M)
    rows = {words.split()[0] for words in commands}
    wrong = ['no row: ' + c for c in listed if c not in rows and c not in EXEMPT]
    wrong += ['not in help: ' + c for c in sorted(rows | set(EXEMPT)) if c not in listed]
    wrong += ['in both tables: ' + c for c in sorted(rows & set(EXEMPT))]
    return '; '.join(wrong)


def tell(name, why):
    print('%s %s %s%s' % ('not ok' if why else 'ok', TEST, name,
                          ': ' + ' '.join(str(why).split()) if why else ''), flush=True)
    return bool(why)


def main():
    commands = [words for _, words, _ in COMMANDS]
    failed = tell('every command has a row', every_command(commands))
    golden()
    player, why = masters()
    if player is None:
        commands = [c for c in commands if c.split()[0] not in SIGNS_IN]
        print('skip %s commands that sign in to machines: %s' % (TEST, why))
    else:
        try:
            served()
            failed |= cases(commands)
        finally:
            player.terminate()
            player.wait()
        sys.exit(failed)
    sys.exit(failed | cases(commands))


def cases(commands):
    """All of them; True: one failed."""
    failed = False
    pool = concurrent.futures.ThreadPoolExecutor(int(os.environ.get('FAULTS_JOBS', 16)))
    learned = dict(zip(commands, pool.map(learn, commands)))
    met = []
    todo = list(passing(commands, learned, met)) + list(lasting(commands, met)) + list(single())
    todo += interrupts([c for c in commands if c.split()[0] in INTERRUPTED], learned)
    if MODE == 'all':
        todo += slow()
    todo += [('%s: what it reads' % row[1], read_once, row) for row in READERS]
    left = set(commands) | {r[0] for r in PASSING} | {r[0] + ', for ever' for r in LASTING}
    left -= {x for pair in met for x in pair}
    failed |= tell('every command and every fault is in it', ', '.join(sorted(left)))
    only = os.environ.get('FAULTS_ONLY')
    running = {pool.submit(fn, name, *args): name for name, fn, args in todo
               if not only or re.search(only, name)}
    for f in concurrent.futures.as_completed(running):
        try:
            why = f.result()
        except Exception as e:		# the case itself broke
            why = '%s: %s' % (type(e).__name__, e)
        failed |= tell(running[f], why)
    if not only:
        failed |= tell('what a command reads is what it takes', settings_read(commands))
    return failed


if __name__ == '__main__':
    main()
