#!/usr/bin/env python3
"""Lists of many machines to read, and an nginx that answers with them.

	list_pages.py RECORD DIR MACHINES PORT

RECORD is what the local Azure wrote (--record) while it had some machines and
was asked for list-agents: their shapes are taken, the number is not.  DIR gets
pages of 40, nginx.conf with a sign-in that gives everybody a token, and key and
certificate; with `. DIR/env` nginx is Azure.  Prints the number of pages' bytes.
"""
import base64
import copy
import json
import os
import re
import subprocess
import sys

record, where, machines, port = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
PAGE = 40
lists = {}
with open(record) as f:
    for line in f:
        x = json.loads(line)
        kind = re.search(r'/(virtualMachines|networkInterfaces)\?', x['url'])
        if kind and x['status'] == 200 and x['responseBody'].get('value'):
            lists[kind.group(1)] = x


def renumbered(item, n):
    """The same machine, as number n."""
    text = json.dumps(item, separators=(',', ':'))
    text = re.sub(r'/virtualMachines/\d+', '/virtualMachines/%d' % n, text)
    text = re.sub(r'"instanceId":"\d+"', '"instanceId":"%d"' % n, text)
    text = re.sub(r'"agents_\d+"', '"agents_%d"' % n, text)
    text = re.sub(r'"agents\d{6}"', '"agents%06d"' % n, text)
    return re.sub(r'"10\.77\.16\.\d+"', '"10.77.%d.%d"' % (16 + n // 250, 4 + n % 250), text)


os.makedirs(where + '/www', exist_ok=True)
size = 0
for kind, x in lists.items():
    some = x['responseBody']['value']
    base = re.sub(r'^https://[^/]*', 'https://localhost:' + port, x['url'])
    for page in range(0, machines, PAGE):
        items = [renumbered(some[n % len(some)], n) for n in range(page, min(page + PAGE, machines))]
        more = page + PAGE < machines
        text = '{"value":[%s]%s}' % (','.join(items), ',"nextLink":%s' % json.dumps(
            '%s&page=%d' % (base, page // PAGE + 1)) if more else '')
        size += len(text)
        with open('%s/www/%s-%s' % (where, kind, page // PAGE or ''), 'w') as f:
            f.write(text)


def part(x):
    return base64.urlsafe_b64encode(json.dumps(x).encode()).decode().rstrip('=')


tenant, subscription = 'c61b0f49-a3a4-4c61-a9b4-3c384e7d7922', re.search(
    '/subscriptions/([^/]*)', x['url']).group(1)
token = {'token_type': 'Bearer', 'expires_in': 86399, 'access_token': '.'.join(
    [part({'alg': 'none'}), part({'aud': 'https://localhost:' + port, 'tid': tenant}), 'x'])}
with open(where + '/www/token', 'w') as f:
    json.dump(token, f)
subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
                '-nodes', '-keyout', where + '/key.pem', '-out', where + '/cert.pem', '-days', '2',
                '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost',
                '-addext', 'basicConstraints=critical,CA:TRUE'],
               check=True, stderr=subprocess.DEVNULL)
with open(where + '/nginx.conf', 'w') as f:
    f.write('''daemon off; master_process off; pid nginx.pid; error_log error.log;
%s
events { worker_connections 64; }
http {
	access_log off;
	default_type application/json;
	client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi; scgi_temp_path scgi;
	server {
		listen 127.0.0.1:%s ssl;
		ssl_certificate cert.pem; ssl_certificate_key key.pem;
		ssl_protocols TLSv1.2; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256;
		root www;
		error_page 405 =200 $uri;
		location ~ /token$ { error_page 405 =200 /token; try_files /token =404; }
		location = /token { internal; }
		location ~ /virtualMachines$ { try_files /virtualMachines-$arg_page =404; }
		location ~ /networkInterfaces$ { try_files /networkInterfaces-$arg_page =404; }
	}
}
''' % ('user root;' if os.getuid() == 0 else '', port))
with open(where + '/env', 'w') as f:
    f.write('\n'.join('export %s=%s' % kv for kv in {
        'AZURE_AUTHORITY_HOST': 'https://localhost:' + port,
        'AZURE_RESOURCE_MANAGER_ENDPOINT': 'https://localhost:' + port,
        'AZURE_TENANT_ID': tenant, 'AZURE_CLIENT_ID': 'a', 'AZURE_CLIENT_SECRET': 'b',
        'AZURE_SUBSCRIPTION_ID': subscription, 'AZURE_TOKEN_CREDENTIALS': 'EnvironmentCredential',
        'SSL_CERT_FILE': os.path.abspath(where) + '/cert.pem'}.items()) + '\n')
print(size)
