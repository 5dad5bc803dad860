import { existsSync } from 'node:fs';

/**
 * What a program needs of one NVIDIA GPU, as options of bubblewrap; they must follow the one that makes /dev.
 *
 * The nodes are bound as devices, since a plain bind is mounted without devices and the driver then says "insufficient
 * permissions". The driver reads /sys while it starts. Only the one GPU's node is there, which becomes number 0 inside.
 * Weaker than a sandbox without: the driver's interface is large, and no control group bounds a GPU's memory.
 */
export function gpuArguments(index: number, exists: (path: string) => boolean = existsSync): string[] {
  const needed = ['/dev/nvidiactl', '/dev/nvidia-uvm', `/dev/nvidia${index}`];
  const optional = ['/dev/nvidia-uvm-tools', '/dev/nvidia-modeset', '/dev/nvidia-caps'].filter(exists);
  return [...needed, ...optional].flatMap((node) => ['--dev-bind', node, node]).concat(['--ro-bind', '/sys', '/sys']);
}

/** Caches of compiled kernels go where the program may write, and are gone with it. */
export const gpuEnvironment: Readonly<Record<string, string>> = {
  CUDA_VISIBLE_DEVICES: '0',
  CUDA_CACHE_PATH: '/tmp/cuda',
  TORCHINDUCTOR_CACHE_DIR: '/tmp/inductor',
  TRITON_CACHE_DIR: '/tmp/triton',
};
