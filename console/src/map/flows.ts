import type { Frame } from './mercator';
import { requestsPerDash } from './scale';

// Requests flowing from regions to sites: one bent ribbon a flow, drawn as instances on a canvas of its own over the
// map, so that animating them never redraws the map. Dashes move at one speed; their spacing is the rate.

export interface FlowPath {
  key: string;
  from: [x: number, y: number]; // Mercator
  to: [x: number, y: number];
  requests_per_s: number;
  focus: boolean;
}

export const dash_speed_px_s = 42;
const spacing_px = 9;
const dash_px = 4.5;
const width_px = 1.8;
const bend = 0.14;
const steps = 28;
const floats = 9;
// A flow too slow to show a dash along a screen's width still shows one.
const spacing_max_px = 1600;

const vertexSource = `#version 300 es
layout(location = 0) in vec2 corner;    // along 0..1, side -1..1
layout(location = 1) in vec4 ends;      // from, to in Mercator, relative to the origin
layout(location = 2) in vec4 dash;      // spacing px, phase 0..1, strength, focus
layout(location = 3) in float length_in;
uniform vec2 shift;                     // Mercator of the screen's centre, relative to the origin
uniform float scale;                    // px for the whole world
uniform vec2 size;                      // px
uniform float half_width;
out vec2 place;                         // px along, px across
flat out vec4 kind;
flat out float whole;
void main() {
  vec2 a = (ends.xy - shift) * scale, b = (ends.zw - shift) * scale;
  vec2 chord = b - a;
  vec2 middle = (a + b) * 0.5 + vec2(chord.y, -chord.x) * ${bend.toFixed(2)};
  float t = corner.x, s = 1.0 - t;
  vec2 at = s * s * a + 2.0 * s * t * middle + t * t * b;
  vec2 ahead = normalize(2.0 * s * (middle - a) + 2.0 * t * (b - middle) + vec2(1e-6));
  float reach = half_width + 1.0;
  at += vec2(-ahead.y, ahead.x) * corner.y * reach;
  whole = length_in * scale;
  place = vec2(t * whole, corner.y * reach);
  kind = dash;
  gl_Position = vec4(at / size * vec2(2.0, -2.0), 0.0, 1.0);
}`;

const fragmentSource = `#version 300 es
precision highp float;
in vec2 place;
flat in vec4 kind;
flat in float whole;
uniform vec4 plain, focus;
uniform float half_width;
out vec4 color;
void main() {
  float spacing = kind.x;
  float behind = fract(place.x / spacing - kind.y) * spacing;
  float lit = smoothstep(-0.5, 0.5, behind) * (1.0 - smoothstep(${dash_px.toFixed(1)} - 0.5, ${dash_px.toFixed(1)} + 0.5, behind));
  float across = 1.0 - smoothstep(half_width - 0.5, half_width + 0.5, abs(place.y));
  float ends = smoothstep(2.0, 14.0, place.x) * (1.0 - smoothstep(whole - 10.0, whole - 2.0, place.x));
  vec4 tone = mix(plain, focus, kind.w);
  float trail = 0.14 + 0.25 * kind.w;
  float alpha = tone.a * kind.z * across * ends * mix(trail, 1.0, lit);
  color = vec4(tone.rgb * alpha, alpha);
}`;

function compile(gl: WebGL2RenderingContext, kind: number, source: string): WebGLShader {
  const shader = gl.createShader(kind)!;
  gl.shaderSource(shader, source);
  gl.compileShader(shader);
  if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
    throw new Error(gl.getShaderInfoLog(shader) ?? 'shader');
  return shader;
}

export class FlowLayer {
  // How many requests one dash stands for; the legend says it.
  requests_per_dash = 1;
  private gl: WebGL2RenderingContext;
  private program!: WebGLProgram;
  private instances!: WebGLBuffer;
  private uniforms = new Map<string, WebGLUniformLocation | null>();
  private paths: FlowPath[] = [];
  private data = new Float32Array(0);
  private phases = new Map<string, number>();
  private origin: [number, number] = [0, 0];
  private plain: number[] = [1, 1, 1, 1];
  private focus: number[] = [1, 1, 1, 1];
  private last_ms = 0;

  constructor(private canvas: HTMLCanvasElement) {
    const gl = canvas.getContext('webgl2', { alpha: true, premultipliedAlpha: true, antialias: false, depth: false });
    if (!gl) throw new Error('no WebGL 2');
    this.gl = gl;
    this.prepare();
    canvas.addEventListener('webglcontextlost', (event) => event.preventDefault());
    canvas.addEventListener('webglcontextrestored', () => this.prepare());
  }

