import { TerminalError } from '../../domain/errors.ts';
import type { ViewNode } from '../../domain/node.ts';
import { type Brief, type Files, type ProgramSpace, parseProgram, programText } from '../../domain/program.ts';
import type { Rng } from '../../domain/rng.ts';
import type { LocalModel, Proposal, ProposalInput } from './model.ts';

/** A program to start from: the baseline, or a submission of the task's library. */
interface Start {
  readonly name: string;
  readonly files: Files;
}

/** A program and its provenance. */
interface TunedProposal {
  readonly files: Files;
  readonly how: string;
}

/** Share of improvements that carry the parent's values over to another program of the library. */
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

/** `count` different random items, in their original order. */
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

/** Values of constants that have the same name in the other program. */
function carried(from: Files, to: Files): Values {
  const values = valuesOf(from);
  const known = valuesOf(to);
  return new Map([...values].filter(([key]) => known.has(key)));
}

const other = (starts: readonly Start[], files: Files): Start[] =>
  starts.filter((start) => skeleton(start.files) !== skeleton(files));

/** An untried program of the library, or one of the library with redrawn constants. */
function draft(starts: readonly Start[], strength: number, rng: Rng, isSeen: (files: Files) => boolean): TunedProposal {
  // The baseline itself is already node 0.
  const fresh = starts.filter(({ name, files }) => name !== 'baseline' && !isSeen(files));
  if (fresh.length > 0) {
    const start = rng.pick(fresh);
    return { files: start.files, how: `${start.name} of the library, unchanged` };
  }
  const start = rng.pick(starts);
  return {
    files: drawn(start.files, 1 + rng.below(2 + strength), rng),
    how: `${start.name} with redrawn constants`,
  };
}

function improve(parent: Files, starts: readonly Start[], strength: number, rng: Rng): TunedProposal {
  const others = other(starts, parent);
  const switches = rng.float() < switchRate || knobsOf(parent).length === 0;
  if (switches && others.length > 0) {
    const start = rng.pick(others);
    const files = withValues(start.files, carried(parent, start.files));
    // If no value carries over, the program itself may be known: step constants as strength grows.
    const moved = strength > 1 ? stepped(files, strength - 1, strength, rng) : files;
    return { files: moved, how: `changed to ${start.name} of the library` };
  }
  const count = rng.weighted([1, 2, 3] as const, [0.6, 0.25, 0.15]) + (strength > 3 ? 1 : 0);
  return { files: stepped(parent, count, strength, rng), how: `${count === 1 ? 'a step' : 'steps'} of its constants` };
}

function join(first: ViewNode, second: ViewNode, strength: number, rng: Rng): TunedProposal {
  const [one, two] = [parseProgram(first.candidate), parseProgram(second.candidate)];
  const taken = [...carried(two, one)].filter(() => rng.float() < 0.5);
  const files = withValues(one, new Map(taken));
  const steps = strength - 1 + (rng.float() < stepRate ? 1 : 0);
  return {
    files: steps > 0 ? stepped(files, steps, strength, rng) : files,
    how: `with constants of ${second.id}`,
  };
}

/** Resets half of the constants that differ from the library program; if none differs, tries another program. */
function repairValues(parent: Files, starts: readonly Start[], strength: number, rng: Rng): TunedProposal {
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
    how: `constants reset to those of ${origin.name}`,
  };
}

/** `LEARNING_RATE 0.003 -> 0.01; WIDTH 64 -> 96`. */
function describeValues(from: Files, to: Files): string {
  const before = valuesOf(from);
  const changes = knobsOf(to).flatMap(({ file, name, value }) => {
    const old = before.get(keyOf({ file, name }));
    return old === undefined || old === value ? [] : [`${name} ${old} -> ${value}`];
  });
  if (changes.length === 0) return 'no constant changed';
  const rest = changes.length - listed;
  return [...changes.slice(0, listed), ...(rest > 0 ? [`and ${rest} more`] : [])].join('; ');
}

