// A living inventory for the tests of the console: claims of three sources over the fixture's grid, their history,
// branches, discrepancies. It follows the shapes of the native API, and of its policy as much as the pages show.
import { kinds } from './fixture_ontology.mjs';

const day_ms = 86_400_000;
const sources = { planning: 'feed:planning', discovery: 'feed:discovery', file: 'file:fixture', telemetry: 'feed:telemetry' };
const rank = { observed: 0, discovered: 0, intended: 1 };
const refusal = (status, message, more = {}) => ({ status, body: { error: { message, type: 'invalid_request_error', param: null, code: null }, ...more } });
const same = (a, b) => JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
const iso = (ms) => new Date(ms).toISOString();

export class FixtureInventory {
  constructor(grid, record) {
    this.record = record; // (kind, summary) => the offset of the event
    this.entities = new Map(); // "kind/id" to {kind, id, claims}
    this.branches = new Map();
    this.planted = [];
    this.now_ms = Date.now();
    this.offset = 1;
    this.fill(grid);
  }

  // One source's word on some attributes of one entity.
  say(source, standing, at_ms, kind, id, attributes, offset = this.offset++) {
    const key = `${kind}/${id}`;
    const entity = this.entities.get(key) ?? { kind, id, claims: [], created: offset, changed: offset };
    this.entities.set(key, entity);
    for (const [attribute, value] of Object.entries(attributes))
      entity.claims.push({ attribute, source, standing, confidence: standing === 'discovered' ? 0.9 : 1, valid_from: iso(at_ms), valid_to: null, recorded_at: iso(at_ms), offset, value });
    entity.changed = offset;
    return offset;
  }

  fill(grid) {
    const ago = (days) => this.now_ms - days * day_ms;
    const sites = grid.sites.filter((s) => s.tier === 'core' || s.tier === 'near_edge').slice(0, 8);
    for (const [name, authority] of [['planning', 40], ['discovery', 60], ['telemetry', 70]])
      this.say(sources.file, 'observed', ago(90), 'source', sources[name].replace(':', '-'), { name: `Fixture ${name}`, authority, interval_s: name === 'planning' ? 86400 : 300 });
    this.say(sources.file, 'observed', ago(90), 'contact', 'field-north', { name: 'Fixture field force north', phone: '+00 000 0000' });
    for (const s of grid.sites) {
      const { name, tier, latitude_deg, longitude_deg, jurisdiction, power_limit_kw } = s;
      this.say(sources.file, 'observed', ago(90), 'site', s.id, { name, tier, latitude_deg, longitude_deg, jurisdiction, power_limit_kw });
      this.say(sources.file, 'observed', ago(90), 'node', `${s.id}-r1`, { site: s.id, role: 'router' });
      if (tier === 'core') this.say(sources.file, 'observed', ago(90), 'node', `${s.id}-upf`, { site: s.id, role: 'upf' });
    }
    for (const l of grid.links) this.say(sources.file, 'observed', ago(90), 'link', l.id, { a: `${l.a_site}-r1`, b: `${l.b_site}-r1`, capacity_gbps: l.capacity_gbps, length_km: l.length_km });
    sites.forEach((site, n) => this.fillSite(site, n, grid.next));
    this.plant(sites);
  }

  fillSite(site, n, next) {
    const at = this.now_ms - 60 * day_ms;
    this.say(sources.planning, 'intended', at, 'site', site.id, { address: `Fixture street ${n + 1}, ${site.name}`, access: 'Key at the gate; call the field force an hour before.' });
    for (const room of [1, 2]) {
      const room_id = `${site.id}-room-${room}`;
      this.say(sources.planning, 'intended', at, 'room', room_id, { name: `Room ${room}`, site: site.id, floor: String(room - 1), area_m2: 40 * room });
      for (let r = 1; r <= 3; r++) {
        const rack = `${site.id}-${room}${'abc'[r - 1]}`;
        this.say(sources.planning, 'intended', at, 'rack', rack, { name: `Rack ${room}${'ABC'[r - 1]}`, site: site.id, room: room_id, height_u: 42, power_limit_w: 8000, serial: `FX-R-${n}${room}${r}` });
        this.fillRack(site, rack, next);
      }
    }
  }

