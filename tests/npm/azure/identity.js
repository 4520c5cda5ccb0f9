// Microsoft's @azure/identity and azswarm sign in by the same settings at the
// same recorder; what azswarm sends has to be what the SDK sends, but for the
// SDK's telemetry.  The recorder answers what the SDK takes for an answer.
//
//	node identity.js AZSWARM TLS.key TLS.pem CLIENT.pem
'use strict';
const fs = require('fs'), http = require('http'), https = require('https'), os = require('os');
const { execFile } = require('child_process');

if (process.argv[2] === 'sdk') {	// one credential, in a process of its own: MSAL caches for all
	const identity = require('@azure/identity');
	const options = { authorityHost: process.env.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true };

	if (process.env.AZURE_CLIENT_ID && process.argv[3] === 'ManagedIdentityCredential')
		options.clientId = process.env.AZURE_CLIENT_ID;
	new identity[process.argv[3]](options).getToken(process.argv[4]).then((t) => {
		console.log(t.token);
	}, (e) => { console.log(`failed: ${e.message}`); process.exitCode = 1; });
	return;
}

const [azswarm, key, cert, client] = process.argv.slice(2);
const jwt = (s) => JSON.parse(Buffer.from(s, 'base64url').toString());
let seen = [], base, local;

// What matters of a request, in an order of its own.
function record(q, body, secure) {
	const url = new URL(q.url, 'https://localhost'), r = { request: `${q.method} ${url.pathname.replace(/\/$/, '')}`, secure };

	for (const [k, v] of url.searchParams)
		r['?' + k] = v;
	for (const k of ['metadata', 'x-identity-header', 'secret', 'authorization'])
		if (q.headers[k] !== undefined)
			r[k + ':'] = q.headers[k];
	if (body !== '') {
		r['content-type:'] = q.headers['content-type'].split(';')[0];
		for (const [k, v] of new URLSearchParams(body))
			r[k] = v;
	}
	if (r.client_assertion?.split('.').length === 3 && r.client_assertion !== 'a.b.c') {
		const [h, p] = r.client_assertion.split('.').map((s, i) => i < 2 && jwt(s));

		r.client_assertion = JSON.stringify({ alg: h.alg, typ: h.typ, x5t: h.x5t, s256: h['x5t#S256'], x5c: h.x5c,
			aud: p.aud, iss: p.iss, sub: p.sub, life: p.exp - p.nbf, jti: p.jti.length });
	}
	return r;
}

function answer(q, r, body, secure) {
	const path = q.url.split('?')[0], token = { token_type: 'Bearer', access_token: 'eyJ0.e30.x' };
	const arc = q.url.includes('api-version=2019-11-01');
	let status = 200, doc;

	if (path.endsWith('openid-configuration')) {
		doc = { token_endpoint: `${base}/tenant-1/oauth2/v2.0/token`, issuer: `${base}/tenant-1/v2.0`,
			authorization_endpoint: `${base}/tenant-1/oauth2/v2.0/authorize`,
			jwks_uri: `${base}/tenant-1/discovery/v2.0/keys` };
	} else if (path.startsWith('/subscriptions')) {
		doc = { value: [{ name: 'region-1', displayName: 'One' }] };
	} else {
		seen.push(record(q, body, secure));
		if (arc && !q.headers.authorization) {
			r.setHeader('WWW-Authenticate', 'Basic realm=/var/opt/azcmagent/tokens/azswarm.key');
			status = 401;
		}
		doc = secure ? { ...token, expires_in: 3599, ext_expires_in: 3599 } : { ...token, expires_in: '3599',
			expires_on: String(Math.floor(Date.now() / 1000) + 3599), resource: base };
	}
	r.writeHead(status, { 'Content-Type': 'application/json' });
	r.end(JSON.stringify(doc));
}

function serve(secure) {
	const handle = (q, r) => {
		let body = '';
		q.on('data', (d) => { body += d; });
		q.on('end', () => answer(q, r, body, secure));
	};
	const s = secure ? https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, handle) :
		http.createServer(handle);

	return new Promise((done) => s.listen(0, '127.0.0.1', () => done(s)));
}

function run(file, args, env) {
	return new Promise((done) => execFile(file, args, { env, timeout: 60000 }, (e, out, err) =>
		done({ failed: !!e, text: out + err })));
}

// Fields that only MSAL sends: who it is and what it measured; and what ours may leave out.
const telemetry = /^\??(x-client-|x-app-|x-ms-lib|client-request-id$|client_info$|return-client-request-id$|claims$)/;

function differences(sdk, ours) {
	const wrong = [];

	if (sdk.length !== ours.length)
		return [`${ours.length} requests, the SDK makes ${sdk.length}: ${JSON.stringify(sdk)}`];
	sdk.forEach((s, i) => {
		for (const k of new Set([...Object.keys(s), ...Object.keys(ours[i])])) {
			let a = s[k], b = ours[i][k];

			if (telemetry.test(k))
				continue;
			if (k === 'scope')	// for users, who are not here
				a = a.split(' ').filter((w) => !/^(openid|profile|offline_access)$/.test(w)).join(' ');
			if (typeof a === 'string' && typeof b === 'string' && k === 'metadata:')
				[a, b] = [a.toLowerCase(), b.toLowerCase()];
			if (a !== b)
				wrong.push(`${k}: ${b}, the SDK has ${a}`);
		}
	});
	return wrong;
}

