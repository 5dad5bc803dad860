import type { Camera, Frame } from './camera.ts';

/**
 * Points as pixels of a bitmap. Paths of a canvas are drawn one by one, which without a graphics card is too slow for 10^5 of
 * them in a frame; pixels are one pass over memory on every machine.
 */
export interface Raster {
  readonly canvas: HTMLCanvasElement;
  draw(scene: RasterScene): void;
}

export interface RasterScene {
  readonly camera: Camera;
  readonly frame: Frame;
  /** Device pixels per CSS pixel. */
  readonly ratio: number;
  readonly x: Float32Array;
  readonly y: Float32Array;
  /** Index into `colours`; 255 hides the point. Later points are drawn over earlier ones. */
  readonly paint: Uint8Array;
  /** Colours as 0xAABBGGRR, the byte order of a bitmap on every machine that runs a browser. */
  readonly colours: Uint32Array;
  /** Side of a point in device pixels. */
  readonly size: number;
}

export const hidden = 255;

export function createRaster(): Raster {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d') as CanvasRenderingContext2D;
  let image: ImageData | null = null;
  let pixels = new Uint32Array(0);
  return {
    canvas,
    draw({ camera, frame, ratio, x, y, paint, colours, size }) {
      const width = Math.max(1, Math.round(frame.width * ratio));
      const height = Math.max(1, Math.round(frame.height * ratio));
      if (!image || canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
        image = context.createImageData(width, height);
        pixels = new Uint32Array(image.data.buffer);
      } else pixels.fill(0);
      const scaleX = camera.scaleX * ratio;
      const scaleY = camera.scaleY * ratio;
      const half = size >> 1;
      for (let index = 0; index < paint.length; index++) {
        const which = paint[index] as number;
        if (which === hidden) continue;
        const left = Math.round(((x[index] as number) - camera.x) * scaleX) - half;
        const top = height - Math.round(((y[index] as number) - camera.y) * scaleY) - half;
        if (left < 0 || top < 0 || left + size > width || top + size > height) continue;
        const colour = colours[which] as number;
        for (let row = top * width + left, end = row + size * width; row < end; row += width) {
          for (let column = 0; column < size; column++) pixels[row + column] = colour;
        }
      }
      context.putImageData(image, 0, 0);
    },
  };
}

/** `#rrggbb` or `rgb(r, g, b)` as a colour of {@link RasterScene}. */
export function packColour(text: string): number {
  const hex = /^#([0-9a-f]{6})$/i.exec(text.trim())?.[1];
  const [red = 0, green = 0, blue = 0] = hex
    ? [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16))
    : (text.match(/\d+(\.\d+)?/g) ?? []).map(Number);
  return (0xff000000 | (blue << 16) | (green << 8) | red) >>> 0;
}