  fillRack(site, rack, next) {
    const roles = [['patch_panel', 1, 'front'], ['router', 4], ['switch', 1, 'front'], ['switch', 1, 'rear'], ['server', 2], ['server', 2], ['server', 1], ['ups', 3], ['pdu', 1, 'rear']];
    let unit = 1;
    roles.forEach(([role, height_u, face], i) => {
      if (next() < 0.15) return;
      const id = `${rack}-${role.replace('_', '-')}-${i + 1}`;
      const planned = { name: `${role.replace('_', ' ')} ${rack} ${i + 1}`, role, site: site.id, rack, position_u: unit, height_u, ...(face ? { face } : {}), serial: `FX-D-${rack}-${i}`, contacts: ['field-north'] };
      this.say(sources.planning, 'intended', this.now_ms - 50 * day_ms, 'device', id, { ...planned, status: 'planned' });
      this.say(sources.discovery, 'discovered', this.now_ms - 20 * day_ms, 'device', id, { role, site: site.id, rack, position_u: unit, height_u, ...(face ? { face } : {}), serial: planned.serial, hostname: id, status: 'active' });
      const ports = role === 'router' ? 24 : role === 'switch' ? 32 : role === 'server' ? 2 : 0;
      for (let p = 0; p < ports; p++) {
        const port = `${id}-eth${p}`;
        this.say(sources.discovery, 'discovered', this.now_ms - 20 * day_ms, 'interface', port, { name: `eth${p}`, device: id, type: 'physical', speed_gbps: role === 'router' ? 100 : 10, mtu_bytes: 9000, enabled: p % 7 !== 3 });
      }
      if (role === 'router') this.say(sources.telemetry, 'observed', this.now_ms - 3600_000, 'device', id, { software_version: '7.11.2' });
      unit += height_u + (next() < 0.3 ? 2 : 0);
    });
  }

  // Errors that a person is to find: a device in another rack than planned, software that moved on, a ghost.
  plant(sites) {
    const devices = [...this.entities.values()].filter((e) => e.kind === 'device');
    const moved = devices.find((d) => d.id.includes('router') && this.values(d).site === sites[0].id);
    const there = `${sites[0].id}-2c`;
    this.moved = moved.id;
    this.say(sources.discovery, 'discovered', this.now_ms - 2 * day_ms, 'device', moved.id, { rack: there, position_u: 30 });
    this.say(sources.telemetry, 'observed', this.now_ms - 5 * day_ms, 'device', moved.id, { software_version: '7.10.1' });
    this.say(sources.telemetry, 'observed', this.now_ms - 600_000, 'device', moved.id, { software_version: '7.11.3' });
    this.say(sources.planning, 'intended', this.now_ms - day_ms, 'device', moved.id, { description: 'Aggregation router with a long description, so that a page shows what becomes of text that does not fit on one line of a table of facts.' });
    const evidence = (d, attribute) => {
      const says = ['intended', 'discovered'].map((standing) => d.claims.filter((c) => c.attribute === attribute && c.standing === standing).at(-1)).filter(Boolean);
      return says.map(({ source, standing, value, valid_from, offset }) => ({ source, standing, attribute, value, since: valid_from, offset, believed: standing === 'discovered' }));
    };
    const place = { latitude_deg: sites[0].latitude_deg, longitude_deg: sites[0].longitude_deg };
    this.planted.push({
      id: `moved:device:${moved.id}`, type: 'moved', about: { kind: 'device', id: moved.id }, also: [], attribute: null, since: iso(this.now_ms - 2 * day_ms),
      evidence: [...evidence(moved, 'rack'), ...evidence(moved, 'position_u')],
      summary: `discovery sees it in rack ${there}; planning has it in rack ${this.values(moved, Infinity, (c) => c.standing === 'intended').rack}`,
      verification: { action: 'Read the serial number on the device, and look whether the planned place is empty.', who: 'field technician', site: sites[0].id, place: `rack ${there}, unit 30`, ...place },
    });
    const ghost = devices.find((d) => d.id.includes('server') && this.values(d).site === sites[1].id);
    ghost.unseen_since = iso(this.now_ms - 9 * day_ms);
    this.planted.push({
      id: `ghost:device:${ghost.id}`, type: 'ghost', about: { kind: 'device', id: ghost.id }, also: [], attribute: null, since: ghost.unseen_since,
      evidence: [{ source: sources.discovery, standing: 'discovered', attribute: null, value: false, since: ghost.unseen_since, offset: 0, believed: false }],
      summary: 'discovery lists every device of this site, but no longer this one',
      verification: { action: 'Look whether anything stands there.', who: 'field technician', site: sites[1].id, place: `rack ${this.values(ghost).rack}, unit ${this.values(ghost).position_u}`, latitude_deg: sites[1].latitude_deg, longitude_deg: sites[1].longitude_deg },
    });
  }

