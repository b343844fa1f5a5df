import { describe, expect, it } from 'vitest';
import { cameraFor, mercatorX, mercatorY, screenX, screenY } from './mercator';

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
