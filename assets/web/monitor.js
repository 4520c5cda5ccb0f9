// The page follows /events, each of which is the whole state, and changes what
// differs: an element stays the same for a task's place ("web.3"), so that one
// can see it go from a node to another.
'use strict';

const $ = id => document.getElementById(id);
const still = matchMedia('(prefers-reduced-motion: reduce)');
const colours = new Map();	// service -> 0..9, for as long as the page is open
let chosen = null;		// the service that was pressed

function make(tag, className, text) {
	const el = document.createElement(tag);
	if (className) el.className = className;
	if (text !== undefined) el.textContent = text;
	return el;
}

function say(el, text) {
	if (el.textContent !== text) el.textContent = text;
}

function colour(id) {
	if (!colours.has(id)) {
		const used = new Array(10).fill(0);
		for (const c of colours.values()) used[c]++;
		colours.set(id, used.indexOf(Math.min(...used)));
	}
	return 'c' + colours.get(id);
}

// Children of list become those of items, in order; keys keep their elements.
function keep(list, items, key, create, update) {
	const old = new Map([...list.children].map(el => [el.dataset.key, el]));
	let at = list.firstElementChild;
	for (const item of items) {
		const k = key(item);
		let el = old.get(k);
		if (el) {
			old.delete(k);
		} else {
			el = create(item);
			el.dataset.key = k;
		}
		update(el, item);
		if (el === at) at = at.nextElementSibling;
		else list.insertBefore(el, at);
	}
	for (const el of old.values()) el.remove();
}

const byName = (a, b) => a.name.localeCompare(b.name, 'en', { numeric: true });
const many = (n, one, more) => n + ' ' + (n === 1 ? one : more);

function memory(bytes) {
	const gib = bytes / 2 ** 30;
	return gib >= 10 ? Math.round(gib) + ' GiB' : gib >= 1 ? gib.toFixed(1) + ' GiB' : Math.round(bytes / 2 ** 20) + ' MiB';
}

// ---- services

function createService(s) {
	const li = make('li'), button = make('button', colour(s.id));
	button.type = 'button';
	const name = make('span', 'name');
	name.append(make('span'), make('span', 'count'));
	button.append(name, make('span', 'about'), make('span', 'failure'));
	button.addEventListener('click', () => {
		chosen = chosen === s.id ? null : s.id;
		choose();
	});
	li.append(button);
	return li;
}

