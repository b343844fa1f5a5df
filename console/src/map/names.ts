import type { GridLink } from '../api/contract';
import type { GridModel } from '../grid/model';
import type { Basemap } from './basemap';
import { middleOf } from './geometry';
import { icon_radius_px } from './icons';
import type { Label } from './labels';
import { mercatorX, mercatorY } from './mercator';
import { siteSize } from './scale';

// What the map may write, in the order in which it finds room: what is down or in focus, sites from the core outwards,
// loads of links when close, then countries.

export interface NameOptions {
  density: number; // of the icons
  strong: Set<string>; // sites in focus
  loads: boolean; // close enough to write each link's load
  countries: Basemap['labels'];
}

const tierRank: Record<string, number> = { cloud: 0, core: 0, near_edge: 1, far_edge: 2, device: 3 };

function siteNames(model: GridModel, { density, strong }: NameOptions): Label[] {
  return model.sites.map((site) => {
    const down = site.state === 'down';
    const loud = down || strong.has(site.id);
    const size = siteSize(site.accelerators, model.accelerators_max);
    return {
      text: site.name,
      x: mercatorX(site.longitude_deg),
      y: mercatorY(site.latitude_deg),
      rank: loud ? -10 : tierRank[site.tier]! * 10 - size * 5,
      gap_px: icon_radius_px * density * size + 6,
      style: loud || tierRank[site.tier] === 0 ? 'strong' : 'site',
      ...(down ? { pin: 'bad' as const } : site.tier === 'cloud' ? { pin: 'plain' as const } : {}),
    };
  });
}

// Both directions, each with an arrow the way it runs on the screen.
function loadText(model: GridModel, link: GridLink): string {
  const eastward = (model.site(link.b_site)?.longitude_deg ?? 0) >= (model.site(link.a_site)?.longitude_deg ?? 0);
  const shown = (utilization: number) => `${Math.round(utilization * 100)} %`;
  const [left, right] = eastward ? [link.utilization_ba, link.utilization_ab] : [link.utilization_ab, link.utilization_ba];
  return `← ${shown(left)}   ${shown(right)} →`;
}

function linkNames(model: GridModel, loads: boolean): Label[] {
  return model.links.flatMap((link): Label[] => {
    const down = link.state === 'down';
    const at = down || loads ? middleOf(model, link) : undefined;
    if (!at) return [];
    const place = { x: mercatorX(at[0]), y: mercatorY(at[1]) };
    return down
      ? [{ ...place, text: model.linkName(link.id), rank: -5, gap_px: 12, style: 'site', pin: 'bad' }]
      : [{ ...place, text: loadText(model, link), rank: 40, gap_px: 0, style: 'number' }];
  });
}

const countryNames = (countries: Basemap['labels']): Label[] =>
  countries.map((country) => ({
    // Thin spaces set the letters apart.
    text: country.name.toUpperCase().split('').join('\u200a'),
    x: mercatorX(country.lon),
    y: mercatorY(country.lat),
    rank: 60 - Math.min(country.span_deg, 50) / 10,
    gap_px: 0,
    span: country.span_deg / 360,
    style: 'country',
  }));

export function namesOf(model: GridModel, options: NameOptions): Label[] {
  return [...siteNames(model, options), ...linkNames(model, options.loads), ...countryNames(options.countries)].sort(
    (a, b) => a.rank - b.rank,
  );
}
