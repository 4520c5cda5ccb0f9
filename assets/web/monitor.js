// The page follows /events.  A state is the whole of it, a change the rows that
// came, went or differ, and what differs is changed: an element stays the same
// for a task's place ("web.3"), so that one can see it go from a node to
// another.  What is shown depends on what there is, not on what was before.  Figures are what has changed since the
// step before; after a step that was missed, all of them are asked for.
'use strict';

const $ = id => document.getElementById(id);
const still = matchMedia('(prefers-reduced-motion: reduce)');
const colours = new Map();	// service -> 0..9, for as long as it is there
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

const byText = (a, b) => a.localeCompare(b, 'en', { numeric: true });
const byName = (a, b) => byText(a.name, b.name);
const many = (n, one, more) => n + ' ' + (n === 1 ? one : more);

function memory(bytes) {
	const gib = bytes / 2 ** 30;
	return gib >= 10 ? Math.round(gib) + ' GiB' : gib >= 1 ? gib.toFixed(1) + ' GiB' : Math.round(bytes / 2 ** 20) + ' MiB';
}

// ---- plots

const points = 60;		// ten minutes
const series = new Map();	// id -> CPU, memory, received, sent, running: newest last
let step = 0;			// the last one that series has
const percent = v => Math.round(v) + ' %';
const cpus = v => (v / 1000).toFixed(v < 10000 ? 2 : 0);
const units = [[1e9, 'GB/s'], [1e6, 'MB/s'], [1e3, 'kB/s'], [1, 'B/s']];
// several in the unit of the largest, with a word before each
function rates(values, words) {
	const [by, unit] = units.find(u => Math.max(...values) >= u[0]) || units[3];
	return values.map((v, i) => (words[i] + ' ' + (v / by).toFixed(v < 10 * by && by > 1 ? 1 : 0)).trim()).join(' ') + ' ' + unit;
}
const rate = v => rates([v], ['']);
const scaled = (line, by) => line.map(v => v === null ? null : v / by);
// a row: name, lines with a word each (the second is dashed), how to say a value, what the upper edge is
const most = (least, line) => Math.max(least, ...line);

function nodeRows(n, s) {
	return [
		['CPU', [['', scaled(s[0], 10 * (n.cpus || 1))]], percent, 100],
		['Memory', [['', n.memory ? scaled(s[1], n.memory / 102400) : []]], percent, 100],
		['Network', [['in', s[2]], ['out', s[3]]], rate, most(most(10000, s[2]), s[3])],
	];
}

function taskRows(s) {
	return [
		['CPU', [['', s[0]]], v => cpus(v) + ' CPUs', most(1000, s[0])],
		['Memory', [['', s[1]]], v => memory(v * 1024), most(1024, s[1])],
		['Network', [['in', s[2]], ['out', s[3]]], rate, most(most(10000, s[2]), s[3])],
	];
}

function serviceRows(v, s) {
	const rows = taskRows(s);
	rows[1] = ['Tasks', [['', s[4]]], String, most(v.desired || 1, s[4])];
	return rows;
}

function drawing() {
	const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
	svg.setAttribute('viewBox', '0 0 118 30');
	svg.setAttribute('preserveAspectRatio', 'none');
	svg.setAttribute('role', 'img');
	for (const c of ['area', 'line', 'line dashed']) {
		const path = document.createElementNS(svg.namespaceURI, 'path');
		path.setAttribute('class', c);
		svg.append(path);
	}
	return svg;
}

// The way of a line, with gaps; closed: down to the ground, to be filled.
function way(line, max, closed) {
	let d = '', from = null, x = 2 * (points - line.length);
	for (const v of [...line, null]) {
		if (v !== null) {
			const y = (29 - 28 * Math.min(1, v / max)).toFixed(1);
			d += from === null ? (closed ? `M${x} 29V${y}` : `M${x} ${y}h.1`) : `L${x} ${y}`;
			from = x;
		} else if (from !== null) {
			if (closed) d += `L${from} 29Z`;
			from = null;
		}
		x += 2;
	}
	return d;
}

