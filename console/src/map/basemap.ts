import type { Feature, FeatureCollection, MultiPolygon, Polygon, Position } from 'geojson';
import { feature } from 'topojson-client';
import type { GeometryCollection, Topology } from 'topojson-specification';
import coarseUrl from 'world-atlas/countries-50m.json?url';
import fineUrl from 'world-atlas/countries-10m.json?url';

// Outlines of countries from Natural Earth by way of world-atlas, served by ourselves: no tile server.

export interface CountryProperties {
  name: string;
  home: boolean; // a site stands in it
}
export type Countries = FeatureCollection<Polygon | MultiPolygon, CountryProperties>;
type Country = Feature<Polygon | MultiPolygon, CountryProperties>;
type Atlas = Topology<{ countries: GeometryCollection<{ name: string }> }>;

export interface Extent {
  west: number;
  south: number;
  east: number;
  north: number;
}

export function extentOf(points: Iterable<Position>): Extent {
  const extent = { west: Infinity, south: Infinity, east: -Infinity, north: -Infinity };
  for (const [lon, lat] of points as Iterable<[number, number]>) {
    extent.west = Math.min(extent.west, lon);
    extent.east = Math.max(extent.east, lon);
    extent.south = Math.min(extent.south, lat);
    extent.north = Math.max(extent.north, lat);
  }
  return extent;
}

const overlap = (a: Extent, b: Extent): boolean =>
  a.west <= b.east && b.west <= a.east && a.south <= b.north && b.south <= a.north;

const polygonsOf = (country: Country): Position[][][] =>
  country.geometry.type === 'Polygon' ? [country.geometry.coordinates] : country.geometry.coordinates;

function inRing(ring: Position[], lon: number, lat: number): boolean {
  let inside = false;
  for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
    const [xi, yi] = ring[i] as [number, number];
    const [xj, yj] = ring[j] as [number, number];
    if (yi > lat !== yj > lat && lon < ((xj - xi) * (lat - yi)) / (yj - yi) + xi) inside = !inside;
  }
  return inside;
}

function contains(country: Country, extent: Extent, [lon, lat]: [number, number]): boolean {
  if (lon < extent.west || lon > extent.east || lat < extent.south || lat > extent.north) return false;
  return polygonsOf(country).some((rings) => rings.reduce((inside, ring) => inside !== inRing(ring, lon, lat), false));
}

async function load(url: string): Promise<Atlas> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`outlines: ${response.status}`);
  return (await response.json()) as Atlas;
}

function countriesOf(atlas: Atlas, wanted: (name: string) => boolean): Country[] {
  const geometries = atlas.objects.countries.geometries.filter((g) => wanted((g.properties as { name?: string } | undefined)?.name ?? ''));
  const collection = feature(atlas, { type: 'GeometryCollection', geometries }) as unknown as Countries;
  return collection.features.map((f) => ({ ...f, properties: { name: f.properties.name, home: false } }));
}

export interface Basemap {
  countries: Countries;
  labels: { name: string; lon: number; lat: number; span_deg: number; home: boolean }[];
}

// Where a country's name goes: the middle of its largest part, and how wide that part is.
function labelOf(country: Country): Basemap['labels'][number] {
  let best: Extent = { west: 0, south: 0, east: 0, north: 0 };
  let area = -1;
  for (const rings of polygonsOf(country)) {
    const extent = extentOf(rings[0] ?? []);
    const size = (extent.east - extent.west) * (extent.north - extent.south);
    if (size > area) [area, best] = [size, extent];
  }
  return {
    name: country.properties.name,
    lon: (best.west + best.east) / 2,
    lat: (best.south + best.north) / 2,
    span_deg: best.east - best.west,
    home: country.properties.home,
  };
}

function markHome(countries: Country[], sites: [number, number][]): void {
  for (const country of countries) {
    const extent = extentOf(polygonsOf(country).flatMap((rings) => rings[0] ?? []));
    country.properties.home = sites.some((site) => contains(country, extent, site));
  }
}

// The world at 1:50,000,000, with the countries that the grid stands in marked.
export async function coarseBasemap(sites: [number, number][]): Promise<Basemap> {
  const countries = countriesOf(await load(coarseUrl), () => true);
  markHome(countries, sites);
  return { countries: { type: 'FeatureCollection', features: countries }, labels: countries.map(labelOf) };
}

// The same with the countries in sight of the grid at 1:10,000,000; the file is large, so it comes when all is drawn.
export async function fineBasemap(coarse: Basemap, around: Extent): Promise<Basemap> {
  const near = new Set(
    coarse.countries.features
      .filter((c) => overlap(extentOf(polygonsOf(c).flatMap((rings) => rings[0] ?? [])), around))
      .map((c) => c.properties.name),
  );
  const home = new Set(coarse.countries.features.filter((c) => c.properties.home).map((c) => c.properties.name));
  const fine = countriesOf(await load(fineUrl), (name) => near.has(name));
  for (const country of fine) country.properties.home = home.has(country.properties.name);
  const found = new Set(fine.map((c) => c.properties.name));
  const rest = coarse.countries.features.filter((c) => !found.has(c.properties.name));
  return { countries: { type: 'FeatureCollection', features: [...rest, ...fine] }, labels: coarse.labels };
}
