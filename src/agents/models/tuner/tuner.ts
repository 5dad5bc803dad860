import { TerminalError } from '../../../domain/errors.ts';
import type { ViewNode } from '../../../domain/node.ts';
import { type Brief, type Files, type ProgramSpace, parseProgram, programText } from '../../../domain/program.ts';
import type { Rng } from '../../../domain/rng.ts';
import type { LocalModel, Proposal, ProposalInput } from '../model.ts';
import { drawValue, keyOf, knobsOf, skeleton, stepValue, type Values, valuesOf, withValues } from './knobs.ts';

/** A program to start from: the baseline, or a submission of the task's library. */
interface Start {
  readonly name: string;
  readonly files: Files;
}

/** A program and how it came about. */
interface Made {
  readonly files: Files;
  readonly how: string;
}

/** Share of improvements that carry a parent's values over to another program of the library. */
const switchRate = 0.15;
/** Share of crossovers that also step one constant. */
const stepRate = 0.3;
/** Tries at each strength before the next; strengths 1 to 6. */
const triesPerStrength = 8;
const strongest = 6;
/** Changes listed one by one. */
const listed = 24;

function startsOf({ baseline, library }: Brief): Start[] {
  const seen = new Set<string>();
  return [...library, { name: 'baseline', files: baseline }].filter(({ files }) => {
    const text = programText(files);
    return !seen.has(text) && seen.add(text);
  });
}

/** Some of `items`, all different, in their order. */
function some<T>(items: readonly T[], count: number, rng: Rng): T[] {
  const left = items.map((_, index) => index);
  const chosen = new Set<number>();
  while (chosen.size < count && left.length > 0) chosen.add(left.splice(rng.below(left.length), 1)[0] as number);
  return items.filter((_, index) => chosen.has(index));
}

function stepped(files: Files, count: number, strength: number, rng: Rng): Files {
  const chosen = some(knobsOf(files), count, rng);
  return withValues(files, new Map(chosen.map((knob) => [keyOf(knob), stepValue(knob, rng, strength)])));
}

function drawn(files: Files, count: number, rng: Rng): Files {
  const chosen = some(knobsOf(files), count, rng);
  return withValues(files, new Map(chosen.map((knob) => [keyOf(knob), drawValue(knob, rng)])));
}

/** Values of constants that bear the same name in another program. */
function carried(from: Files, to: Files): Values {
  const values = valuesOf(from);
  const known = valuesOf(to);
  return new Map([...values].filter(([key]) => known.has(key)));
}

const other = (starts: readonly Start[], files: Files): Start[] =>
  starts.filter((start) => skeleton(start.files) !== skeleton(files));

/** A program of the library, or one of them with constants drawn anew. */
function draft(starts: readonly Start[], strength: number, rng: Rng, isSeen: (files: Files) => boolean): Made {
  // The baseline itself is node 0 already.
  const fresh = starts.filter(({ name, files }) => name !== 'baseline' && !isSeen(files));
  if (fresh.length > 0) {
    const start = rng.pick(fresh);
    return { files: start.files, how: `${start.name} of the library as it is` };
  }
  const start = rng.pick(starts);
  return {
    files: drawn(start.files, 1 + rng.below(2 + strength), rng),
    how: `${start.name} with constants drawn anew`,
  };
}

function improve(parent: Files, starts: readonly Start[], strength: number, rng: Rng): Made {
  const others = other(starts, parent);
  const switches = rng.float() < switchRate || knobsOf(parent).length === 0;
  if (switches && others.length > 0) {
    const start = rng.pick(others);
    const files = withValues(start.files, carried(parent, start.files));
    // Where nothing is carried over the program itself may have been tried: constants move as the search goes on.
    const moved = strength > 1 ? stepped(files, strength - 1, strength, rng) : files;
    return { files: moved, how: `changed to ${start.name} of the library` };
  }
  const count = rng.weighted([1, 2, 3] as const, [0.6, 0.25, 0.15]) + (strength > 3 ? 1 : 0);
  return { files: stepped(parent, count, strength, rng), how: `${count === 1 ? 'a step' : 'steps'} of its constants` };
}

