import maplibregl, { type GeoJSONSource, type Map as MapLibre } from 'maplibre-gl';
import 'maplibre-gl/dist/maplibre-gl.css';
import type { Flow } from '../api/contract';
import type { GridModel, StateChanges } from '../grid/model';
import { coarseBasemap, extentOf, fineBasemap, type Basemap, type Extent } from './basemap';
import { FlowLayer, type FlowPath } from './flows';
import { downFeatures, focusFeatures, linkFeatures, middleOf, regionFeatures, siteFeatures, type Focused } from './geometry';
import { crossIcon, icon_ratio, tierIcon, tiers } from './icons';
import { LabelLayer, type Label } from './labels';
import { namesOf } from './names';
import { cameraFor, mercatorX, mercatorY, shiftInto, type Camera, type Frame, type Margins } from './mercator';
import type { Theme } from './scale';
import { layersOf, palettes, styleOf, type StyleOptions } from './style';

export type Picked = { kind: 'site' | 'link' | 'region'; id: string };

// Which flows stand out: those from a region, to some sites, or both.
export interface FlowFocus {
  region: string | undefined;
  sites: Set<string> | undefined;
}

export interface ViewEvents {
  pick(picked: Picked | undefined): void;
  hover(picked: Picked | undefined, x: number, y: number): void;
  requestsPerDash(requests: number): void;
}

export interface Parts {
  map: HTMLElement;
  flows: HTMLCanvasElement;
  labels: HTMLCanvasElement;
}

const pick_px = 5;
const zoom_fit_max = 9;
const numbers_zoom = 2; // utilisation is written on links this much closer than the whole grid
const frame_slow_ms = 24;

// Icons shrink where there are very many sites, so that the country stays readable.
const densityOf = (model: GridModel): number => Math.min(Math.max(Math.sqrt(240 / Math.max(model.sites.length, 1)), 0.32), 1);

const dataOf = (model: GridModel) => ({
  links: linkFeatures(model),
  sites: siteFeatures(model),
  regions: regionFeatures(model),
  down: downFeatures(model),
});

// The map: MapLibre for the ground, the links and the sites; one canvas above it for flows, one for names.
export class MapView {
  readonly map: MapLibre;
  readonly ready: Promise<void>;
  // The grid has been on the screen: what `ready` waits for, to be asked about.
  drawn = false;
  private flowLayer: FlowLayer;
  private labelLayer: LabelLayer;
  private basemap: Basemap | undefined;
  private labels: Label[] = [];
  private flows: Flow[] = [];
  private flowFocus: FlowFocus | undefined;
  private focused: Focused[] = [];
  private hovered: Focused | undefined;
  private options: StyleOptions;
  private styled = false;
  private live = true;
  private frameRequest = 0;
  private flowsDrawn = false;
  private labelsStale = true;
  private slowness = { ms: 16, last: 0, skip: 1, count: 0 };
  private still = window.matchMedia('(prefers-reduced-motion: reduce)');
  private observer: ResizeObserver;

  constructor(
    private parts: Parts,
    private events: ViewEvents,
    private model: GridModel,
    theme: Theme,
    private margins: () => Margins,
  ) {
    const camera = this.camera();
    this.options = { theme, fit: camera.zoom, density: densityOf(model) };
    this.map = new maplibregl.Map({
      container: parts.map,
      style: styleOf(this.options, dataOf(model)),
      center: [camera.longitude_deg, camera.latitude_deg],
      zoom: camera.zoom,
      minZoom: 1,
      maxZoom: 14,
      renderWorldCopies: false,
      attributionControl: false,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      rollEnabled: false,
      fadeDuration: 0,
    });
    this.map.touchZoomRotate.disableRotation();
    this.map.keyboard.disableRotation();
    this.flowLayer = new FlowLayer(parts.flows);
    this.labelLayer = new LabelLayer(parts.labels);
    this.flowLayer.colors(palettes[theme].flow, palettes[theme].flow_focus);
    this.ready = new Promise((resolve) => this.map.once('load', () => resolve()));
    this.map.on('move', () => {
      this.labelsStale = true;
      this.drawOverlays(performance.now());
    });
    this.map.on('zoomend', () => this.relabel());
    this.map.on('click', (event) => this.events.pick(this.pickAt(event.point.x, event.point.y)));
    this.map.on('mousemove', (event) => this.hoverAt(event.point.x, event.point.y));
    this.map.on('mouseout', () => this.setHover(undefined, 0, 0));
    this.observer = new ResizeObserver(() => {
      this.map.resize();
      this.labelsStale = true;
    });
    this.observer.observe(parts.map);
    this.relabel();
    this.map.once('style.load', () => {
      this.styled = true;
      this.addIcons();
      this.paintAll();
    });
    void this.ready.then(() => {
      this.drawn = true;
      this.loop();
      void this.showGround();
    });
  }

