import type { Map } from 'maplibre-gl';
import type { live } from './grid/live.svelte';
import type { MapView } from './map/view';

declare global {
  interface Window {
    // The hook of the browser tests.
    tandem?: {
      map: Map;
      view: MapView;
      live: typeof live;
      project(longitude_deg: number, latitude_deg: number): { x: number; y: number };
      ready(): boolean;
    };
  }
}
