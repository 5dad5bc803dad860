/**
 * Nothing that others write holds up the laboratory: every parser of foreign text takes at most 50 ms for the slowest input
 * that its size allows. Measured as processor time of the call, the least of some, so that neither a busy machine nor a cold
 * compiler matters, and in units of work that the same process has just done, so that a slow machine does not matter either.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { distance as levenshtein } from 'fastest-levenshtein';
import { describe, expect, it } from 'vitest';
import { knobsOf, skeleton } from '../../src/agents/models/tuner.ts';
import { applyEdits, programForms } from '../../src/agents/operators/programAnswers.ts';
import { oneLine, quoted, quotedCode } from '../../src/agents/operators/promptText.ts';
import { leaked } from '../../src/audit/leaks.ts';
import { parseArchitecture } from '../../src/domain/architecture.ts';
import { shortCandidate } from '../../src/domain/candidate.ts';
import { formatZodError, nearest } from '../../src/domain/inputFile.ts';
import { modelSchema } from '../../src/domain/model.ts';
import { editsBelow, findNearDuplicate, type Known } from '../../src/domain/nearDuplicates.ts';
import { parseProgram, programInSpace } from '../../src/domain/program.ts';
import { searchFileSchema } from '../../src/domain/search.ts';
import { parseArxivFeed } from '../../src/literature/sources.ts';
import { capText, cleanText, matchExpression } from '../../src/literature/text.ts';
import { argumentsOf, readAnswer } from '../../src/llm/chat.ts';
import { faultOf } from '../../src/llm/retry.ts';
import { OutputLog } from '../../src/platform/processes.ts';
import { printable } from '../../src/platform/text.ts';
import { parseYaml } from '../../src/platform/yaml.ts';
import { differenceOf } from '../../src/studies/attribution.ts';

const most = 50;
/** Files that a person hands to a command are read before anything runs that could be held up. */
const mostBeforeStart = 1000;

const quietly = (action: () => unknown): void => {
  try {
    action();
  } catch (thrown) {
    // Refused is fine, and quick; a defect of the parser's own is not.
    expect(thrown).not.toBeInstanceOf(RangeError);
    expect(thrown).not.toBeInstanceOf(TypeError);
  }
};