function join(first: ViewNode, second: ViewNode, strength: number, rng: Rng): Made {
  const [one, two] = [parseProgram(first.candidate), parseProgram(second.candidate)];
  const taken = [...carried(two, one)].filter(() => rng.float() < 0.5);
  const files = withValues(one, new Map(taken));
  const steps = strength - 1 + (rng.float() < stepRate ? 1 : 0);
  return {
    files: steps > 0 ? stepped(files, steps, strength, rng) : files,
    how: `constants of ${second.id} taken over`,
  };
}

/** Half of what differs from the program that it came from goes back; and where nothing differs, another program is tried. */
function mend(parent: Files, starts: readonly Start[], strength: number, rng: Rng): Made {
  const origin = starts.find((start) => skeleton(start.files) === skeleton(parent));
  if (!origin) return improve(parent, starts, strength, rng);
  const original = valuesOf(origin.files);
  const moved = [...valuesOf(parent)].filter(([key, value]) => original.get(key) !== value);
  if (moved.length === 0)
    return draft(other(starts, parent).length > 0 ? other(starts, parent) : starts, strength, rng, () => true);
  const back = some(moved, Math.max(1, Math.ceil(moved.length / 2)), rng);
  const files = withValues(parent, new Map(back.map(([key]) => [key, original.get(key) ?? ''])));
  return {
    files: strength > 1 ? stepped(files, strength - 1, 1, rng) : files,
    how: `constants put back to those of ${origin.name}`,
  };
}

/** `LEARNING_RATE 0.003 -> 0.01; WIDTH 64 -> 96`. */
export function describeValues(from: Files, to: Files): string {
  const before = valuesOf(from);
  const changes = knobsOf(to).flatMap(({ file, name, value }) => {
    const old = before.get(keyOf({ file, name }));
    return old === undefined || old === value ? [] : [`${name} ${old} -> ${value}`];
  });
  if (changes.length === 0) return 'no constant differs';
  const rest = changes.length - listed;
  return [...changes.slice(0, listed), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
}

/**
 * A classical searcher of programs: it edits the constants that a program declares (`knobs.ts`) and picks among the task's
 * own submissions. It writes no code, so that what it proposes stays within what the authors of the task have declared.
 *
 * Draft: a submission of the library as it is while there is an untried one, then one with a few constants drawn anew.
 * Improve: steps of one to three constants, now and then the same constants in another program of the library. Crossover:
 * constants of the second parent in the first. Debug: half of what was changed goes back. Where all that is seen, the
 * steps grow.
 */
export function tunerModel(): LocalModel<ProgramSpace> {
  return {
    name: 'local/tuner',
    async propose(input) {
      return propose(input);
    },
    async close() {},
  };
}

function propose({ operator, parents, view, brief, rng }: ProposalInput<ProgramSpace>): Proposal {
  if (!brief) throw new TerminalError('brief', 'local/tuner edits what a task brings, and this search has no brief');
  const starts = startsOf(brief);
  const seen = new Set([programText(brief.baseline), ...view.nodes.map((node) => node.candidate)]);
  const isSeen = (files: Files) => seen.has(programText(files));
  const [first, second] = parents;
  const parent = first ? parseProgram(first.candidate) : null;
  const make = (strength: number): Made => {
    if (!first || !parent || operator === 'draft') return draft(starts, strength, rng, isSeen);
    if (operator === 'crossover' && second) return join(first, second, strength, rng);
    return operator === 'debug' ? mend(parent, starts, strength, rng) : improve(parent, starts, strength, rng);
  };
  let made = make(1);
  for (let attempt = 1; isSeen(made.files) && attempt < strongest * triesPerStrength; attempt++) {
    made = make(1 + Math.floor(attempt / triesPerStrength));
  }
  // Of a program that is taken as it is there is nothing to tell.
  const asIs = !parent && starts.some(({ files }) => files === made.files);
  const from = asIs
    ? undefined
    : (parent ?? starts.find(({ files }) => skeleton(files) === skeleton(made.files))?.files);
  const differs = from ? `: ${describeValues(from, made.files)}` : '';
  return {
    candidate: programText(made.files),
    change: `${made.how}${first ? `, relative to ${first.id}` : ''}${differs}`.slice(0, 2000),
    expected: null,
  };
}