// children of dl: a div for each row, with its name, its value and its plot
function plot(dl, rows, tag = ['div', 'dt', 'dd']) {
	while (dl.children.length < rows.length) {
		const div = make(tag[0]), value = make(tag[2]);
		value.append(make('span'), make('span', 'hide'), drawing(), make('span', 'range'));
		value.lastChild.setAttribute('aria-hidden', 'true');
		div.append(make(tag[1]), value);
		dl.append(div);
	}
	rows.forEach(([name, lines, word, max], i) => {
		const div = dl.children[i], [value, gap, svg, range] = div.lastChild.children;
		const known = lines.map(l => l[1].filter(v => v !== null));
		div.hidden = known.every(l => l.length === 0);
		if (div.hidden) return;
		const last = lines.map(l => l[1].length ? l[1][l[1].length - 1] : null);
		say(div.firstChild, name);
		say(value, last.includes(null) ? 'unknown' : lines.length > 1 ? rates(last, lines.map(l => l[0])) : word(last[0]));
		say(gap, ' ');
		const about = known.map((l, j) => l.length ? (lines[j][0] + ' ' + word(Math.min(...l)) + ' to ' + word(Math.max(...l))).trim() : '').filter(t => t).join(', ');
		svg.setAttribute('aria-label', 'in ten minutes ' + about);
		say(range, about);
		const [area, first, second] = svg.children;
		area.setAttribute('d', way(lines[0][1], max, true));
		first.setAttribute('d', way(lines[0][1], max, false));
		second.setAttribute('d', lines[1] ? way(lines[1][1], max, false) : '');
	});
}

function take(id, five) {
	let s = series.get(id);
	if (!s) series.set(id, s = [[], [], [], [], []]);
	s.forEach((line, i) => {
		line.push(five ? five[i] : line.length ? line[line.length - 1] : null);
		if (line.length > points) line.shift();
	});
}

// All there is, or one's with its whole past.
function load(id) {
	return fetch('/api/figures' + (id ? '?id=' + encodeURIComponent(id) : '')).then(r => r.json()).then(all => {
		if (id ? all.n !== step : all.n < step) return;
		if (!id) series.clear();
		step = all.n;
		for (const [k, s] of Object.entries(all.series)) series.set(k, s);
		drawAll();
	}).catch(() => {});
}

function figures(news) {
	if (news.n === step) return;
	if (news.n !== step + 1) {
		step = 0;
		load();
		return;
	}
	step = news.n;
	for (const id of series.keys()) if (!alive.has(id)) series.delete(id);
	for (const id of series.keys()) if (!Object.hasOwn(news.now, id)) take(id);
	for (const [id, five] of Object.entries(news.now)) take(id, five);
	drawAll();
}

// ---- one of them, in large

let shown = null;		// its id
let opener = null;		// where the focus was
const alive = new Map();	// id -> node, service or task, of the last state

function detail(id, from) {
	shown = id;
	opener = from;
	drawDetail();
	$('detail').hidden = false;
	$('detail-head').focus();
	if (alive.get(id)?.label) load(id);
}

function closeDetail() {
	if (shown === null) return;
	shown = null;
	$('detail').hidden = true;
	if (opener && opener.isConnected) opener.focus();
}

function drawDetail() {
	const it = alive.get(shown), s = series.get(shown);
	const what = !it ? 'It is gone' : it.label ? it.label + ' on ' + (alive.get(it.node)?.name || 'no node') : it.name;
	say($('detail-head'), what + (s ? '' : ': no figures'));
	const dl = $('detail').lastElementChild;
	dl.hidden = !it || !s;
	if (!dl.hidden) plot(dl, it.label ? taskRows(s) : nodeRows(it, s));
}

function drawAll() {
	for (const li of $('services').children) drawService(li);
	for (const li of $('nodes').children) drawNode(li);
	if (shown !== null) drawDetail();
}