  // What is believed at an offset, by the policy on standings and freshness; as far as `wanted` lets claims count.
  values(entity, offset = Infinity, wanted = () => true) {
    const best = new Map();
    for (const c of entity.claims) {
      if (c.offset > offset || !wanted(c)) continue;
      const said = best.get(c.attribute);
      if (!said || rank[c.standing] < rank[said.standing] || (rank[c.standing] === rank[said.standing] && c.offset >= said.offset)) best.set(c.attribute, c);
    }
    const spec = kinds.find((k) => k.kind === entity.kind);
    const order = (name) => spec?.attributes.findIndex((a) => a.name === name) ?? 0;
    return Object.fromEntries([...best].filter(([, c]) => c.value !== null).sort(([a], [b]) => order(a) - order(b)).map(([name, c]) => [name, c.value]));
  }

  // The entities as one reader sees them: kind → id → {kind, id, attributes, created, changed}.
  view(query) {
    const branch = query.get('branch') ? this.branches.get(query.get('branch')) : undefined;
    const as_of = query.get('as_of');
    let offset = Infinity;
    if (as_of !== null && /^\d+$/.test(as_of)) offset = Number(as_of);
    else if (as_of !== null) offset = Math.max(0, ...[...this.entities.values()].flatMap((e) => e.claims).filter((c) => Date.parse(c.recorded_at) <= Date.parse(as_of)).map((c) => c.offset));
    return this.seen(branch, offset);
  }

  seen(branch, offset = Infinity) {
    const found = new Map();
    for (const e of this.entities.values()) {
      if (e.created > offset) continue;
      found.set(`${e.kind}/${e.id}`, { kind: e.kind, id: e.id, attributes: this.values(e, offset), created: e.created, changed: e.changed });
    }
    return branch ? this.head(branch) : found;
  }

  // A branch is its parent as it was when the branch began, with the branch's edits on top.
  head(branch) {
    const found = new Map(branch.base);
    for (const edit of branch.edits) {
      const key = `${edit.kind}/${edit.id}`;
      const before = found.get(key) ?? { kind: edit.kind, id: edit.id, attributes: {}, created: edit.offset, changed: edit.offset };
      found.set(key, { ...before, attributes: Object.fromEntries(Object.entries({ ...before.attributes, ...edit.attributes }).filter(([, v]) => v !== null)) });
    }
    return found;
  }

