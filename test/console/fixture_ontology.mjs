// A few kinds as GET /api/v1/ontology describes them: enough for the pages of the inventory.

const statuses = ['planned', 'staged', 'active', 'maintenance', 'failed', 'stored', 'retiring', 'retired'];
const text = (name, description = '', more = {}) => ({ name, type: 'text', list: false, required: false, description, ...more });
const number = (name, description = '', more = {}) => ({ ...text(name, description), type: 'number', ...more });
const choice = (name, choices, description = '', more = {}) => ({ ...text(name, description), type: 'choice', choices, ...more });
const to = (attribute, targets, name, inverse, description = '', more = {}) => ({
  attribute, targets: [targets].flat(), name, inverse, many: false, required: false, located_in: false, impact: 'on_holder', description, ...more,
});
const common = [
  text('name', 'For people; default: the id.'),
  text('description', 'In a sentence.'),
  choice('status', statuses, 'Where it stands in its life.', { absent: 'active' }),
  text('external_ids', 'What other systems call it.', { list: true, format: 'external_id' }),
  text('tags', "The operator's own words.", { list: true }),
];

const kind = (name, group, description, { attributes = [], relations = [], constraints = [], mappings = {} } = {}) => ({
  kind: name, group, noun: ['site', 'node', 'link'].includes(name), description,
  attributes: [
    ...common.filter((c) => !attributes.some((a) => a.name === c.name)),
    ...attributes,
    ...relations.map((r) => ({ name: r.attribute, type: 'reference', list: r.many, required: r.required, description: r.description })),
  ],
  relations, incoming: [], constraints: constraints.map((t) => ({ rule: 'unique', text: t })), mappings,
});

