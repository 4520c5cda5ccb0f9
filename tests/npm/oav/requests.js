// What was asked of Azure, and what the local Azure answered, against
// Microsoft's own files: OpenAPI documents (read by oav, Microsoft's validator
// of them), the operation tables of Microsoft's SDKs, the JSON schemas of
// template resources, and exchanges recorded on Azure.
//
//	node requests.js SPECS RECORDINGS COMMANDS FILE...
//
// Each FILE holds exchanges, one a line, as 'azswarm emulator --record' writes
// them.  COMMANDS has lines 'COMMAND<tab>FILE': that file is of that command.
// Prints ok, not ok and lines of a summary.
//
// A request is ours when its User-Agent is azswarm's.  It must be in an OpenAPI
// document, in an operation table, or be the PUT of a template resource, and
// its query and body must fit each of those that have it; its api-version must
// be proven by one of them or by a recording.  A poll must go where an answer
// sent it, and so must the next page of a list.  What has no file is counted by
// name.
//
// An answer, whoever asked, must be one that the documents list, with a body
// that fits.  They are older than what Azure answers today: what oav also says
// of an answer that was recorded on Azure, of that operation at that place, is
// no fault.  The answers to polls are in no document; theirs are held against
// the recorded ones.  Answers marked faulty were spoilt on purpose.
'use strict';
const fs = require('fs');
const path = require('path');
const Ajv = require('ajv');
const { LiveValidator } = require('oav');

const POLL = /\/(operations|capsoperations|asyncoperations|operationresults|operationstatuses)\/[^/]+$/i;
const SCHEMAS = 'https://schema.management.azure.com/schemas/';

const fold = (s) => s.toLowerCase();
const read = (file) => JSON.parse(fs.readFileSync(file, 'utf8'));
const lines = (file) => fs.readFileSync(file, 'utf8').split('\n').filter((l) => l !== '');
const walk = (dir) => fs.readdirSync(dir, { withFileTypes: true }).flatMap((d) =>
	(d.isDirectory() ? walk(path.join(dir, d.name)) : [path.join(dir, d.name)]));
const json = (text) => {
	try {
		return typeof text === 'string' ? JSON.parse(text) : text;
	} catch (e) {
		return undefined;
	}
};

// ---- operation tables of the SDKs ----

// They come in two forms: "path{?api%2Dversion,%24top}" with the version in a
// column, or path and parameters as the SDK names them, "apiVersion,top1", with
// the version in the first line.
function readTable(file) {
	const all = lines(file);
	const version = /api-version ([-0-9]+)/.exec(all[0]);
	const other = /NIC\/PIP operations: ([-0-9]+)/.exec(all[0]);
	const rows = all.filter((l) => l[0] !== '#').map((l) => l.split('\t')).map((f) => {
		const [where, query] = f[3].split('{?');
		const row = { file: path.basename(file, '.tsv'), name: `${f[0]}.${f[1]}`, method: f[2],
			segments: where.split('?')[0].split('/') };

		if (query !== undefined) {
			row.query = decodeURIComponent(query.slice(0, -1));
			row.version = f[4];
			row.noBody = !f[6];		// the other form does not tell
		} else {
			row.query = f[4].replace(/[0-9]/g, '');
			row.version = other && /microsoft\.compute/i.test(where) ? other[1] : version && version[1];
		}
		row.query = row.query.split(',').map((q) => fold(q).replace(/[^a-z]/g, ''));
		row.statuses = f[5].split(',').map(Number);
		row.literals = row.segments.filter((s) => s[0] !== '{').length;
		return row;
	});

	return rows.filter((r) => !/^\{(resourceId|resourceUri|scope)\}$/.test(r.segments[1]) &&
		!r.segments.includes('{parentResourcePath}'));
}

function findRow(rows, x) {
	const segments = x.path.split('/');

	return rows.filter((r) => r.method === x.method && r.segments.length === segments.length &&
		r.segments.every((s, i) => s[0] === '{' || fold(s) === fold(segments[i])))
		.sort((a, b) => b.literals - a.literals)[0];
}

function againstTable(row, x) {
	const faults = [];

	for (const name of x.query.keys())
		if (!row.query.includes(fold(name).replace(/[^a-z]/g, '')))
			faults.push(`${row.name} has no query parameter ${name}`);
	if (row.noBody && x.requestBody)
		faults.push(`${row.name} takes no body`);
	return faults;
}

// ---- OpenAPI documents ----

