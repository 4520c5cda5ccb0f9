// An Entra ID that believes nothing: the client's assertion is verified by the
// package jose with the certificate that the application has.  Behind the same
// address, an ARM that has one region, and the endpoints of a cloud in several
// shapes.
//
//	node entra.js TLS.key TLS.pem CLIENT.pem
//
// prints its port, then a line for each request.  CLIENT.pem is read for every one.
const fs = require('fs'), https = require('https'), crypto = require('crypto'), jose = require('jose');
const [key, cert, client] = process.argv.slice(2);
const adfs = 'https://arm.adfs/4de154de-f8a8-4017-af41-df619da68155';
const bom = '\ufeff';
let base;

const refusal = (code, text) => [401, { error: 'invalid_client', error_description:
	`AADSTS${code}: ${text}\r\nTrace ID: t`, error_codes: [code], trace_id: 't-1', correlation_id: 'c-1' }];

async function token(path, form) {
	const pem = fs.readFileSync(client, 'utf8');
	const x509 = new crypto.X509Certificate(pem);
	const jwt = form.get('client_assertion');
	const der = crypto.createHash('sha256').update(x509.raw).digest('base64url');
	const sha1 = crypto.createHash('sha1').update(x509.raw).digest('base64url');

	fs.writeFileSync('jwt', jwt);
	try {
		const { payload, protectedHeader: h } = await jose.jwtVerify(jwt, x509.publicKey, {
			audience: base + path, issuer: 'client-1', subject: 'client-1',
			algorithms: ['PS256', 'RS256'], typ: 'JWT', maxTokenAge: 60,
			requiredClaims: ['jti', 'nbf', 'exp', 'iat'],
		});
		const wrong = [
			payload.exp - payload.nbf !== 600 && 'exp',
			!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(payload.jti) && 'jti',
			h.alg === 'PS256' && (h['x5t#S256'] !== der || 'x5t' in h) && 'x5t#S256',
			h.alg === 'RS256' && (h.x5t !== sha1 || 'x5t#S256' in h) && 'x5t',
			h.x5c && !Buffer.from(h.x5c[0], 'base64').equals(x509.raw) && 'x5c',
			form.get('client_assertion_type') !==
				'urn:ietf:params:oauth:client-assertion-type:jwt-bearer' && 'type',
			form.get('grant_type') !== 'client_credentials' && 'grant',
			form.get('client_id') !== 'client-1' && 'client',
			path.startsWith('/adfs') ? (form.get('resource') !== adfs ||
				form.has('scope')) && 'resource' :
				form.get('scope') !== base + '/.default' && 'scope',
		].filter(Boolean);

		if (wrong.length)
			return refusal(1, 'wrong: ' + wrong);
		console.log(`verified ${h.alg} ${h.x5c ? h.x5c.length : 0}`);
		return [200, { token_type: 'Bearer', expires_in: 3599, access_token: 'eyJ0.' + h.alg + '.x' }];
	} catch (e) {
		return refusal(700027, 'The certificate ... is not the one: ' + e.message);
	}
}

const clouds = {
	// one of an array, the second
	array: () => [
		{ name: 'Other', resourceManager: 'https://other.test/', authentication:
			{ loginEndpoint: 'https://login.other.test/', audiences: ['https://other.test'] } },
		{ name: 'Ours', resourceManager: base + '/', authentication:
			{ loginEndpoint: base + '/', audiences: [base], identityProvider: 'AAD' } },
	],
	object: () => ({ name: 'Ours', authentication: { loginEndpoint: base + '/', audiences: [base + '/'],
		identityProvider: 'AAD' }, resourceManager: base }),
	adfs: () => ({ galleryEndpoint: base, graphEndpoint: base, portalEndpoint: base, authentication:
		{ loginEndpoint: base + '/adfs', audiences: [adfs] } }),
	stolen: () => ({ authentication: { loginEndpoint: base + '/', audiences: [
		'https://management.azure.com/', '797f4846-ba00-4fd7-ba43-dac1f8f63013', 'https://host:x/', 7] } }),
	disguised: () => ({ authentication: { loginEndpoint: base + '/', audiences: [
		'https://management.azure.com/797f4846-ba00-4fd7-ba43-dac1f8f63013',
		'https://management.azure.com/a-path-that-is-longer-than-a-GUID-would-be'] } }),
	elsewhere: () => ({ authentication: { loginEndpoint: 'https://evil.test/', audiences: [base] } }),
	third: () => ({ authentication: { loginEndpoint: base + '/', audiences: [
		'https://management.core.windows.net/', 'https://notlocalhost/', base] } }),
	plain: () => ({ authentication: { loginEndpoint: 'http://login.test/', audiences: [base] } }),
	none: () => ({ portal: base }),
};

async function answer(q, body) {
	const url = new URL(q.url, base), version = url.searchParams.get('api-version');
	const shape = fs.existsSync('shape') ? fs.readFileSync('shape', 'utf8').trim() : 'object';

	if (url.pathname.endsWith('/token'))
		return token(url.pathname, new URLSearchParams(body));
	if (url.pathname === '/metadata/endpoints')
		return version === (shape === 'adfs' ? '2015-01-01' : '2022-09-01') ?
			[200, clouds[shape]()] : [404, { error: { code: 'InvalidApiVersionParameter' } }];
	if (!/^Bearer eyJ0\.[PR]S256\.x$/.test(q.headers.authorization))
		return [401, { error: { code: 'AuthenticationFailed' } }];
	if (url.pathname === '/subscriptions')
		return [200, { value: JSON.parse(fs.readFileSync('subscriptions', 'utf8')) }];
	return [200, { value: [{ name: 'region-1', displayName: 'Of ' + url.pathname.split('/')[2] }] }];
}

const server = https.createServer({ key: fs.readFileSync(key), cert: fs.readFileSync(cert) }, (q, r) => {
	let body = '';

	q.on('data', (d) => { body += d; });
	q.on('end', async () => {
		const [status, doc] = await answer(q, body);

		console.log(`${q.method} ${q.url} ${status}`);
		r.writeHead(status, { 'Content-Type': 'application/json' });
		r.end(bom + JSON.stringify(doc));
	});
});
server.listen(0, '127.0.0.1', () => {
	base = `https://localhost:${server.address().port}`;
	console.log('port ' + server.address().port);
});
