/*
 * Microsoft's client for blob storage against the local Azure, without the
 * account's key: it asks for a key of its own, signs addresses with that, and
 * reads by them; what it makes of the two sides is Microsoft's own idea of them.
 *
 *	node delegation.js ACCOUNT CONTAINER BLOB FILE
 *
 * Run by tests/conformance/delegation.sh, which sets the environment.  BLOB is
 * there, and is FILE.  Names below localhost are loopback, which glibc alone
 * does not know.
 */
"use strict";
const dns = require("dns"), fs = require("fs"), https = require("https");

const lookup = dns.lookup;
dns.lookup = (host, ...rest) =>
	lookup(/\.localhost$/.test(host) ? "127.0.0.1" : host, ...rest);

const { ClientSecretCredential } = require("@azure/identity");
const { BlobServiceClient, BlobSASPermissions, ContainerSASPermissions, SASProtocol,
	generateBlobSASQueryParameters } = require("@azure/storage-blob");

const env = process.env, [account, container, blob, file] = process.argv.slice(2);
const port = new URL(env.AZURE_RESOURCE_MANAGER_ENDPOINT).port;
const host = `https://${account}.blob.core.localhost:${port}`;
let failed = 0;

function same(name, wanted, got)
{
	const a = JSON.stringify(wanted), b = JSON.stringify(got);

	console.log(a === b ? `ok delegation ${name}` :
			      `not ok delegation ${name}: wanted ${a}, got ${b}`);
	failed += a !== b;
}

function get(url)
{
	return new Promise((done, fail) => https.get(url, { lookup: dns.lookup }, r => {
		const parts = [];

		r.on("data", d => parts.push(d));
		r.on("end", () => done({ status: r.statusCode, code: r.headers["x-ms-error-code"],
					 body: Buffer.concat(parts) }));
	}).on("error", fail));
}

async function refused(what)
{
	try {
		await what();
		return "nothing";
	} catch (e) {
		return `${e.statusCode} ${e.code}`;
	}
}

async function main()
{
	const who = new ClientSecretCredential(env.AZURE_TENANT_ID, env.AZURE_CLIENT_ID, env.AZURE_CLIENT_SECRET,
					       { authorityHost: env.AZURE_AUTHORITY_HOST,
						 disableInstanceDiscovery: true });
	const service = new BlobServiceClient(host, who, { retryOptions: { maxTries: 1 } });
	const now = Date.now(), hour = 3600e3, day = 24 * hour;
	const key = await service.getUserDelegationKey(new Date(now - 60e3), new Date(now + hour));

	same("a key", [true, true, "b", 32],
	     [/^[0-9a-f-]{36}$/.test(key.signedObjectId), key.signedTenantId === env.AZURE_TENANT_ID,
	      key.signedService, Buffer.from(key.value, "base64").length]);
	same("as long as was asked", Math.floor((now + hour) / 1000), key.signedExpiresOn / 1000);
	same("not for more than seven days", "400 InvalidXmlNodeValue",
	     await refused(() => service.getUserDelegationKey(new Date(now), new Date(now + 8 * day))));
	same("nor for what is over", "400 InvalidXmlNodeValue",
	     await refused(() => service.getUserDelegationKey(new Date(now - 2 * hour), new Date(now - hour))));

	const signed = more => `${host}/${container}/${blob}?` + generateBlobSASQueryParameters({
		containerName: container, blobName: blob, permissions: BlobSASPermissions.parse("r"),
		startsOn: new Date(now - 30e3), expiresOn: new Date(now + hour / 2), ...more }, key, account);

	for (const version of ["2018-11-09", "2019-12-12", "2020-02-10", "2020-12-06", "2021-12-02",
			       "2022-11-02", undefined]) {
		const r = await get(signed({ version }));

		same(`signed by Microsoft's client, version ${version ?? "its own"}`, [200, true],
		     [r.status, r.body.equals(fs.readFileSync(file))]);
	}
	same("with all there is", 200, (await get(signed({
		protocol: SASProtocol.Https, ipRange: { start: "0.0.0.0", end: "255.255.255.255" },
		contentType: "text/plain", cacheControl: "no-store", contentLanguage: "en",
		preauthorizedAgentObjectId: "11111111-1111-1111-1111-111111111111",
		correlationId: "22222222-2222-2222-2222-222222222222" }))).status);
	same("for a container", 200, (await get(`${host}/${container}/${blob}?` + generateBlobSASQueryParameters({
		containerName: container, permissions: ContainerSASPermissions.parse("r"),
		expiresOn: new Date(now + hour / 2) }, key, account))).status);
	for (const [name, from, to] of [["another permission", "sp=r", "sp=rw"], ["another key's owner", "skoid=", "skoid=0"],
					["a longer life", "ske=20", "ske=21"], ["another tenant", "sktid=", "sktid=0"]])
		same(name, [403, "AuthenticationFailed"],
		     (r => [r.status, r.code])(await get(signed({}).replace(from, to))));
	same("longer than its key", [403, "AuthenticationFailed"],
	     (r => [r.status, r.code])(await get(signed({ expiresOn: new Date(now + 2 * hour) }))));
	/* a token for somebody else */
	const arm = { getToken: () => who.getToken(`${env.AZURE_RESOURCE_MANAGER_ENDPOINT}/.default`) };
	same("a token for Resource Manager", "401 InvalidAuthenticationInfo",
	     await refused(() => new BlobServiceClient(host, arm, { retryOptions: { maxTries: 1 } })
		.getUserDelegationKey(new Date(now), new Date(now + hour))));
	const token = await who.getToken("https://storage.azure.com/.default");
	same("a token for storage, at Resource Manager", 401, await new Promise((done, fail) => https.get(
		`${env.AZURE_RESOURCE_MANAGER_ENDPOINT}/subscriptions?api-version=2022-12-01`,
		{ headers: { Authorization: "Bearer " + token.token }, lookup: dns.lookup },
		r => { r.resume(); done(r.statusCode); }).on("error", fail)));
}

main().catch(e => {
	console.log(`not ok delegation to the end: ${e.stack.split("\n").slice(0, 3).join(" ")}`);
	failed++;
}).then(() => process.exit(failed > 0 ? 1 : 0));