/** Processor time of one call, in ms, all threads of the process: the compiler and the collector of garbage count too. */
function milliseconds(action: () => unknown): number {
  const before = process.cpuUsage();
  quietly(action);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const numbers = JSON.stringify(Array.from({ length: 100_000 }, (_, at) => ({ [`k${at % 1000}`]: at })));
/** What parsing `numbers` takes on the machine that the limits are meant for. */
const nominal = 15;
/** How many times slower than that machine this one is now, at least 1. */
const slowness = (): number => Math.max(1, milliseconds(() => JSON.parse(numbers)) / nominal);

/**
 * The least time of a call in ms of the nominal machine. Each run is divided by the slowness measured just before it, so that neighbours
 * that come and go cancel; repeated while above `enough`, at most 24 times or 3 s in all, so that the compiler warms up.
 */
function nominalMilliseconds(action: () => unknown, enough: number): number {
  let least = Number.POSITIVE_INFINITY;
  let spent = 0;
  for (let run = 0; run < 24 && spent < 3000 && least > enough; run++) {
    const slower = slowness();
    const taken = milliseconds(action);
    spent += taken;
    least = Math.min(least, taken / slower);
  }
  return least;
}

/** Runs of characters on which two parts of an expression can disagree, nests, and what else has been slow somewhere. */
const slow = (length: number): readonly string[] => [
  ...[' ', '\t', '\n', '\r', 'a', '1', '1.', '-', '#', '`', '"', '\\', '<', '[', '{', '- ', '? ', 'a: '].map((unit) =>
    unit.repeat(length / unit.length),
  ),
  `x${' '.repeat(length - 2)}y`,
  `x =${' '.repeat(length - 10)}#`,
  `x = 1${'# tune: '.repeat(length / 16)}${'\t'.repeat(length / 2)}x\u2028`,
  `x = ${'1'.repeat(length - 40)}z # tune: 0..1`,
  `x = 1 # tune: ${'1'.repeat(length - 40)}..z`,
  `\`\`\`json${'\n'.repeat(length - 10)}`,
  `{"a": ${'['.repeat(length / 2)}`,
  `{"edits": [${'1,'.repeat(length / 2)}1]}`,
  `{${Array.from({ length: length / 12 }, (_, at) => `"k${at}":1`).join(',')}}`,
  '<!--'.repeat(length / 4),
  '<data '.repeat(length / 6),
  `<f>${'<a>'.repeat(length / 3)}`,
  `<f>${'&amp;'.repeat(length / 5)}</f>`,
  `<f>${'<e>a</e>'.repeat(length / 8)}</f>`,
  `a${'\u0301\u0316'.repeat(length / 2)}`,
  '\u001b['.repeat(length / 2),
  `\u001b]${'x'.repeat(length)}`,
  'sk-'.repeat(length / 3),
  '\ufdfa'.repeat(length / 18),
  `${'a'.repeat(length / 2)}!`,
  'a-'.repeat(length / 2),
];

const kilobytes64 = slow(64 * 1024);
const kilobytes8 = slow(8 * 1024);
const megabyte = slow(1024 * 1024);

const space = { kind: 'program' as const, files: [{ name: 'model.py', maxBytes: 65_536 }] };
const lines = (count: number, line: (at: number) => string) =>
  JSON.stringify({ 'model.py': `${Array.from({ length: count }, (_, at) => line(at)).join('\n')}\n` });
const letter = (at: number) => String.fromCharCode(97 + (at % 26));
const shuffled = lines(32_000, (at) => letter(at * 7 + ((at * at) % 11)));
const crowd: Known[] = Array.from({ length: 12 }, (_, at) => ({
  id: `rival-${at + 1}` as Known['id'],
  candidate: lines(32_000, (line) => letter(line * 7 + ((line * line) % (12 + at)))),
}));
const anew = lines(4000, (at) => `a${at}`);
const older = lines(4000, (at) => `b${at}`);
const feed = (entries: number) =>
  `<feed>${`<entry><id>http://arxiv.org/abs/1</id><title>t</title><summary>${'word '.repeat(300)}</summary></entry>`.repeat(entries)}</feed>`;

interface Row {
  readonly inputs: readonly unknown[];
  readonly parse: (input: never) => unknown;
  readonly most?: number;
}
const on = <T>(inputs: readonly T[], parse: (input: T) => unknown, limit = most): Row => ({
  inputs,
  parse,
  most: limit,
});

/** By the file that parses. */
const rows: Readonly<Record<string, readonly Row[]>> = {
  'llm/chat.ts': [
    on(megabyte, (text) => readAnswer(text, programForms.improve.schema)),
    on(megabyte, (text) => argumentsOf({ id: '1', name: 'read', arguments: text })),
  ],
  'llm/retry.ts': [on(megabyte, (text) => faultOf(429, text, undefined, 0))],
  'agents/models/tuner.ts': [
    on(kilobytes64, (text) => knobsOf({ 'a.py': text })),
    on(kilobytes64, (text) => skeleton({ 'a.py': text })),
  ],
  'agents/operators/programAnswers.ts': [
    on(
      [
        ['a'.repeat(65_536), `${'a'.repeat(20_000)}b${'a'.repeat(12_000)}`],
        ['a'.repeat(65_536), 'a'.repeat(32_000)],
        ['ab'.repeat(32_768), `${'ab'.repeat(10_000)}aa`],
      ],
      ([text = '', search = '']) => applyEdits({ 'a.py': text }, [{ file: 'a.py', search, replace: '' }]),
    ),
    on([200], (count) =>
      applyEdits(
        { 'a.py': 'a' },
        Array.from({ length: count }, () => ({ file: 'a.py', search: 'a', replace: `a${'b'.repeat(150_000)}` })),
      ),
    ),
  ],
  'agents/operators/promptText.ts': [
    on(kilobytes64, (text) => quoted('x', text, 2000)),
    on(kilobytes64, (text) => quotedCode('x', text)),
    on(kilobytes64, (text) => oneLine(text, 200)),
  ],
  'audit/leaks.ts': [on(kilobytes64, (text) => leaked(text, []))],
  'domain/architecture.ts': [on(kilobytes64, (text) => parseArchitecture(text))],
  'domain/candidate.ts': [on(kilobytes64, (text) => shortCandidate(text))],
  'domain/program.ts': [
    on(kilobytes64, (text) => programInSpace({ 'model.py': text }, space)),
    on(megabyte, (text) => parseProgram(text)),
  ],
  'domain/nearDuplicates.ts': [
    on([10, 512], (distance) => findNearDuplicate(shuffled, crowd.slice(0, 1), { distance })),
    on([512], () => findNearDuplicate(shuffled, crowd, { distance: 512 })),
  ],
  'domain/inputFile.ts': [
    on(megabyte, (text) => nearest(text, ['budget', 'agents'])),
    on([Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`key ${at}`, 1]))], (file) => {
      const parsed = searchFileSchema.safeParse(file);
      return parsed.error && formatZodError(parsed.error, searchFileSchema);
    }),
  ],
  'domain/model.ts': [on(kilobytes64, (text) => modelSchema.safeParse(`bandit/[${text}]`))],
  'platform/processes.ts': [
    on(kilobytes64, (text) => {
      const log = new OutputLog(64 * 1024);
      log.push(Buffer.from(text));
      return log.lastLines(10, 500);
    }),
  ],
  'literature/text.ts': [
    on(kilobytes64, (text) => cleanText(text)),
    on(kilobytes64, (text) => capText(text, 100)),
    on(kilobytes8, (text) => matchExpression(text)),
  ],
  'literature/sources.ts': [on([...slow(128 * 1024), feed(60)], (text) => parseArxivFeed(text, ''))],
  'platform/text.ts': [
    on(kilobytes64, (text) => printable(text)),
    on([[older, anew]], ([from = '', to = '']) => differenceOf('program', from, to)),
  ],
  'platform/yaml.ts': [
    on(kilobytes8, (text) => parseYaml(text)),
    on(slow(120_000), (text) => parseYaml(text), mostBeforeStart),
    on(
      [
        Array.from({ length: 20_000 }, (_, at) => `k${at}: 1`).join('\n'),
        Array.from({ length: 5000 }, (_, at) => `- &a${at} x\n- *a${at}`).join('\n'),
        `a: &a [x,x,x,x,x,x,x,x,x,x]\n${[...'bcdefghij'].map((c, at) => `${c}: &${c} [${Array(10).fill(`*${'abcdefghij'[at]}`).join(',')}]`).join('\n')}`,
        `a: &a {x: 1}\n${[...'bcdefghij'].map((c, at) => `${c}: &${c} {<<: [${Array(9).fill(`*${'abcdefghij'[at]}`).join(',')}]}`).join('\n')}`,
        'a: &a [*a, *a]',
      ],
      (text) => parseYaml(text),
      mostBeforeStart,
    ),
  ],
};

