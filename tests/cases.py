"""
What Azure answers now and then, and what has to become of a command then: the
rows of CASES, and those of files that are named.

    cases.py cases AZSWARM CLIENT TEST [FILE.json...]

The arguments are those of tests/faults.py, whose clusters on paper and masters
these are.  A row, and a file, is an object:

    name
    cluster   what is there: a key of STAGES
    command   its words
    rules     what the local Azure answers (emulator/faults.c)
    env       settings, {NAME: text}; null: without it
    first     commands that come before, without the rules
    expect    what of this is there must hold:
              rc       the exit code
              match    an expression in what it says; a list: each of them
              never    one that is in nothing that it says
              sent     one that some request fits; a list: each of them
              unsent   one that no request fits
              files    {path: an expression in it; null: it is not there}

CASES_ONLY is an expression for names, to run some.
"""
import concurrent.futures
import json
import os
import re
import sys

import faults

STAGES = {
    'nothing': faults.EMPTY,
    'keys only': faults.EMPTY,
    'keys, storage': faults.STORED,
    'keys, storage, params': faults.READY,
    'running': faults.RUNNING,
    'running, AZURE_SUBSCRIPTION_ID unset': faults.RUNNING,
}
UNSET = {'running, AZURE_SUBSCRIPTION_ID unset': {'AZURE_SUBSCRIPTION_ID': None}}


def error(code, message, status=404):
    """An answer of Resource Manager."""
    return {'status': status, 'code': code, 'message': message}


