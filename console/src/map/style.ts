import type { FeatureCollection } from 'geojson';
import type {
  ExpressionSpecification,
  GeoJSONSourceSpecification,
  LayerSpecification,
  StyleSpecification,
} from 'maplibre-gl';
import { utilizationStops, type Theme } from './scale';

export interface Palette {
  sea: string;
  land: string;
  home: string;
  border: string;
  ink: string;
  ink_soft: string;
  hollow: string;
  accent: string;
  bad: string;
  dead: string;
  label: string;
  label_soft: string;
  country: string;
  flow: [number, number, number, number];
  flow_focus: [number, number, number, number];
}

export const palettes: Record<Theme, Palette> = {
  dark: {
    sea: '#0a0e13',
    land: '#10161d',
    home: '#161e27',
    border: '#27323f',
    ink: '#d8e1eb',
    ink_soft: '#8fa0b3',
    hollow: '#161e27',
    accent: '#6ea8fe',
    bad: '#ff5c5c',
    dead: '#3a4552',
    label: '#c3ced9',
    label_soft: '#7d8c9d',
    country: '#3c4a5a',
    flow: [0.93, 0.96, 1, 0.8],
    flow_focus: [0.43, 0.66, 1, 1],
  },
  light: {
    sea: '#e4e9ef',
    land: '#f1f4f7',
    home: '#fcfdfe',
    border: '#cbd3dc',
    ink: '#26313d',
    ink_soft: '#6b7a8a',
    hollow: '#fcfdfe',
    accent: '#1f5fe0',
    bad: '#d6263a',
    dead: '#c3ccd6',
    label: '#2b3743',
    label_soft: '#7b8997',
    country: '#a9b5c1',
    flow: [0.1, 0.15, 0.22, 0.75],
    flow_focus: [0.12, 0.37, 0.88, 1],
  },
};

const state = (name: string, otherwise: unknown): ExpressionSpecification =>
  ['coalesce', ['feature-state', name], otherwise] as unknown as ExpressionSpecification;

// Grows a property with zoom from `fit`, the zoom at which the whole grid is seen.
const grown = (property: ExpressionSpecification, fit: number, far: number): ExpressionSpecification =>
  [
    'interpolate',
    ['linear'],
    ['zoom'],
    fit - 2,
    ['*', 0.6, property],
    fit,
    property,
    fit + 5,
    ['*', far, property],
  ] as unknown as ExpressionSpecification;

export interface StyleOptions {
  theme: Theme;
  fit: number;
  density: number; // a factor for the icons, below 1 where there are very many sites
}

const groundLayers = (palette: Palette): LayerSpecification[] => [
  { id: 'sea', type: 'background', paint: { 'background-color': palette.sea } },
  {
    id: 'land',
    type: 'fill',
    source: 'land',
    paint: { 'fill-color': ['case', ['get', 'home'], palette.home, palette.land], 'fill-antialias': true },
  },
  {
    id: 'borders',
    type: 'line',
    source: 'land',
    paint: { 'line-color': palette.border, 'line-width': ['case', ['get', 'home'], 1, 0.6] },
  },
];

function linkLayers({ theme, fit }: StyleOptions): LayerSpecification[] {
  const palette = palettes[theme];
  const ramp = utilizationStops(theme).flat();
  const width = grown(['get', 'width'], fit, 2.2);
  const offset = grown(['get', 'lane'], fit, 2.2);
  return [
    {
      id: 'focus-lines',
      type: 'line',
      source: 'focus',
      filter: ['==', ['geometry-type'], 'LineString'],
      layout: { 'line-cap': 'round', 'line-join': 'round' },
      paint: {
        'line-color': ['match', ['get', 'role'], 'risk', palette.bad, palette.accent],
        'line-width': ['+', 6, ['get', 'width']],
        'line-opacity': ['match', ['get', 'role'], 'selected', 0.55, 'hover', 0.3, 0.25],
        'line-offset': offset,
      },
    },
    {
      id: 'links',
      type: 'line',
      source: 'links',
      layout: { 'line-cap': 'butt', 'line-sort-key': ['get', 'width'] },
      paint: {
        'line-color': [
          'case',
          ['boolean', ['feature-state', 'dark'], false],
          palette.dead,
          ['interpolate', ['linear'], state('u', 0), ...ramp],
        ] as unknown as ExpressionSpecification,
        'line-width': width,
        'line-offset': offset,
        'line-opacity': ['case', ['boolean', ['feature-state', 'down'], false], 0, 0.95],
      },
    },
    {
      id: 'down-rim',
      type: 'line',
      source: 'down',
      filter: ['==', ['geometry-type'], 'LineString'],
      paint: { 'line-color': palette.home, 'line-width': 7, 'line-offset': offset },
    },
    {
      id: 'down-lines',
      type: 'line',
      source: 'down',
      filter: ['==', ['geometry-type'], 'LineString'],
      paint: { 'line-color': palette.bad, 'line-width': 2.2, 'line-dasharray': [2.4, 1.8], 'line-offset': offset },
    },
  ];
}

