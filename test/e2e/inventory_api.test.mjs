// The living inventory from outside: pages, tags, the change feed and webhooks of a running grid.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Grid, example, temporaryDirectory } from './tandem.mjs';

let grid;
before(async () => { grid = await Grid.start({ grid: example, data: path.join(temporaryDirectory(), 'data'), waitForPlan: false }); });
after(() => grid?.stop());

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function send(method, target, body, headers = {}) {
  const response = await fetch(grid.url + target, {
    method, headers: { 'content-type': 'application/json', ...headers }, body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, etag: response.headers.get('etag'), body: text ? JSON.parse(text) : null };
}

const fact = (id, attributes) => grid.post('/api/v1/facts', { source: 'e2e', facts: [{ kind: 'shared_risk_group', id, attributes }] });

async function everyPage(target) {
  const ids = [];
  let cursor = '';
  do {
    const { status, body } = await grid.get(`${target}${cursor}`);
    assert.equal(status, 200, JSON.stringify(body));
    ids.push(...body.items.map((item) => item.id));
    cursor = body.next ? `&cursor=${encodeURIComponent(body.next)}` : '';
  } while (cursor);
  return ids;
}

test('every page together holds each entity once, while facts come in', async () => {
  const wanted = (await grid.get('/api/v1/grid')).body.links.map((link) => link.id).sort();
  let running = true;
  let written = 0;
  const writer = (async () => {
    while (running) await fact(`during-${++written % 20}`, { name: `n${written}` });
  })();
  try {
    for (let round = 0; round < 5 || written <= 10; ++round) assert.deepEqual(await everyPage('/api/v1/inventory/link?limit=7&fields=capacity_gbps'), wanted);
  } finally {
    running = false;
    await writer;
  }
});

test('of two who change the same entity, one is told to read again', async () => {
  const target = '/api/v1/inventory/shared_risk_group/contested';
  const made = await send('PUT', target, { attributes: { name: 'first' } }, { 'if-none-match': '*' });
  assert.equal(made.status, 201);
  const both = await Promise.all(['a', 'b'].map((name) => send('PATCH', target, { attributes: { name } }, { 'if-match': made.etag })));
  assert.deepEqual(both.map((answer) => answer.status).sort(), [200, 412], JSON.stringify(both));
  const now = await send('GET', target);
  assert.equal(now.body.attributes.name, both[0].status === 200 ? 'a' : 'b');
  assert.equal((await send('GET', target, undefined, { 'if-none-match': now.etag })).status, 304);
});

test('what is written is found by searching', async () => {
  await fact('duct-for-search', { name: 'Kanalweg Nordring' });
  const found = await grid.until(async () => (await grid.get('/api/v1/search?q=nordr')).body.results[0], 'the search index to follow');
  assert.deepEqual(found, { kind: 'shared_risk_group', id: 'duct-for-search', name: 'Kanalweg Nordring', matched: 'name' });
});

// Reads the stream until `count` events are there or it is cut, and gives them.
async function listen(target, count, headers = {}) {
  const abort = new AbortController();
  const response = await fetch(grid.url + target, { headers, signal: abort.signal });
  assert.equal(response.status, 200, response.ok ? '' : await response.text());
  const events = [];
  let text = '';
  for await (const piece of response.body) {
    text += Buffer.from(piece).toString('utf8');
    const blocks = text.split('\n\n');
    text = blocks.pop();
    for (const block of blocks) {
      const id = /^id: ?(\d+)$/m.exec(block)?.[1];
      const data = /^data: ?(.*)$/m.exec(block)?.[1];
      if (data) events.push({ id: Number(id), change: JSON.parse(data) });
    }
    if (events.length >= count) break;
  }
  abort.abort();
  return events;
}

test('the change feed, cut and taken up again, gives every event once', async () => {
  const from = (await grid.get('/api/v1/inventory')).body.offset + 1;
  const total = 60;
  const writing = (async () => {
    for (let i = 0; i < total; ++i) await fact(`feed-${i}`, { name: `n${i}` });
  })();
  const seen = [];
  const headers = {};
  try {
    while (seen.length < total) {
      const more = await listen(`/api/v1/changes?from=${from}&kinds=shared_risk_group`, Math.min(13, total - seen.length), headers);
      const last = seen.at(-1)?.id ?? 0;
      seen.push(...more.filter((event) => event.id > last));
      assert.ok(more.every((event) => event.id > last), 'an event came twice');
      headers['last-event-id'] = String(seen.at(-1).id);
    }
  } finally {
    await writing;
  }
  assert.deepEqual(seen.map((event) => event.change.id), Array.from({ length: total }, (_, i) => `feed-${i}`));
  assert.ok(seen.every((event, i) => i === 0 || event.id > seen[i - 1].id));
});

// A receiver that checks signatures, fails the first `failures` requests, and can go away and come back.
class Receiver {
  constructor(secret) {
    this.secret = secret;
    this.taken = [];
    this.failures = 0;
    this.problems = [];
  }
  async open(port = 0) {
    this.server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece) => { body += piece; });
      request.on('end', () => {
        const [, t, v1] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(request.headers['x-tandem-signature']) ?? [];
        const expected = createHmac('sha256', this.secret()).update(`${t}.${body}`).digest('hex');
        if (v1 !== expected) this.problems.push(`signature ${request.headers['x-tandem-signature']}`);
        if (this.failures > 0) {
          --this.failures;
          response.writeHead(503).end();
          return;
        }
        this.taken.push({ id: Number(request.headers['x-tandem-event-id']), key: request.headers['idempotency-key'], change: JSON.parse(body) });
        response.writeHead(204).end();
      });
    });
    await new Promise((resolve) => this.server.listen(port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    return this;
  }
  async close() {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

test('a webhook whose receiver fails and restarts is told every event, in order, once', { timeout: 120_000 }, async (context) => {
  let secret = '';
  const receiver = await new Receiver(() => secret).open();
  context.after(() => receiver.close());
  receiver.failures = 2;
  const registered = await grid.post('/api/v1/webhooks', { url: `http://127.0.0.1:${receiver.port}/hook`, kinds: ['shared_risk_group'] });
  assert.equal(registered.status, 201, JSON.stringify(registered.body));
  secret = registered.body.secret;
  const { id } = registered.body;
  const total = 40;
  for (let i = 0; i < total / 2; ++i) await fact(`hook-${i}`, { name: `n${i}` });
  await grid.until(() => receiver.taken.length >= 5, 'the first deliveries');
  await receiver.close();
  for (let i = total / 2; i < total; ++i) await fact(`hook-${i}`, { name: `n${i}` });
  await sleep(300);
  await receiver.open(receiver.port);
  await grid.until(() => receiver.taken.length >= total, 'the rest of the deliveries', 60_000);
  await grid.until(async () => (await grid.get(`/api/v1/webhooks/${id}`)).body.behind === 0, 'the place delivered to');
  assert.deepEqual(receiver.taken.map((event) => event.change.id), Array.from({ length: total }, (_, i) => `hook-${i}`));
  assert.deepEqual(receiver.problems, []);

  // Replayed from an offset, it comes again; the key is the event's, so that who keeps keys knows.
  const again = receiver.taken[total - 3].id;
  assert.equal((await send('PATCH', `/api/v1/webhooks/${id}`, { from: again })).status, 200);
  await grid.until(() => receiver.taken.length >= total + 3, 'the replay');
  assert.deepEqual(receiver.taken.slice(total).map((event) => event.id), receiver.taken.slice(total - 3, total).map((event) => event.id));

  assert.equal((await send('DELETE', `/api/v1/webhooks/${id}`)).status, 200);
  await fact('hook-after', {});
  await sleep(300);
  assert.equal(receiver.taken.length, total + 3);
});

test('a webhook reaches no other machine without encryption', async () => {
  for (const url of ['http://example.net/', 'http://10.0.0.1/', 'http://169.254.169.254/', 'file:///etc/passwd']) {
    const refused = await grid.post('/api/v1/webhooks', { url });
    assert.equal(refused.status, 400, url);
    assert.equal(refused.body.error.param, 'url');
  }
});

test('the live stream says when the grid is to be read anew, and not when a value changes', async () => {
  const abort = new AbortController();
  const response = await fetch(`${grid.url}/api/v1/stream`, { signal: abort.signal });
  let text = '';
  const reading = (async () => {
    for await (const piece of response.body) text += Buffer.from(piece).toString('utf8');
  })().catch(() => {});
  const [first] = (await grid.get('/api/v1/inventory/site?limit=1')).body.items;
  const link = (await grid.get('/api/v1/inventory/link?limit=1')).body.items[0];
  await sleep(200);  // the stream listens
  assert.equal((await send('PATCH', `/api/v1/inventory/link/${link.id}`, { attributes: { delay_us: 123.5 } })).status, 200);
  assert.equal((await send('PUT', '/api/v1/inventory/site/new-site', { attributes: { ...first.attributes, name: 'New' } })).status, 201);
  await grid.until(() => /event: ?grid/.test(text), 'the grid event');
  assert.equal(text.match(/event: ?grid/g).length, 1, text.slice(-2000));
  abort.abort();
  await reading;
});

test('every route is described, with its answer', async () => {
  const { body } = await grid.get('/api/v1/openapi.json');
  for (const target of ['/api/v1/inventory', '/api/v1/inventory/{kind}', '/api/v1/inventory/{kind}/{id}', '/api/v1/search', '/api/v1/changes', '/api/v1/webhooks'])
    assert.ok(body.paths[target], target);
});
