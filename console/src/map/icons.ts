import type { Tier } from '../api/contract';

// The shapes of the tiers, as polygons in a unit circle. The same points draw the map's icons and the legend.
const regular = (corners: number, turn: number, radius: number): [number, number][] =>
  Array.from({ length: corners }, (_, i) => {
    const angle = turn + (i * 2 * Math.PI) / corners;
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  });

export const tierShapes: Record<Tier, [number, number][]> = {
  device: regular(3, -Math.PI / 2, 0.98),
  far_edge: regular(24, 0, 0.82),
  near_edge: regular(4, -Math.PI / 2, 1),
  core: regular(4, -Math.PI / 4, 1.06),
  cloud: regular(6, -Math.PI / 2, 1),
};

export const tiers: Tier[] = ['device', 'far_edge', 'near_edge', 'core', 'cloud'];

export const shapePath = (tier: Tier, radius: number, centre: number): string =>
  `M${tierShapes[tier].map(([x, y]) => `${(centre + x * radius).toFixed(2)} ${(centre + y * radius).toFixed(2)}`).join('L')}Z`;

// Signed distance to a polygon, negative inside. Method: Quilez, "2D distance functions".
function distance(points: [number, number][], px: number, py: number): number {
  let nearest = Infinity;
  let inside = false;
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) {
    const [ax, ay] = points[i]!;
    const [bx, by] = points[j]!;
    const [ex, ey] = [bx - ax, by - ay];
    const [wx, wy] = [px - ax, py - ay];
    const along = Math.min(Math.max((wx * ex + wy * ey) / (ex * ex + ey * ey), 0), 1);
    nearest = Math.min(nearest, Math.hypot(wx - ex * along, wy - ey * along));
    if (ay > py !== by > py && px < ((bx - ax) * (py - ay)) / (by - ay) + ax) inside = !inside;
  }
  return inside ? -nearest : nearest;
}

export const icon_radius_px = 11;
const padding_px = 7;
const ratio = 2;
const corner_px = 1.5;

// An icon as MapLibre reads signed distances: alpha 0.75 on the edge, falling 1/8 a pixel outwards.
export function tierIcon(tier: Tier): { width: number; height: number; data: Uint8Array } {
  const size = 2 * (icon_radius_px + padding_px) * ratio;
  const data = new Uint8Array(size * size * 4);
  const shape = tierShapes[tier].map(
    ([x, y]): [number, number] => [x * (icon_radius_px - corner_px), y * (icon_radius_px - corner_px)],
  );
  for (let y = 0; y < size; y++)
    for (let x = 0; x < size; x++) {
      const d = distance(shape, (x + 0.5 - size / 2) / ratio, (y + 0.5 - size / 2) / ratio) - corner_px;
      const at = (y * size + x) * 4;
      data[at] = data[at + 1] = data[at + 2] = 255;
      data[at + 3] = Math.round(255 * Math.min(Math.max(0.75 - d / 8, 0), 1));
    }
  return { width: size, height: size, data };
}

// The cross of what is down: a plain image, red on a rim of the ground's colour so that it reads on anything.
export function crossIcon(stroke: string, rim: string): ImageData {
  const size = 20 * ratio;
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('no 2d canvas');
  context.scale(ratio, ratio);
  context.lineCap = 'round';
  for (const [color, width] of [
    [rim, 6],
    [stroke, 2.5],
  ] as const) {
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    context.moveTo(5.5, 5.5);
    context.lineTo(14.5, 14.5);
    context.moveTo(14.5, 5.5);
    context.lineTo(5.5, 14.5);
    context.stroke();
  }
  return context.getImageData(0, 0, size, size);
}

export const icon_ratio = ratio;
