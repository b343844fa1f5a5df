// A site in the middle, the sites its links lead to around it in the direction where they lie.

export interface Neighbour {
  id: string; // of the site
  name: string;
  latitude_deg: number | undefined;
  longitude_deg: number | undefined;
  links: { id: string; name: string; capacity_gbps: number; down: boolean }[];
}

export interface Placed extends Neighbour {
  angle_rad: number; // 0 is east, growing counter-clockwise
  x: number;
  y: number;
  capacity_gbps: number; // of all links to it
}

const degree = Math.PI / 180;

// The direction on the map from one place to another.
export function bearing(from: { latitude_deg: number; longitude_deg: number }, to: { latitude_deg: number; longitude_deg: number }): number {
  let east = to.longitude_deg - from.longitude_deg;
  if (east > 180) east -= 360;
  if (east < -180) east += 360;
  return Math.atan2(to.latitude_deg - from.latitude_deg, east * Math.cos(from.latitude_deg * degree));
}

// Angles in rising order, moved as little as it takes to stand at least `apart` from each other. A group that is pushed
// apart keeps its middle; groups that touch become one.
export function spread(angles: readonly number[], apart_rad: number): number[] {
  const count = angles.length;
  const least = Math.min(apart_rad, (2 * Math.PI) / Math.max(count, 1));
  // The circle is cut at its widest gap, so that no group stands across the cut.
  let cut = 0;
  let widest = -1;
  for (let i = 0; i < count; i++) {
    const gap = i === 0 ? angles[0]! + 2 * Math.PI - angles[count - 1]! : angles[i]! - angles[i - 1]!;
    if (gap > widest) [widest, cut] = [gap, i];
  }
  const order = angles.map((_, i) => (i + cut) % count);
  const line = order.map((i) => angles[i]! + (i < cut ? 2 * Math.PI : 0));
  const groups: { sum: number; size: number }[] = [];
  line.forEach((angle, i) => {
    let group = { sum: angle - i * least, size: 1 };
    for (let last = groups[groups.length - 1]; last && last.sum / last.size > group.sum / group.size; last = groups[groups.length - 1]) {
      group = { sum: group.sum + last.sum, size: group.size + last.size };
      groups.pop();
    }
    groups.push(group);
  });
  const moved = new Array<number>(count);
  let i = 0;
  for (const group of groups) for (let k = 0; k < group.size; k++, i++) moved[order[i]!] = group.sum / group.size + i * least;
  return moved;
}

// Neighbours around a site, on an ellipse of these half-axes about the origin, y downwards as on the screen.
export function around(
  site: { latitude_deg: number | undefined; longitude_deg: number | undefined },
  neighbours: readonly Neighbour[],
  half_width: number,
  half_height: number,
): Placed[] {
  const { latitude_deg, longitude_deg } = site;
  const withAngle = neighbours.map((neighbour, i) => {
    const known = latitude_deg !== undefined && longitude_deg !== undefined && neighbour.latitude_deg !== undefined && neighbour.longitude_deg !== undefined;
    const angle = known
      ? bearing({ latitude_deg, longitude_deg }, { latitude_deg: neighbour.latitude_deg!, longitude_deg: neighbour.longitude_deg! })
      : (2 * Math.PI * i) / neighbours.length - Math.PI;
    return { neighbour, angle };
  });
  withAngle.sort((a, b) => a.angle - b.angle || (a.neighbour.id < b.neighbour.id ? -1 : 1));
  const angles = spread(withAngle.map((w) => w.angle), Math.PI / 7);
  return withAngle.map(({ neighbour }, i) => ({
    ...neighbour,
    angle_rad: angles[i]!,
    x: Math.cos(angles[i]!) * half_width,
    y: -Math.sin(angles[i]!) * half_height,
    capacity_gbps: neighbour.links.reduce((sum, link) => sum + link.capacity_gbps, 0),
  }));
}
