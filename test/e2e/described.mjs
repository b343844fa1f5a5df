// Whether answers are as the OpenAPI document says, member by member: stricter than a validator, in that a member which is
// not described is one too many, arrays describe their items, and an object of any members says so.

const typeOf = (value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);
const isOf = (type, value) => type === typeOf(value) || (type === 'integer' && Number.isInteger(value));

// Each place where `value` differs from `given`, once for all items of an array: "events[].body: nothing is said of its members".
export function undescribed(value, given, document, place = '', found = new Set()) {
  const schema = given.$ref ? given.$ref.slice(2).split('/').reduce((at, name) => at[name], document) : given;
  const say = (what) => found.add(`${place}: ${what}`);
  if (Object.keys(schema).length === 0) return found; // a value of any kind
  if ('const' in schema) return value === schema.const ? found : say(`is not ${schema.const}`);
  if (schema.enum) return schema.enum.includes(value) ? found : say(`'${value}' is none of the values`);
  if (![schema.type].flat().some((type) => isOf(type, value))) return say(`${typeOf(value)} is no ${schema.type}`);
  if (Array.isArray(value)) {
    if (!schema.items) say('nothing is said of its items');
    else for (const item of value) undescribed(item, schema.items, document, `${place}[]`, found);
  } else if (value !== null && typeof value === 'object') {
    const { properties = {}, additionalProperties: others, required = [] } = schema;
    if (!schema.properties && others === undefined) return say('nothing is said of its members');
    for (const name of required) if (!(name in value)) say(`has no '${name}'`);
    for (const [name, member] of Object.entries(value)) {
      const at = place ? `${place}.${name}` : name;
      if (Object.hasOwn(properties, name)) undescribed(member, properties[name], document, at, found);
      else if (!others) found.add(`${at}: is not described`);
      else if (others !== true) undescribed(member, others, document, at, found);
    }
  }
  return found;
}

// What the document says of an answer: of a good one, or of a refusal.
export const schemaOf = (document, method, pattern, status) => {
  const responses = document.paths[pattern][method.toLowerCase()].responses;
  return (status < 400 ? responses[status] : responses.default)?.content?.['application/json']?.schema;
};
