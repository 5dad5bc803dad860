import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Sandbox,
  type SandboxCapability,
  type SandboxOptions,
  type SandboxResult,
} from '../../../src/sandbox/index.ts';
import { type Defence, without } from '../../../src/sandbox/spec.ts';
import { attacks } from '../attacks.ts';
import { type Mutant, saysSo } from '../mutants.ts';
import { arenaOf } from './settings.ts';
import { attackFiles, bareAttack, type Knowledge } from './submissions.ts';
import { type Weakening, weakened } from './weakened.ts';
import { scoreOf, type World } from './world.ts';

/** A launcher that is handed a file of the host by a careless parent. */
function carelessParent({ python, launcher }: SandboxCapability, file: string): readonly [string, ...string[]] {
  const start = `
import os, sys
os.dup2(os.open(sys.argv[1], os.O_RDONLY), 251, inheritable=True)
os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", sys.argv[2]])`;
  return [python, '-I', '-c', start, file, launcher];
}

interface Place {
  readonly capability: SandboxCapability;
  readonly knowledge: Knowledge;
}

async function run(attack: string, left: readonly Defence[], { capability, knowledge }: Place): Promise<SandboxResult> {
  const [directory, inputs] = ['out', 'in'].map((name) => mkdtempSync(join(tmpdir(), `aira-mutant-${name}-`)));
  if (directory === undefined || inputs === undefined) throw new Error('unreachable');
  try {
    writeFileSync(join(inputs, 'settings.json'), '{}', { mode: 0o644 });
    const options: SandboxOptions = {
      capability,
      defences: without(...left),
      launcher: carelessParent(capability, knowledge.CANARY),
    };
    return await new Sandbox(options).run({
      argv: [capability.python, '-I', '-c', bareAttack(attack, { ...knowledge, HIDDEN: knowledge.CANARY })],
      readOnly: [{ source: join(inputs, 'settings.json'), target: '/box/settings.json' }],
      output: { directory, maxBytes: 2 ** 22 },
      env: { OVERTIME: '2' },
      limits: { seconds: attack === 'overtime' ? 1 : 60, memoryBytes: 2 ** 30, processes: 256 },
    });
  } finally {
    for (const folder of [directory, inputs]) rmSync(folder, { recursive: true, force: true });
  }
}

/** Whether an attack gets through with everything but its mutant's defence, and whether it does without that too. */
export async function compare(
  mutant: Mutant,
  place: Place,
): Promise<{ with: boolean; without: boolean; said: string }> {
  const { attack, behind = [], through = saysSo } = mutant;
  const all = [...behind, mutant.without];
  try {
    if (attack === 'find_what_was_planted') await run('plant_for_the_next', all, place);
    const contained = await run(attack, behind, place);
    const mutated = await run(attack, all, place);
    return { with: through(contained), without: through(mutated), said: `${contained.stderr}${mutated.stderr}` };
  } finally {
    // What `plant_for_the_next` leaves on a host whose programs share one space of memory.
    if (attack === 'find_what_was_planted') spawnSync('ipcrm', ['-M', '0x41495241']);
  }
}

/** The scores of an attack on the evaluator as it is, and without one line of it. */
export async function compareSources(
  { attack: name, ...weakening }: Weakening & { readonly attack: string },
  world: World,
): Promise<{ with: number; without: number; below: number }> {
  const attack = attacks.find((each) => each.name === name);
  if (!attack?.arena) throw new Error(`no attack on the arena is called ${name}`);
  const [files, settings] = [attackFiles(name, world.knowledge), arenaOf[attack.arena.task]];
  const contained = scoreOf(await world.judge(files, settings));
  const mutated = await weakened(weakening, (design) => world.judge(files, settings, {}, design));
  return { with: contained, without: scoreOf(mutated), below: attack.arena.below };
}

/** Whether the defence is one that this machine has at all. */
export const isPossible = ({ needs }: Mutant, { capability }: Place): boolean =>
  needs !== 'root' || capability.identity === 'dedicated';

export const mutantTitle = ({ without: left, attack, behind = [] }: Mutant): string =>
  `${left}: ${attack}${behind.length > 0 ? `, behind ${behind.join(' and ')}` : ''}`;
