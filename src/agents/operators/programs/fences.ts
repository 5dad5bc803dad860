/**
 * Program text outside JSON. Models write better programs where they need not escape them, and a broken escape costs the whole
 * answer: reasons come as JSON, each file or change in a fenced block that names its file.
 */

/** One fenced block: the words after its opening fence, and its text. */
interface Block {
  readonly info: string;
  readonly text: string;
}

/** Blocks in order. A fence closes at a line of at least as many backticks, so that a program may contain shorter ones. */
function blocksOf(text: string): Block[] {
  const blocks: Block[] = [];
  let open: { readonly ticks: number; readonly info: string; readonly lines: string[] } | null = null;
  for (const line of text.replaceAll('\r\n', '\n').split('\n')) {
    const ticks = /^ {0,3}(`{3,})([^`]*)$/.exec(line);
    if (open && ticks && (ticks[1]?.length ?? 0) >= open.ticks && (ticks[2] ?? '').trim() === '') {
      blocks.push({ info: open.info, text: `${open.lines.join('\n')}\n` });
      open = null;
    } else if (open) open.lines.push(line);
    else if (ticks) open = { ticks: ticks[1]?.length ?? 3, info: (ticks[2] ?? '').trim(), lines: [] };
  }
  return blocks;
}

/** The file that a block names: "python model.py", "model.py", "edit ./model.py". */
function fileOf(info: string): string | null {
  const named = info.split(/[\s:=]+/).find((word) => /^(\.\/)?[A-Za-z0-9_./-]+\.[a-z]{1,8}$/.test(word));
  return named?.replace(/^\.\//, '') ?? null;
}

/** The changes of a block, each between its marks. Linear in the length of the block. */
function changesIn(content: string): { search: string; replace: string }[] {
  const changes: { search: string; replace: string }[] = [];
  let side: 'none' | 'search' | 'replace' = 'none';
  let [search, replace]: [string[], string[]] = [[], []];
  for (const line of content.split('\n')) {
    if (side === 'none') {
      if (/^<{5,9} ?SEARCH\s{0,9}$/.test(line)) [side, search, replace] = ['search', [], []];
    } else if (side === 'search') {
      if (/^={5,9}\s{0,9}$/.test(line)) side = 'replace';
      else search.push(line);
    } else if (/^>{5,9} ?REPLACE\s{0,9}$/.test(line)) {
      changes.push({ search: search.join('\n'), replace: replace.join('\n') });
      side = 'none';
    } else replace.push(line);
  }
  return changes;
}

/** A block that names a file. */
interface ProgramBlock {
  readonly file: string;
  readonly content: string;
}

/** Stated reasons with the files and edits of their program blocks, as the schema of an answer describes them. */
function withBlocks(stated: object, programs: readonly ProgramBlock[]): object {
  const edits = programs.flatMap(({ file, content }) => changesIn(content).map((change) => ({ file, ...change })));
  const files = programs
    .filter(({ content }) => !/^<{5,9} ?SEARCH/m.test(content))
    .map(({ file, content }) => ({ name: file, text: content }));
  return { ...stated, edits: edits.length > 0 ? edits : null, files: files.length > 0 ? files : null };
}

/**
 * An answer with several programs, each after a block with its reasons, as the JSON of a list; any other answer unchanged.
 * Reasons that are not JSON leave an invalid proposal.
 */
export function withFencedProposals(text: string): string {
  if (/^\s{0,100}\{/.test(text)) return text;
  const proposals: { readonly stated: object; readonly programs: ProgramBlock[] }[] = [];
  for (const { info, text: content } of blocksOf(text)) {
    const file = fileOf(info);
    if (file !== null) proposals.at(-1)?.programs.push({ file, content });
    else if (/^\s*\{/.test(content)) proposals.push({ stated: objectOr(content), programs: [] });
  }
  const complete = proposals.filter(({ programs }) => programs.length > 0);
  if (complete.length === 0) return text;
  return JSON.stringify({ proposals: complete.map(({ stated, programs }) => withBlocks(stated, programs)) });
}

/** The object that a text states; an empty one if it states none. */
function objectOr(text: string): object {
  try {
    return { ...(JSON.parse(text) as object) };
  } catch {
    return {};
  }
}

/**
 * An answer with fenced programs as the JSON that the schema describes; any other answer unchanged.
 *
 * The first JSON object outside the program blocks gives the reasons.
 */
export function withFencedPrograms(text: string): string {
  if (/^\s{0,100}\{/.test(text)) return text;
  const blocks = blocksOf(text);
  const programs = blocks.flatMap(({ info, text: content }) => {
    const file = fileOf(info);
    return file === null ? [] : [{ file, content }];
  });
  if (programs.length === 0) return text;
  const reasons = blocks.find(({ info, text: content }) => fileOf(info) === null && /^\s*\{/.test(content))?.text;
  let stated: unknown;
  try {
    stated = JSON.parse(reasons ?? bracesBefore(text));
  } catch {
    return text;
  }
  return JSON.stringify(withBlocks(stated as object, programs));
}

/** Reasons that were written without a fence, before the first block. */
function bracesBefore(text: string): string {
  const prose = text.slice(0, Math.max(0, text.search(/^ {0,3}`{3,}/m)));
  return prose.slice(prose.indexOf('{'), prose.lastIndexOf('}') + 1);
}

/** How the form of an answer is described in the system prompt. */
export const fencedForm = {
  files: `Answer with a JSON object of "hypothesis", "change", "expected_fitness" (a number or null) and "evidence" (a list of
ids), in a fenced block of its own. Then give each file whole, in a fenced block of four backticks that names it:

\`\`\`\`python model.py
the whole text of the file
\`\`\`\``,
  changes: `or, for edits, one block for each file with changes in this form:

\`\`\`\`edit model.py
<<<<<<< SEARCH
lines of the current file, copied exactly
=======
the replacement
>>>>>>> REPLACE
\`\`\`\``,
  several: `Where several candidates are asked for, give for each the block with its JSON object and then its files, one candidate after
the other.`,
} as const;