  answer(method, parts, query, body) {
    const [what, first, second, third] = parts;
    if (query.get('branch') && !this.branches.has(query.get('branch'))) return refusal(404, `no branch '${query.get('branch')}'`);
    if (what === 'ontology') return { body: { kinds } };
    if (what === 'search') return this.search(query);
    if (what === 'discrepancies') return { body: { offset: this.offset, discrepancies: this.planted.filter((d) => (!query.get('kind') || d.about.kind === query.get('kind')) && (!query.get('id') || d.about.id === query.get('id'))), truncated: false } };
    if (what === 'query') return this.sql(JSON.parse(body).sql, query);
    if (what === 'branches') return this.branchAnswer(method, first, second, body ? JSON.parse(body) : {});
    if (what !== 'inventory') return undefined;
    const view = this.view(query);
    if (first === undefined) {
      const counted = kinds.map((k) => ({ kind: k.kind, description: k.description, entities: [...view.values()].filter((e) => e.kind === k.kind).length, changed: this.offset }));
      return { body: { offset: this.offset, kinds: counted, entities: view.size } };
    }
    if (!kinds.some((k) => k.kind === first)) return refusal(404, `no kind '${first}'`);
    if (second === undefined) return this.list(first, query, view);
    const entity = view.get(`${first}/${second}`);
    if (!entity && third !== 'timeline') return refusal(404, `no ${first} '${second}'`);
    if (third === undefined) return { body: { offset: this.offset, ...entity, etag: `"${entity.changed}"`, changed_at: this.entities.get(`${first}/${second}`)?.claims.at(-1)?.recorded_at } };
    if (third === 'relations') return { body: this.relations(entity, view) };
    return this.past(third, first, second, query);
  }