export const kinds = [
  kind('site', 'place', 'A place with power: a building, a mast, a room, a device.', {
    attributes: [
      choice('tier', ['device', 'far_edge', 'near_edge', 'core', 'cloud'], 'How far from the user it stands.', { required: true }),
      number('latitude_deg', 'WGS 84.', { required: true, minimum: -90, maximum: 90, unit: 'deg' }),
      number('longitude_deg', 'WGS 84.', { required: true, minimum: -180, maximum: 180, unit: 'deg' }),
      text('jurisdiction', 'Whose law holds there.', { required: true, format: 'jurisdiction' }),
      number('power_limit_kw', 'IT load that its feeds can carry.', { minimum: 0, maximum: 1e6, unit: 'kW' }),
      text('address', 'Street and town, as a technician would look for it.'),
      text('access', 'How to get in: keys, hours, whom to call.'),
    ],
    mappings: { sid: 'GeographicSite', tmf: { api: 'TMF674', type: 'GeographicSite' }, netbox: 'dcim.site' },
  }),
  kind('room', 'place', 'A room, cage or row of a site, in which racks stand.', {
    attributes: [text('floor', 'Storey, as the lift names it.'), number('area_m2', 'Of its floor.', { minimum: 0 })],
    relations: [to('site', 'site', 'stands_at', 'has_room', 'Where it is.', { required: true, located_in: true })],
    constraints: ['no two of kind room of the same site have the same name'],
  }),
  kind('rack', 'place', 'A frame that holds devices, in units of 44.45 mm.', {
    attributes: [
      number('height_u', 'Units it has, counted from 1 at the bottom.', { minimum: 1, maximum: 100, absent: 42 }),
      number('power_limit_w', 'What its feeds and fuses carry.', { minimum: 0, maximum: 1e6, unit: 'W' }),
      text('serial', "The maker's serial number."),
    ],
    relations: [
      to('site', 'site', 'stands_at', 'has_rack', 'Where it is.', { located_in: true }),
      to('room', 'room', 'stands_in', 'has_rack', 'In which room.', { located_in: true }),
    ],
    constraints: ['no two of kind rack have the same serial'],
    mappings: { sid: 'Rack', tmf: { api: 'TMF639', type: 'PhysicalResource' }, netbox: 'dcim.rack' },
  }),
  kind('device', 'hardware', 'A piece of equipment with a serial number: router, switch, server, radio unit, amplifier, patch panel.', {
    attributes: [
      choice('role', ['router', 'switch', 'server', 'patch_panel', 'pdu', 'ups', 'roadm', 'other'], 'What it is for.', { absent: 'other' }),
      text('serial', "The maker's serial number."),
      text('hostname', 'As it calls itself.'),
      text('software_version', 'Of the software it runs.'),
      number('position_u', 'The lowest rack unit it takes.', { minimum: 0, maximum: 100 }),
      number('height_u', 'Rack units it takes.', { minimum: 0, maximum: 100, absent: 1 }),
      choice('face', ['front', 'rear', 'both'], 'Of the rack, that it takes.', { absent: 'both' }),
      number('power_max_w', 'The most it draws.', { minimum: 0, maximum: 1e6, unit: 'W' }),
      text('installed', 'When it was put in.', { format: 'date' }),
    ],
    relations: [
      to('site', 'site', 'stands_at', 'has_device', 'Where it is.', { located_in: true }),
      to('rack', 'rack', 'mounted_in', 'holds', 'In which rack.', { located_in: true }),
      to('contacts', 'contact', 'looked_after_by', 'looks_after', 'Who answers for it.', { many: true, impact: 'none' }),
    ],
    constraints: [
      'no two of kind device have the same serial',
      'no two of kind device in one rack overlap on the same face, from position_u over height_u, nor reach past its height_u',
      'the sum of power_max_w of kind device with one rack is at most its power_limit_w',
    ],
    mappings: { sid: 'PhysicalDevice', tmf: { api: 'TMF639', type: 'PhysicalResource' }, netbox: 'dcim.device', yang: ['/openconfig-platform:components/component', '/ietf-hardware:hardware/component'] },
  }),
  kind('interface', 'network', 'Where a device or function sends and receives, physical or logical.', {
    attributes: [
      choice('type', ['physical', 'bundle', 'loopback', 'virtual'], 'What stands behind it.', { absent: 'physical' }),
      number('speed_gbps', 'Each way.', { minimum: 0, maximum: 1e6, unit: 'Gbit/s' }),
      { ...number('mtu_bytes', 'The largest packet it sends.', { minimum: 64, maximum: 65536, unit: 'bytes' }), type: 'integer' },
      { ...text('enabled', 'Not switched off by its operator.'), type: 'boolean', absent: true },
    ],
    relations: [to('device', 'device', 'on_device', 'has_interface', 'Whose it is.', { located_in: true })],
    constraints: ['no two of kind interface of the same device have the same name'],
    mappings: { sid: 'LogicalInterface', netbox: 'dcim.interface', yang: ['/openconfig-interfaces:interfaces/interface'] },
  }),
  kind('node', 'network', 'What forwards packets or ends links, at a site.', {
    attributes: [choice('role', ['router', 'switch', 'server', 'upf', 'bng'], 'What it does.', { absent: 'router' }), choice('state', ['up', 'down'], 'As last reported.', { absent: 'up' })],
    relations: [to('site', 'site', 'stands_at', 'has_node', 'Where it stands.', { required: true, located_in: true })],
  }),
  kind('link', 'network', 'A link between two nodes, both ways.', {
    attributes: [
      number('capacity_gbps', 'From a to b.', { required: true, above: 0, maximum: 1e6, unit: 'Gbit/s' }),
      number('length_km', 'Of fibre, not of the map.', { minimum: 0, maximum: 50000, unit: 'km' }),
      choice('state', ['up', 'down'], 'As last reported.', { absent: 'up' }),
    ],
    relations: [
      to('a', 'node', 'begins_at', 'begins_link', 'One end.', { required: true }),
      to('b', 'node', 'ends_at', 'ends_link', 'The other end.', { required: true }),
    ],
  }),
  kind('address', 'network', 'An IP address in use.', {
    attributes: [text('address', 'With its prefix length.', { format: 'address', required: true })],
    relations: [to('interface', 'interface', 'assigned_to', 'has_address', 'Where it answers.')],
    constraints: ['no two of kind address of the same vrf have the same address'],
  }),
  kind('contact', 'business', 'Whom to call.', {
    attributes: [text('phone', '', { personal: true }), text('email', '', { format: 'email', personal: true })],
  }),
  kind('trial', 'serving', "A share of a model's requests that another model, or a site, is tried with.", {
    attributes: [
      choice('mode', ['shadow', 'canary'], 'shadow copies requests and throws the answers away, canary serves them.', { absent: 'shadow' }),
      number('share_fraction', "Of the model's clients; a client stays on one side.", { required: true, minimum: 0, maximum: 1 }),
    ],
  }),
  kind('source', 'operations', 'Where facts come from, and how far they are believed.', {
    attributes: [
      { ...number('authority', 'The higher is believed where two disagree.', { minimum: 0, maximum: 100, absent: 50 }), type: 'integer' },
      text('masters', 'What it knows best.', { list: true }),
      number('interval_s', 'How often it speaks; after three of them it is silent.', { above: 0, maximum: 31536000, unit: 's' }),
    ],
  }),
  kind('deviation', 'operations', 'A disagreement between sources that somebody accepted, until what they say changes.', {
    attributes: [text('reason', 'Why it is accepted.')],
    relations: [to('about', 'any', 'about', 'has_deviation', 'What it concerns.', { required: true, impact: 'none' })],
  }),
];

for (const k of kinds)
  for (const r of k.relations)
    for (const target of r.targets) kinds.find((o) => o.kind === target)?.incoming.push({ kind: k.kind, attribute: r.attribute, name: r.inverse, many: true });