(async () => {
	const entra = await serve(true), host = await serve(false);
	base = `https://localhost:${entra.address().port}`;
	local = `http://127.0.0.1:${host.address().port}`;
	fs.writeFileSync('federated.jwt', 'a.b.c\n');
	fs.writeFileSync('az', `#!/bin/sh\nfor a; do printf '%s\\n' "$a"; done >${process.cwd()}/az.args\n` +
		`echo '{"accessToken":"eyJ0.e30.x","expiresOn":"2099-01-01 00:00:00.000000",` +
		`"expires_on":${Math.floor(Date.now() / 1000) + 3599},"subscription":"S","tenant":"tenant-1"}'\n`,
		{ mode: 0o755 });

	const sp = { AZURE_TENANT_ID: 'tenant-1', AZURE_CLIENT_ID: 'client-1' };
	const cases = [
		['a secret', 'EnvironmentCredential', { ...sp, AZURE_CLIENT_SECRET: 'a~b/c+d e&f=' }],
		// the SDK still sends RS256 by default; sh/sign-in has PS256
		['a certificate', 'EnvironmentCredential', { ...sp, AZURE_CLIENT_CERTIFICATE_PATH: client,
			AZURE_CLIENT_CERTIFICATE_ALG: 'RS256' }],
		['a certificate and its chain', 'EnvironmentCredential', { ...sp,
			AZURE_CLIENT_CERTIFICATE_PATH: client, AZURE_CLIENT_CERTIFICATE_ALG: 'RS256',
			AZURE_CLIENT_SEND_CERTIFICATE_CHAIN: 'true' }],
		['a workload identity', 'WorkloadIdentityCredential', { ...sp,
			AZURE_FEDERATED_TOKEN_FILE: `${process.cwd()}/federated.jwt` }],
		['IMDS', 'ManagedIdentityCredential', { AZURE_POD_IDENTITY_AUTHORITY_HOST: local }],
		['IMDS, user-assigned', 'ManagedIdentityCredential', { AZURE_CLIENT_ID: 'client-1',
			AZURE_POD_IDENTITY_AUTHORITY_HOST: local }],
		['App Service', 'ManagedIdentityCredential', { IDENTITY_ENDPOINT: local + '/msi/token',
			IDENTITY_HEADER: 'hidden' }],
		['App Service, user-assigned', 'ManagedIdentityCredential', { IDENTITY_ENDPOINT: local + '/msi/token',
			IDENTITY_HEADER: 'hidden', AZURE_CLIENT_ID: 'client-1' }],
		['Cloud Shell', 'ManagedIdentityCredential', { MSI_ENDPOINT: local + '/oauth2/token' }],
	];
	let arc = false;
	try {	// a folder that only root, and only Arc, has
		if (!fs.existsSync('/var/opt/azcmagent')) {
			fs.mkdirSync('/var/opt/azcmagent/tokens', { recursive: true });
			fs.writeFileSync('/var/opt/azcmagent/tokens/azswarm.key', 'key-of-arc');
			arc = true;
		}
	} catch (e) { /* not root */ }
	if (arc)
		cases.push(['Azure Arc', 'ManagedIdentityCredential', {
			IDENTITY_ENDPOINT: local + '/metadata/identity/oauth2/token', IMDS_ENDPOINT: local }]);
	else
		console.log('skip identity Azure Arc: /var/opt/azcmagent cannot be made');
	cases.push(['az', 'AzureCliCredential', {}]);

	for (const [name, credential, vars] of cases) {
		const env = { PATH: `${process.cwd()}:${process.env.PATH}`, HOME: process.cwd(), NO_PROXY: '*',
			NODE_PATH: process.env.NODE_PATH, NODE_EXTRA_CA_CERTS: cert, SSL_CERT_FILE: cert,
			AZURE_AUTHORITY_HOST: base, ...vars };
		const ours = { ...env, AZURE_TOKEN_CREDENTIALS: credential, AZURE_SUBSCRIPTION_ID: '',
			AZURE_RESOURCE_MANAGER_ENDPOINT: base, XDG_CACHE_HOME: `${process.cwd()}/cache` };

		fs.rmSync('cache', { recursive: true, force: true });
		fs.rmSync('az.args', { force: true });
		seen = [];
		const a = await run(process.execPath, [__filename, 'sdk', credential, base + '/.default'], env);
		const theirs = seen, args = fs.existsSync('az.args') && fs.readFileSync('az.args', 'utf8');
		seen = [];
		const b = await run(azswarm, ['locations', '--azure-subscription-id', credential.startsWith('AzureCli') ? '' : 'S'], ours);
		const wrong = differences(theirs, seen);

		const words = (text) => text.split(/[\n=]/).filter((w) => w !== '--only-show-errors').sort().join(' ');
		if (args && words(fs.readFileSync('az.args', 'utf8')) !== words(args))
			wrong.push(`az ${fs.readFileSync('az.args', 'utf8')}, the SDK: az ${args}`);
		if (a.failed)
			wrong.push(`the SDK: ${a.text}`);
		if (b.failed || !b.text.includes('region-1'))
			wrong.push(b.text);
		if (!args && theirs.length === 0)
			wrong.push('the SDK asked nobody');
		console.log(wrong.length ? `not ok identity ${name}: ${wrong.join('; ').replace(/\n/g, ' ')}` :
			`ok identity ${name}: ${args ? 'az is asked as by' : `${seen.length} request(s) as of`} the SDK`);
		process.exitCode = process.exitCode || (wrong.length ? 1 : 0);
	}
	if (arc)
		fs.rmSync('/var/opt/azcmagent', { recursive: true });
	entra.close();
	host.close();
	setTimeout(() => process.exit(), 500).unref();
})();
