import { describe, expect, it } from 'vitest';
import { gpuArguments } from '../../src/sandbox/launchSpec.ts';

/** What is bound as a device. */
const devices = (options: readonly string[]) =>
  options.flatMap((option, index) => (option === '--dev-bind' ? [options[index + 1]] : []));

describe('one GPU inside the sandbox', () => {
  it('is the one that was asked for, and no other', () => {
    const bound = devices(gpuArguments(3, () => false));
    expect(bound).toContain('/dev/nvidia3');
    expect(bound.filter((node) => /nvidia\d/.test(String(node)))).toEqual(['/dev/nvidia3']);
  });

  it('comes with the nodes of the driver that this machine has', () => {
    const bound = devices(gpuArguments(0, (path) => path === '/dev/nvidia-caps'));
    expect(bound).toEqual(['/dev/nvidiactl', '/dev/nvidia-uvm', '/dev/nvidia0', '/dev/nvidia-caps']);
  });

  it('leaves /sys readable and no more', () => {
    expect(gpuArguments(0, () => false).slice(-3)).toEqual(['--ro-bind', '/sys', '/sys']);
  });
});