/**
 * A classical searcher of programs: it edits the constants that a program declares (see `Domain`) and picks among the task's
 * library. It writes no code, so its proposals stay within the declarations of the task's authors.
 *
 * Draft: an untried library program, else one with a few redrawn constants. Improve: steps of one to three constants, or at
 * times the same constants in another library program. Crossover: constants of the second parent in the first. Debug: reset
 * half of the changes. Steps grow while the result is already known.
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
  if (!brief)
    throw new TerminalError('brief', 'local/tuner needs the brief of a program task, and this search has none');
  const starts = startsOf(brief);
  const seen = new Set([programText(brief.baseline), ...view.nodes.map((node) => node.candidate)]);
  const isSeen = (files: Files) => seen.has(programText(files));
  const [first, second] = parents;
  const parent = first ? parseProgram(first.candidate) : null;
  const make = (strength: number): TunedProposal => {
    if (!first || !parent || operator === 'draft') return draft(starts, strength, rng, isSeen);
    if (operator === 'crossover' && second) return join(first, second, strength, rng);
    return operator === 'debug' ? repairValues(parent, starts, strength, rng) : improve(parent, starts, strength, rng);
  };
  let proposal = make(1);
  for (let attempt = 1; isSeen(proposal.files) && attempt < strongest * triesPerStrength; attempt++) {
    proposal = make(1 + Math.floor(attempt / triesPerStrength));
  }
  // An unchanged library program has no differences to list.
  const asIs = !parent && starts.some(({ files }) => files === proposal.files);
  const from = asIs
    ? undefined
    : (parent ?? starts.find(({ files }) => skeleton(files) === skeleton(proposal.files))?.files);
  const differs = from ? `: ${describeValues(from, proposal.files)}` : '';
  return {
    candidate: programText(proposal.files),
    change: `${proposal.how}${first ? `, relative to ${first.id}` : ''}${differs}`.slice(0, 2000),
    expected: null,
  };
}

/**
 * Tunable constants as a program declares them, one per line, in any language whose comments begin with #:
 *
 *     LEARNING_RATE = 0.003  # tune: 0.0003..0.03 log
 *     WIDTH = 64  # tune: 32|64|96
 *     POSITIONS = "learned"  # tune: learned|rotary
 *
 * A range is low..high, both ends included. `log` spaces steps by ratio. A range of integers with an integer value stays
 * integer. A line that does not parse is not a declaration and stays unchanged.
 */
type Domain =
  | {
      readonly kind: 'range';
      readonly low: number;
      readonly high: number;
      readonly log: boolean;
      readonly whole: boolean;
    }
  | { readonly kind: 'choice'; readonly options: readonly string[] };

interface Knob {
  readonly file: string;
  readonly name: string;
  /** As in the source, without quotes. */
  readonly value: string;
  readonly domain: Domain;
}

