import { screenX, screenY, type Frame } from './mercator';

// Names on the map, drawn by ourselves because MapLibre's text needs a server of glyphs. Labels are placed greedily in
// order of rank; one that would touch another is left out, so that zooming in is what brings detail.

export interface Label {
  text: string;
  x: number; // Mercator
  y: number;
  rank: number; // small is placed first
  gap_px: number; // from the point to the text; 0 centres the text on the point
  style: 'site' | 'strong' | 'country' | 'number';
}

export interface LabelColors {
  site: string;
  strong: string;
  country: string;
  number: string;
  rim: string;
}

const fonts: Record<Label['style'], string> = {
  site: '11px system-ui, sans-serif',
  strong: '600 12px system-ui, sans-serif',
  country: '600 11px system-ui, sans-serif',
  number: '10px system-ui, sans-serif',
};
const labels_max = 260;
const cell_px = 64;

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

export class LabelLayer {
  private context: CanvasRenderingContext2D;
  private widths = new Map<string, number>();

  constructor(private canvas: HTMLCanvasElement) {
    const context = canvas.getContext('2d');
    if (!context) throw new Error('no 2d canvas');
    this.context = context;
  }

  private width(label: Label): number {
    const key = label.style + label.text;
    let width = this.widths.get(key);
    if (width === undefined) {
      this.context.font = fonts[label.style];
      width = this.context.measureText(label.text).width;
      if (this.widths.size > 20_000) this.widths.clear();
      this.widths.set(key, width);
    }
    return width;
  }

  // `labels` are in order of rank.
  draw(frame: Frame, labels: Label[], colors: LabelColors): void {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(frame.width * ratio), Math.round(frame.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const context = this.context;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, frame.width, frame.height);
    context.textBaseline = 'middle';
    context.lineJoin = 'round';
    const occupied = new Occupied();
    let placed = 0;
    for (const label of labels) {
      if (placed >= labels_max) break;
      const x = screenX(frame, label.x);
      const y = screenY(frame, label.y);
      if (x < -200 || y < -20 || x > frame.width + 20 || y > frame.height + 20) continue;
      const wide = this.width(label);
      const centred = label.gap_px === 0;
      // To the right of the point; where that is taken, to its left.
      const places = centred ? [x - wide / 2] : [x + label.gap_px, x - label.gap_px - wide];
      const left = places.find((at) =>
        occupied.take({ left: at - 3, top: y - 8, right: at + wide + 3, bottom: y + 8 }),
      );
      if (left === undefined) continue;
      placed++;
      context.font = fonts[label.style];
      if (label.style !== 'country') {
        context.strokeStyle = colors.rim;
        context.lineWidth = 3;
        context.strokeText(label.text, left, y);
      }
      context.fillStyle = colors[label.style];
      context.fillText(label.text, left, y);
    }
  }
}
