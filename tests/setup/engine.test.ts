import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './machine.ts';

let machine: Machine;
beforeEach(() => {
  machine = Machine.complete();
});
afterEach(() => machine.remove());

const found = () => JSON.parse(readFileSync(join(machine.root, 'dist/engine.json'), 'utf8'));

describe('the engine', () => {
  it('is tried once and written down for the workers', async () => {
    expect((await machine.setUp()).code).toBe(0);
    expect(found()).toMatchObject({ engine: 'native', reason: null });
    const again = await machine.setUp();
    expect(again).toMatchObject({ code: 0, said: [], calls: [] });
  });

  it('is tried again when its sources change', async () => {
    await machine.setUp();
    machine.engineCheck('print(\'{"engine": "torch", "reason": "there is no C++ compiler"}\')');
    machine.write(join(machine.root, 'gpu-workers/engine/norm.hpp'), '// changed\n');
    const { code, said } = await machine.setUp();
    expect(code).toBe(0);
    expect(said).toEqual([
      'CPU workers will train with torch, which is slower: there is no C++ compiler',
      expect.stringMatching(/trainings run on \d+ CPU cores? with torch$/),
    ]);
    expect(found()).toMatchObject({ engine: 'torch', reason: 'there is no C++ compiler' });
  });

  it('that cannot even be tried stops nobody', async () => {
    machine.engineCheck('raise SystemExit("the trainers are broken")');
    const { code, said } = await machine.setUp();
    expect(code).toBe(0);
    expect(said.at(-2)).toContain('the trainers are broken');
    expect(found()).toMatchObject({ engine: 'torch', reason: expect.stringContaining('the trainers are broken') });
  });
});