// Every expression here runs in linear time: no two parts of one can match the same run of characters.
const assignment = /^[ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*/;
const tag = 'tune:';
const number = String.raw`[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?`;
const range = new RegExp(`^(${number})\\.\\.(${number})(?:[ \\t]+(log))?$`);
const onlyNumber = new RegExp(`^${number}$`);
const quoted = /^(["'])([^"'\\]*)\1$/;
const isWhole = (text: string) => /^[-+]?\d+$/.test(text);

function domainOf(text: string, value: string): Domain | null {
  const match = range.exec(text);
  if (match) {
    const [low, high] = [Number(match[1]), Number(match[2])];
    const log = match[3] === 'log';
    if (!onlyNumber.test(value) || !(low < high) || (log && low <= 0)) return null;
    const whole = [value, match[1] ?? '', match[2] ?? ''].every(isWhole);
    return { kind: 'range', low, high, log, whole };
  }
  const options = text.split('|').map((option) => option.trim());
  // A value written into a source must not end its line or its string.
  if (options.length < 2 || !options.every((option) => /^[\w.+-]+$/.test(option))) return null;
  return { kind: 'choice', options };
}

interface Line {
  readonly before: string;
  readonly quote: string;
  readonly after: string;
  readonly knob: Knob;
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t';

/** Start of the blanks before `end`. */
function blanksBefore(text: string, end: number, from: number): number {
  let at = end;
  while (at > from && isBlank(text[at - 1])) at--;
  return at;
}

/** End of the blanks that start at `from`. */
function blanksAfter(text: string, from: number): number {
  let at = from;
  while (isBlank(text[at])) at++;
  return at;
}

/** Start of the first comment that declares a domain, and of its text. */
function comment(line: string, from: number): { hash: number; text: number } | null {
  for (let hash = line.indexOf('#', from); hash >= 0; hash = line.indexOf('#', hash + 1)) {
    const word = blanksAfter(line, hash + 1);
    if (hash > from && line.startsWith(tag, word)) return { hash, text: blanksAfter(line, word + tag.length) };
  }
  return null;
}

function readLine(file: string, line: string): Line | null {
  // Most lines declare nothing; a declaration contains no character that some editor treats as a line end.
  if (!line.includes(tag) || /[\r\u2028\u2029]/.test(line)) return null;
  const match = assignment.exec(line);
  if (!match) return null;
  const [before, name = ''] = match;
  const found = comment(line, before.length);
  if (!found) return null;
  const end = blanksBefore(line, found.hash, before.length);
  const raw = line.slice(before.length, end);
  const string = quoted.exec(raw);
  const value = string?.[2] ?? raw;
  const domain = domainOf(line.slice(found.text).trimEnd(), value);
  if (!domain || (string && domain.kind === 'range')) return null;
  return { before, quote: string?.[1] ?? '', after: line.slice(end), knob: { file, name, value, domain } };
}

/** Calls `change` with the first declaration of each name in a file, and replaces the value by the result. */
function rewritten(files: Files, change: (knob: Knob) => string): Files {
  return Object.fromEntries(
    // In the order of the canonical text: draws must not depend on the key order of the object.
    Object.keys(files)
      .sort()
      .map((file) => {
        const text = files[file] ?? '';
        const seen = new Set<string>();
        const lines = text.split('\n').map((line) => {
          const read = readLine(file, line);
          if (!read || seen.has(read.knob.name)) return line;
          seen.add(read.knob.name);
          return `${read.before}${read.quote}${change(read.knob)}${read.quote}${read.after}`;
        });
        return [file, lines.join('\n')];
      }),
  );
}

/** The declared constants of a program, in the order of its files and lines. */
export function knobsOf(files: Files): Knob[] {
  const found: Knob[] = [];
  rewritten(files, (knob) => {
    found.push(knob);
    return knob.value;
  });
  return found;
}

/** Values by file and name. */
type Values = ReadonlyMap<string, string>;
export const keyOf = ({ file, name }: Pick<Knob, 'file' | 'name'>) => `${file}:${name}`;
export const valuesOf = (files: Files): Map<string, string> =>
  new Map(knobsOf(files).map((knob) => [keyOf(knob), knob.value]));

/** The program with these values; a value outside its domain is ignored. */
export function withValues(files: Files, values: Values): Files {
  return rewritten(files, (knob) => {
    const value = values.get(keyOf(knob));
    return value !== undefined && contains(knob.domain, value) ? value : knob.value;
  });
}

/** A program without its values: equal for two settings of one program. */
export function skeleton(files: Files): string {
  return programText(rewritten(files, () => '?'));
}

function contains(domain: Domain, value: string): boolean {
  if (domain.kind === 'choice') return domain.options.includes(value);
  const at = Number(value);
  return onlyNumber.test(value) && at >= domain.low && at <= domain.high && (!domain.whole || isWhole(value));
}

/** Position of a value in its range, 0 to 1. */
function position({ low, high, log }: Extract<Domain, { kind: 'range' }>, value: number): number {
  const clamped = Math.min(high, Math.max(low, value));
  return log ? Math.log(clamped / low) / Math.log(high / low) : (clamped - low) / (high - low);
}

function valueAt({ low, high, log, whole }: Extract<Domain, { kind: 'range' }>, at: number): string {
  const exact = log ? low * (high / low) ** at : low + at * (high - low);
  if (whole) return `${Math.min(high, Math.max(low, Math.round(exact)))}`;
  // Three digits are finer than an experiment can distinguish, and readable.
  const short = Math.min(high, Math.max(low, Number(exact.toPrecision(3))));
  return Number.isInteger(short) ? `${short}.0` : `${short}`;
}

/** A random value of the domain. */
export function drawValue({ domain }: Knob, rng: Rng): string {
  return domain.kind === 'choice' ? rng.pick(domain.options) : valueAt(domain, rng.float());
}

/** Another value near the present one, farther with more strength; the same value if there is no other. */
export function stepValue({ domain, value }: Knob, rng: Rng, strength: number): string {
  if (domain.kind === 'choice') {
    const others = domain.options.filter((option) => option !== value);
    const at = domain.options.indexOf(value);
    const neighbours = [domain.options[at - 1], domain.options[at + 1]].filter((option) => option !== undefined);
    // Numeric options are listed in order: the neighbours are the smallest steps.
    const ordered = at >= 0 && domain.options.every((option) => onlyNumber.test(option));
    const pool = ordered && strength === 1 && rng.float() < 0.7 ? neighbours : others;
    return pool.length > 0 ? rng.pick(pool) : value;
  }
  const from = position(domain, Number(value));
  const width = Math.min(1, 0.12 * strength);
  // A sum of uniform draws: mostly near, sometimes far, at most three widths.
  const offset = width * 2 * (rng.float() + rng.float() + rng.float() - 1.5);
  const reflected = Math.abs(from + offset);
  const at = Math.min(1, Math.max(0, reflected > 1 ? 2 - reflected : reflected));
  const stepped = valueAt(domain, at);
  if (!domain.whole || stepped !== value) return stepped;
  const near = [Number(value) - 1, Number(value) + 1].filter((each) => each >= domain.low && each <= domain.high);
  return near.length > 0 ? `${rng.pick(near)}` : value;
}
