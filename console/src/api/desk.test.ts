import { expect, test } from 'vitest';
import { EventReader } from './desk';

test('events come whole out of any pieces', () => {
  const stream = 'event: progress\ndata: {"done":1}\n\nevent: report\ndata: {"offset":2}\n\n';
  for (const size of [1, 2, 7, 1000]) {
    const reader = new EventReader();
    const events = [];
    for (let at = 0; at < stream.length; at += size) events.push(...reader.feed(stream.slice(at, at + size)));
    expect(events).toEqual([
      { name: 'progress', data: { done: 1 } },
      { name: 'report', data: { offset: 2 } },
    ]);
  }
  expect(new EventReader().feed(': alive\n\n')).toEqual([]);
});
