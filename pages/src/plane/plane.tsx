import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { useTheme } from '../parts/palette.ts';
import { type Camera, type Frame, panned, screenX, screenY, wholeWorld, zoomed } from './camera.ts';
import { nearest, paintOf, render, type Scene } from './drawing.ts';
import type { Layout } from './layouts.ts';
import { createRaster, type Raster } from './raster.ts';

/**
 * Nodes on a canvas, to be panned and zoomed.
 *
 * Role: camera, pointer, keys, drawing. Non-role: places of nodes (`layouts.ts`), what they mean (the views).
 *
 * - CNV-1 A frame is drawn only when something changed, and at most once per screen refresh.
 * - CNV-2 The camera stays where it is when nodes are added.
 * - CNV-3 Every node that a pointer can reach is reachable in the table of the view; the canvas has a text summary.
 */
export interface PlaneProps extends Scene {
  readonly onSelect: (index: number) => void;
  readonly tip: (index: number) => ComponentChildren;
  readonly summary: string;
}

let drawn = 0;

export function Plane(props: PlaneProps) {
  const { points, layout, visible, height } = props;
  const holder = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState(-1);
  const theme = useTheme();
  const narrow = width < 560;
  const frame = useMemo<Frame>(() => {
    const left = layout.axisY ? 58 : layout.lanes.length > 0 && !narrow ? 96 : 8;
    const bottom = layout.axisX ? 40 : 8;
    return { left, top: 8, width: Math.max(40, width - left - 12), height: Math.max(40, height - 8 - bottom) };
  }, [width, height, narrow, layout.axisX !== null, layout.axisY !== null, layout.lanes.length > 0]);
  const camera = useRef<Camera | null>(null);
  const raster = useRef<Raster | null>(null);
  const state = useRef({ props, frame, theme, hover });
  state.current = { props, frame, theme, hover };
  const paint = useMemo(
    () => paintOf(points, layout, visible, props.open ?? null),
    [points, layout, visible, props.open],
  );
  const paintRef = useRef(paint);
  paintRef.current = paint;

  const pending = useRef(0);
  const draw = useMemo(
    () => () => {
      if (pending.current) return;
      pending.current = requestAnimationFrame(() => {
        pending.current = 0;
        const element = canvas.current;
        if (!element || !camera.current) return;
        raster.current ??= createRaster();
        const now = state.current;
        const from = performance.now();
        render(element, raster.current, camera.current, now.frame, now.props, paintRef.current, now.theme, now.hover);
        // For `bench/pages.mjs`: the first frame, and the work of each.
        performance.mark('aira:plane');
        performance.measure('aira:frame', { start: from });
        if (++drawn % 500 === 0) {
          performance.clearMarks('aira:plane');
          performance.clearMeasures('aira:frame');
        }
      });
    },
    [],
  );

  useEffect(() => {
    const element = holder.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => () => cancelAnimationFrame(pending.current), []);

  // A new size or another layout shows everything again; new nodes alone do not (CNV-2).
  const kind = `${layout.axisX?.log}${layout.axisY?.log}${layout.lanes.length > 0}${props.labelX}${props.labelY}`;
  useEffect(() => {
    if (width === 0) return;
    camera.current = wholeWorld(frame);
  }, [frame, kind]);
  useEffect(draw, [paint, frame, theme, hover, props.selected, props.path, props.edges, layout, kind]);

  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const pointers = new Map<number, { x: number; y: number }>();
    let moved = 0;
    const at = (event: PointerEvent | WheelEvent | MouseEvent) => {
      const box = element.getBoundingClientRect();
      return { x: event.clientX - box.left, y: event.clientY - box.top };
    };
    const change = (next: (camera: Camera, frame: Frame) => Camera) => {
      if (!camera.current) return;
      camera.current = next(camera.current, state.current.frame);
      draw();
    };
    const down = (event: PointerEvent) => {
      pointers.set(event.pointerId, at(event));
      element.setPointerCapture(event.pointerId);
      moved = 0;
      element.classList.add('dragging');
    };
    const move = (event: PointerEvent) => {
      const before = pointers.get(event.pointerId);
      const now = at(event);
      if (!before) {
        setHover(
          camera.current
            ? nearest(camera.current, state.current.frame, state.current.props, paintRef.current, now)
            : -1,
        );
        return;
      }
      moved += Math.abs(now.x - before.x) + Math.abs(now.y - before.y);
      if (pointers.size === 1) change((old, area) => panned(old, area, now.x - before.x, now.y - before.y));
      else {
        const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1];
        if (other) {
          const spread = (a: { x: number; y: number }) => Math.hypot(a.x - other.x, a.y - other.y);
          const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
          change((old, area) => zoomed(old, area, middle, spread(now) / Math.max(1, spread(before))));
        }
      }
      pointers.set(event.pointerId, now);
    };
    const up = (event: PointerEvent) => {
      pointers.delete(event.pointerId);
      if (pointers.size === 0) element.classList.remove('dragging');
      if (moved < 5 && event.type === 'pointerup' && camera.current) {
        const index = nearest(camera.current, state.current.frame, state.current.props, paintRef.current, at(event));
        state.current.props.onSelect(index);
      }
    };
    const wheel = (event: WheelEvent) => {
      event.preventDefault();
      const factor = Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0016));
      change((old, area) => zoomed(old, area, at(event), event.altKey ? 1 : factor, event.shiftKey ? 1 : factor));
    };
    const key = (event: KeyboardEvent) => {
      const { frame: area } = state.current;
      const middle = { x: area.left + area.width / 2, y: area.top + area.height / 2 };
      const steps: Record<string, (old: Camera, area: Frame) => Camera> = {
        ArrowLeft: (old) => panned(old, area, 60, 0),
        ArrowRight: (old) => panned(old, area, -60, 0),
        ArrowUp: (old) => panned(old, area, 0, 60),
        ArrowDown: (old) => panned(old, area, 0, -60),
        '+': (old) => zoomed(old, area, middle, 1.4),
        '=': (old) => zoomed(old, area, middle, 1.4),
        '-': (old) => zoomed(old, area, middle, 1 / 1.4),
        '0': () => wholeWorld(area),
      };
      const step = steps[event.key];
      if (!step || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation();
      change(step);
    };
    const leave = () => setHover(-1);
    const reset = () => change((_, area) => wholeWorld(area));
    element.addEventListener('pointerdown', down);
    element.addEventListener('pointermove', move);
    element.addEventListener('pointerup', up);
    element.addEventListener('pointercancel', up);
    element.addEventListener('pointerleave', leave);
    element.addEventListener('wheel', wheel, { passive: false });
    element.addEventListener('dblclick', reset);
    element.addEventListener('keydown', key);
    return () => {
      element.removeEventListener('pointerdown', down);
      element.removeEventListener('pointermove', move);
      element.removeEventListener('pointerup', up);
      element.removeEventListener('pointercancel', up);
      element.removeEventListener('pointerleave', leave);
      element.removeEventListener('wheel', wheel);
      element.removeEventListener('dblclick', reset);
      element.removeEventListener('keydown', key);
    };
  }, [draw]);

  const tipAt = hover >= 0 && camera.current ? place(camera.current, frame, layout, hover) : null;
  return (
    <div class="plane" ref={holder} style={{ height: `${height}px` }}>
      <canvas
        ref={canvas}
        tabIndex={0}
        role="img"
        aria-label={`${props.summary} Arrows, plus, minus and 0 move the view.`}
      />
      {tipAt && (
        <div
          class="tip"
          style={{
            [tipAt.x > width / 2 ? 'right' : 'left']: `${tipAt.x > width / 2 ? width - tipAt.x + 14 : tipAt.x + 14}px`,
            [tipAt.y > height / 2 ? 'bottom' : 'top']:
              `${tipAt.y > height / 2 ? height - tipAt.y + 10 : tipAt.y + 10}px`,
          }}
        >
          {props.tip(hover)}
        </div>
      )}
    </div>
  );
}

const place = (camera: Camera, frame: Frame, layout: Layout, index: number) => ({
  x: screenX(camera, frame, layout.x[index] as number),
  y: screenY(camera, frame, layout.y[index] as number),
});
