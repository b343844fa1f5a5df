import { screenX, screenY, type Frame, type Margins } from './mercator';

// Names on the map, drawn by ourselves because MapLibre's text needs a server of glyphs. Labels are placed greedily in
// order of rank; one that would touch another is left out, so that zooming in is what brings detail.

export interface Label {
  text: string;
  x: number; // Mercator
  y: number;
  rank: number; // small is placed first
  gap_px: number; // from the point to the text; 0 centres the text on the point
  style: 'site' | 'strong' | 'country' | 'number';
  span?: number; // Mercator width of what is named: the name is left out where it would be wider
  pin?: 'plain' | 'bad'; // off the screen, it is named at the edge
}

export interface LabelColors {
  site: string;
  strong: string;
  country: string;
  number: string;
  bad: string;
  rim: string;
}

const fonts: Record<Label['style'], string> = {
  site: '11px system-ui, sans-serif',
  strong: '600 12px system-ui, sans-serif',
  country: '600 11px system-ui, sans-serif',
  number: '10px system-ui, sans-serif',
};
const labels_max = 150;
const pins_max = 8;
const sprites_max = 800;
const cell_px = 64;
const height_px = 16;
const rim_px = 3;

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

// Boxes by screen cell, to ask quickly whether a new one touches any.
export class Occupied {
  private cells = new Map<number, Box[]>();

  take(box: Box): boolean {
    const touched = this.touched(box);
    for (const key of touched)
      for (const other of this.cells.get(key) ?? [])
        if (box.left < other.right && other.left < box.right && box.top < other.bottom && other.top < box.bottom)
          return false;
    for (const key of touched) {
      const cell = this.cells.get(key);
      if (cell) cell.push(box);
      else this.cells.set(key, [box]);
    }
    return true;
  }

  private touched(box: Box): number[] {
    const keys: number[] = [];
    for (let row = Math.floor(box.top / cell_px); row <= Math.floor(box.bottom / cell_px); row++)
      for (let column = Math.floor(box.left / cell_px); column <= Math.floor(box.right / cell_px); column++)
        keys.push(row * 4096 + column);
    return keys;
  }
}

// Where the ray from the middle of a box to a point outside it leaves the box.
export function edgeOf(box: Box, x: number, y: number): { x: number; y: number } {
  const [cx, cy] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  const reach = Math.min(
    (box.right - box.left) / 2 / Math.max(Math.abs(x - cx), 1e-6),
    (box.bottom - box.top) / 2 / Math.max(Math.abs(y - cy), 1e-6),
  );
  return { x: cx + (x - cx) * reach, y: cy + (y - cy) * reach };
}

interface Sprite {
  image: OffscreenCanvas;
  wide: number; // of the text, without its rim
}

export class LabelLayer {
  private context: CanvasRenderingContext2D;
  private measures = new Map<string, number>();
  // Text with a rim is slow to draw and quick to copy; each is drawn once for the colours and density in force.
  private sprites = new Map<string, Sprite>();
  private colors: LabelColors | undefined;
  private ratio = 1;

  constructor(private canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d');
    if (!context) throw new Error('no 2d canvas');
    this.context = context;
  }

  private width(label: Label): number {
    const key = label.style + label.text;
    let width = this.measures.get(key);
    if (width === undefined) {
      this.context.font = fonts[label.style];
      width = this.context.measureText(label.text).width;
      if (this.measures.size > 20_000) this.measures.clear();
      this.measures.set(key, width);
    }
    return width;
  }

  private sprite(label: Label, wide: number, color: string): Sprite {
    const key = color + label.style + label.text;
    const known = this.sprites.get(key);
    if (known) return known;
    if (this.sprites.size >= sprites_max) this.sprites.clear();
    const image = new OffscreenCanvas(
      Math.ceil((wide + 2 * rim_px) * this.ratio),
      Math.ceil((height_px + 2 * rim_px) * this.ratio),
    );
    const context = image.getContext('2d')!;
    context.scale(this.ratio, this.ratio);
    context.font = fonts[label.style];
    context.textBaseline = 'middle';
    context.lineJoin = 'round';
    const middle = rim_px + height_px / 2;
    if (label.style !== 'country') {
      context.strokeStyle = this.colors!.rim;
      context.lineWidth = rim_px;
      context.strokeText(label.text, rim_px, middle);
    }
    context.fillStyle = color;
    context.fillText(label.text, rim_px, middle);
    const sprite = { image, wide };
    this.sprites.set(key, sprite);
    return sprite;
  }

