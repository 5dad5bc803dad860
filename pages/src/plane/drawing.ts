import { short } from '../parts/format.ts';
import type { Theme } from '../parts/palette.ts';
import type { Points } from '../state/points.ts';
import { type Axis, ticksWithin } from './axes.ts';
import { type Camera, type Frame, screenX, screenY, worldX, worldY } from './camera.ts';
import type { Layout } from './layouts.ts';
import { hidden, packColour, type Raster } from './raster.ts';

/** What a plane shows: grid, edges, nodes, the highlighted path; and which node is under a pixel. */
export interface Scene {
  readonly points: Points;
  readonly layout: Layout;
  /** Whether a node is shown: 0 no, 1 faint, 2 plain. */
  readonly visible: Uint8Array;
  /** Nodes are drawn as not yet evaluated where this is 1. */
  readonly open?: Uint8Array | null;
  /** Draws lines from parents. */
  readonly edges: boolean;
  /** A highlighted path of nodes, such as a lineage or a front; `step` draws stairs. */
  readonly path: readonly number[];
  readonly pathStyle: 'lineage' | 'front';
  readonly selected: number;
  /** CSS pixels. */
  readonly height: number;
  readonly labelX?: string;
  readonly labelY?: string;
}

/** Above this number of nodes in view points are pixels and edges are left out. */
const denseFrom = 4000;

const reachPx = 12;

/** Colour index per node: 0 to 7 agents, 8 faint, 9 not evaluated yet, 10 failed or refused. */
export function paintOf(points: Points, layout: Layout, visible: Uint8Array, open: Uint8Array | null): Uint8Array {
  const paint = new Uint8Array(points.count);
  for (let index = 0; index < points.count; index++) {
    const shown = visible[index] as number;
    if (!shown || !layout.placed[index]) paint[index] = hidden;
    else if (shown === 1) paint[index] = 8;
    else if (open?.[index] || points.status[index] === 0) paint[index] = 9;
    else if (points.status[index] !== 1) paint[index] = 10;
    else paint[index] = (points.laneOf[points.agent[index] as number] as number) % 8;
  }
  return paint;
}

/** The shown node under a pixel, or -1. */
export function nearest(
  camera: Camera,
  frame: Frame,
  { layout }: Scene,
  paint: Uint8Array,
  at: { x: number; y: number },
): number {
  const x = worldX(camera, frame, at.x);
  const y = worldY(camera, frame, at.y);
  let best = -1;
  let least = reachPx * reachPx;
  for (let index = 0; index < paint.length; index++) {
    if (paint[index] === hidden) continue;
    const dx = ((layout.x[index] as number) - x) * camera.scaleX;
    const dy = ((layout.y[index] as number) - y) * camera.scaleY;
    const distance = dx * dx + dy * dy;
    if (distance < least) {
      least = distance;
      best = index;
    }
  }
  return best;
}