function pointLayers({ theme, fit, density }: StyleOptions): LayerSpecification[] {
  const palette = palettes[theme];
  const down: ExpressionSpecification = ['boolean', ['feature-state', 'down'], false];
  return [
    {
      id: 'regions',
      type: 'circle',
      source: 'regions',
      paint: {
        'circle-radius': ['interpolate', ['linear'], ['zoom'], fit - 1, 1.5, fit + 4, 4],
        'circle-color': palette.ink_soft,
        'circle-opacity': 0.7,
      },
    },
    {
      id: 'focus-points',
      type: 'circle',
      source: 'focus',
      filter: ['==', ['geometry-type'], 'Point'],
      paint: {
        'circle-radius': ['+', 8, ['*', 13 * density, ['get', 'width']]],
        'circle-color': palette.accent,
        'circle-opacity': ['match', ['get', 'role'], 'selected', 0.28, 'hover', 0.18, 0.14],
        'circle-stroke-color': palette.accent,
        'circle-stroke-width': ['match', ['get', 'role'], 'selected', 1.5, 0],
      },
    },
    {
      id: 'sites',
      type: 'symbol',
      source: 'sites',
      layout: {
        'icon-image': ['get', 'tier'],
        'icon-size': grown(['*', density, ['get', 'size']], fit, 1.6),
        'icon-allow-overlap': true,
        'icon-ignore-placement': true,
        'symbol-sort-key': ['get', 'size'],
        'icon-padding': 0,
      },
      paint: {
        'icon-color': [
          'case',
          down,
          palette.home,
          ['get', 'equipped'],
          palette.ink,
          palette.hollow,
        ],
        'icon-halo-color': [
          'case',
          down,
          palette.bad,
          ['get', 'equipped'],
          palette.home,
          palette.ink_soft,
        ],
        'icon-halo-width': ['case', down, 2, 1.2],
      },
    },
    {
      id: 'crosses',
      type: 'symbol',
      source: 'down',
      filter: ['==', ['geometry-type'], 'Point'],
      layout: { 'icon-image': 'cross', 'icon-allow-overlap': true, 'icon-ignore-placement': true },
    },
  ];
}

// The layers from the ground up. Data that changes each second is feature state; what is down or in focus are few
// features in sources of their own, because dashes and filters cannot read feature state.
export function layersOf(options: StyleOptions): LayerSpecification[] {
  return [...groundLayers(palettes[options.theme]), ...linkLayers(options), ...pointLayers(options)];
}

export interface StyleData {
  links: FeatureCollection;
  sites: FeatureCollection;
  regions: FeatureCollection;
  down: FeatureCollection;
}

// Begins with the grid in its sources: a source that is asked about while it goes from empty to full has symbols on the
// screen and no features behind them.
export function styleOf(options: StyleOptions, data: StyleData): StyleSpecification {
  const source = (of: FeatureCollection, buffer: number): GeoJSONSourceSpecification => ({
    type: 'geojson',
    data: of,
    tolerance: 0,
    buffer,
  });
  const nothing: FeatureCollection = { type: 'FeatureCollection', features: [] };
  return {
    version: 8,
    sources: {
      land: { ...source(nothing, 16), tolerance: 0.3 },
      links: source(data.links, 32),
      down: source(data.down, 32),
      focus: source(nothing, 32),
      regions: source(data.regions, 16),
      sites: source(data.sites, 64),
    },
    layers: layersOf(options),
    transition: { duration: 250, delay: 0 },
  };
}