  // `labels` are in order of rank; `margins` is what panels cover.
  draw(frame: Frame, labels: Label[], colors: LabelColors, margins: Margins): void {
    const ratio = window.devicePixelRatio || 1;
    if (colors.site !== this.colors?.site || ratio !== this.ratio) this.sprites.clear();
    this.colors = colors;
    this.ratio = ratio;
    const [width, height] = [Math.round(frame.width * ratio), Math.round(frame.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    this.context.setTransform(1, 0, 0, 1, 0, 0);
    this.context.clearRect(0, 0, width, height);
    const occupied = new Occupied();
    this.drawPins(frame, labels, 'bad', margins, occupied);
    let placed = 0;
    for (const label of labels) {
      if (placed >= labels_max) break;
      const x = screenX(frame, label.x);
      const y = screenY(frame, label.y);
      if (x < -200 || y < -20 || x > frame.width + 20 || y > frame.height + 20) continue;
      const wide = this.width(label);
      if (label.span !== undefined && label.span * frame.scale < wide) continue;
      const left = this.place(label, x, y, wide, occupied);
      if (left === undefined) continue;
      placed++;
      this.copy(this.sprite(label, wide, colors[label.style]), left, y);
    }
    this.drawPins(frame, labels, 'plain', margins, occupied);
  }

  // To the right of the point; where that is taken, to its left.
  private place(label: Label, x: number, y: number, wide: number, occupied: Occupied): number | undefined {
    const take = (left: number): boolean =>
      occupied.take({ left: left - 3, top: y - height_px / 2, right: left + wide + 3, bottom: y + height_px / 2 });
    if (label.gap_px === 0) return take(x - wide / 2) ? x - wide / 2 : undefined;
    if (take(x + label.gap_px)) return x + label.gap_px;
    return take(x - label.gap_px - wide) ? x - label.gap_px - wide : undefined;
  }

  private copy(sprite: Sprite, left: number, y: number): void {
    const ratio = this.ratio;
    this.context.drawImage(
      sprite.image,
      Math.round((left - rim_px) * ratio),
      Math.round((y - height_px / 2 - rim_px) * ratio),
    );
  }

  // What matters and is out of sight is named at the edge, with the way to it.
  private drawPins(frame: Frame, labels: Label[], pin: Label['pin'], margins: Margins, occupied: Occupied): void {
    const box = {
      left: margins.left,
      top: margins.top / 2,
      right: frame.width - margins.right,
      bottom: frame.height - margins.bottom,
    };
    if (box.right - box.left < 200) return;
    const context = this.context;
    let drawn = 0;
    for (const label of labels) {
      if (label.pin !== pin || drawn >= pins_max) continue;
      const x = screenX(frame, label.x);
      const y = screenY(frame, label.y);
      if (x >= 0 && y >= 0 && x <= frame.width && y <= frame.height) continue;
      const wide = this.width(label);
      const edge = edgeOf(box, x, y);
      const left = Math.min(Math.max(edge.x, box.left + 12), box.right - wide - 12);
      if (!occupied.take({ left: left - 16, top: edge.y - 9, right: left + wide + 16, bottom: edge.y + 9 })) continue;
      drawn++;
      const color = pin === 'bad' ? this.colors!.bad : this.colors!.strong;
      const towardsRight = x > frame.width / 2;
      this.copy(this.sprite(label, wide, color), left, edge.y);
      context.save();
      context.scale(this.ratio, this.ratio);
      context.translate(towardsRight ? left + wide + 9 : left - 9, edge.y);
      context.rotate(Math.atan2(y - edge.y, x - edge.x));
      context.fillStyle = color;
      context.beginPath();
      context.moveTo(5, 0);
      context.lineTo(-3, -4);
      context.lineTo(-3, 4);
      context.fill();
      context.restore();
    }
  }
}