export function render(
  canvas: HTMLCanvasElement,
  raster: Raster,
  camera: Camera,
  frame: Frame,
  scene: Scene,
  paint: Uint8Array,
  theme: Theme,
  hover: number,
): void {
  const { layout, points } = scene;
  const ratio = Math.min(2, devicePixelRatio || 1);
  const full = { width: frame.left + frame.width + 12, height: scene.height };
  if (canvas.width !== Math.round(full.width * ratio) || canvas.height !== Math.round(full.height * ratio)) {
    canvas.width = Math.round(full.width * ratio);
    canvas.height = Math.round(full.height * ratio);
    canvas.style.width = `${full.width}px`;
    canvas.style.height = `${full.height}px`;
  }
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, full.width, full.height);
  context.font = '11px system-ui, sans-serif';
  drawGrid(context, camera, frame, scene, theme);

  const left = camera.x;
  const right = camera.x + frame.width / camera.scaleX;
  const low = camera.y;
  const high = camera.y + frame.height / camera.scaleY;
  let inView = 0;
  for (let index = 0; index < paint.length; index++) {
    if (paint[index] === hidden) continue;
    const x = layout.x[index] as number;
    const y = layout.y[index] as number;
    if (x >= left && x <= right && y >= low && y <= high) inView++;
  }
  context.save();
  context.beginPath();
  context.rect(frame.left, frame.top, frame.width, frame.height);
  context.clip();
  const sx = (index: number) => screenX(camera, frame, layout.x[index] as number);
  const sy = (index: number) => screenY(camera, frame, layout.y[index] as number);
  const dense = inView > denseFrom;
  if (scene.edges && !dense) {
    context.strokeStyle = theme.faint;
    context.lineWidth = 1;
    // Second parents are drawn fainter, as they cross everything.
    for (const [column, alpha] of [
      [points.parent, 0.6],
      [points.secondParent, 0.28],
    ] as const) {
      context.globalAlpha = alpha;
      context.beginPath();
      for (let index = 0; index < paint.length; index++) {
        const above = column[index] as number;
        if (paint[index] === hidden || above < 0 || paint[above] === hidden) continue;
        link(context, sx(above), sy(above), sx(index), sy(index));
      }
      context.stroke();
    }
    context.globalAlpha = 1;
  }
  if (dense) {
    const colours = Uint32Array.from(
      [...theme.series, theme.rule, theme.faint, theme.faint].map((colour) => packColour(colour)),
    );
    raster.draw({
      camera,
      frame,
      ratio,
      x: layout.x,
      y: layout.y,
      paint,
      colours,
      size: Math.round((inView > 30_000 ? 2 : 3) * ratio),
    });
    context.drawImage(raster.canvas, frame.left, frame.top, frame.width, frame.height);
  } else drawMarks(context, paint, theme, sx, sy, inView, points);

  if (scene.path.length > 1) {
    context.strokeStyle = theme.accent;
    context.lineWidth = 2;
    context.beginPath();
    for (let step = 1; step < scene.path.length; step++) {
      const from = scene.path[step - 1] as number;
      const to = scene.path[step] as number;
      if (scene.pathStyle === 'lineage') link(context, sx(from), sy(from), sx(to), sy(to));
      else {
        context.moveTo(sx(from), sy(from));
        context.lineTo(sx(to), sy(from));
        context.lineTo(sx(to), sy(to));
      }
    }
    context.stroke();
  }
  context.lineWidth = 2;
  for (const index of scene.path) ring(context, sx(index), sy(index), 4.5, theme.accent, theme.paper);
  if (scene.selected >= 0 && paint[scene.selected] !== hidden) {
    ring(context, sx(scene.selected), sy(scene.selected), 7, theme.ink, theme.paper);
  }
  if (hover >= 0 && paint[hover] !== undefined && paint[hover] !== hidden)
    ring(context, sx(hover), sy(hover), 7, theme.accent, '');
  context.restore();
}

/** A line from a parent to the right or downwards, as a soft curve. */
function link(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  const middle = (x0 + x1) / 2;
  context.moveTo(x0, y0);
  context.bezierCurveTo(middle, y0, middle, y1, x1, y1);
}

function ring(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  radius: number,
  stroke: string,
  fill: string,
): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  if (fill) {
    context.fillStyle = fill;
    context.globalAlpha = 0.6;
    context.fill();
    context.globalAlpha = 1;
  }
  context.strokeStyle = stroke;
  context.stroke();
}

/** Few nodes: a shape per agent, so that agents are distinguishable without colour; hollow while pending, a cross if failed. */
function drawMarks(
  context: CanvasRenderingContext2D,
  paint: Uint8Array,
  theme: Theme,
  sx: (index: number) => number,
  sy: (index: number) => number,
  inView: number,
  points: Points,
): void {
  const radius = inView > 1000 ? 2.5 : inView > 300 ? 3.2 : 4.2;
  const fills = Array.from({ length: 9 }, () => new Path2D());
  const open = new Path2D();
  const crosses = new Path2D();
  for (let index = 0; index < paint.length; index++) {
    const which = paint[index] as number;
    if (which === hidden) continue;
    const x = sx(index);
    const y = sy(index);
    if (which === 10) {
      crosses.moveTo(x - radius, y - radius);
      crosses.lineTo(x + radius, y + radius);
      crosses.moveTo(x + radius, y - radius);
      crosses.lineTo(x - radius, y + radius);
    } else if (which === 9) {
      open.moveTo(x + radius, y);
      open.arc(x, y, radius, 0, 2 * Math.PI);
    } else shape(fills[which] as Path2D, (points.laneOf[points.agent[index] as number] as number) % 6, x, y, radius);
  }
  for (const [which, path] of fills.entries()) {
    context.fillStyle = which === 8 ? theme.rule : (theme.series[which] as string);
    context.fill(path);
  }
  context.lineWidth = 1.25;
  context.strokeStyle = theme.soft;
  context.stroke(open);
  context.strokeStyle = theme.bad;
  context.stroke(crosses);
}

