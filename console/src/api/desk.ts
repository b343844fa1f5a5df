// Questions that take seconds: POST, answered by server-sent events, `progress` and then one `report` or `error`.
import { ApiError, send } from './client';
import { fields, text } from './fields';

export interface ServerEvent {
  name: string;
  data: unknown;
}

// Server-sent events out of text that comes in pieces. The server's data is one line of JSON.
export class EventReader {
  private rest = '';

  feed(piece: string): ServerEvent[] {
    const blocks = (this.rest + piece).split('\n\n');
    this.rest = blocks.pop() ?? '';
    return blocks.flatMap((block): ServerEvent[] => {
      let name = 'message';
      let data = '';
      for (const line of block.split('\n')) {
        if (line.startsWith('event: ')) name = line.slice(7);
        else if (line.startsWith('data: ')) data += line.slice(6);
      }
      return data === '' ? [] : [{ name, data: JSON.parse(data) as unknown }];
    });
  }
}

// The report, as it came. Aborting ends the work on the server too.
export async function askDesk(path: string, question: object, tell: (progress: unknown) => void, signal: AbortSignal): Promise<unknown> {
  const response = await send(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...question, stream: true }),
    signal,
  });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const events = new EventReader();
  for (let read = await reader?.read(); read && !read.done; read = await reader?.read())
    for (const { name, data } of events.feed(read.value)) {
      if (name === 'report') return data;
      if (name === 'error') throw new ApiError(0, text(fields(fields(data).error).message) || 'The server could not say.');
      if (name === 'progress') tell(data);
    }
  throw new ApiError(0, 'The server stopped before its answer was whole.');
}