  close(): void {
    cancelAnimationFrame(this.frameRequest);
    this.observer.disconnect();
    this.map.remove();
  }

  // --- data

  // The topology was read again.
  show(model: GridModel): void {
    if (model === this.model) return;
    this.model = model;
    void this.ready.then(() => {
      const density = densityOf(model);
      if (density !== this.options.density) {
        this.options.density = density;
        this.restyle(true);
      }
      for (const [id, data] of Object.entries(dataOf(model))) this.source(id).setData(data);
      this.map.removeFeatureState({ source: 'links' });
      this.map.removeFeatureState({ source: 'sites' });
      this.paintAll();
      this.paintFocus();
      this.setFlows(this.flows);
      this.relabel();
    });
  }

  private source(id: string): GeoJSONSource {
    return this.map.getSource(id) as GeoJSONSource;
  }

  private async showGround(): Promise<void> {
    const model = this.model;
    const sites = model.sites.map((s): [number, number] => [s.longitude_deg, s.latitude_deg]);
    this.basemap = await coarseBasemap(sites);
    this.source('land').setData(this.basemap.countries);
    this.relabel();
    const around = this.extent(model);
    const margin = Math.max(around.east - around.west, around.north - around.south) * 0.5 + 1;
    const coarse = this.basemap;
    const refine = async () => {
      this.basemap = await fineBasemap(coarse, {
        west: around.west - margin,
        east: around.east + margin,
        south: around.south - margin,
        north: around.north + margin,
      });
      this.source('land').setData(this.basemap.countries);
    };
    this.map.once('idle', () => setTimeout(() => void refine(), 300));
  }

  private paintAll(): void {
    const model = this.model;
    model.links.forEach((_, i) => this.paintLink(i));
    model.sites.forEach((site, i) =>
      this.map.setFeatureState({ source: 'sites', id: i }, { down: site.state === 'down' }),
    );
  }

  private paintLink(index: number): void {
    const model = this.model;
    const link = model.links[index]!;
    const down = link.state === 'down';
    this.map.setFeatureState(
      { source: 'links', id: index },
      { u: model.utilization(link), down, dark: !down && !model.linkWorks(link) },
    );
  }

  applyState(changes: StateChanges): void {
    if (!this.styled) return;
    const model = this.model;
    const links = new Set(changes.links.map((c) => c.index));
    for (const { index, state } of changes.sites) {
      this.map.setFeatureState({ source: 'sites', id: index }, { down: state === 'down' });
      for (const link of model.linksOfSite[index]!) links.add(link);
      if (state === 'down') this.pulse([model.sites[index]!.longitude_deg, model.sites[index]!.latitude_deg]);
    }
    for (const link of links) this.paintLink(link);
    for (const { index, state } of changes.links)
      if (state === 'down') this.pulse(middleOf(model, model.links[index]!));
    this.source('down').setData(downFeatures(model));
    this.relabel();
  }

  applyLoad(changed: number[]): void {
    if (!this.styled) return;
    for (const index of changed) this.paintLink(index);
    if (this.map.getZoom() > this.options.fit + numbers_zoom) this.relabel();
  }

  setFlows(flows: Flow[]): void {
    this.flows = flows;
    const model = this.model;
    const focus = this.flowFocus;
    const paths: FlowPath[] = [];
    for (const { region, site, requests_per_s } of flows) {
      const from = model.regions[model.regionIndex.get(region) ?? -1];
      const to = model.site(site);
      if (!from || !to || !(requests_per_s > 0)) continue;
      paths.push({
        key: `${region}\n${site}`,
        from: [mercatorX(from.longitude_deg), mercatorY(from.latitude_deg)],
        to: [mercatorX(to.longitude_deg), mercatorY(to.latitude_deg)],
        requests_per_s,
        focus: focus !== undefined && (focus.sites?.has(site) ?? true) && (focus.region ?? region) === region,
      });
    }
    const extent = this.extent(model);
    const origin: [number, number] = [
      mercatorX((extent.west + extent.east) / 2),
      mercatorY((extent.south + extent.north) / 2),
    ];
    this.flowLayer.set(paths, origin);
    this.events.requestsPerDash(paths.length > 0 ? this.flowLayer.requests_per_dash : 0);
    if (this.still.matches) this.flowsDrawn = false;
  }

