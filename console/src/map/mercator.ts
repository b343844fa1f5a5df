// Web Mercator on the unit square, as the map draws it: x east, y south, both in [0, 1] for the whole world.

export const mercatorX = (longitude_deg: number): number => (180 + longitude_deg) / 360;

export const mercatorY = (latitude_deg: number): number => {
  const clamped = Math.min(Math.max(latitude_deg, -85.051129), 85.051129);
  return (180 - (180 / Math.PI) * Math.log(Math.tan(Math.PI / 4 + (clamped * Math.PI) / 360))) / 360;
};

// What is on the screen: with no turning and no tilt the map is a shift and a scale.
export interface Frame {
  centre_x: number;
  centre_y: number;
  scale: number; // pixels for the whole world
  width: number; // of the screen, in CSS pixels
  height: number;
}

export const screenX = (frame: Frame, x: number): number => (x - frame.centre_x) * frame.scale + frame.width / 2;
export const screenY = (frame: Frame, y: number): number => (y - frame.centre_y) * frame.scale + frame.height / 2;

export interface Camera {
  longitude_deg: number;
  latitude_deg: number;
  zoom: number;
}

export interface Margins {
  top: number;
  right: number;
  bottom: number;
  left: number;
}

// The camera that shows an extent within the margins of a screen, no closer than `zoom_max`. A tile is 512 px.
export function cameraFor(
  extent: { west: number; south: number; east: number; north: number },
  screen: { width: number; height: number },
  margins: Margins,
  zoom_max: number,
): Camera {
  const [left, right] = [mercatorX(extent.west), mercatorX(extent.east)];
  const [top, bottom] = [mercatorY(extent.north), mercatorY(extent.south)];
  const wide = Math.max(screen.width - margins.left - margins.right, 64);
  const high = Math.max(screen.height - margins.top - margins.bottom, 64);
  const scale = Math.min(wide / Math.max(right - left, 1e-9), high / Math.max(bottom - top, 1e-9));
  const zoom = Math.max(Math.min(Math.log2(scale / 512), zoom_max), 1);
  const px = 512 * 2 ** zoom;
  const x = (left + right) / 2 + (margins.right - margins.left) / 2 / px;
  const y = (top + bottom) / 2 + (margins.bottom - margins.top) / 2 / px;
  return {
    longitude_deg: x * 360 - 180,
    latitude_deg: (Math.atan(Math.exp((1 - 2 * y) * Math.PI)) * 360) / Math.PI - 90,
    zoom,
  };
}

// How far the picture has to move, in pixels, so that all points are within the margins: the least that does it.
// Undefined when they are too far apart for any.
export function shiftInto(
  points: { x: number; y: number }[],
  screen: { width: number; height: number },
  margins: Margins,
): { x: number; y: number } | undefined {
  const along = (values: number[], from: number, to: number): number | undefined => {
    const [least, most] = [Math.min(...values), Math.max(...values)];
    if (most - least > to - from) return undefined;
    return least < from ? from - least : most > to ? to - most : 0;
  };
  if (points.length === 0) return { x: 0, y: 0 };
  const x = along(points.map((p) => p.x), margins.left, screen.width - margins.right);
  const y = along(points.map((p) => p.y), margins.top, screen.height - margins.bottom);
  return x === undefined || y === undefined ? undefined : { x, y };
}

// Along the great circle, on a sphere of the Earth's mean radius.
export function distance_km(
  a: { latitude_deg: number; longitude_deg: number },
  b: { latitude_deg: number; longitude_deg: number },
): number {
  const rad = Math.PI / 180;
  const h =
    Math.sin(((b.latitude_deg - a.latitude_deg) * rad) / 2) ** 2 +
    Math.cos(a.latitude_deg * rad) *
      Math.cos(b.latitude_deg * rad) *
      Math.sin(((b.longitude_deg - a.longitude_deg) * rad) / 2) ** 2;
  return 2 * 6371.0088 * Math.asin(Math.min(Math.sqrt(h), 1));
}