// A copy without the operations that every path fits, and with something in
// place of a file that is not there (private endpoints).
function copySpecs(from, to) {
	const stub = JSON.stringify({ swagger: '2.0', info: {}, paths: {},
		definitions: Object.fromEntries(['PrivateEndpointConnection', 'PrivateEndpointConnectionListResult',
			'PrivateLinkResourceListResult'].map((n) => [n, {}])),
		parameters: { PrivateEndpointConnectionName: { name: 'privateEndpointConnectionName', in: 'path',
			required: true, type: 'string' } } });
	const versions = {};

	for (const file of walk(from).filter((f) => f.endsWith('.json') && !f.includes('/examples/'))) {
		const target = path.join(to, path.relative(from, file));
		const doc = read(file);

		for (const p of Object.keys(doc.paths || {}))
			if (/^\/\{(resourceId|scope)\}|\{parentResourcePath\}/.test(p))
				delete doc.paths[p];
		fs.mkdirSync(path.dirname(target), { recursive: true });
		fs.writeFileSync(target, JSON.stringify(doc, (k, v) => (k === 'x-ms-examples' ? undefined : v)));
		for (const m of fs.readFileSync(file, 'utf8').matchAll(/"([^"#]*privatelinks\.json)#/g))
			fs.writeFileSync(path.resolve(path.dirname(target), m[1]), stub);
		if (Object.keys(doc.paths || {}).length > 0)
			versions[path.basename(file)] = doc.info.version;
	}
	return versions;
}

async function openApi(dir) {
	const v = new LiveValidator({ directory: dir, swaggerPathsPattern: ['**/resource-manager/**/*.json'],
		git: { shouldClone: false }, isPathCaseSensitive: false, isArmCall: true },
	() => {});

	await v.initialize();
	return v;
}

// The document that may know a path.
function documentOf(x) {
	if (x.namespace === 'microsoft.compute')
		return 'compute.json';
	if (x.namespace === 'microsoft.storage')
		return /\/fileServices\b/i.test(x.path) ? 'file.json' : 'storage.json';
	return /^\/(tenants|subscriptions(\/[^/]+(\/locations)?)?)$/i.test(x.path) ?
		'subscriptions.json' : 'resources.json';
}

// What oav says: { operation: undefined when it has none, request, answer }.
async function askOav(v, versions, x) {
	const query = Object.fromEntries(x.query);
	const name = [...x.query.keys()].find((k) => fold(k) === 'api-version') || 'api-version';
	const type = { 'content-type': 'application/json' };
	const said = { request: [], answer: [] };

	query[name] = versions[documentOf(x)];
	const r = await v.validateLiveRequestResponse({
		liveRequest: { method: x.method, url: `https://a${x.path}?${new URLSearchParams(query)}`, query,
			headers: x.requestBody ? type : {}, body: x.requestBody },
		liveResponse: { statusCode: String(x.status || 200), headers: x.responseBody ? type : {},
			body: x.responseBody },
	});
	const a = r.requestValidationResult, b = r.responseValidationResult;

	if (r.runtimeException || a.runtimeException || !a.operationInfo ||
	    a.operationInfo.operationId === 'unknownOperationId')
		return said;
	// the same of every item of a list, and of a list and its item, once
	const issues = (errors) => [...new Set((errors || []).flatMap((e) => {
		const places = e.pathsInPayload && e.pathsInPayload.length > 0 ? e.pathsInPayload : [''];

		return places.map((p) => `${e.code} ${p.replace(/\/[0-9]+(?=\/|$)/g, '/*').replace(/^\/value\/\*/, '')}` +
			`: ${e.message.slice(0, 200)}`);
	}))];

	said.operation = a.operationInfo.operationId;
	said.group = said.operation.split('_')[0];
	// the document says so of one operation's flag alone, and .NET's SDK was
	// recorded sending it
	said.request = issues(a.errors).filter((e) => said.operation !== 'VirtualMachineScaleSetVMs_PowerOff' ||
		!/^READONLY_PROPERTY_NOT_ALLOWED_IN_REQUEST \/query\/skipShutdown:/.test(e));
	said.answer = issues(b.errors);
	return said;
}

// ---- schemas of template resources ----

// Names that a schema does not know are refused, which Microsoft's do not do.
function strict(node) {
	if (node === null || typeof node !== 'object')
		return node;
	for (const key of Object.keys(node))
		strict(node[key]);
	if (node.type === 'object' && node.properties && node.additionalProperties === undefined && !node.allOf)
		node.additionalProperties = false;
	return node;
}

function readSchemas(dir, tighten) {
	const ajv = new Ajv({ schemaId: 'id', meta: false, allErrors: false, unknownFormats: 'ignore',
		logger: false });
	const types = {};
	const lacking = {};		// what the schemas name and we have not: anything goes there

	ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'));
	ajv.addSchema(read(path.join(dir, 'common/definitions.json')), `${SCHEMAS}common/definitions.json`);
	for (const file of walk(dir).filter((f) => /\/Microsoft\.[^/]*$/.test(f))) {
		const doc = read(file);
		const version = path.basename(path.dirname(file));

		doc.id = `${SCHEMAS}${path.relative(dir, file)}`;
		for (const [name, d] of Object.entries(doc.resourceDefinitions))
			types[`${fold(d.properties.type.enum[0])} ${version}`] = `${doc.id}#/resourceDefinitions/${name}`;
		ajv.addSchema(tighten(doc));
		for (const m of JSON.stringify(doc).matchAll(/"([^"#]+)#\/(definitions|resourceDefinitions)\/([^"]+)"/g))
			(lacking[m[1]] = lacking[m[1]] || { definitions: {}, resourceDefinitions: {} })[m[2]][m[3]] = {};
	}
	for (const [id, stub] of Object.entries(lacking))
		if (!ajv.getSchema(id))
			ajv.addSchema(stub, id);
	return { ajv, types };
}

// The type and name of a resource, from its id.
function resourceOf(x) {
	const m = /\/providers\/([^/]+)\/(.*)$/i.exec(x.path);
	const words = m ? m[2].split('/') : ['x'];

	return words.length % 2 !== 0 ? undefined : {
		type: [m[1], ...words.filter((w, i) => i % 2 === 0)].join('/'),
		name: words.filter((w, i) => i % 2 === 1).join('/'),
	};
}

function schemaFaults(schemas, ref, body, name) {
	const validate = schemas.ajv.compile({ $ref: ref });
	const p = schemas.ajv.getSchema(ref).schema.properties;
	const doc = { properties: {}, ...body, name, apiVersion: p.apiVersion.enum[0], type: p.type.enum[0] };

	delete doc.id;
	if (validate(doc))
		return [];
	const e = validate.errors.sort((a, b) => b.dataPath.length - a.dataPath.length)[0];

	return [`${p.type.enum[0]}${e.dataPath.replace(/\[[0-9]+\]/g, '[*]')}: ${e.message} ${JSON.stringify(e.params)}`];
}

function againstSchema(schemas, x) {
	const resource = x.method === 'PUT' && resourceOf(x);
	const ref = resource && schemas.types[`${fold(resource.type)} ${x.version}`];

	return ref ? { ref, faults: schemaFaults(schemas, ref, x.requestBody, resource.name) } : undefined;
}

// The resources in an answer, for which the only file may be the schema of
// what can be asked for: names it does not know are Azure's to add.
function resourcesFit(schemas, x) {
	const body = x.responseBody || {};
	const docs = Array.isArray(body.value) ? body.value : [body];

	return docs.filter((d) => d && typeof d.type === 'string' && d.properties).flatMap((d) => {
		const known = Object.keys(schemas.types).find((k) => k.split(' ')[0] === fold(d.type));

		return known ? schemaFaults(schemas, schemas.types[known], d, d.name) : [];
	});
}

// ---- where documents and Azure differ ----

// The instance view, asked for alone or with its machine; a machine of a scale
// set and one of its own; the two lists of who one is.
const ALIKE = { VirtualMachineScaleSetVMs: 'VirtualMachines', Tenants: 'Subscriptions' };
const alike = (group, fault) => `${ALIKE[group] || group} ` +
	fault.replace(/ \/properties\/instanceView(?=\/)/, ' ');

// What the documents are too old for, and no recording happens to show.
const LATER = new Set([
	// Subscriptions 2022-12-01, the document is of 2021-01-01
	'Subscriptions /availabilityZoneMappings', 'Subscriptions /metadata/geography',
	// Compute 2023-07-01, the document is of 2021-11-01
	'VirtualMachineImages /properties/imageDeprecationStatus',
]);

// What Azure says to polls that are in no recording here: azure-cli's of
// test_gallery_e2e has them.
const POLLS = [['microsoft.compute/capsoperations', new Set(['"startTime"', '"endTime"', '"status"', '"name"'])]];

// ---- exchanges ----

// What is not Resource Manager's has no file.
const OTHERS = [
	['Entra ID', /^https:\/\/[^/]*(login|sts)\.|\/oauth2\/|\/\.well-known\/|\/discovery\/|\/(common|organizations)\/|\/adfs\b|\/devicelogin\b/i],
	['blob service', /^https?:\/\/[^/]*\.(blob|file)\./i],
	['metadata service', /^http:\/\/169\.254\.169\.254/],
	['wire server', /^http:\/\/168\.63\.129\.16/],
	['what a role permits', /\/providers\/Microsoft\.Authorization\/permissions/i],
	['DNS labels', /\/CheckDnsNameAvailability/i],
	['policy tokens', /\/providers\/Microsoft\.Authorization\/acquirePolicyToken/i],
	['cloud discovery', /\/metadata\/(endpoints|identity)|\/msi\//i],
];

function exchange(doc, file) {
	const url = new URL(doc.url);
	const x = { ...doc, file, path: url.pathname.replace(/\/$/, ''), query: url.searchParams };
	const ns = [...x.path.matchAll(/\/providers\/([^/]+)/gi)].pop();
	const agent = Object.entries(doc.requestHeaders || {}).find(([k]) => fold(k) === 'user-agent');

	x.requestBody = json(doc.requestBody) || undefined;
	x.responseBody = json(doc.responseBody) || undefined;
	x.namespace = fold(ns ? ns[1] : 'Microsoft.Resources');
	if (/\/providers\/[^/]+(\/(register|unregister|resourceTypes))?$/i.test(x.path))
		x.namespace = 'microsoft.resources';	// what is asked about a provider
	x.version = ([...x.query].find(([k]) => fold(k) === 'api-version') || [])[1];
	x.ours = /^azswarm\b/.test(agent ? String(agent[1]) : '');
	x.what = `${x.method} ${x.path.replace(/^\/subscriptions\/[^/]+/i, '')} (${x.file})`;
	x.poll = POLL.test(x.path) && !/\/deployments\/[^/]+\/operations\/[^/]+$/i.test(x.path) &&
		!/\/providers\/[^/]+\/operations$/i.test(x.path);
	x.elsewhere = (OTHERS.find(([, re]) => re.test(doc.url)) || [])[0];
	return x;
}

function header(x, name) {
	const f = Object.entries(x.responseHeaders || {}).find(([k]) => fold(k) === name);

	return f ? String(f[1]) : undefined;
}

// Microsoft.Compute's operations are not Microsoft.Storage's; those of
// deployments and groups are Resource Manager's own.
const kindOfPoll = (x) => `${x.namespace}/${fold(POLL.exec(x.path)[1])}`;

// The names in the answer to a poll, and the state it tells, which counts for
// every kind: some were recorded when all was over.  What an operation made is
// looked at where it is asked for itself.
function pollWords(x) {
	const body = x.responseBody;

	if (!body || body.status === undefined)
		return [`status ${x.status}`];
	return [`status ${x.status}`, ...Object.keys(body).filter((k) => !/^(properties|error)$/.test(k)).map((k) => `"${k}"`)]
		.concat(/^(Failed|Canceled)$/.test(body.status) ? [] : [`state ${body.status}`]);
}

class Judge {
	constructor(specs, recordings, to) {
		this.versions = copySpecs(path.join(specs, 'swagger'), to);
		this.rows = walk(path.join(specs, 'sdk-operations')).filter((f) => f.endsWith('.tsv'))
			.concat(path.join(__dirname, 'galleries.tsv')).flatMap(readTable);
		this.schemas = readSchemas(path.join(specs, 'arm-template-schemas'), strict);
		this.lenient = readSchemas(path.join(specs, 'arm-template-schemas'), (doc) => doc);
		this.dir = to;
		this.recordings = recordings;
		this.recorded = new Set();	// "namespace version" that Azure answered
		this.azureToo = new Set();	// what oav says of Azure's own answers
		this.polls = new Map(POLLS);	// what Azure says to polls: kind -> names and states
		this.states = new Set();
		this.known = new Set();		// of these, what the local Azure does, too
	}

	async open() {
		this.oav = await openApi(this.dir);
		for (const file of fs.readdirSync(this.recordings).filter((f) => f.endsWith('.json')))
			for (const r of read(path.join(this.recordings, file)).exchanges || []) {
				const x = exchange({ method: r.method, url: r.url, requestBody: r.request_body,
					status: r.status, responseBody: r.response_body }, file);

				if (r.status >= 400)
					continue;
				this.recorded.add(`${x.namespace} ${x.version}`);
				if (x.poll) {
					const seen = this.polls.get(kindOfPoll(x)) || new Set();

					pollWords(x).forEach((w) => (w[0] === '"' ? seen : this.states).add(w));
					this.polls.set(kindOfPoll(x), seen);
					continue;
				}
				const said = await askOav(this.oav, this.versions, x);

				for (const e of said.answer)
					this.azureToo.add(alike(said.group, e));
				if (said.operation === undefined)
					for (const e of resourcesFit(this.lenient, x))
						this.azureToo.add(e);
			}
	}

	proof(x, row) {
		const ns = this.versionsOf();

		if (ns.has(`${x.namespace} ${x.version}`))
			return ns.get(`${x.namespace} ${x.version}`);
		if (row && row.version === x.version)
			return row.file;
		return this.recorded.has(`${x.namespace} ${x.version}`) ? 'recordings' : undefined;
	}

	// "namespace version" -> the file that has it
	versionsOf() {
		if (!this.proven) {
			this.proven = new Map();
			for (const key of Object.keys(this.schemas.types)) {
				const [type, version] = key.split(' ');

				this.proven.set(`${type.split('/')[0]} ${version}`, `template schema of ${version}`);
			}
			for (const [file, version] of Object.entries(this.versions))
				this.proven.set(`${/compute|runC/.test(file) ? 'microsoft.compute' : /storage|file\./.test(file) ?
					'microsoft.storage' : 'microsoft.resources'} ${version}`, file);
		}
		return this.proven;
	}

	// { faults, by: the files that have it }
	async request(x) {
		const row = findRow(this.rows, x);
		const said = await askOav(this.oav, this.versions, x);
		const schema = againstSchema(this.schemas, x);
		// a fault may have come before the body was read
		const unread = x.faulty && !x.requestBody && Number(header({ responseHeaders: x.requestHeaders },
			'content-length')) > 0;
		const faults = unread ? [] : [...said.request];
		const by = [];

		if (said.operation !== undefined)
			by.push('OpenAPI');
		if (row) {
			by.push(row.file);
			faults.push(...againstTable(row, x));
		}
		if (schema) {
			by.push('template schema');
			faults.push(...(unread ? [] : schema.faults));
		}
		if (by.length === 0)
			faults.push('in no file');
		if (x.version === undefined)
			faults.push('no api-version');
		else if (!this.proof(x, row))
			faults.push(`nothing proves ${x.namespace} ${x.version}`);
		return { faults, by, name: said.operation || (row ? row.name : schema ? schema.ref.replace(/.*\//, '') : x.path),
			proof: this.proof(x, row) };
	}

	poll(x) {
		const seen = this.polls.get(kindOfPoll(x));

		return x.status >= 400 ? [] : seen === undefined ? [`nobody recorded a poll of ${kindOfPoll(x)}`] :
			pollWords(x).filter((w) => !seen.has(w) && !this.states.has(w)).map((w) => `a poll of ${kindOfPoll(x)} with ${w}`);
	}

	async answer(x) {
		const row = findRow(this.rows, x);
		const said = await askOav(this.oav, this.versions, x);
		const faults = [];

		if (x.status >= 400) {
			const error = x.responseBody && (x.responseBody.error || x.responseBody);

			if (x.method !== 'HEAD' && (!error || typeof error.code !== 'string' ||
						    typeof error.message !== 'string'))
				faults.push(`${x.status} without code and message`);
			return faults;
		}
		for (const e of said.answer)
			if (!this.azureToo.has(alike(said.group, e)) &&
			    !LATER.has(`${said.group} ${/ (\/[^:]*): Additional/.exec(e) ? RegExp.$1 : ''}`))
				faults.push(`${said.group} ${e}`);
			else
				this.known.add(e);
		if (said.operation !== undefined)
			return faults;
		if (row && !row.statuses.includes(x.status))
			faults.push(`${row.name} does not list ${x.status}`);
		for (const e of resourcesFit(this.lenient, x))
			(this.azureToo.has(e) ? this.known.add(e) : faults.push(e));
		return faults;
	}
}

module.exports = { Judge, exchange, header, lines };

// ---- all of it ----

// Where answers sent the client: polls and pages.
function leads(x, into) {
	for (const name of ['azure-asyncoperation', 'location'])
		if (header(x, name))
			into.add(header(x, name));
	if (x.responseBody && x.responseBody.nextLink)
		into.add(x.responseBody.nextLink);
}

async function main(specs, recordings, commands, files) {
	const judge = new Judge(specs, recordings, fs.mkdtempSync(path.join(process.cwd(), 'specs.')));
	const command = Object.fromEntries(lines(commands).map((l) => l.split('\t').reverse()));
	const faults = { request: new Map(), answer: new Map() };
	const by = {}, operations = new Set(), proofs = {}, elsewhere = {}, perCommand = {}, covered = {};
	const n = { ours: 0, polls: 0, pages: 0, answers: 0, others: 0, faulty: 0 };
	const fault = (kind, text, x) => {
		const key = `${text}`;

		faults[kind].set(key, faults[kind].get(key) || x.what);
	};

	await judge.open();
	const led = new Set();

	for (const file of files) {
		for (const line of lines(file)) {
			const x = exchange(JSON.parse(line), path.basename(file));
			const mine = perCommand[command[file]] = perCommand[command[file]] || {};
			const covers = (what) => {
				if (command[file])
					(covered[what] = covered[what] || new Set()).add(command[file]);
			};
			const note = (what) => {
				mine[what] = (mine[what] || 0) + 1;
			};

			leads(x, led);
			if (x.elsewhere) {
				elsewhere[x.elsewhere] = (elsewhere[x.elsewhere] || 0) + 1;
				note(`${x.elsewhere}: no file`);
				covers(`no file (${x.elsewhere})`);
				continue;
			}
			if (x.ours && (x.poll || led.has(x.url))) {
				n[x.poll ? 'polls' : 'pages']++;
				if (x.method !== 'GET')
					fault('request', `${x.method} where a poll is a GET`, x);
				if (!x.faulty && !led.has(x.url))
					fault('request', 'a poll of what no answer named', x);
				note(x.poll ? 'polls' : 'pages');
			} else if (x.ours) {
				const r = await judge.request(x);

				n.ours++;
				operations.add(r.name);
				proofs[`${x.namespace} ${x.version}`] = r.proof;
				for (const b of r.by) {
					by[b] = (by[b] || 0) + 1;
					covers(b === 'OpenAPI' ? `OpenAPI ${documentOf(x)}` : b);
				}
				for (const f of r.faults)
					fault('request', `${x.method} ${r.name}: ${f}`, x);
				note(`${r.name} (${r.by.join(', ')})`);
			} else {
				n.others++;
			}
			if (x.faulty || !x.status) {
				n.faulty++;
			} else {
				n.answers++;
				for (const f of x.poll ? judge.poll(x) : await judge.answer(x))
					fault('answer', f, x);
			}
		}
	}
	const tell = (kind, name) => {
		for (const [text, where] of [...faults[kind]].slice(0, 60))
			console.log(`not ok requests ${name}: ${text} -- ${where}`);
		if (faults[kind].size === 0)
			console.log(`ok requests ${name}`);
		else
			process.exitCode = 1;
	};

	for (const c of Object.values(command)) {
		const what = Object.entries(perCommand[c] || {});

		console.log(`${what.length > 0 ? 'ok' : 'not ok'} requests ${c}: ` +
			(what.map(([k, v]) => `${v} ${k}`).join('; ') || 'asked for nothing'));
		process.exitCode = what.length > 0 ? process.exitCode : 1;
	}
	tell('request', 'every request is in Microsoft\'s files');
	tell('answer', 'every answer fits Microsoft\'s files');
	console.log(`${n.ours} requests of ours for ${operations.size} operations, ${n.polls} polls, ${n.pages} pages; ` +
		`${n.others} requests of others; ${n.answers} answers, ${n.faulty} more spoilt or made up`);
	console.log(`${judge.known.size} ways in which answers differ from the documents as Azure's do:`);
	for (const e of [...judge.known].sort())
		console.log(`  ${e}`);
	console.log(`found in: ${Object.entries(by).map(([k, v]) => `${k} ${v}`).join(', ')}`);
	for (const [what, commands] of Object.entries(covered).sort())
		console.log(`${what}: ${[...commands].sort().join(' ')}`);
	for (const [what, file] of Object.entries(proofs).sort())
		console.log(`version ${what}: ${file || 'NOT PROVEN'}`);
	console.log(`no file: ${Object.entries(elsewhere).map(([k, v]) => `${k} ${v}`).join(', ') || 'nothing'}`);
}

if (require.main === module) {
	const [specs, recordings, commands, ...files] = process.argv.slice(2);

	main(specs, recordings, commands, files).catch((e) => {
		console.log(`not ok requests validator: ${e.stack || JSON.stringify(e)}`);
		process.exitCode = 1;
	});
}
