import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Machine } from './machine.ts';

const COMPILING = 'compiling src/ to dist/: the sources are newer';

describe('dist/', () => {
  let machine: Machine;
  let source: string;
  let output: string;
  beforeEach(async () => {
    machine = Machine.complete();
    source = join(machine.root, 'src/cli/main.ts');
    output = join(machine.root, 'dist/cli/main.js');
    expect((await machine.setUp()).code).toBe(0);
  });
  afterEach(() => machine.remove());

  it('is compiled from src/', () => {
    expect(readFileSync(output, 'utf8')).toContain('export const answer = 42;');
  });

  it('follows a change of the same length', async () => {
    writeFileSync(source, 'export const answer: number = 43;\n');
    expect((await machine.setUp()).said).toEqual([COMPILING]);
    expect(readFileSync(output, 'utf8')).toContain('43');
  });

  it('is not compiled again because a source was merely touched', async () => {
    writeFileSync(source, readFileSync(source));
    expect((await machine.setUp()).said).toEqual([]);
  });

  it('follows a change of the compiler options', async () => {
    writeFileSync(
      join(machine.root, 'tsconfig.build.json'),
      readFileSync(join(machine.root, 'tsconfig.build.json'), 'utf8').replace(
        '"outDir"',
        '"sourceMap": false, "outDir"',
      ),
    );
    expect((await machine.setUp()).said).toEqual([COMPILING]);
    rmSync(join(machine.root, 'dist/cli/main.js.map'));
    expect((await machine.setUp()).said).toEqual([]);
  });

  it('comes back when it was deleted', async () => {
    rmSync(join(machine.root, 'dist'), { recursive: true });
    expect((await machine.setUp()).said).toContain('compiling src/ to dist/: it is not built yet');
    expect(existsSync(output)).toBe(true);
  });

  it('loses the output of a source that is gone', async () => {
    machine.write(join(machine.root, 'src/cli/second.ts'), "export { answer } from './main.ts';\n");
    await machine.setUp();
    rmSync(source);
    machine.write(join(machine.root, 'src/cli/second.ts'), 'export const answer = 1;\n');
    await machine.setUp();
    expect(existsSync(output)).toBe(false);
    expect(existsSync(join(machine.root, 'dist/cli/second.js'))).toBe(true);
    expect(existsSync(join(machine.root, 'dist/toolchain.json'))).toBe(true);
  });

  it('is not taken for up to date after a source that does not compile', async () => {
    writeFileSync(source, "export const answer: number = 'forty-two';\n");
    for (let time = 0; time < 2; time++) {
      const { code, said } = await machine.setUp();
      expect(code).toBe(1);
      expect(said.join('\n')).toContain('src/cli/main.ts(1,14): error TS2322');
    }
  });
});
