import type { Feature, FeatureCollection, Point } from 'geojson';
import type { GridLink } from '../api/contract';
import type { GridModel } from '../grid/model';
import { linkWidth, siteSize } from './scale';

// The grid as features of the map. A feature's id is its index in the model, as feature state wants small integers.

const lane_px = 5;

// Parallel links lie beside each other. Lanes are counted from the end whose id sorts first, so that a link's offset
// does not depend on which way it was written down.
export function laneOf(model: GridModel, index: number): number {
  const link = model.links[index]!;
  const { index: place, count } = model.parallel[index]!;
  const lane = (place - (count - 1) / 2) * lane_px;
  return link.a_site <= link.b_site ? lane : -lane;
}

export function linkFeature(model: GridModel, index: number, extra: Record<string, unknown> = {}): Feature | undefined {
  const link = model.links[index]!;
  const a = model.site(link.a_site);
  const b = model.site(link.b_site);
  // A link inside one site has no length on a map; the site's panel lists it.
  if (!a || !b || a === b) return undefined;
  return {
    type: 'Feature',
    id: index,
    properties: { width: linkWidth(link.capacity_gbps), lane: laneOf(model, index), ...extra },
    geometry: {
      type: 'LineString',
      coordinates: [
        [a.longitude_deg, a.latitude_deg],
        [b.longitude_deg, b.latitude_deg],
      ],
    },
  };
}

export function siteFeature(model: GridModel, index: number, extra: Record<string, unknown> = {}): Feature {
  const site = model.sites[index]!;
  return {
    type: 'Feature',
    id: index,
    properties: {
      tier: site.tier,
      size: siteSize(site.accelerators, model.accelerators_max),
      equipped: site.accelerators > 0,
      ...extra,
    },
    geometry: { type: 'Point', coordinates: [site.longitude_deg, site.latitude_deg] },
  };
}

const collection = (features: (Feature | undefined)[]): FeatureCollection => ({
  type: 'FeatureCollection',
  features: features.filter((f): f is Feature => f !== undefined),
});

export const linkFeatures = (model: GridModel) => collection(model.links.map((_, i) => linkFeature(model, i)));
export const siteFeatures = (model: GridModel) => collection(model.sites.map((_, i) => siteFeature(model, i)));
export const regionFeatures = (model: GridModel) =>
  collection(
    model.regions.map((region, i) => ({
      type: 'Feature',
      id: i,
      properties: {},
      geometry: { type: 'Point', coordinates: [region.longitude_deg, region.latitude_deg] },
    })),
  );

export function middleOf(model: GridModel, link: GridLink): [lon: number, lat: number] | undefined {
  const a = model.site(link.a_site);
  const b = model.site(link.b_site);
  if (!a || !b || a === b) return undefined;
  return [(a.longitude_deg + b.longitude_deg) / 2, (a.latitude_deg + b.latitude_deg) / 2];
}

// What is down: dashed lines, and a cross on the middle of each link and on each site.
export function downFeatures(model: GridModel): FeatureCollection {
  const cross = (coordinates: [number, number] | undefined): Feature | undefined =>
    coordinates && { type: 'Feature', properties: {}, geometry: { type: 'Point', coordinates } };
  const links = model.links.flatMap((link, i) =>
    link.state === 'down' ? [linkFeature(model, i), cross(middleOf(model, link))] : [],
  );
  const sites = model.sites
    .filter((site) => site.state === 'down')
    .map((site) => cross([site.longitude_deg, site.latitude_deg]));
  return collection([...links, ...sites]);
}

export interface Focused {
  kind: 'site' | 'link' | 'region';
  id: string;
  role: 'selected' | 'hover' | 'risk' | 'candidate';
}

export function focusFeatures(model: GridModel, focused: Focused[]): FeatureCollection {
  return collection(
    focused.map(({ kind, id, role }) => {
      const index = { site: model.siteIndex, link: model.linkIndex, region: model.regionIndex }[kind].get(id);
      if (index === undefined) return undefined;
      if (kind === 'region') {
        const { longitude_deg, latitude_deg } = model.regions[index]!;
        const geometry: Point = { type: 'Point', coordinates: [longitude_deg, latitude_deg] };
        return { type: 'Feature', properties: { role, width: 0 }, geometry };
      }
      return kind === 'link'
        ? linkFeature(model, index, { role })
        : siteFeature(model, index, { role, width: siteSize(model.sites[index]!.accelerators, model.accelerators_max) });
    }),
  );
}