  // --- focus

  focus(focused: Focused[], flowFocus: FlowFocus | undefined): void {
    this.focused = focused;
    this.flowFocus = flowFocus;
    this.setFlows(this.flows);
    void this.ready.then(() => {
      this.paintFocus();
      this.relabel();
    });
  }

  private paintFocus(): void {
    const all = this.hovered ? [this.hovered, ...this.focused] : this.focused;
    this.source('focus').setData(focusFeatures(this.model, all));
  }

  // Brings what is in focus, and the region it answers, into the part of the map that no panel covers. Where it is seen
  // already nothing moves.
  reveal(focused: Focused[], region?: string): void {
    const model = this.model;
    const points: [number, number][] = [];
    const add = (place: { longitude_deg: number; latitude_deg: number } | undefined) => {
      if (place) points.push([place.longitude_deg, place.latitude_deg]);
    };
    for (const { kind, id } of focused) {
      const link = kind === 'link' ? model.link(id) : undefined;
      const middle = link && middleOf(model, link);
      if (middle) points.push(middle);
      if (kind === 'site') add(model.site(id));
      if (kind === 'region') add(model.regions[model.regionIndex.get(id) ?? -1]);
    }
    if (region) add(model.regions[model.regionIndex.get(region) ?? -1]);
    const margins = this.margins();
    const { clientWidth, clientHeight } = this.map.getCanvas();
    const screen = { width: clientWidth, height: clientHeight };
    const shift = shiftInto(points.map((at) => this.map.project(at)), screen, margins);
    if (shift === undefined) this.ease(cameraFor(extentOf(points), screen, margins, this.map.getZoom()), 350);
    else if (shift.x !== 0 || shift.y !== 0)
      this.map.panBy([-shift.x, -shift.y], { duration: this.still.matches ? 0 : 350 });
  }

  fit(animate: boolean): void {
    this.ease(this.camera(), animate ? 450 : 0);
  }

  private ease({ longitude_deg, latitude_deg, zoom }: Camera, duration_ms: number): void {
    const duration = this.still.matches ? 0 : duration_ms;
    this.map.easeTo({ center: [longitude_deg, latitude_deg], zoom, duration });
  }

  private camera(): Camera {
    const screen = { width: this.parts.map.clientWidth, height: this.parts.map.clientHeight };
    return cameraFor(this.extent(this.model), screen, this.margins(), zoom_fit_max);
  }

  zoom(step: number): void {
    this.map.easeTo({ zoom: this.map.getZoom() + step, duration: this.still.matches ? 0 : 200 });
  }

  // What to show first: all sites, unless the clouds abroad would make the rest less than three fifths of the picture: those are
  // then named at the edge.
  private extent(model: GridModel): Extent {
    const at = (sites: typeof model.sites) => sites.map((s) => [s.longitude_deg, s.latitude_deg]);
    const all = extentOf(at(model.sites));
    const own = model.sites.filter((s) => s.tier !== 'cloud');
    if (own.length === 0) return all;
    const home = extentOf(at(own));
    const size = (e: Extent) => Math.max(e.east - e.west, (e.north - e.south) * 1.5, 0.1);
    return size(home) < 0.6 * size(all) ? home : all;
  }

  // --- looks

  // Flows stand still while nothing is heard of them.
  setLive(live: boolean): void {
    this.live = live;
  }

  setTheme(theme: Theme): void {
    if (theme === this.options.theme) return;
    this.options.theme = theme;
    this.flowLayer.colors(palettes[theme].flow, palettes[theme].flow_focus);
    this.flowsDrawn = false;
    this.labelsStale = true;
    void this.ready.then(() => {
      this.restyle(false);
      this.addIcons();
      this.relabel();
    });
  }

  private restyle(layout: boolean): void {
    for (const layer of layersOf(this.options)) {
      for (const [name, value] of Object.entries(layer.paint ?? {})) this.map.setPaintProperty(layer.id, name, value);
      if (layout)
        for (const [name, value] of Object.entries(layer.layout ?? {})) this.map.setLayoutProperty(layer.id, name, value);
    }
  }