  private prepare(): void {
    const gl = this.gl;
    this.program = gl.createProgram()!;
    gl.attachShader(this.program, compile(gl, gl.VERTEX_SHADER, vertexSource));
    gl.attachShader(this.program, compile(gl, gl.FRAGMENT_SHADER, fragmentSource));
    gl.linkProgram(this.program);
    gl.useProgram(this.program);
    for (const name of ['shift', 'scale', 'size', 'half_width', 'plain', 'focus'])
      this.uniforms.set(name, gl.getUniformLocation(this.program, name));
    const corners = new Float32Array((steps + 1) * 4);
    for (let i = 0; i <= steps; i++) corners.set([i / steps, -1, i / steps, 1], i * 4);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, corners, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 2, gl.FLOAT, false, 0, 0);
    this.instances = gl.createBuffer()!;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.instances);
    [
      [1, 4, 0],
      [2, 4, 16],
      [3, 1, 32],
    ].forEach(([location, count, offset]) => {
      gl.enableVertexAttribArray(location!);
      gl.vertexAttribPointer(location!, count!, gl.FLOAT, false, floats * 4, offset!);
      gl.vertexAttribDivisor(location!, 1);
    });
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  }

  get count(): number {
    return this.paths.length;
  }

  colors(plain: number[], focus: number[]): void {
    this.plain = plain;
    this.focus = focus;
  }

  set(paths: FlowPath[], origin: [number, number]): void {
    this.origin = origin;
    this.paths = paths;
    const most = paths.reduce((max, p) => Math.max(max, p.requests_per_s), 0);
    this.requests_per_dash = requestsPerDash(most, dash_speed_px_s, spacing_px);
    const focused = paths.some((p) => p.focus);
    this.data = new Float32Array(paths.length * floats);
    const phases = new Map<string, number>();
    paths.forEach((path, i) => {
      const spacing = Math.min(dash_speed_px_s / (path.requests_per_s / this.requests_per_dash), spacing_max_px);
      const phase = this.phases.get(path.key) ?? (i * 0.618034) % 1;
      phases.set(path.key, phase);
      const [dx, dy] = [path.to[0] - path.from[0], path.to[1] - path.from[1]];
      const strength = focused && !path.focus ? 0.25 : 1;
      this.data.set(
        [
          path.from[0] - origin[0],
          path.from[1] - origin[1],
          path.to[0] - origin[0],
          path.to[1] - origin[1],
          spacing,
          phase,
          strength,
          path.focus ? 1 : 0,
          // Length of the bent path over its chord, to second order in the bend.
          Math.hypot(dx, dy) * (1 + (8 / 3) * (bend / 2) ** 2),
        ],
        i * floats,
      );
    });
    this.phases = phases;
  }

  draw(frame: Frame, now_ms: number, moving: boolean): void {
    const gl = this.gl;
    if (gl.isContextLost()) return;
    const elapsed_s = moving ? Math.min((now_ms - this.last_ms) / 1000, 0.1) : 0;
    this.last_ms = now_ms;
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [Math.round(frame.width * ratio), Math.round(frame.height * ratio)];
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    gl.viewport(0, 0, width, height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (this.paths.length === 0) return;
    this.paths.forEach((path, i) => {
      const at = i * floats;
      const phase = (this.data[at + 5]! + (dash_speed_px_s * elapsed_s) / this.data[at + 4]!) % 1;
      this.data[at + 5] = phase;
      this.phases.set(path.key, phase);
    });
    gl.bindBuffer(gl.ARRAY_BUFFER, this.instances);
    gl.bufferData(gl.ARRAY_BUFFER, this.data, gl.DYNAMIC_DRAW);
    gl.uniform2f(this.uniforms.get('shift')!, frame.centre_x - this.origin[0], frame.centre_y - this.origin[1]);
    gl.uniform1f(this.uniforms.get('scale')!, frame.scale);
    gl.uniform2f(this.uniforms.get('size')!, frame.width, frame.height);
    gl.uniform1f(this.uniforms.get('half_width')!, width_px / 2);
    gl.uniform4fv(this.uniforms.get('plain')!, this.plain);
    gl.uniform4fv(this.uniforms.get('focus')!, this.focus);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, (steps + 1) * 2, this.paths.length);
  }
}