  list(kind, query, view) {
    const conditions = [...query].filter(([key]) => !['limit', 'cursor', 'fields', 'branch', 'as_of'].includes(key));
    const holds = (e) =>
      conditions.every(([key, wanted]) => {
        const [, name, how] = /^([^[]+)(?:\[(\w+)\])?$/.exec(key);
        const value = name === 'id' ? e.id : e.attributes[name];
        if (how === 'in') return wanted.split(',').includes(String(value));
        if (how === 'ne') return String(value) !== wanted;
        if (how === 'prefix') return String(value).startsWith(wanted);
        if (how) return { lt: value < Number(wanted), lte: value <= Number(wanted), gt: value > Number(wanted), gte: value >= Number(wanted) }[how];
        return String(value) === wanted;
      });
    const unknown = conditions.map(([key]) => key.replace(/\[.*/, '')).find((n) => n !== 'id' && !kinds.find((k) => k.kind === kind).attributes.some((a) => a.name === n));
    if (unknown) return refusal(400, `a ${kind} has no attribute '${unknown}'`);
    const all = [...view.values()].filter((e) => e.kind === kind).sort((a, b) => (a.id < b.id ? -1 : 1));
    const after = query.get('cursor') ?? '';
    const rest = all.filter((e) => e.id > after && holds(e));
    const items = rest.slice(0, Number(query.get('limit') ?? 100)).map(({ id, attributes, created, changed }) => ({ id, attributes, created, changed }));
    return { body: { offset: this.offset, kind, items, next: rest.length > items.length ? items.at(-1).id : null, total: all.length } };
  }

  relations(entity, view) {
    const named = (e) =>
      (kinds.find((k) => k.kind === e.kind)?.relations ?? []).flatMap((r) =>
        [e.attributes[r.attribute] ?? []].flat().map((id) => ({ attribute: r.attribute, kind: r.targets[0], id })));
    const incoming = [...view.values()].flatMap((e) => named(e).filter((r) => r.kind === entity.kind && r.id === entity.id).map((r) => ({ attribute: r.attribute, kind: e.kind, id: e.id })));
    return { offset: this.offset, kind: entity.kind, id: entity.id, refers_to: named(entity), referred_by: incoming.slice(0, 1000), truncated: incoming.length > 1000 };
  }

  past(what, kind, id, query) {
    const entity = this.entities.get(`${kind}/${id}`) ?? { kind, id, claims: [] };
    const branch = this.branches.get(query.get('branch'));
    const edits = (branch?.edits ?? []).filter((e) => e.kind === kind && e.id === id);
    const extra = edits.flatMap((e) => Object.entries(e.attributes).map(([attribute, value]) => ({ attribute, source: `branch:${branch.name}`, standing: 'observed', confidence: 1, valid_from: e.at, valid_to: null, recorded_at: e.at, offset: e.offset, value })));
    const as_of = /^\d+$/.test(query.get('as_of') ?? '') ? Number(query.get('as_of')) : Infinity;
    const claims = [...entity.claims.filter((c) => c.offset <= as_of), ...extra];
    if (what === 'claims') {
      const believed = new Map();
      for (const c of claims) {
        const said = believed.get(c.attribute);
        if (!said || rank[c.standing] < rank[said.standing] || (rank[c.standing] === rank[said.standing] && c.offset >= said.offset)) believed.set(c.attribute, c);
      }
      const presences = [...new Set(entity.claims.map((c) => c.source))].map((source) => {
        const own = entity.claims.filter((c) => c.source === source);
        const unseen_since = source === sources.discovery ? (entity.unseen_since ?? null) : null;
        return { source, first_seen: own[0].recorded_at, last_seen: unseen_since ?? iso(this.now_ms - 240_000), unseen_since };
      });
      return { body: { offset: this.offset, kind, id, claims: claims.map((c) => ({ ...c, believed: believed.get(c.attribute) === c, holds: !claims.some((o) => o.attribute === c.attribute && o.source === c.source && o.standing === c.standing && o.offset > c.offset) })), presences } };
    }
    if (what !== 'timeline') return refusal(404, 'nothing is at this path');
    const moments = new Map();
    for (const c of claims) {
      const first = moments.get(c.offset) ?? { offset: c.offset, at: c.recorded_at, what: c.offset === entity.created ? 'created' : 'said', source: c.source, standing: c.standing, attributes: {} };
      first.attributes[c.attribute] = c.value;
      moments.set(c.offset, first);
    }
    const before = Number(query.get('before') ?? Infinity);
    const older = [...moments.values()].filter((m) => m.offset < before).sort((x, y) => y.offset - x.offset);
    const events = older.slice(0, Number(query.get('limit') ?? 50));
    return { body: { offset: this.offset, kind, id, events, next: older.length > events.length ? events.at(-1).offset : null } };
  }

  search(query) {
    const words = (query.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean);
    if (words.length === 0) return refusal(400, "'q' must hold what is searched for");
    const limit = Number(query.get('limit') ?? 20);
    const results = [];
    for (const e of this.view(query).values()) {
      if (query.get('kind') && e.kind !== query.get('kind')) continue;
      const texts = [['id', e.id], ...['name', 'serial', 'hostname', 'address'].map((n) => [n, e.attributes[n]])].filter(([, v]) => typeof v === 'string');
      const matched = texts.find(([, v]) => words.every((w) => v.toLowerCase().includes(w)))?.[0];
      if (matched) results.push({ kind: e.kind, id: e.id, name: e.attributes.name ?? '', matched });
    }
    const weight = (r) => (r.kind === 'interface' ? 1 : 0) * 100 + r.id.length;
    results.sort((a, b) => weight(a) - weight(b));
    return { body: { offset: this.offset, complete: true, results: results.slice(0, limit), truncated: results.length > limit } };
  }

  // SELECT columns FROM table [WHERE attribute = 'value'] [LIMIT n]: enough to show an answer and an error.
  sql(statement, query) {
    const found = /^\s*select\s+(.+?)\s+from\s+(\w+)(?:\s+where\s+(\w+)\s*=\s*'([^']*)')?(?:\s+limit\s+(\d+))?\s*;?\s*$/is.exec(statement);
    if (!found) return refusal(400, 'line 1, column 1: the fixture understands SELECT columns FROM table [WHERE attribute = \'value\'] [LIMIT n] only');
    const [, wanted, table, name, value, limit] = found;
    const spec = kinds.find((k) => k.kind === table);
    if (!spec) return refusal(400, `line 1: no table '${table}'; did you mean '${kinds.find((k) => k.kind.startsWith(table.slice(0, 3)))?.kind ?? 'site'}'?`);
    const columns = wanted.trim() === '*' ? ['id', ...spec.attributes.map((a) => a.name)] : wanted.split(',').map((c) => c.trim());
    const all = [...this.view(query).values()].filter((e) => e.kind === table && (!name || String(name === 'id' ? e.id : e.attributes[name]) === value));
    const cap = Math.min(Number(limit ?? 10_000), 10_000);
    return { body: { columns, rows: all.slice(0, cap).map((e) => columns.map((c) => (c === 'id' ? e.id : (e.attributes[c] ?? null)))), truncated: !limit && all.length > cap, offset: this.offset } };
  }

  branchAnswer(method, name, verb, body) {
    const shown = (b) => ({
      offset: this.offset, name: b.name, parent: b.parent || null, purpose: b.purpose, author: 'operator:api', created: b.offset, created_at: b.at, base_offset: b.base_offset,
      changed: b.edits.at(-1)?.offset ?? b.offset, edits: b.edits.length, children: [...this.branches.values()].filter((c) => c.parent === b.name).map((c) => c.name),
    });
    if (name === undefined && method === 'GET') return { body: { offset: this.offset, branches: [...this.branches.values()].map(shown) } };
    if (name === undefined) {
      if (!/^[A-Za-z0-9][\w.:-]*$/.test(body.name ?? '')) return refusal(400, 'a name is 1 to 64 of letters, digits and ". _ - :", starting with a letter or digit');
      if (this.branches.has(body.name)) return refusal(409, `there is a branch '${body.name}' already`);
      const offset = this.record('branch.created', `fixture branch ${body.name}`);
      const base = this.seen(this.branches.get(body.parent));
      this.branches.set(body.name, { name: body.name, parent: body.parent ?? '', purpose: body.purpose ?? '', at: iso(Date.now()), offset, base_offset: offset, base, edits: [], settled: new Set() });
      return { status: 201, body: shown(this.branches.get(body.name)) };
    }
    const branch = this.branches.get(name);
    if (!branch) return refusal(404, `no branch '${name}'`);
    if (verb === undefined && method === 'DELETE') {
      if (shown(branch).children.length > 0) return refusal(409, `other branches stand on '${name}'`);
      this.branches.delete(name);
      return { body: { offset: this.record('branch.discarded', `fixture branch ${name} is discarded`), name } };
    }
    if (verb === undefined) return { body: shown(branch) };
    if (verb === 'edits') return this.edit(branch, body, shown);
    if (verb === 'diff') return { body: { offset: this.offset, branch: name, base_offset: branch.base_offset, differences: this.differences(branch), next: null } };
    if (verb === 'conflicts') return { body: this.obstacles(branch) };
    if (verb === 'verdict') return { body: this.verdict(branch) };
    if (verb === 'rebase') {
      branch.base_offset = this.record('branch.rebased', `fixture branch ${name} is brought up to date`);
      branch.base = this.seen(this.branches.get(branch.parent));
      return { body: shown(branch) };
    }
    if (verb === 'merge') return this.merge(branch);
    return refusal(404, 'nothing is at this path');
  }

  edit(branch, { items = [], take_back = [], settle = [] }, shown) {
    const offset = this.record('branch.edited', `fixture branch ${branch.name} is edited`);
    for (const { kind, id, attributes } of items) branch.edits.push({ kind, id, attributes, offset, at: iso(Date.now()) });
    for (const { kind, id } of take_back) branch.edits = branch.edits.filter((e) => e.kind !== kind || e.id !== id);
    for (const { kind, id, take, attributes } of settle) {
      if (take === 'ours') for (const a of attributes) branch.settled.add(`${kind}/${id}/${a}`);
      else for (const e of branch.edits.filter((x) => x.kind === kind && x.id === id)) for (const a of attributes) delete e.attributes[a];
    }
    branch.edits = branch.edits.filter((e) => Object.keys(e.attributes).length > 0);
    return { body: shown(branch) };
  }

  // A link that is down on the branch breaks one promise; anything else breaks none.
  verdict(branch) {
    const down = branch.edits.find((e) => e.kind === 'link' && e.attributes.state === 'down');
    const promises_broken = down ? [{ demand: 'demand-1', tenant: 'demo', region: 'ber', model: 'llama-3.1-8b', reason: `no path is left without ${down.id}`, fraction: 1 }] : [];
    return {
      offset: this.offset, branch: branch.name, parent: branch.parent || null, plan_id: 'plan-1', promises_kept: 12 - promises_broken.length, promises_kept_before: 12,
      broken: promises_broken.length, mended: 0, promises_broken, promises_mended: [], unplanned: 0, unplanned_demands: [], worst_link: { id: 'ber-ham', utilization: down ? 0.9 : 0.4 },
      worst_link_before: { id: 'ber-ham', utilization: 0.4 }, cost_eur_per_hour: 100, cost_eur_per_hour_delta: down ? 1.5 : 0,
    };
  }

  differences(branch) {
    const head = this.head(branch);
    return [...new Set(branch.edits.map((e) => `${e.kind}/${e.id}`))].sort().flatMap((key) => {
      const [before, after] = [branch.base.get(key), head.get(key)];
      const names = [...new Set([...Object.keys(before?.attributes ?? {}), ...Object.keys(after?.attributes ?? {})])].filter((n) => !same(before?.attributes[n], after?.attributes[n])).sort();
      if (names.length === 0) return [];
      return [{ what: before ? 'changed' : 'added', kind: after.kind, id: after.id, attributes: names.map((n) => ({ name: n, before: before?.attributes[n] ?? null, after: after.attributes[n] ?? null })) }];
    });
  }

  obstacles(branch) {
    const onto = this.seen(this.branches.get(branch.parent));
    const parent = branch.parent || 'main';
    const value = (entities, e, attribute) => entities.get(`${e.kind}/${e.id}`)?.attributes[attribute] ?? null;
    const head = this.head(branch);
    const conflicts = this.differences(branch).flatMap((d) =>
      d.attributes.flatMap(({ name, before, after }) => {
        const theirs = value(onto, d, name);
        if (same(theirs, before) || same(theirs, after) || branch.settled.has(`${d.kind}/${d.id}/${name}`)) return [];
        return [{ what: 'both_changed', kind: d.kind, id: d.id, attribute: name, base: before, ours: after, theirs, ours_offset: 0, theirs_offset: 0, message: `${d.kind} '${d.id}': ${name} is changed to ${after} here, and to ${theirs} on ${parent}`, fix: `say which stands, or give ${name} another value` }];
      }));
    const top = (x) => x.attributes.position_u + (x.attributes.height_u ?? 1);
    const meets = (a, b) => (a.attributes.face ?? 'both') === 'both' || (b.attributes.face ?? 'both') === 'both' || a.attributes.face === b.attributes.face;
    const violations = [...new Set(branch.edits.filter((e) => e.kind === 'device').map((e) => e.id))].flatMap((id) => {
      const d = head.get(`device/${id}`);
      const others = [...onto.values()].filter((o) => o.kind === 'device' && o.id !== id && o.attributes.rack === d.attributes.rack && o.attributes.position_u < top(d) && d.attributes.position_u < top(o) && meets(o, d));
      if (others.length === 0) return [];
      return [{ kind: 'device', id, constraint: 'no_overlap rack', message: `device '${id}' and device '${others[0].id}' overlap in rack '${d.attributes.rack}', from unit ${Math.max(d.attributes.position_u, others[0].attributes.position_u)}`, fix: `give device '${id}' free units, or move '${others[0].id}' first`, others: others.slice(0, 1).map((o) => ({ kind: 'device', id: o.id })) }];
    });
    return { offset: this.offset, branch: branch.name, clean: conflicts.length + violations.length === 0, conflicts, violations, truncated: false };
  }

  merge(branch) {
    const obstacles = this.obstacles(branch);
    if (!obstacles.clean) return refusal(409, `'${branch.name}' cannot be merged as it is`, obstacles);
    const offset = this.record('branch.merged', `fixture branch ${branch.name} is merged`);
    for (const e of branch.edits) this.say('api:operator', 'observed', Date.now(), e.kind, e.id, e.attributes, offset);
    this.offset = Math.max(this.offset, offset + 1);
    this.branches.delete(branch.name);
    return { body: { offset, name: branch.name } };
  }
}
