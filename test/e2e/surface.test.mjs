// The gateway seen from outside: the Responses API through the official client, the access log, traces to a receiver, TLS
// with a certificate that is replaced, and the last hour as the console reads it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, renameSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import tls from 'node:tls';
import { after, before, describe, test } from 'node:test';
import OpenAI from 'openai';
import { example, Grid, tandem, temporaryDirectory } from './tandem.mjs';

const parent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

describe('a grid with its access log, traces and TLS', () => {
  const directory = temporaryDirectory();
  const accessLog = path.join(directory, 'access.log');
  const [cert, key] = [path.join(directory, 'tls.crt'), path.join(directory, 'tls.key')];
  const received = [];
  const receiver = http.createServer((request, response) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
      received.push({ url: request.url, type: request.headers['content-type'], body: Buffer.concat(pieces) });
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
    });
  });
  let grid, client, model;

  const issue = (name) =>
    execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1',
      '-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', cert], { stdio: 'ignore' });
  const lines = (file = accessLog) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));

  before(async () => {
    issue('first');
    await new Promise((resolve) => receiver.listen(0, '127.0.0.1', resolve));
    receiver.unref();
    grid = await Grid.start({
      grid: example, data: path.join(directory, 'data'),
      args: ['--access-log', accessLog, '--otlp-endpoint', `http://127.0.0.1:${receiver.address().port}`, '--trace-ratio', '0',
        '--tls-listen', '127.0.0.1:0', '--tls-cert', cert, '--tls-key', key],
    });
    client = new OpenAI({ apiKey: 'sk-demo', baseURL: `${grid.url}/v1`, maxRetries: 0 });
    model = (await client.models.list()).data[0].id;
  });
  after(async () => {
    await grid?.stop();
    receiver.close();
  });

  test('a response, whole', async () => {
    const response = await client.responses.create({ model, instructions: 'Be brief.', input: 'Where are you?', max_output_tokens: 16 });
    assert.equal(response.object, 'response');
    assert.match(response.output_text, /emulat/i);
    assert.equal(response.usage.total_tokens, response.usage.input_tokens + response.usage.output_tokens);
    assert.ok(response.usage.output_tokens <= 16);
  });

  test('a response, streamed, as the client puts it together', async () => {
    const stream = client.responses.stream({
      model, max_output_tokens: 12, input: [{ role: 'user', content: [{ type: 'input_text', text: 'And now?' }] }],
      tools: [{ type: 'function', name: 'look', parameters: { type: 'object', properties: {} }, strict: true }],
    });
    let text = '';
    let response;
    stream.on('response.output_text.delta', (event) => { text += event.delta; });
    stream.on('event', (event) => { response = event.response ?? response; });
    const built = await stream.finalResponse();
    assert.equal(built.output[0].content[0].text, text, 'what the client built of the parts is whole');
    assert.equal(response.output[0].content[0].text, text);
    assert.ok(text.length > 0);
    assert.ok(response.usage.output_tokens > 0 && response.usage.output_tokens <= 12);
    assert.ok(['completed', 'incomplete'].includes(response.status), response.status);
  });

  test('what is not kept is refused with what to do', async () => {
    await assert.rejects(
      client.responses.create({ model, input: 'x', previous_response_id: 'resp_1' }),
      (error) => error.status === 400 && error.param === 'previous_response_id' && /whole conversation/.test(error.message),
    );
    await assert.rejects(client.responses.retrieve('resp_1'), (error) => error.status === 404);
    assert.equal((await client.models.retrieve(model)).id, model);
  });

  test('each request has its line, also after the log was rotated', async () => {
    await grid.until(() => lines().length >= 3, 'three lines');
    const [whole] = lines();
    assert.equal(whole.path, '/v1/responses');
    assert.equal(whole.tenant, 'demo');
    assert.equal(whole.model, model);
    assert.equal(whole.status, 200);
    assert.ok(whole.output_tokens > 0 && whole.duration_us > 0 && whole.site);
    assert.doesNotMatch(readFileSync(accessLog, 'utf8'), /Where are you|sk-demo/);
    renameSync(accessLog, `${accessLog}.1`);
    grid.child.kill('SIGHUP');
    await grid.until(() => { try { return lines() !== undefined; } catch { return false; } }, 'the new file');
    await client.chat.completions.create({ model, max_tokens: 2, messages: [{ role: 'user', content: 'hi' }] });
    await grid.until(() => lines().length === 1, 'its line');
    assert.equal(lines()[0].path, '/v1/chat/completions');
  });

  test('a client\'s trace goes on to the receiver', async () => {
    const { data } = await client.chat.completions.create(
      { model, max_tokens: 2, messages: [{ role: 'user', content: 'hi' }] }, { headers: { traceparent: parent } }).withResponse();
    assert.ok(data.usage);
    await grid.until(() => received.length >= 1, 'a batch of spans');
    assert.equal(received[0].url, '/v1/traces');
    assert.equal(received[0].type, 'application/x-protobuf');
    assert.ok(received[0].body.includes(Buffer.from('0af7651916cd43dd8448eb211c80319c', 'hex')));
    assert.ok(received[0].body.includes('gen_ai.usage.output_tokens'));
    await grid.until(() => lines().some((line) => line.trace_id === '0af7651916cd43dd8448eb211c80319c'), 'its line');
  });

  test('TLS, and another certificate without a restart', async () => {
    const port = Number(/https:\/\/127\.0\.0\.1:(\d+)/.exec(grid.said())[1]);
    const connect = () => new Promise((resolve, reject) => {
      const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] }, () => resolve(socket));
      socket.on('error', reject);
    });
    const name = (socket) => socket.getPeerCertificate().subject.CN;
    const ask = (socket) => new Promise((resolve) => {
      socket.once('data', (piece) => resolve(piece.toString()));
      socket.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    });
    const old = await connect();
    assert.equal(name(old), 'first');
    assert.equal(old.alpnProtocol, 'http/1.1');
    assert.match(await ask(old), /^HTTP\/1\.1 200/);
    issue('second');
    grid.child.kill('SIGHUP');
    await grid.until(async () => {
      const socket = await connect();
      const now = name(socket);
      socket.destroy();
      return now === 'second';
    }, 'the second certificate');
    assert.match(await ask(old), /^HTTP\/1\.1 200/, 'the connection goes on');
    old.destroy();
  });

  test('another grid does not share its port', () => {
    const address = new URL(grid.url).host;
    const second = tandem('up', '--grid', example, '--data', path.join(directory, 'second'), '--listen', address, '--threads', '2');
    assert.notEqual(second.status, 0);
    assert.match(second.err, /cannot listen on .*in use/);
  });

  test('the last hour, by site, tenant and reason', async () => {
    await client.responses.create({ model: 'none-such', input: 'x' }).catch(() => undefined);
    await grid.until(async () => (await grid.get('/api/v1/serving')).body.rejections.some((one) => one.code === 'model_not_found'), 'the rejection');
    const { body } = await grid.get('/api/v1/serving');
    assert.ok(body.minutes.length >= 1 && body.minutes.length <= 60, "since the start, an hour at most");
    assert.ok(body.total.output_tokens_per_s > 0 && body.total.cost_eur > 0);
    assert.ok(body.sites.length > 0);
    assert.equal(body.tenants[0].tenant, 'demo');
    const { body: ready } = await grid.get('/readyz');
    assert.equal(ready.residency_assured, true);
    assert.equal(ready.serving_on_last_table, false);
    const metrics = await (await fetch(`${grid.url}/metrics`)).text();
    assert.match(metrics, /tandem_gateway_table_stale 0/);
    assert.match(metrics, /tandem_trace_spans_exported_total [1-9]/);
  });

  test("what is wrong reaches the client as its own errors, with an id to quote", async () => {
    const messages = [{ role: 'user', content: 'hi' }];
    const ask = (more, by = client) => by.chat.completions.create({ model, max_tokens: 2, messages, ...more });
    const stranger = new OpenAI({ apiKey: 'sk-none', baseURL: `${grid.url}/v1`, maxRetries: 0 });
    for (const [asked, kind, about] of [
      [() => ask({ model: 'none-such' }), OpenAI.NotFoundError, /none-such/],
      [() => ask({ max_tokens: 0 }), OpenAI.BadRequestError, /max_tokens/],
      [() => ask({ temperature: 9 }), OpenAI.BadRequestError, /temperature/],  // by the engine, as real ones do
      [() => ask({ messages: [{ role: 'robot', content: 'hi' }] }), OpenAI.BadRequestError, /robot/],
      [() => ask({}, stranger), OpenAI.AuthenticationError, /key/],
      [() => client.models.retrieve('none-such'), OpenAI.NotFoundError, /model/],
    ])
      await assert.rejects(asked, (error) => {
        assert.ok(error instanceof kind, `${error}`);
        assert.match(error.error.message, about);
        assert.ok(error.type && error.code, `${error}`);
        assert.match(error.requestID, /^d-/);
        return true;
      });
    const answer = await ask({ some_extension: { of: 'an engine' }, temperature: 0, seed: 7, stop: ['.'] });
    assert.match(answer._request_id, /^d-/);
  });
});
