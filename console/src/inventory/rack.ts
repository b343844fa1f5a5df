// A rack seen from the front and from the rear: which device stands in which units, what is free, what collides.
// Units are numbered from the floor, as they are stamped on the rails.

export type Face = 'front' | 'rear';

export interface Mounted {
  kind: string;
  id: string;
  name: string;
  position_u: number | undefined; // the lowest unit; undefined: somewhere in the rack
  height_u: number;
  face: Face | undefined; // undefined: full depth, seen from both sides
  status: string;
}

export interface Slot {
  device: Mounted;
  low_u: number; // where its lower edge is; half units occur
  height_u: number;
  behind: boolean; // mounted on the other side; seen as its outline
  lane: number; // of `lanes` side by side, where devices collide
  lanes: number;
}

export interface Free {
  low_u: number;
  high_u: number;
}

export interface Elevation {
  height_u: number;
  front: Slot[];
  rear: Slot[];
  free: Free[]; // free on both sides
  unplaced: Mounted[]; // without a position, or outside the rack
  collisions: [Mounted, Mounted][];
  used_u: number; // units with something on either side
  largest_free_u: number;
}

const sides = (face: Face | undefined): Face[] => (face ? [face] : ['front', 'rear']);
const overlaps = (a: Mounted, b: Mounted): boolean =>
  a.position_u! < b.position_u! + b.height_u && b.position_u! < a.position_u! + a.height_u && sides(a.face).some((s) => sides(b.face).includes(s));

function freeOf(taken: readonly boolean[]): Free[] {
  const free: Free[] = [];
  for (let unit = 1; unit < taken.length; unit++) {
    if (taken[unit]) continue;
    const last = free[free.length - 1];
    if (last && last.high_u === unit - 1) last.high_u = unit;
    else free.push({ low_u: unit, high_u: unit });
  }
  return free;
}

// Colliding devices stand side by side in lanes; each group of them is as wide as its busiest unit.
function lanesOf(devices: readonly Mounted[]): Map<Mounted, { lane: number; lanes: number }> {
  const lanes = new Map<Mounted, { lane: number; lanes: number }>();
  let group: Mounted[] = [];
  let top = 0;
  const close = () => {
    const count = Math.max(0, ...group.map((d) => lanes.get(d)!.lane)) + 1;
    for (const device of group) lanes.get(device)!.lanes = count;
    group = [];
  };
  for (const device of devices) {
    if (device.position_u! >= top) close();
    const busy = new Set(group.filter((d) => d.position_u! + d.height_u > device.position_u!).map((d) => lanes.get(d)!.lane));
    let lane = 0;
    while (busy.has(lane)) lane++;
    lanes.set(device, { lane, lanes: 1 });
    group.push(device);
    top = Math.max(top, device.position_u! + device.height_u);
  }
  close();
  return lanes;
}

function takenBy(devices: readonly Mounted[], height_u: number): boolean[] {
  const taken = new Array<boolean>(height_u + 1).fill(false);
  for (const device of devices) taken.fill(true, Math.floor(device.position_u!), Math.ceil(device.position_u! + device.height_u));
  return taken;
}

function slotsOf(face: Face, height_u: number, devices: readonly Mounted[]): Slot[] {
  const here = devices.filter((d) => sides(d.face).includes(face));
  const taken = takenBy(here, height_u);
  const lanes = lanesOf(here);
  const slotOf = (device: Mounted, behind: boolean): Slot => ({
    device,
    low_u: device.position_u!,
    height_u: device.height_u,
    behind,
    ...(lanes.get(device) ?? { lane: 0, lanes: 1 }),
  });
  const clear = (d: Mounted): boolean => !taken.slice(Math.floor(d.position_u!), Math.ceil(d.position_u! + d.height_u)).some(Boolean);
  const behind = devices.filter((d) => !here.includes(d) && clear(d));
  return [...here.map((d) => slotOf(d, false)), ...behind.map((d) => slotOf(d, true))];
}

export function elevationOf(height_u: number, mounted: readonly Mounted[]): Elevation {
  const fits = (d: Mounted): boolean =>
    d.position_u !== undefined && d.position_u >= 1 && d.height_u > 0 && d.position_u + d.height_u <= height_u + 1;
  const placed = mounted.filter(fits).sort((a, b) => a.position_u! - b.position_u! || (a.id < b.id ? -1 : 1));
  const collisions: [Mounted, Mounted][] = [];
  placed.forEach((a, i) => {
    for (const b of placed.slice(i + 1)) if (overlaps(a, b)) collisions.push([a, b]);
  });
  const free = freeOf(takenBy(placed, height_u));
  const sizes = free.map((f) => f.high_u - f.low_u + 1);
  return {
    height_u,
    front: slotsOf('front', height_u, placed),
    rear: slotsOf('rear', height_u, placed),
    free,
    unplaced: mounted.filter((d) => !fits(d)),
    collisions,
    used_u: height_u - sizes.reduce((sum, size) => sum + size, 0),
    largest_free_u: Math.max(0, ...sizes),
  };
}

export function unitsText(low_u: number, height_u: number): string {
  const high_u = Math.ceil(low_u + height_u) - 1;
  return high_u <= low_u ? `U${low_u}` : `U${low_u}–${high_u}`;
}
