import { describe, expect, it } from 'vitest';
import { linkWidth, requestsPerDash, siteSize, utilizationColor, utilizationStops, viridisAt, type Theme } from './scale';

// CIE lightness of an sRGB colour.
function lightness([r, g, b]: [number, number, number]): number {
  const linear = [r, g, b].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const y = 0.2126 * linear[0]! + 0.7152 * linear[1]! + 0.0722 * linear[2]!;
  return y > 0.008856 ? 116 * Math.cbrt(y) - 16 : 903.3 * y;
}

const channels = (color: string) => color.match(/\d+/g)!.map(Number) as [number, number, number];

describe('the scale of utilisation', () => {
  it('grows evenly in lightness', () => {
    const steps = Array.from({ length: 20 }, (_, i) => lightness(viridisAt((i + 1) / 20)) - lightness(viridisAt(i / 20)));
    for (const step of steps) {
      expect(step).toBeGreaterThan(2);
      expect(step).toBeLessThan(6);
    }
  });

  it.each<[Theme, number]>([
    ['dark', 1],
    ['light', -1],
  ])('stands out more from a %s ground the busier a link is', (theme, direction) => {
    const stops = utilizationStops(theme, 21).map(([, color]) => lightness(channels(color)) * direction);
    for (let i = 1; i < stops.length; i++) expect(stops[i]!).toBeGreaterThan(stops[i - 1]!);
  });

  it('holds at its ends', () => {
    expect(utilizationColor(1.7, 'dark')).toBe(utilizationColor(1, 'dark'));
    expect(utilizationColor(-1, 'dark')).toBe(utilizationColor(0, 'dark'));
  });
});

describe('sizes', () => {
  it('widens a link with its capacity, within limits', () => {
    const widths = [1, 10, 100, 400, 800].map(linkWidth);
    expect([...widths].sort((a, b) => a - b)).toEqual(widths);
    expect(linkWidth(0)).toBe(1);
    expect(linkWidth(1e9)).toBe(5);
  });

  it('makes area follow the accelerators', () => {
    expect(siteSize(512, 512)).toBe(1);
    expect(siteSize(0, 512)).toBeCloseTo(0.34);
    expect(siteSize(128, 512) - siteSize(0, 512)).toBeCloseTo((siteSize(512, 512) - siteSize(0, 512)) / 2);
    expect(siteSize(3, 0)).toBeCloseTo(0.34);
  });
});

describe('requests per dash', () => {
  it('keeps the busiest flow’s dashes apart, in steps people can count', () => {
    for (const rate of [0.01, 0.7, 3, 42, 180, 5_000, 1e6]) {
      const per = requestsPerDash(rate, 42, 9);
      expect(42 / (rate / per)).toBeGreaterThanOrEqual(9 * (1 - 1e-6));
      expect(Number((per / 10 ** Math.floor(Math.log10(per) + 1e-9)).toFixed(6))).toSatisfy((n: number) => [1, 2, 5].includes(n));
    }
  });
});
