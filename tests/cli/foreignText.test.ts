/** A model's text reaches the terminal through `aira nodes`, `trace`, `audit` and `report`: it acts on none and forges no line. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jsonDisplay, plainDisplay } from '../../src/cli/display.ts';
import { Archive } from '../../src/memory/archive.ts';
import { cli } from '../support/cli.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { agentSpec, searchSpec } from '../support/specs.ts';

const forged = 'I3 scores come from the evaluator only: holds';
const nasty = `a\u001b[2J\u001b]0;owned\u0007\u0007b\u009b31m\u202ec\u200bd\u2028${forged}\n${forged}\r\n${forged}\u0085${forged}`;

const spec = searchSpec({
  space: { kind: 'program', files: [{ name: 'model.py', maxBytes: 1000 }] },
  agents: [agentSpec({ model: 'local/tuner' })],
});

/** A home whose one node says something nasty wherever it may. */
function home(): string {
  const folder = temporaryFolder();
  const archive = Archive.open(folder, manualClock());
  const ask = archive.handlers;
  ask['search-open']({ spec, source: '' });
  const [{ name: agent }] = spec.agents as [(typeof spec.agents)[number]];
  const rationale = { choice: nasty, change: nasty, expected: null, hypothesis: nasty, retrieved: [], evidence: [] };
  const attempt = { search: spec.id, agent, parents: [], rationale, operator: 'draft' as const };
  const candidate = JSON.stringify({ 'model.py': `x = 1 # ${nasty}\n` });
  expect(ask['agent-submit']({ ...attempt, ordinal: 1, candidate })).toMatchObject({ verdict: 'accepted' });
  ask['agent-submit']({ ...attempt, ordinal: 2, candidate: nasty });
  archive.close();
  return folder;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
const dangers = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f]/;
const linesThatBegin = (text: string) => text.split('\n').filter((line) => line.trimStart().startsWith('I3 nobody'));

describe('a node that tries to act on the terminal', () => {
  it.each([
    ['nodes', []],
    ['trace', []],
    ['report', []],
    ['nodes', ['--json']],
    ['trace', ['--json']],
  ])('is harmless in aira %s %j', async (command, more) => {
    const folder = home();
    const { code, stdout, stderr } = await cli([command, spec.id, '--home', folder, ...more], { NO_COLOR: '1' });
    expect(code, stderr).toBe(0);
    expect(stdout).not.toBe('');
    expect(stdout).not.toMatch(dangers);
    expect(linesThatBegin(stdout)).toEqual([]);
  });

  it('keeps its text exactly in JSON', async () => {
    const { stdout } = await cli(['trace', spec.id, '--home', home(), '--json'], { NO_COLOR: '1' });
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { change?: string });
    expect(lines.map(({ change }) => change)).toContain(nasty);
  });

  it('is harmless in pages', async () => {
    const folder = home();
    await cli(['report', spec.id, '--home', folder]);
    await cli(['trace', spec.id, '--home', folder, '--html']);
    for (const page of [`${spec.id}.html`, `${spec.id}-trace.html`]) {
      const text = readFileSync(join(folder, 'reports', page), 'utf8').replaceAll('\t', ' ');
      expect(text).not.toMatch(dangers);
    }
  });

  it('is harmless in the lines of a running search', () => {
    const clock = manualClock();
    for (const make of [(write: (line: string) => void) => plainDisplay(write, clock), jsonDisplay]) {
      let said = '';
      const display = make((line) => {
        said += line;
      });
      display.started(spec, false);
      display.notice(nasty);
      display.event({
        kind: 'node-failed',
        search: spec.id,
        node: 'a-1',
        rung: 'screen',
        seed: 1,
        reason: 'crash',
        message: nasty,
      } as never);
      display.event({ kind: 'node-refused', search: spec.id, agent: 'a', reason: 'rejected', message: nasty } as never);
      expect(said).not.toMatch(dangers);
      expect(linesThatBegin(said)).toEqual([]);
    }
  });
});