function updateService(li, s) {
	const button = li.firstChild, [label, count] = button.firstChild.children;
	say(label, s.name);
	count.className = s.running < s.desired ? 'count short' : 'count';
	say(count, s.running + ' of ' + s.desired);
	const about = [s.mode];
	if (s.ports.length) about.push('port ' + s.ports.join(', '));
	if (s.update && s.update !== 'completed') about.push('update ' + s.update.replaceAll('_', ' '));
	say(button.children[1], about.join(' · ') + (s.image ? ' · ' + s.image.replace(/^.*\//, '') : ''));
	say(button.children[2], s.failure || '');
}

function choose() {
	for (const li of $('services').children)
		li.firstChild.setAttribute('aria-pressed', String(li.dataset.key === chosen));
	document.body.classList.toggle('dimmed', chosen !== null);
	for (const el of document.querySelectorAll('.task'))
		el.classList.toggle('chosen', el.dataset.service === chosen);
}

// ---- nodes

const facts = [
	['Address', n => n.address], ['Engine', n => n.engine],
	['Memory', n => n.memory ? memory(n.memory) : ''], ['CPUs', n => n.cpus ? String(n.cpus) : ''],
];

function createNode() {
	const li = make('li', 'node'), dl = make('dl'), tasks = make('ul', 'tasks');
	for (const [name] of facts) dl.append(make('dt', '', name), make('dd'));
	li.append(make('h3'), make('p', 'role'), dl, tasks, make('p', 'none', 'No tasks'));
	return li;
}

function updateNode(li, n) {
	const down = n.state !== 'ready', away = n.availability !== 'active';
	li.classList.toggle('down', down && n.id !== '');
	li.classList.toggle('away', away && n.id !== '');
	say(li.children[0], n.name);
	const role = li.children[1], dl = li.children[2];
	role.hidden = dl.hidden = n.id === '';
	const words = [['', n.leader ? 'leader' : n.role], [down ? 'bad' : 'good', n.state]];
	if (away) words.push(['warn', n.availability]);
	if (n.reachability === 'unreachable') words.push(['bad', 'unreachable']);
	if (role.textContent !== words.map(w => w[1]).join(' · ')) {
		role.textContent = '';
		words.forEach(([c, w], i) => role.append(i ? ' · ' : '', make('span', c, w)));
	}
	facts.forEach(([, value], i) => {
		const v = value(n), dt = dl.children[2 * i], dd = dl.children[2 * i + 1];
		say(dd, v);
		dt.hidden = dd.hidden = v === '';
	});
	li.lastChild.hidden = n.tasks.length > 0;
}

// ---- tasks

function createTask(t) {
	const li = make('li');
	li.dataset.service = t.service;
	li.append(make('span'), make('span', 'state'), make('span', 'why'));
	return li;
}

function updateTask(li, t) {
	const running = t.state === 'running';
	const kind = running ? '' : t.state === 'stopping' ? ' stopping' : ' moving';
	const on = t.service === chosen ? ' chosen' : '';
	const name = 'task ' + colour(t.service) + kind + on;
	if (li.className !== name) li.className = name;
	say(li.children[0], t.label);
	// "running" is what all of them should be: said, not shown
	li.children[1].className = running ? 'hide' : 'state';
	say(li.children[1], running ? ', running' : t.state);
	say(li.children[2], t.why || '');
	li.children[2].hidden = !t.why;
}

// Where each task is now; afterwards those that went elsewhere glide there.
function places() {
	const at = new Map();
	if (!still.matches && document.visibilityState === 'visible')
		for (const el of document.querySelectorAll('.task')) at.set(el.dataset.key, [el, el.getBoundingClientRect()]);
	return at;
}

function glide(before) {
	for (const el of document.querySelectorAll('.task')) {
		const was = before.get(el.dataset.key);
		if (!was) continue;
		const now = el.getBoundingClientRect(), dx = was[1].left - now.left, dy = was[1].top - now.top;
		if (Math.abs(dx) + Math.abs(dy) < 2 || Math.abs(dx) < 2 && was[0] === el) continue;
		el.animate([{ transform: `translate(${dx}px, ${dy}px)` }, { transform: 'none' }],
			{ duration: 450, easing: 'cubic-bezier(.2, .7, .2, 1)' });
	}
}

// ---- the whole

function show(state) {
	const names = new Map(state.services.map(s => [s.id, s.name]));
	const nodes = state.nodes.map(n => ({ ...n, name: n.name || n.id, tasks: [] })).sort((a, b) =>
		(a.role !== 'manager') - (b.role !== 'manager') || byName(a, b));
	const byId = new Map(nodes.map(n => [n.id, n]));
	const nowhere = { id: '', name: 'Not on any node', role: '', state: 'ready', availability: 'active', tasks: [] };
	const seen = new Set();

	state.services.sort(byName);
	for (const s of state.services) colour(s.id);
	for (const t of state.tasks) {
		const service = names.get(t.service) || t.service.slice(0, 8);
		t.label = t.slot ? service + '.' + t.slot : service;
		t.key = t.service + '.' + (t.slot || t.node);
		if (t.state === 'stopping' || seen.has(t.key)) t.key = t.id;
		seen.add(t.key);
		(byId.get(t.node) || nowhere).tasks.push(t);
	}
	const down = nodes.filter(n => n.state !== 'ready').length;
	const running = state.tasks.filter(t => t.state === 'running').length;
	const desired = state.services.reduce((n, s) => n + s.desired, 0);
	const short = state.services.filter(s => s.running < s.desired);
	if (nowhere.tasks.length) nodes.push(nowhere);

	const before = places();
	keep($('services'), state.services, s => s.id, createService, updateService);
	if (chosen !== null && !names.has(chosen)) chosen = null;
	$('no-services').hidden = state.services.length > 0 || state.nodes.length === 0;
	keep($('nodes'), nodes, n => n.id || '-', createNode, updateNode);
	const lists = new Map([...$('nodes').children].map(li => [li.dataset.key, li.children[3]]));
	for (const n of nodes)
		keep(lists.get(n.id || '-'), n.tasks.sort((a, b) => a.label.localeCompare(b.label, 'en', { numeric: true })),
			t => t.key, createTask, updateTask);
	choose();
	glide(before);

	document.title = state.title;
	say($('title'), state.title);
	$('trouble').hidden = !state.error;
	say($('trouble'), state.error ? 'What you see may be old: ' + state.error : '');
	const words = [
		many(state.nodes.length, 'node', 'nodes') + (down ? ', ' + down + ' down' : ''),
		many(state.services.length, 'service', 'services'),
		running + ' of ' + many(desired, 'task', 'tasks') + ' running',
	];
	if (short.length) words.push('short: ' + short.slice(0, 3).map(s => s.name).join(', ') + (short.length > 3 ? '…' : ''));
	announce(words.join(' · '));
}

// A screen reader hears the summary, but not each of ten changes in a second.
let said = 0, later = null;
function announce(text) {
	clearTimeout(later);
	later = setTimeout(() => {
		said = Date.now();
		say($('summary'), text);
	}, Math.max(0, said + 1500 - Date.now()));
}

function link(live, text) {
	$('link').className = live ? 'live' : 'wait';
	say($('link'), text);
}

function follow() {
	const source = new EventSource('/events');
	source.addEventListener('open', () => link(true, 'live'));
	source.addEventListener('state', e => show(JSON.parse(e.data)));
	source.addEventListener('error', () => {
		link(false, 'no connection, trying again');
		if (source.readyState !== EventSource.CLOSED) return;
		// refused, not interrupted: ask instead, and try again later
		fetch('/api/state').then(r => r.json()).then(state => {
			show(state);
			link(false, 'not live: too many are watching');
		}).catch(() => {});
		setTimeout(follow, 5000);
	});
}
follow();
