// What stands in a rack and what lies around a site, read from the inventory as it is in one branch at one time.
import type { Attributes, Item, Value } from '../api/inventory';
import { inventory } from '../api/inventory_client';
import type { View } from '../place.svelte';
import type { KindSpec } from '../api/inventory';
import type { Neighbour } from './neighbourhood';
import type { Mounted } from './rack';
import { nameOf } from './values';

const page_items = 1000;
const pages_max = 20; // each looks at no more than 10,000 entities
const ids_max = 100; // of one condition
const text = (value: Value | undefined): string => (typeof value === 'string' ? value : '');
const number = (value: Value | undefined): number | undefined => (typeof value === 'number' ? value : undefined);

// All of a kind that name one of `ids` by `attribute`, as far as they fit into a picture.
async function naming(kind: string, attribute: string, ids: readonly string[], view: View, signal: AbortSignal): Promise<Item[]> {
  const found: Item[] = [];
  for (let i = 0; i < ids.length; i += ids_max) {
    const chunk = ids.slice(i, i + ids_max);
    const conditions = chunk.length === 1 ? { [attribute]: chunk[0]! } : { [`${attribute}[in]`]: chunk.join(',') };
    let cursor: string | undefined;
    for (let pages = 0; pages < pages_max && found.length < page_items; pages++) {
      const page = await inventory.list(kind, view, { conditions, limit: page_items, cursor }, signal);
      found.push(...page.items);
      cursor = page.next ?? undefined;
      if (cursor === undefined) break;
    }
  }
  return found;
}

const faceOf = (value: Value | undefined): Mounted['face'] => (value === 'front' || value === 'rear' ? value : undefined);

export interface RackContents {
  name: string;
  attributes: Attributes;
  height_u: number;
  mounted: Mounted[];
}

const usual_rack_u = 42;

// The kinds that the ontology says stand in racks are asked for one by one.
export async function readRack(id: string, kinds: readonly KindSpec[], view: View, signal: AbortSignal): Promise<RackContents> {
  const holders = kinds.filter((k) => k.attributes.some((a) => a.name === 'position_u') && k.attributes.some((a) => a.name === 'rack'));
  const [rack, ...groups] = await Promise.all([
    inventory.entity('rack', id, view, signal),
    ...holders.map((k) => naming(k.name, 'rack', [id], view, signal)),
  ]);
  const mounted = groups.flat().map(
    (item): Mounted => ({
      kind: item.kind,
      id: item.id,
      name: nameOf(item.attributes, item.id),
      position_u: number(item.attributes.position_u),
      height_u: number(item.attributes.height_u) ?? 1,
      face: faceOf(item.attributes.face),
      status: text(item.attributes.status),
    }),
  );
  return { name: nameOf(rack.attributes, id), attributes: rack.attributes, height_u: number(rack.attributes.height_u) ?? usual_rack_u, mounted };
}

export interface TreeNode {
  kind: string;
  id: string;
  name: string;
  detail: string;
  children: TreeNode[];
}

export interface Surroundings {
  nodes: { id: string; role: string; down: boolean }[];
  neighbours: Neighbour[];
  rooms: TreeNode[]; // with their racks; racks that stand in no room come after them
}

export async function readSurroundings(site: string, kinds: readonly KindSpec[], view: View, signal: AbortSignal): Promise<Surroundings> {
  const has = (kind: string, attribute: string): boolean => kinds.some((k) => k.name === kind && k.attributes.some((a) => a.name === attribute));
  const of = (kind: string, attribute: string, ids: readonly string[]) => (has(kind, attribute) ? naming(kind, attribute, ids, view, signal) : Promise.resolve([]));
  const [nodes, rooms] = await Promise.all([of('node', 'site', [site]), of('room', 'site', [site])]);
  const node_ids = nodes.map((n) => n.id);
  const [out, back, racksOfSite, racksOfRooms] = await Promise.all([
    of('link', 'a', node_ids),
    of('link', 'b', node_ids),
    of('rack', 'site', [site]),
    of('rack', 'room', rooms.map((r) => r.id)),
  ]);
  const neighbours = await neighboursOf(site, node_ids, [...out, ...back], view, signal);
  return {
    nodes: nodes.map((n) => ({ id: n.id, role: text(n.attributes.role), down: n.attributes.state === 'down' })),
    neighbours,
    rooms: treeOf(rooms, [...racksOfSite, ...racksOfRooms]),
  };
}

async function neighboursOf(site: string, here: readonly string[], links: readonly Item[], view: View, signal: AbortSignal): Promise<Neighbour[]> {
  const byId = new Map(links.map((link) => [link.id, link]));
  const far = new Map<string, string>(); // link to the node at its other end
  for (const link of byId.values()) {
    const [a, b] = [text(link.attributes.a), text(link.attributes.b)];
    if (!here.includes(a) || !here.includes(b)) far.set(link.id, here.includes(a) ? b : a);
  }
  const ends = await naming('node', 'id', [...new Set(far.values())], view, signal);
  const siteOf = new Map(ends.map((node) => [node.id, text(node.attributes.site)]));
  const sites = await naming('site', 'id', [...new Set(siteOf.values())].filter((id) => id !== '' && id !== site), view, signal);
  return sites.map((other): Neighbour => {
    const to = [...far].filter(([, node]) => siteOf.get(node) === other.id).map(([link]) => byId.get(link)!);
    return {
      id: other.id,
      name: nameOf(other.attributes, other.id),
      latitude_deg: number(other.attributes.latitude_deg),
      longitude_deg: number(other.attributes.longitude_deg),
      links: to.map((link) => ({
        id: link.id,
        name: nameOf(link.attributes, link.id),
        capacity_gbps: number(link.attributes.capacity_gbps) ?? 0,
        down: link.attributes.state === 'down' || other.attributes.state === 'down',
      })),
    };
  });
}

function treeOf(rooms: readonly Item[], racks: readonly Item[]): TreeNode[] {
  const all = [...new Map(racks.map((rack) => [rack.id, rack])).values()];
  const node = (item: Item, detail: string, children: TreeNode[]): TreeNode => ({
    kind: item.kind, id: item.id, name: nameOf(item.attributes, item.id), detail, children,
  });
  const rackNode = (rack: Item) => node(rack, number(rack.attributes.height_u) === undefined ? '' : `${number(rack.attributes.height_u)} U`, []);
  const inRoom = (room: string) => all.filter((rack) => text(rack.attributes.room) === room);
  const loose = all.filter((rack) => !rooms.some((room) => room.id === text(rack.attributes.room)));
  return [...rooms.map((room) => node(room, text(room.attributes.floor) ? `floor ${text(room.attributes.floor)}` : '', inRoom(room.id).map(rackNode))), ...loose.map(rackNode)];
}