$('close').addEventListener('click', closeDetail);
document.addEventListener('keydown', e => {
	if (e.key === 'Escape') closeDetail();
	const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[e.key];
	const on = document.activeElement;
	if (!by || !on.closest('.tasks')) return;
	const all = [...document.querySelectorAll('.tasks button')], to = all[all.indexOf(on) + by];
	if (!to) return;
	e.preventDefault();
	reach(to);
	to.focus();
});

// One task of a node is reached by Tab, the others by arrows.
function reach(button) {
	for (const b of button.closest('.tasks').querySelectorAll('button')) b.tabIndex = b === button ? 0 : -1;
}

// ---- services

function createService(s) {
	const li = make('li'), button = make('button', colour(s.id));
	button.type = 'button';
	const name = make('span', 'name');
	name.append(make('span'), make('span', 'count'));
	button.append(name, make('span', 'about'), make('span', 'failure'), make('span', 'plots'));
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
	drawService(li);
}

function drawService(li) {
	const s = series.get(li.dataset.key), it = alive.get(li.dataset.key), plots = li.firstChild.lastChild;
	if (s && it) plot(plots, serviceRows(it, s), ['span', 'span', 'span']);
	plots.hidden = !s;
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
	const li = make('li', 'node'), h3 = make('h3'), button = make('button'), dl = make('dl', 'facts'), tasks = make('ul', 'tasks');
	button.type = 'button';
	button.addEventListener('click', () => detail(li.dataset.key, button));
	h3.append(button);
	for (const [name] of facts) dl.append(make('dt', '', name), make('dd'));
	li.append(h3, make('p', 'role'), dl, make('dl', 'plots'), tasks, make('p', 'none', 'No tasks'));
	return li;
}

function updateNode(li, n) {
	const down = n.state !== 'ready', away = n.availability !== 'active';
	li.className = 'node' + (down && n.id !== '' ? ' down' : '') + (away && n.id !== '' ? ' away' : '');
	say(li.firstChild.firstChild, n.name);
	li.firstChild.firstChild.disabled = n.id === '';
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
	drawNode(li);
}

function drawNode(li) {
	const s = series.get(li.dataset.key), n = alive.get(li.dataset.key), dl = li.children[3];
	if (s && n) plot(dl, nodeRows(n, s));
	dl.hidden = !s || [...dl.children].every(d => d.hidden);
	for (const task of li.children[4].children) drawTask(task);
}

// ---- tasks

function createTask(t) {
	const li = make('li'), button = make('button');
	button.type = 'button';
	button.tabIndex = -1;
	button.addEventListener('click', () => {
		reach(button);
		detail(li.dataset.id, button);
	});
	li.dataset.service = t.service;
	li.append(button, make('span', 'state'), make('span', 'load'), make('span', 'why'));
	return li;
}

function drawTask(li) {
	const s = series.get(li.dataset.id), v = s && s[0].length ? s[0][s[0].length - 1] : null;
	say(li.children[2], v === null ? '' : cpus(v));
}