CASES = [
    # ---- a conflict that is another's, and passes ----
    {'name': 'another operation on the account', 'cluster': 'keys only', 'command': 'deploy-storage',
     'rules': [dict(error('StorageAccountOperationInProgress', 'An operation is currently performing '
                          'on this storage account.', 409), request='PUT *storageAccounts/*', times=1)],
     'expect': {'rc': 0, 'match': 'another operation', 'sent': r'^PUT .*/shares/'}},
    {'name': 'what gave way to another', 'cluster': 'running', 'command': 'scale-agents 5',
     'rules': [{'operation': '*', 'cancel': True, 'times': 1}],
     'expect': {'rc': 0, 'match': ['OperationPreempted.*trying again', 'another operation']}},
    {'name': 'a conflict that says what it is', 'cluster': 'running', 'command': 'scale-agents 5',
     'rules': [dict(error('Conflict', 'A reservation forbids this.', 409), request='PATCH *', times=1)],
     'expect': {'rc': 0, 'match': 'Conflict: A reservation forbids this'}},
    # ---- and what does not pass while somebody waits ----
    {'name': 'throttled for twenty minutes', 'cluster': 'running', 'command': 'list-agents',
     'rules': [dict(error('TooManyRequests', 'Too many.', 429), request='GET *virtualMachines?*',
                    retryAfter=1200)],
     'expect': {'rc': 3, 'match': 'Azure throttles us for 20 min; .*TooManyRequests: Too many[.]'}},
    # ---- a reason, wherever it is ----
    {'name': 'lines of constraints', 'cluster': 'running', 'command': 'scale-agents 5',
     'rules': [{'operation': '*', 'code': 'OverconstrainedZonalAllocationRequest',
                'message': 'Constraints applied are:\n  - Zone\r\n  - Size\n'}],
     'expect': {'rc': 1, 'match': 'are: - Zone - Size; .*azswarm sizes'}},
    {'name': 'a deployment that does not say why', 'cluster': 'keys, storage, params',
     'command': 'deploy-compute',
     'rules': [{'request': 'GET *operationStatuses*', 'status': 200, 'body': '{"status": "Failed"}'},
               {'request': 'GET *deployments/cli-eastus?*', 'skip': 1, 'status': 200,
                'body': '{"properties": {"provisioningState": "Failed"}}'},
               {'request': 'GET *deployments/cli-eastus/operations?*', 'status': 200, 'body': json.dumps(
                   {'value': [{'operationId': '1', 'properties': {
                       'provisioningState': 'Failed', 'statusMessage': {'error': error('QuotaExceeded', 'No more.')},
                       'targetResource': {'resourceType': 'Microsoft.Compute/virtualMachines',
                                          'resourceName': 'master0'}}}]})}],
     'expect': {'rc': 1, 'match': 'deployment cli-eastus: virtualMachines master0: QuotaExceeded: No more[.]'
                '; .*AGENT_COUNT', 'never': 'gave no reason'}},
    {'name': 'another tenant', 'cluster': 'running', 'command': 'list-agents',
     'rules': [dict(error('InvalidAuthenticationTokenTenant', 'The wrong issuer.', 401), request='GET *',
                    fields=['WWW-Authenticate: Bearer authorization_uri="https://login.windows.net/2222-22",'
                            ' error="invalid_token"'])],
     'expect': {'rc': 4, 'match': 'AZURE_TENANT_ID=2222-22, or another AZURE_SUBSCRIPTION_ID'}},
    # ---- what was made a moment ago and is not known everywhere ----
    {'name': 'the account, once made', 'cluster': 'keys only', 'command': 'deploy-storage',
     'rules': [dict(error('ResourceNotFound', 'The resource was not found.'),
                    request='GET */storageAccounts/*', skip=1, times=2)],
     'expect': {'rc': 0, 'never': 'deploy-storage. makes it'}},
    {'name': 'its group', 'cluster': 'keys only', 'command': 'deploy-storage',
     'rules': [dict(error('ResourceGroupNotFound', 'No such group.'),
                    request='PUT */storageAccounts/*', times=3)],
     'expect': {'rc': 0, 'match': 'to know what it has made'}},
    {'name': 'the container', 'cluster': 'keys only', 'command': 'deploy-storage',
     'rules': [dict(error('ContainerNotFound', 'No such container.'), request='PUT /azswarm/*', times=1)],
     'expect': {'rc': 0}},
    {'name': 'the group of the machines', 'cluster': 'keys, storage, params', 'command': 'deploy-compute',
     'rules': [dict(error('ResourceGroupNotFound', 'No such group.'), request='POST */validate*', times=2)],
     'expect': {'rc': 0, 'match': 'the template is valid'}},
    {'name': 'an account on its way', 'cluster': 'keys, storage', 'command': 'params',
     'rules': [dict(error('StorageAccountIsNotProvisioned', 'Not yet.', 409), request='POST */listKeys*',
                    times=1)],
     'expect': {'rc': 0}},
    # ---- a group that cannot be deleted by force ----
    {'name': 'no force: the first answer says so', 'cluster': 'running',
     'command': 'destroy-compute --confirm swarm-cluster',
     'rules': [dict(error('OperationNotAllowed', "Operation 'ForceDelete' is not allowed.", 409),
                    request='DELETE *forceDeletionTypes*')],
     'expect': {'rc': 0, 'match': ['ForceDelete.*once more', 'deleted, nothing of it is left'],
                'sent': '^DELETE /subscriptions/[^/]*/resourcegroups/swarm-cluster[?]api-version=[0-9-]*$'}},
    {'name': 'no force: the operation fails', 'cluster': 'running',
     'command': 'destroy-compute --confirm swarm-cluster',
     'rules': [{'operation': '*', 'code': 'ResourceGroupDeletionTimeout', 'message': 'Not in time.',
                'times': 1}],
     'expect': {'rc': 0, 'match': 'ResourceGroupDeletionTimeout.*once more'}},
    {'name': 'no force: nor without', 'cluster': 'running', 'command': 'destroy-compute --confirm swarm-cluster',
     'rules': [dict(error('OperationNotAllowed', 'Not at all.', 409), request='DELETE *')],
     'expect': {'rc': 1, 'match': 'OperationNotAllowed: Not at all'}},
    {'name': 'no force: a lock is a lock', 'cluster': 'running',
     'command': 'destroy-compute --confirm swarm-cluster',
     'rules': [dict(error('ScopeLocked', 'Locked.', 409), request='DELETE *')],
     'expect': {'rc': 1, 'match': 'ScopeLocked', 'never': 'once more',
                'unsent': '^DELETE .*api-version=[0-9-]*$'}},
    # ---- and one that does not ----
    {'name': 'a name that is taken', 'cluster': 'keys only', 'command': 'deploy-storage',
     'rules': [{'request': 'POST *checkNameAvailability*', 'status': 200, 'body': json.dumps(
         {'nameAvailable': False, 'reason': 'AlreadyExists', 'message': 'It is taken.'})}],
     'env': {'STORAGE_ACCOUNT_NAME': 'somebodyelses'},
     'expect': {'rc': 1, 'match': 'It is taken.*STORAGE_ACCOUNT_NAME',
                'unsent': r'^PUT .*/storageAccounts/'}},
]


