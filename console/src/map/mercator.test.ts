import { describe, expect, it } from 'vitest';
import { cameraFor, distance_km, mercatorX, mercatorY, screenX, screenY, shiftInto } from './mercator';

describe('the camera for an extent', () => {
  const extent = { west: 6, south: 47, east: 15, north: 55 };
  const screen = { width: 1440, height: 760 };
  const margins = { top: 40, right: 400, bottom: 80, left: 64 };

  it('puts the whole extent inside the margins, touching them one way', () => {
    const camera = cameraFor(extent, screen, margins, 12);
    const frame = {
      centre_x: mercatorX(camera.longitude_deg),
      centre_y: mercatorY(camera.latitude_deg),
      scale: 512 * 2 ** camera.zoom,
      ...screen,
    };
    const left = screenX(frame, mercatorX(extent.west));
    const right = screenX(frame, mercatorX(extent.east));
    const top = screenY(frame, mercatorY(extent.north));
    const bottom = screenY(frame, mercatorY(extent.south));
    expect(left).toBeGreaterThanOrEqual(margins.left - 0.01);
    expect(right).toBeLessThanOrEqual(screen.width - margins.right + 0.01);
    expect(top).toBeCloseTo(margins.top, 1);
    expect(bottom).toBeCloseTo(screen.height - margins.bottom, 1);
    expect((left + right) / 2).toBeCloseTo((margins.left + screen.width - margins.right) / 2, 1);
  });

  it('stays at the limit for a single point', () => {
    const camera = cameraFor({ west: 10, south: 50, east: 10, north: 50 }, screen, margins, 9);
    expect(camera.zoom).toBe(9);
  });
});

describe('the shift that brings points into sight', () => {
  const screen = { width: 1000, height: 600 };
  const margins = { top: 10, right: 100, bottom: 20, left: 50 };
  it('is nothing for what is seen, and the least for what is not', () => {
    expect(shiftInto([{ x: 60, y: 20 }], screen, margins)).toEqual({ x: 0, y: 0 });
    expect(shiftInto([{ x: 20, y: 590 }], screen, margins)).toEqual({ x: 30, y: -10 });
    expect(shiftInto([{ x: 300, y: 300 }, { x: 950, y: 300 }], screen, margins)).toEqual({ x: -50, y: 0 });
    expect(shiftInto([], screen, margins)).toEqual({ x: 0, y: 0 });
  });
  it('does not exist for points farther apart than the free part is wide', () => {
    expect(shiftInto([{ x: 0, y: 300 }, { x: 900, y: 300 }], screen, margins)).toBeUndefined();
  });
});

describe('distance', () => {
  it('is a quarter of the Earth from the equator to the pole', () => {
    const at = (latitude_deg: number, longitude_deg: number) => ({ latitude_deg, longitude_deg });
    expect(distance_km(at(0, 20), at(90, 0))).toBeCloseTo(10007.56, 1);
    expect(distance_km(at(50, 8), at(50, 8))).toBe(0);
    expect(distance_km(at(0, -90), at(0, 90))).toBeCloseTo(20015.1, 0);
  });
});
