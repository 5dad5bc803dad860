/**
 * What part of the unit square is on screen. World x and y run from 0 to 1, y upwards; the screen's y runs downwards.
 * All sizes are CSS pixels.
 */
export interface Camera {
  /** World coordinates of the left and the lower edge of the frame. */
  readonly x: number;
  readonly y: number;
  /** Pixels per world unit. */
  readonly scaleX: number;
  readonly scaleY: number;
}

/** The drawing area within the canvas: margins are for axes. */
export interface Frame {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

export const wholeWorld = (frame: Frame): Camera => ({ x: 0, y: 0, scaleX: frame.width, scaleY: frame.height });

export const screenX = (camera: Camera, frame: Frame, x: number): number => frame.left + (x - camera.x) * camera.scaleX;
export const screenY = (camera: Camera, frame: Frame, y: number): number =>
  frame.top + frame.height - (y - camera.y) * camera.scaleY;
export const worldX = (camera: Camera, frame: Frame, px: number): number =>
  camera.x + (px - frame.left) / camera.scaleX;
export const worldY = (camera: Camera, frame: Frame, px: number): number =>
  camera.y + (frame.top + frame.height - px) / camera.scaleY;

/** Moves by pixels, never so far that nothing but emptiness is in view. */
export function panned(camera: Camera, frame: Frame, dx: number, dy: number): Camera {
  return bounded({ ...camera, x: camera.x - dx / camera.scaleX, y: camera.y + dy / camera.scaleY }, frame);
}

const largestZoom = 4000;

/** Zooms around a pixel, which stays where it is. Factors above 1 come nearer. */
export function zoomed(
  camera: Camera,
  frame: Frame,
  at: { x: number; y: number },
  factorX: number,
  factorY = factorX,
): Camera {
  const within = (scale: number, size: number) => Math.min(largestZoom * size, Math.max(0.5 * size, scale));
  const scaleX = within(camera.scaleX * factorX, frame.width);
  const scaleY = within(camera.scaleY * factorY, frame.height);
  const x = worldX(camera, frame, at.x) - (at.x - frame.left) / scaleX;
  const y = worldY(camera, frame, at.y) - (frame.top + frame.height - at.y) / scaleY;
  return bounded({ x, y, scaleX, scaleY }, frame);
}

function bounded(camera: Camera, frame: Frame): Camera {
  const clamp = (low: number, size: number) => Math.min(1 - 0.1 * size, Math.max(-0.9 * size, low));
  return {
    ...camera,
    x: clamp(camera.x, frame.width / camera.scaleX),
    y: clamp(camera.y, frame.height / camera.scaleY),
  };
}
