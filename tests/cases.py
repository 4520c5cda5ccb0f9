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
    first     what comes before: pairs of a command's words and rules for it
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


TAKEN = {'request': 'POST *checkNameAvailability*', 'status': 200, 'body': json.dumps(
    {'nameAvailable': False, 'reason': 'AlreadyExists', 'message': 'It is taken.'})}
LABEL = {'request': 'GET *CheckDnsNameAvailability*domainNameLabel=swarm-cluster-master0&*', 'status': 200,
         'body': '{"available": false}'}
POLICY = dict(error('RequestDisallowedByPolicy', 'Resource was disallowed by policy.', 403),
              request='PUT *storageAccounts/*', times=1)
OLDER = {'request': 'GET */skus/*/versions*', 'status': 200, 'body': '[{"name": "24.04.202606110"}]'}
UNNAMED = dict(error('AuthorizationFailed', 'No.', 403), request='GET */skus/*/versions*')
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
    # ---- names that are another's ----
    {'name': 'name: the account, chosen', 'cluster': 'keys only', 'command': 'deploy-storage --yes',
     'rules': [TAKEN], 'env': {'STORAGE_ACCOUNT_NAME': 'somebodyelses'},
     'expect': {'rc': 1, 'match': 'It is taken.*STORAGE_ACCOUNT_NAME', 'never': 'in its place',
                'unsent': r'^PUT .*/storageAccounts/'}},
    {'name': 'name: the account', 'cluster': 'keys only', 'command': 'deploy-storage', 'rules': [TAKEN],
     'expect': {'rc': 1, 'match': r'It is taken.*--yes takes shared0.{10}[0-9a-f]{6} in its place',
                'unsent': r'^PUT .*/storageAccounts/', 'files': {'parameters/names.json': None}}},
    {'name': 'name: the account, agreed to', 'cluster': 'keys only', 'command': 'deploy-storage --yes',
     'rules': [dict(TAKEN, times=1)],
     'expect': {'rc': 0, 'match': r'storage account shared0.{10}[0-9a-f]{6} made',
                'sent': r'^PUT .*/storageAccounts/shared0.{10}[0-9a-f]{6}/fileServices/',
                'files': {'parameters/names.json': r'"shared0.{10}[0-9a-f]{6}"'}}},
    {'name': 'name: the account, seen late', 'cluster': 'keys only', 'command': 'deploy-storage --yes',
     'rules': [dict(error('StorageAccountAlreadyTaken', 'It is taken.', 409), request='PUT *storageAccounts/*',
                    times=1)],
     'expect': {'rc': 0, 'match': r'storage account shared0.{10}[0-9a-f]{6} made'}},
    {'name': 'name: the account, kept', 'cluster': 'nothing', 'command': 'params',
     'first': [('deploy-storage --yes', [dict(TAKEN, times=1)]), ('keys', [])],
     'expect': {'rc': 0, 'sent': r'^HEAD|blob HEAD',
                'unsent': r'storageAccounts/shared0[a-z]{16}[?]'}},
    {'name': 'name: the account, forgotten and found', 'cluster': 'nothing', 'command': 'params',
     'first': [('deploy-storage --yes', [dict(TAKEN, times=1)]), ('keys', []), ('clean', [])],
     'expect': {'rc': 0, 'files': {'parameters/names.json': r'"shared0.{10}[0-9a-f]{6}"'}}},
    {'name': 'name: the account, found before it is made', 'cluster': 'nothing', 'command': 'deploy-storage',
     # by the other name, before it is asked for by the usual one
     'first': [('deploy-storage --yes', [dict(TAKEN, times=1)]), ('clean', [])], 'rules': [],
     'expect': {'rc': 0, 'match': r'storage account shared0.{10}[0-9a-f]{6} is there already'}},
    {'name': 'name: a label', 'cluster': 'keys, storage', 'command': 'params', 'rules': [LABEL],
     'expect': {'rc': 1, 'files': {'parameters/cluster.json': None, 'parameters/names.json': None},
                'match': r'swarm-cluster-master0 is another.s in eastus; --yes takes '
                         r'swarm-cluster-[0-9a-f]{6} in its place.*COMPUTE_GROUP'}},
    {'name': 'name: a label, agreed to', 'cluster': 'keys, storage', 'command': 'params --yes', 'rules': [LABEL],
     'expect': {'rc': 0, 'files': {
         'parameters/cluster.json': r'"value":\s*"swarm-cluster-[0-9a-f]{6}"',
         'parameters/names.json': r'"swarm-cluster-[0-9a-f]{6}\.eastus"'}}},
    {'name': 'name: a label, taken meanwhile', 'cluster': 'keys, storage, params', 'command': 'deploy-compute --yes',
     'rules': [LABEL],
     'expect': {'rc': 0, 'match': r'swarm-cluster-[0-9a-f]{6}-master0\.eastus\.cloudapp',
                'files': {'parameters/cluster.json': r'"value":\s*"swarm-cluster-[0-9a-f]{6}"'}}},
    {'name': 'name: a label, and nobody agrees', 'cluster': 'keys, storage, params', 'command': 'deploy-compute',
     'rules': [LABEL],
     'expect': {'rc': 1, 'match': 'in its place', 'unsent': '^PUT .*/deployments/'}},
    {'name': 'name: a label, as the deployment sees it', 'cluster': 'keys, storage, params',
     'command': 'deploy-compute --yes',
     'rules': [dict(error('DnsRecordInUse', 'It is in use.', 400), request='POST */validate*', times=1)],
     'expect': {'rc': 0, 'match': r'swarm-cluster-[0-9a-f]{6}-master0\.eastus\.cloudapp'}},
    {'name': 'name: a label, and who may deploy may not ask', 'cluster': 'keys, storage, params',
     'command': 'deploy-compute --yes',
     'rules': [dict(error('DnsRecordInUse', 'It is in use.', 400), request='POST */validate*', times=1),
               dict(error('AuthorizationFailed', 'No.', 403), request='GET *CheckDnsNameAvailability*')],
     'expect': {'rc': 0, 'match': r'swarm-cluster-[0-9a-f]{6}-master0\.eastus\.cloudapp'}},
    {'name': 'name: a label, and the one in its place is not told', 'cluster': 'keys, storage',
     'command': 'params --yes',
     'rules': [LABEL, dict(error('TooManyRequests', 'Too many.', 429), retryAfter=1200,
                           request='GET *domainNameLabel=swarm-cluster-*-agents-lb*')],
     'expect': {'rc': 3, 'match': 'Azure throttles us for 20 min', 'never': 'another.s'}},
    {'name': 'name: a label of ours', 'cluster': 'running', 'command': 'params', 'rules': [],
     'expect': {'rc': 0, 'unsent': 'CheckDnsNameAvailability'}},
    {'name': 'name: all labels', 'cluster': 'keys, storage', 'command': 'params --yes',
     'rules': [dict(LABEL, request='GET *CheckDnsNameAvailability*')],
     'expect': {'rc': 1, 'match': 'so is swarm-cluster-[0-9a-f]{6}-agents-lb', 'never': 'takes'}},
    # ---- versions of images ----
    {'name': 'image: the latest', 'cluster': 'keys, storage, params', 'command': 'deploy-compute', 'rules': [],
     'expect': {'rc': 0, 'match': 'image Canonical ubuntu-24_04-lts server: version 24[.]04[.]202607280',
                'sent': r'^GET .*/skus/server/versions[?].*top=1',
                'files': {'azure/state.json': '"version": ?"24[.]04[.]202607280"'}}},
    {'name': 'image: a master keeps its own', 'cluster': 'keys, storage, params', 'command': 'plan',
     'first': [('deploy-compute', [OLDER])],
     'expect': {'rc': 5, 'match': [
         'master0 keeps version 24[.]04[.]202606110', 'version: "24[.]04[.]202606110" -> "24[.]04[.]202607280"',
         '~ Microsoft[.]Compute/virtualMachineScaleSets agents'],
                'never': '~ Microsoft[.]Compute/virtualMachines '}},
    {'name': 'image: and is deployed with it', 'cluster': 'keys, storage, params', 'command': 'deploy-compute',
     'first': [('deploy-compute', [OLDER])],
     'expect': {'rc': 0, 'match': 'deployment cli-eastus finished'}},
    {'name': 'image: made with latest', 'cluster': 'keys, storage, params', 'command': 'plan',
     'first': [('deploy-compute', [UNNAMED])],
     'expect': {'rc': 5, 'match': 'version: "latest" -> "24[.]04[.]202607280"',
                'never': 'keeps|~ Microsoft[.]Compute/virtualMachines '}},
    {'name': 'image: nobody may look', 'cluster': 'keys, storage, params', 'command': 'deploy-compute',
     'rules': [UNNAMED],
     'expect': {'rc': 0, 'match': 'version latest, for Azure names none: AuthorizationFailed'}},
    {'name': 'image: a name that is none', 'cluster': 'keys, storage, params', 'command': 'deploy-compute',
     'rules': [dict(OLDER, body='[{"name": "24.04;x"}]')],
     'expect': {'rc': 0, 'match': 'version latest, for Azure names none'}},
    {'name': 'image: withdrawn', 'cluster': 'running', 'command': 'scale-agents 5',
     'rules': [{'operation': '*', 'code': 'ImageVersionDeprecated', 'message': 'It is deprecated.'}],
     'expect': {'rc': 1, 'match': "ImageVersionDeprecated: .*'azswarm deploy-compute' takes the latest"}},
    # ---- accounts that allow no shared keys ----
    {'name': 'keyless: nobody agrees', 'cluster': 'keys only', 'command': 'deploy-storage', 'rules': [POLICY],
     'expect': {'rc': 1, 'match': 'disallowed by policy.*--yes makes it without shared keys.*/srv.*autoscale',
                'unsent': 'shares/|containers/'}},
    {'name': 'keyless: agreed to', 'cluster': 'keys only', 'command': 'deploy-storage --yes', 'rules': [POLICY],
     'expect': {'rc': 0, 'match': ['without shared keys.*/srv', 'program .* uploaded'],
                'unsent': 'shares/|ListServiceSas|listKeys'}},
    {'name': 'keyless: a policy about something else', 'cluster': 'keys only', 'command': 'deploy-storage --yes',
     'rules': [dict(POLICY, info=[{'type': 'PolicyViolation', 'info': {'evaluationDetails': {
         'evaluatedExpressions': [{'path': 'location', 'expression': 'location'}]}}}])],
     'expect': {'rc': 1, 'match': 'disallowed by policy', 'never': 'shared keys'}},
    {'name': 'keyless: a policy that says so', 'cluster': 'keys only', 'command': 'deploy-storage --yes',
     'rules': [dict(POLICY, info=[{'type': 'PolicyViolation', 'info': {'evaluationDetails': {
         'evaluatedExpressions': [{'path': 'properties.allowSharedKeyAccess', 'expression':
                                   'Microsoft.Storage/storageAccounts/allowSharedKeyAccess'}]}}}])],
     'expect': {'rc': 0}},
    {'name': 'keyless: parameters', 'cluster': 'keys only', 'command': 'params',
     'first': [('deploy-storage --yes', [POLICY])],
     'expect': {'rc': 0, 'match': 'allows no shared keys', 'unsent': 'listKeys|ListServiceSas',
                'files': {'parameters/cluster.json': r'"autoscaleEnabled":\s*[{]\s*"value":\s*false'}}},
    {'name': 'keyless: shares', 'cluster': 'keys only', 'command': 'create-shares',
     'first': [('deploy-storage --yes', [POLICY])],
     'expect': {'rc': 1, 'match': 'no share is made', 'unsent': '^PUT'}},
    {'name': 'keyless: no role for the data', 'cluster': 'keys only', 'command': 'deploy-storage --yes',
     'rules': [POLICY, dict(error('AuthorizationPermissionMismatch', 'No.', 403), request='POST */?restype*')],
     'expect': {'rc': 1, 'match': 'AuthorizationPermissionMismatch.*Storage Blob Data Contributor'}},
    {'name': 'keyless: seen late', 'cluster': 'keys, storage', 'command': 'params',
     'rules': [{'request': 'HEAD /azswarm/*', 'status': 403, 'code': 'KeyBasedAuthenticationNotPermitted',
                'times': 1}],
     'expect': {'rc': 0, 'match': 'allows no shared keys',
                'files': {'parameters/cluster.json': r'"autoscaleEnabled":\s*[{]\s*"value":\s*false'}}},
    {'name': 'keyless: autoscale', 'cluster': 'keys only', 'command': 'start-agents',
     'first': [('deploy-storage --yes', [POLICY]), ('params', []), ('deploy-compute', [])],
     'expect': {'rc': 0, 'match': 'autoscale stays off: .*7 days', 'unsent': '^PUT .*autoscalesettings'}},
    {'name': 'keyless: parameters again, and nothing changes', 'cluster': 'keys only', 'command': 'plan',
     'first': [('deploy-storage --yes', [POLICY]), ('params', []), ('deploy-compute', []), ('params', [])],
     'expect': {'rc': 0, 'match': 'nothing to change'}},
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
        for words, rules in row.get('first', []):
            case.faults(rules + [faults.SHORT])
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