  private addIcons(): void {
    for (const tier of tiers)
      if (!this.map.hasImage(tier)) this.map.addImage(tier, tierIcon(tier), { sdf: true, pixelRatio: icon_ratio });
    const palette = palettes[this.options.theme];
    const cross = crossIcon(palette.bad, palette.home);
    if (this.map.hasImage('cross')) this.map.updateImage('cross', cross);
    else this.map.addImage('cross', cross, { pixelRatio: icon_ratio });
  }

  // A ring that spreads from what has just failed, for the corner of the eye.
  private pulse(at: [number, number] | undefined): void {
    if (!at) return;
    const element = document.createElement('div');
    element.className = 'pulse';
    const marker = new maplibregl.Marker({ element }).setLngLat(at).addTo(this.map);
    setTimeout(() => marker.remove(), 4000);
  }

  // --- pointing

  private pickAt(x: number, y: number): Picked | undefined {
    const model = this.model;
    const box: [[number, number], [number, number]] = [
      [x - pick_px, y - pick_px],
      [x + pick_px, y + pick_px],
    ];
    const site = this.map.queryRenderedFeatures(box, { layers: ['sites'] })[0];
    if (site) return { kind: 'site', id: model.sites[Number(site.id)]!.id };
    const tight: typeof box = [
      [x - 2, y - 2],
      [x + 2, y + 2],
    ];
    const region = this.map.queryRenderedFeatures(tight, { layers: ['regions'] })[0];
    if (region) return { kind: 'region', id: model.regions[Number(region.id)]!.id };
    const link = this.map.queryRenderedFeatures(box, { layers: ['down-lines', 'links'] })[0];
    return link && { kind: 'link', id: model.links[Number(link.id)]!.id };
  }

  private hoverAt(x: number, y: number): void {
    if (this.map.isMoving()) return;
    this.setHover(this.pickAt(x, y), x, y);
  }

  private setHover(picked: Picked | undefined, x: number, y: number): void {
    const changed = picked?.id !== this.hovered?.id || picked?.kind !== this.hovered?.kind;
    this.events.hover(picked, x, y);
    if (!changed) return;
    this.hovered = picked && { ...picked, role: 'hover' };
    this.map.getCanvas().style.cursor = picked ? 'pointer' : '';
    this.paintFocus();
  }

  // --- drawing above the map

  frame(): Frame {
    const centre = this.map.getCenter();
    const canvas = this.map.getCanvas();
    return {
      centre_x: mercatorX(centre.lng),
      centre_y: mercatorY(centre.lat),
      scale: 512 * 2 ** this.map.getZoom(),
      width: canvas.clientWidth,
      height: canvas.clientHeight,
    };
  }

  private loop = (): void => {
    this.frameRequest = requestAnimationFrame(this.loop);
    const now = performance.now();
    // On a machine that cannot keep up, flows give way first: the map and the panels stay quick.
    const slowness = this.slowness;
    if (slowness.last > 0) slowness.ms += (Math.min(now - slowness.last, 200) - slowness.ms) * 0.05;
    slowness.last = now;
    slowness.count++;
    if (slowness.count % 60 === 0) slowness.skip = slowness.ms > frame_slow_ms ? 3 : 1;
    if (document.hidden || slowness.count % slowness.skip !== 0) return;
    if ((this.still.matches || !this.live) && this.flowsDrawn && !this.labelsStale) return;
    this.drawOverlays(now);
  };

  private drawOverlays(now: number): void {
    const frame = this.frame();
    this.flowLayer.draw(frame, now, this.live && !this.still.matches);
    this.flowsDrawn = true;
    if (!this.labelsStale) return;
    this.labelsStale = false;
    const palette = palettes[this.options.theme];
    this.labelLayer.draw(frame, this.labels, {
      site: palette.label_soft,
      strong: palette.label,
      country: palette.country,
      number: palette.label,
      bad: palette.bad,
      rim: palette.home,
    }, this.margins());
  }

  private relabel(): void {
    this.labelsStale = true;
    const near = [...this.focused, ...(this.hovered ? [this.hovered] : [])];
    this.labels = namesOf(this.model, {
      density: this.options.density,
      strong: new Set(near.filter((f) => f.kind === 'site').map((f) => f.id)),
      loads: this.map.getZoom() > this.options.fit + numbers_zoom,
      countries: this.basemap?.labels ?? [],
    });
  }
}