describe('every parser of foreign text is quick, whatever it is given', () => {
  it.each(Object.entries(rows))('%s', (_, all) => {
    for (const { inputs, parse, most: limit = most } of all) {
      // Warm: what is measured is the text, not the compiler.
      quietly(() => parse(inputs[0] as never));
      for (const input of inputs) {
        const shown = typeof input === 'string' ? `${input.slice(0, 30)}… (${input.length})` : '';
        expect(
          nominalMilliseconds(() => parse(input as never), limit),
          shown,
        ).toBeLessThanOrEqual(limit);
      }
    }
  });
});

/** Text that is not foreign, or is bounded to so little that its form does not matter. */
const harmless: Readonly<Record<string, string>> = {
  'bus/': 'messages of the bus, whose envelope is measured there',
  'actors/': 'no texts of others',
  'agents/graph/': 'JSON that was checked before',
  'agents/models/bayes.ts': 'lines of a helper of ours, at most a message',
  'llm/': 'replies of SDKs, names of models, and recordings of our own',
  'agents/operators/': 'templates of our own; what fills them goes through promptText.ts',
  'agents/scaffolds/own':
    'stack traces and messages of a module that a person has handed in, and that runs in this process anyway',
  'audit/': 'records that were checked when they were written, read by a command of its own',
  'cli/': 'options and names of at most a command line; files go through platform/yaml.ts',
  'domain/agent.ts': 'an address in a search file',
  'domain/literature.ts': 'patterns of our notes',
  'domain/ids.ts': 'names of at most 64 characters, checked in linear time',
  'domain/json.ts': 'measured through those that call it',
  'domain/': 'plain schemas and tables',
  'sandbox/': 'lines of the launcher, bounded in length',
  'tasks/': 'metadata and reports of scripts, read as bounded files and through platform/yaml.ts',
  'evaluators/': 'reports of our runners and tools, read in lines of bounded length',
  'literature/corpus.ts': 'notes of our own',
  'literature/client.ts': 'headers, and answers that it stored itself',
  'literature/': 'answers that were capped, parsed through domain/json.ts',
  'memory/': 'rows of our own',
  'platform/': 'measured above, or no text of others',
  'report/': 'texts and differences go through platform/text.ts',
  'mcp/': 'ids within the bounds of the tools’ schemas; the library of the protocol parses its messages',
  'export/': 'rows of our own, written and not read',
  'views/': 'rows and files of our own, and cursors of at most an address; the dashboard is a process of its own',
  'agents/tools/': 'JSON that was checked before',
  'studies/': 'figures; differences through platform/text.ts',
  'statistics/': 'figures',
  'aggregation/': 'figures',
};

