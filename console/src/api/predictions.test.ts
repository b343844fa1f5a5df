import { expect, test } from 'vitest';
import { answerText, exampleRequest, modelPath, readPredictiveModels, shapeText } from './predictions';

test('models are read with what came of them of late', () => {
  const read = readPredictiveModels({
    site: null,
    memory_bytes: 5,
    memory_bytes_max: 10,
    models: [{ model: 'm', version: 2, state: 'ready', recent: { predictions_per_s: 3.5, answer_ms_p99: 4, rows_per_batch: null } }, { state: 'new' }],
  });
  expect(read.site).toBe('');
  expect(read.models[0]?.predictions_per_s).toBe(3.5);
  expect(read.models[0]?.rows_per_batch).toBeNull();
  expect(read.models[1]?.state).toBe('waiting');
  expect(readPredictiveModels(null).models).toEqual([]);
});

test('a row to begin with has the shapes of the inputs', () => {
  const example = exampleRequest([
    { name: 'x', datatype: 'FP32', shape: [-1, 2] },
    { name: 'on', datatype: 'BOOL', shape: [-1, 1] },
  ]);
  expect(JSON.parse(example!)).toEqual({
    inputs: [
      { name: 'x', datatype: 'FP32', shape: [1, 2], data: [0, 0] },
      { name: 'on', datatype: 'BOOL', shape: [1, 1], data: [false] },
    ],
  });
  expect(exampleRequest([{ name: 'image', datatype: 'FP32', shape: [-1, 3, 224, 224] }])).toBeUndefined();
  expect(shapeText([-1, 3])).toBe('[any × 3]');
  expect(modelPath({ model: 'a b', version: 3 })).toBe('/v2/models/a%20b/versions/3');
});

test('an answer is read a tensor a line, an error in its own words', () => {
  expect(answerText('{"model_name":"m","outputs":[{"name":"y","data":[1,2]}]}')).toBe(
    '{\n  "model_name": "m",\n  "outputs": [\n    {"name":"y","data":[1,2]}\n  ]\n}',
  );
  expect(answerText('{"error":"no such model"}')).toBe('no such model');
  expect(answerText('<html>')).toBe('<html>');
});
