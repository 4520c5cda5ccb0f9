// An OpenID provider that others wrote and certified (npm's oidc-provider) on
// the paths of Entra ID, and behind it an API that takes its tokens and nobody
// else's: the two lists of Resource Manager that sign-in asks for.
//
//	oidc_server.mjs KEY.pem CERT.pem TENANT CLIENT-CERT.pem SUBSCRIPTIONS
//
// Prints "ready PORT".  Nothing of the protocol is done here; only its pages,
// which the provider leaves to whoever runs it, and what its configuration asks
// for.  SUBSCRIPTIONS: how many there are to choose from.
import { createPublicKey } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';

const [key, cert, tenant, clientCert, subscriptions] = process.argv.slice(2);
const { default: Provider, interactionPolicy } =
	await import(`${process.env.NODE_PATH}/oidc-provider/lib/index.js`);

const at = `/${tenant}/oauth2/v2.0`;
const server = https.createServer({ key: readFileSync(key), cert: readFileSync(cert) });
await new Promise((done) => server.listen(0, '127.0.0.1', done));
const { port } = server.address();
const base = `https://localhost:${port}`;
const scope = `${base}/.default`;

const jwk = createPublicKey(readFileSync(clientCert)).export({ format: 'jwk' });
const application = {
	application_type: 'web', grant_types: ['client_credentials'], redirect_uris: [],
	response_types: [], scope,
};
const certificate = (client_id, alg) => ({
	...application, client_id, token_endpoint_auth_method: 'private_key_jwt',
	token_endpoint_auth_signing_alg: alg, jwks: { keys: [{ ...jwk, use: 'sig', alg }] },
});

const policy = interactionPolicy.base();
policy.add(new interactionPolicy.Prompt({ name: 'select_account', requestable: true }), 0);

const provider = new Provider(`${base}/${tenant}/v2.0`, {
	clients: [{
		client_id: '04b07795-8ddb-461a-bbee-02f9e1bf7b46', application_type: 'native',
		token_endpoint_auth_method: 'none', redirect_uris: ['http://localhost'],
		response_types: ['code'], grant_types: ['authorization_code', 'refresh_token',
			'urn:ietf:params:oauth:grant-type:device_code'],
	}, {
		...application, client_id: 'with-secret', client_secret: 'p ~%+&=secret.of/some=length*and(signs)',
		token_endpoint_auth_method: 'client_secret_post',
	}, certificate('with-PS256', 'PS256'), certificate('with-RS256', 'RS256')],
	scopes: ['openid', 'offline_access', 'profile', scope],
	claims: { openid: ['sub', 'tid', 'oid'], profile: ['name', 'preferred_username'] },
	conformIdTokenClaims: false,
	findAccount: (ctx, id) => ({
		accountId: id,
		claims: () => ({ sub: id, tid: tenant, oid: 'object-1', name: 'Some User',
			preferred_username: 'user@provider.example' }),
	}),
	clientAuthMethods: ['none', 'client_secret_post', 'private_key_jwt'],
	routes: { authorization: `${at}/authorize`, token: `${at}/token`,
		device_authorization: `${at}/devicecode`, code_verification: '/devicelogin' },
	pkce: { required: () => true },
	rotateRefreshToken: true,
	issueRefreshToken: (ctx, client) => client.grantTypeAllowed('refresh_token'),
	ttl: { DeviceCode: 8, AccessToken: 3600, ClientCredentials: 3600, RefreshToken: 7200,
		IdToken: 3600, Grant: 7200, Session: 600, Interaction: 600, AuthorizationCode: 60 },
	interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}`, policy },
	features: { devInteractions: { enabled: false }, deviceFlow: { enabled: true },
		clientCredentials: { enabled: true } },
	cookies: { keys: ['a key for these tests'] },
});
provider.on('server_error', (ctx, err) => console.error(err));
for (const what of ['grant.error', 'authorization.error', 'device_authorization.error'])
	provider.on(what, (ctx, err) => console.error(what, err.error, err.error_description, err.error_detail));

const bodyOf = async (req) => {
	let text = '';
	for await (const piece of req)
		text += piece;
	return new URLSearchParams(text);
};

// The page of an interaction: GET shows its form, POST answers for the person.
async function interaction(req, res)
{
	const { uid, prompt, params, session, grantId } = await provider.interactionDetails(req, res);

	if (req.method !== 'POST') {
		res.setHeader('Content-Type', 'text/html');
		res.end(`<form method=post action=/interaction/${uid}><button name=answer value=yes>${prompt.name}`);
		return;
	}
	if ((await bodyOf(req)).get('answer') !== 'yes') {
		await provider.interactionFinished(req, res, { error: 'access_denied',
			error_description: 'The person said no.' });
		return;
	}
	const result = { select_account: {}, login: { accountId: 'user-1' } };
	if (prompt.name === 'consent') {
		const grant = (grantId && await provider.Grant.find(grantId)) ||
			new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
		grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(' '));
		result.consent = { grantId: await grant.save() };
	}
	await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: true });
}

// Resource Manager, as far as sign-in goes.
async function api(req, res)
{
	const bearer = (req.headers.authorization ?? '').replace(/^Bearer /, '');
	const token = await provider.AccessToken.find(bearer) ?? await provider.ClientCredentials.find(bearer);
	const all = [...Array(Number(subscriptions)).keys()].map((i) => ({
		subscriptionId: `00000000-0000-0000-0000-00000000000${i}`, displayName: `Subscription ${i}`,
		state: 'Enabled' }));
	const path = new URL(req.url, base).pathname;
	const one = all.find((s) => path === `/subscriptions/${s.subscriptionId}`);

	res.setHeader('Content-Type', 'application/json');
	if (!token || !token.scopes.has(scope)) {
		res.statusCode = 401;
		res.end('{"error":{"code":"InvalidAuthenticationToken","message":"not a token of this provider"}}');
	} else if (path.endsWith('/locations')) {
		res.end('{"value":[{"name":"eastus","displayName":"East US"}]}');
	} else if (path === '/subscriptions') {
		res.end(JSON.stringify({ value: all }));
	} else if (path === '/tenants') {
		res.end(JSON.stringify({ value: [{ tenantId: tenant, displayName: 'Some Tenant' }] }));
	} else {
		res.statusCode = one ? 200 : 404;
		res.end(JSON.stringify(one ?? { error: { code: 'NotFound', message: path } }));
	}
}

const handle = provider.callback();
server.on('request', (req, res) => {
	// The one thing that Entra ID does without being asked: a refresh token
	// takes the person's consent here (OpenID Connect Core 11).
	req.url = req.url.replace('prompt=select_account', 'prompt=select_account%20consent');
	const serve = req.url.startsWith('/interaction/') ? interaction :
		/^\/(subscriptions|tenants)/.test(req.url) ? api : handle;

	Promise.resolve(serve(req, res)).catch((err) => {
		console.error(err);
		res.statusCode = 500;
		res.end(String(err));
	});
});
console.log(`ready ${port}`);