function updateTask(li, t) {
	const running = t.state === 'running';
	const kind = running ? '' : t.state === 'stopping' ? ' stopping' : ' moving';
	const on = t.service === chosen ? ' chosen' : '';
	const name = 'task ' + colour(t.service) + kind + on;
	if (li.className !== name) li.className = name;
	li.dataset.id = t.id;
	say(li.children[0], t.label);
	// "running" is what all of them should be: said, not shown
	li.children[1].className = running ? 'hide' : 'state';
	say(li.children[1], running ? ', running' : t.state);
	say(li.children[3], t.why || '');
	li.children[3].hidden = !t.why;
	drawTask(li);
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

const tables = { nodes: new Map(), services: new Map(), tasks: new Map() };	// id -> row
const rows = name => [...tables[name].values()].map(r => ({ ...r })).sort((a, b) => a.id < b.id ? -1 : 1);

function whole(state) {
	for (const name in tables) tables[name] = new Map(state[name].map(r => [r.id, r]));
	show(state);
}

function change(news) {
	for (const name in tables) {
		for (const id of news[name].gone) tables[name].delete(id);
		for (const r of news[name].rows) tables[name].set(r.id, r);
	}
	show(news);
}

function show({ title, error }) {
	const state = { title, error, nodes: rows('nodes'), services: rows('services'), tasks: rows('tasks') };
	const names = new Map(state.services.map(s => [s.id, s.name]));
	const nodes = state.nodes.map(n => ({ ...n, name: n.name || n.id, tasks: [] })).sort((a, b) =>
		(a.role !== 'manager') - (b.role !== 'manager') || byName(a, b));
	const byId = new Map(nodes.map(n => [n.id, n]));
	const nowhere = { id: '', name: 'Not on any node', role: '', state: 'ready', availability: 'active', tasks: [] };
	const seen = new Set();

	state.services.sort(byName);
	const used = new Set([...state.services.map(s => s.id), ...state.tasks.map(t => t.service)]);
	for (const id of colours.keys()) if (!used.has(id)) colours.delete(id);
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
	alive.clear();
	for (const it of [...state.services, ...nodes, ...state.tasks]) alive.set(it.id, it);
	if (nowhere.tasks.length) nodes.push(nowhere);

	const before = places();
	keep($('services'), state.services, s => s.id, createService, updateService);
	if (chosen !== null && !names.has(chosen)) chosen = null;
	$('no-services').hidden = state.services.length > 0 || state.nodes.length === 0;
	keep($('nodes'), nodes, n => n.id || '-', createNode, updateNode);
	const lists = new Map([...$('nodes').children].map(li => [li.dataset.key, li.children[4]]));
	for (const n of nodes) {
		keep(lists.get(n.id || '-'), n.tasks.sort((a, b) => byText(a.label, b.label)),
			t => t.key, createTask, updateTask);
		const first = lists.get(n.id || '-').querySelector('button');
		if (first && !first.closest('.tasks').contains(document.activeElement)) reach(first);
	}
	choose();
	glide(before);
	if (shown !== null) drawDetail();

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

// ---- what happened, the newest first

const tone = {
	joined: 'good', ready: 'good', active: 'good', returned: 'good', made: 'good',
	left: 'bad', down: 'bad', disconnected: 'bad', unknown: 'bad', failed: 'bad', removed: 'bad',
};

function happened(list) {
	const ol = $('timeline');
	if (fresh) ol.textContent = '';
	for (const e of list) {
		const li = make('li', tone[e.kind] || 'warn'), when = new Date(1000 * e.at), time = make('time', '', when.toLocaleTimeString('en-GB'));
		time.dateTime = when.toISOString();
		time.title = when.toLocaleString();
		li.dataset.kind = e.kind;
		li.append(time, ' ', make('b', '', e.who), ' ', make('span', '', e.text));
		ol.prepend(li);
	}
	while (ol.children.length > 200) ol.lastChild.remove();
	ol.hidden = ol.children.length === 0;
	$('no-events').hidden = !ol.hidden;
	// what was there before the page is no news
	if (fresh) setTimeout(() => ol.setAttribute('aria-live', 'polite'), 1000);
	fresh = false;
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

let fresh = true;		// the timeline comes from its beginning

function follow() {
	const source = new EventSource('/events');
	source.addEventListener('open', () => {
		fresh = true;
		link(true, 'live');
	});
	source.addEventListener('figures', e => figures(JSON.parse(e.data)));
	source.addEventListener('happened', e => happened(JSON.parse(e.data)));
	source.addEventListener('state', e => whole(JSON.parse(e.data)));
	source.addEventListener('change', e => change(JSON.parse(e.data)));
	source.addEventListener('error', () => {
		link(false, 'no connection, trying again');
		if (source.readyState !== EventSource.CLOSED) return;
		// refused, not interrupted: ask instead, and try again later
		fetch('/api/state').then(r => r.json()).then(state => {
			whole(state);
			link(false, 'not live: too many are watching');
		}).catch(() => {});
		setTimeout(follow, 5000);
	});
}
follow();