def listed(value):
    return value if isinstance(value, list) else [value]


def wrong(case, got, err, sent, expect):
    """None, or what does not hold."""
    said = case.out + err
    last = [x for x in err.split('\n') if x.startswith('azswarm: ')]
    if 'Sanitizer' in err or 'runtime error' in err:
        return 'sanitizer: ' + err[-1500:]
    if 'rc' in expect and got != expect['rc']:
        return 'exit %s, not %d: %s' % (got, expect['rc'], err[-600:])
    if got in (0, 5) and last or got not in (0, 5) and len(last) != 1:
        return 'exit %s with %d lines of what was wrong: %s' % (got, len(last), err[-600:])
    for pattern in listed(expect.get('match', [])):
        if not re.search(pattern, said):
            return "no '%s' in: %s" % (pattern, said[-900:])
    if 'never' in expect and re.search(expect['never'], said):
        return "'%s' in: %s" % (expect['never'], said[-600:])
    for pattern in listed(expect.get('sent', [])):
        if not any(re.search(pattern, r, re.I) for r in sent):
            return "never asked: '%s'" % pattern
    for r in sent:
        if 'unsent' in expect and re.search(expect['unsent'], r, re.I):
            return 'asked: ' + r
    for path, pattern in expect.get('files', {}).items():
        there = os.path.exists(case.dir + '/' + path)
        if there != (pattern is not None):
            return '%s is %s' % (path, 'there' if there else 'not there')
        if there and not re.search(pattern, case.text(path)):
            return "no '%s' in %s" % (pattern, path)
    return faults.half_written(case)


def run(row):
    case = faults.Case(row['name'], faults.TOP + '/' + STAGES[row['cluster']])
    why = 'broken off'
    try:
        for name, value in {**UNSET.get(row['cluster'], {}), **row.get('env', {})}.items():
            case.env.pop(name, None)
            if value is not None:
                case.env[name] = value
        case.faults([faults.SHORT])
        for words in row.get('first', []):
            faults.must(case, words)
        case.faults([dict({'name': 'on purpose'}, **r) for r in row.get('rules', [])] + [faults.SHORT])
        before = len(case.requests())
        got, err = case.run(row['command'])
        why = wrong(case, got, err, case.requests()[before:], row['expect'])
        if not why and row.get('rules') and 'fault on purpose:' not in case.log():
            why = 'the fault did not come about'
        return why
    finally:
        case.end(why)


def main():
    rows = list(CASES)
    for path in sys.argv[5:]:
        with open(path) as f:
            row = json.load(f)
        # exchanges and templates are for those who parse them
        if 'command' in row and 'expect' in row:
            rows.append(dict(row, name=os.path.basename(path).removesuffix('.json')))
    rows = [r for r in rows if re.search(os.environ.get('CASES_ONLY', ''), r['name'])]
    faults.golden()
    player, why = faults.masters()
    failed = False
    if player is None:
        print('skip %s commands that sign in to machines: %s' % (faults.TEST, why))
        rows = [r for r in rows if r['command'].split()[0] not in faults.SIGNS_IN]
    pool = concurrent.futures.ThreadPoolExecutor(int(os.environ.get('FAULTS_JOBS', 16)))
    running = {pool.submit(run, r): r['name'] for r in rows}
    for f in concurrent.futures.as_completed(running):
        try:
            why = f.result()
        except Exception as e:		# the case itself broke
            why = '%s: %s' % (type(e).__name__, e)
        failed |= faults.tell(running[f], why)
    if player is not None:
        player.terminate()
        player.wait()
    sys.exit(failed)


main()
