// Microsoft's test server for Azure clients as it comes, on loopback only, and
// in front of it what our client has no part in:
//
//	node front.js KEY CERT		prints "ready PORT" of https://localhost
//
// TLS, for our token goes nowhere without.  Cookies, by which the server knows
// how often it was asked: Azure has none, so our client keeps none; one jar for
// each connection.  The request id that the scenarios of /customheader/ want:
// ours has another for each request.
const fs = require('fs'), http = require('http'), https = require('https'), net = require('net');
const WANTED_ID = '9C4D50EE-2D56-4CD3-8152-34347DC9F2B0';

// it would listen on every address, and knows no other way to be told of one
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
	return typeof port === 'number' ? listen.call(this, port, '127.0.0.1', ...rest)
		: listen.call(this, port, ...rest);
};

function front(inner) {
	const jars = new WeakMap();
	const server = https.createServer({ key: fs.readFileSync(process.argv[2]),
		cert: fs.readFileSync(process.argv[3]) }, (q, s) => {
		const jar = jars.get(q.socket) || new Map();
		jars.set(q.socket, jar);
		const headers = { ...q.headers };
		if (jar.size)
			headers.cookie = [...jar].map(([k, v]) => k + '=' + v).join('; ');
		if (q.url.includes('/customheader/'))
			headers['x-ms-client-request-id'] = WANTED_ID;
		const to = http.request({ host: '127.0.0.1', port: inner, method: q.method, path: q.url,
			headers, agent: false }, r => {
			for (const c of r.headers['set-cookie'] || []) {
				const [, name, value] = /^([^=]+)=([^;]*)/.exec(c);
				if (/expires=thu, 01 jan 1970/i.test(c))
					jar.delete(name);
				else
					jar.set(name, value);
			}
			// it takes itself for what it is asked by
			for (const h of ['location', 'azure-asyncoperation'])
				if (r.headers[h])
					r.headers[h] = r.headers[h].replace('http://' + q.headers.host, 'https://' + q.headers.host);
			for (const h of ['set-cookie', 'connection', 'keep-alive'])	// ours with it
				delete r.headers[h];
			s.writeHead(r.statusCode, r.headers);
			r.pipe(s);
		});
		to.on('error', () => s.destroy());
		q.pipe(to);
	});
	server.keepAliveTimeout = 60000;
	server.listen({ port: 0, host: '127.0.0.1' }, () => console.log('ready ' + server.address().port));
}

// a port that nobody has, then the server's own command on it
const probe = net.createServer();
listen.call(probe, 0, '127.0.0.1', () => {
	const port = probe.address().port;
	probe.close(() => {
		process.argv = [process.argv[0], 'autorest-testserver', process.argv[2], process.argv[3]];
		process.env.AUTOREST_TESTSERVER_PORT = String(port);
		const files = process.argv.splice(2);
		require('@microsoft.azure/autorest.testserver/dist/cli/cli.js');
		process.argv.push(...files);
		const wait = () => net.connect(port, '127.0.0.1')
			.on('connect', function () { this.destroy(); front(port); })
			.on('error', () => setTimeout(wait, 100));
		wait();
	});
});
