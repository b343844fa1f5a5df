// An engine with the OpenAI API that fails as it is told: a process of its own, for bench/chaos.mjs. Its answers repeat
// the mark of the prompt they are for in every token. Usage: node bench/chaos_engine.mjs PORT; messages over IPC are
// modes: 'well', 'slow' (20 times), 'not_http', 'bad_json', 'bad_sse', 'resets'.
import http from 'node:http';

const port = Number(process.argv[2]);
const tokens = 8;
const firstTokenMs = 15;
const tokenMs = 5;
let mode = 'well';
process.on('message', (told) => { mode = told; });
process.on('disconnect', () => process.exit(0));

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms * (mode === 'slow' ? 20 : 1)));
const usage = { prompt_tokens: 20, completion_tokens: tokens, total_tokens: 20 + tokens };

async function whole(response, mark) {
  await wait(firstTokenMs + tokenMs * (tokens - 1));
  const text = JSON.stringify({
    id: 'x', object: 'chat.completion', model: 'm', usage,
    choices: [{ index: 0, message: { role: 'assistant', content: `${mark} `.repeat(tokens) }, finish_reason: 'stop' }],
  });
  const isBad = mode === 'bad_json';
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length });
  if (mode === 'resets') {
    response.write(text.slice(0, text.length / 2));
    await wait(5);
    response.socket.resetAndDestroy();
  } else {
    response.end(isBad ? text.replace('"choices":[', '"choices":{{') : text);
  }
}

async function stream(response, mark, includeUsage) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const say = (chunk) => response.write(`data: ${JSON.stringify({ id: 'x', object: 'chat.completion.chunk', model: 'm', ...chunk })}\n\n`);
  await wait(firstTokenMs);
  for (let i = 0; i < tokens; ++i) {
    if (mode === 'bad_sse') {
      response.write(`data: {"choices":[{"index":0,"delta":{"content":"${mark}\n\n: \u0000 :::\n\ndata data data`);
      response.end();
      return;
    }
    if (mode === 'resets' && i === tokens / 2) {
      response.socket.resetAndDestroy();
      return;
    }
    say({ choices: [{ index: 0, delta: { content: `${mark} ` } }] });
    if (i + 1 < tokens) await wait(tokenMs);
  }
  if (includeUsage) say({ choices: [], usage });
  response.end('data: [DONE]\n\n');
}

const server = http.createServer((request, response) => {
  const pieces = [];
  request.on('data', (piece) => pieces.push(piece));
  request.on('end', () => {
    if (mode === 'not_http') {
      request.socket.end('\u0016\u0003\u0001 220 mail.example ESMTP\r\n');
      return;
    }
    const body = JSON.parse(Buffer.concat(pieces).toString());
    const mark = /mark-[0-9a-z]+/.exec(body.messages[0].content)[0];
    const answer = body.stream ? stream(response, mark, body.stream_options?.include_usage) : whole(response, mark);
    answer.catch(() => response.destroy());
  });
});
server.keepAliveTimeout = 60_000;
server.listen(port, '127.0.0.1', () => process.send('listening'));