describe('the list of parsers', () => {
  it('knows every file that takes text apart by more than its ends', () => {
    const parses =
      /from '(?:diff|fastest-levenshtein|yaml|@rgrove\/parse-xml)'|normalize\('NFK?[CD]'\)|JSON\.parse\(|new RegExp\(|\.(?:exec|matchAll|match)\(/;
    const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'));
    const parsers = files.filter((path) => parses.test(readFileSync(join('src', path), 'utf8')));
    const unknown = parsers.filter(
      (path) => !(path in rows) && !Object.keys(harmless).some((place) => path.startsWith(place)),
    );
    expect(unknown).toEqual([]);
    for (const path of Object.keys(rows)) expect(files).toContain(path);
  });

  it('uses libraries whose time may be more than linear in one place each', () => {
    const users = (library: string) =>
      readdirSync('src', { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('.ts'))
        .filter((path) => readFileSync(join('src', path), 'utf8').includes(`from '${library}'`))
        .sort();
    expect(users('diff')).toEqual(['platform/text.ts']);
    expect(users('fastest-levenshtein')).toEqual(['domain/inputFile.ts']);
    expect(users('yaml')).toEqual(['literature/corpus.ts', 'platform/yaml.ts']);
    expect(users('@rgrove/parse-xml')).toEqual(['literature/sources.ts']);
  });
});

describe('what is quick now says what it said before', () => {
  const list = fc.array(fc.nat({ max: 3 }), { maxLength: 30 });

  it('the distance of two lists is Levenshtein’s, where it is below the limit', () => {
    fc.assert(
      fc.property(list, list, fc.integer({ min: 1, max: 40 }), (one, other, limit) => {
        const expected = levenshtein(one.join(''), other.join(''));
        const found = editsBelow(limit, Int32Array.from(one), Int32Array.from(other), { left: 1e9 });
        expect(found).toBe(expected < limit ? expected : null);
      }),
      { numRuns: 3000, seed: 1 },
    );
  });

  it('declarations are those of the expression that they were written as', () => {
    const declaration = /^([ \t]*([A-Za-z_]\w*)[ \t]*=[ \t]*)([^ \t].*?)([ \t]*#[ \t]*tune:[ \t]*(.+?)[ \t]*)$/;
    const part = fc.constantFrom('x', ' ', '\t', '=', '#', 'tune:', '1', '0..2', 'a|b', '"', "'", 'log', '.', '\u2028');
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const line = `x${parts.join('')} # tune: 1|2`;
        const match = declaration.exec(line);
        const knobs = knobsOf({ 'a.py': line });
        if (!match) expect(knobs).toEqual([]);
        for (const { name, value } of knobs) {
          expect(name).toBe(match?.[2]);
          expect((match?.[3] ?? '').replace(/^(["'])([^"'\\]*)\1$/, '$2')).toBe(value);
        }
        // Written back unchanged.
        expect(skeleton({ 'a.py': line }).length).toBeGreaterThan(0);
      }),
      { numRuns: 3000, seed: 1 },
    );
  });
});