function shape(path: Path2D, kind: number, x: number, y: number, r: number): void {
  const polygon = (...corners: readonly (readonly [number, number])[]) => {
    for (const [at, [dx, dy]] of corners.entries()) {
      if (at === 0) path.moveTo(x + dx * r, y + dy * r);
      else path.lineTo(x + dx * r, y + dy * r);
    }
    path.closePath();
  };
  if (kind === 0) {
    path.moveTo(x + r, y);
    path.arc(x, y, r, 0, 2 * Math.PI);
  } else if (kind === 1) path.rect(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r);
  else if (kind === 2) polygon([0, -1.2], [1.15, 0.9], [-1.15, 0.9]);
  else if (kind === 3) polygon([0, -1.25], [1.25, 0], [0, 1.25], [-1.25, 0]);
  else if (kind === 4) polygon([0, 1.2], [1.15, -0.9], [-1.15, -0.9]);
  else path.rect(x - 1.3 * r, y - 0.55 * r, 2.6 * r, 1.1 * r);
}

function drawGrid(context: CanvasRenderingContext2D, camera: Camera, frame: Frame, scene: Scene, theme: Theme): void {
  const { layout } = scene;
  context.strokeStyle = theme.rule;
  context.fillStyle = theme.soft;
  context.lineWidth = 1;
  const visibleTicks = (axis: Axis, from: number, size: number, count: number) =>
    ticksWithin(axis.value(from), axis.value(from + size), count, axis.log);
  if (layout.axisX) {
    const axis = layout.axisX;
    context.textAlign = 'center';
    for (const tick of visibleTicks(axis, camera.x, frame.width / camera.scaleX, Math.max(2, frame.width / 110))) {
      const x = Math.round(screenX(camera, frame, axis.unit(tick))) + 0.5;
      line(context, x, frame.top, x, frame.top + frame.height);
      context.fillText(short(tick), x, frame.top + frame.height + 14);
    }
    context.fillText(scene.labelX ?? '', frame.left + frame.width / 2, frame.top + frame.height + 30);
  }
  if (layout.axisY) {
    const axis = layout.axisY;
    context.textAlign = 'right';
    for (const tick of visibleTicks(axis, camera.y, frame.height / camera.scaleY, Math.max(2, frame.height / 60))) {
      const y = Math.round(screenY(camera, frame, axis.unit(tick))) + 0.5;
      line(context, frame.left, y, frame.left + frame.width, y);
      context.fillText(short(tick), frame.left - 6, y + 4);
    }
    context.save();
    context.translate(12, frame.top + frame.height / 2);
    context.rotate(-Math.PI / 2);
    context.textAlign = 'center';
    context.fillText(scene.labelY ?? '', 0, 0);
    context.restore();
  }
  context.textAlign = 'left';
  for (const [lane, name] of layout.lanes.entries()) {
    const y = Math.round(screenY(camera, frame, lane / layout.lanes.length)) + 0.5;
    if (lane > 0) line(context, 0, y, frame.left + frame.width, y);
    const top = screenY(camera, frame, (lane + 1) / layout.lanes.length);
    if (top > frame.top + frame.height || y < frame.top) continue;
    context.fillText(name.length > 14 ? `${name.slice(0, 13)}…` : name, 8, Math.max(top, frame.top) + 14);
  }
}

function line(context: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}
