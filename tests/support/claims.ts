import { existsSync } from 'node:fs';
import { join } from 'node:path';

/**
 * The lint of claims in documents (I11). A sentence or table row claims something if it has a figure and a word such as
 * better, worse or faster. Its section, from heading to heading, must then name what measured it:
 *
 * - a command or a script in code, `npx aira ablate studies/tabulated.yaml`, `nano_signal.py --draw 60`; or
 * - a comment, after the heading of the section or of one above it:
 *   `<!-- claim: command npm run bench -->`, `<!-- claim: search searches/quickstart.yaml nodes evolution-12 llama -->`, or, for a
 *   sentence that reports no measurement, `<!-- claim: none <reason> -->`.
 *
 * Commands and search files must exist in the checkout.
 */

const comparative =
  /\b(?:better|worse|faster|slower|gains?|gained|beats?|outperforms?|improves|improved|ahead of|is behind|loses)\b/i;
const figure = /(?<![\w.-])[+−-]?\d[\d,]*(?:\.\d+)?(?![\w-])/;
const comment = /<!--\s*claim:\s*(.*?)\s*-->/g;
/** What opens a command; a script of ours may be named without its interpreter. */
const program = /^(?:(?:npx )?aira|npx vitest|npm (?:run|start|test)|node|python3?)\b|^(?:[\w.-]+\/)*\w+\.(?:py|mjs)\b/;
/** Where a script is that is named without its folder. */
const scriptFolders = ['gpu-workers', 'gpu-workers/scripts', 'tests/adversarial', 'bench', 'scripts'];

interface Section {
  readonly level: number;
  readonly line: number;
  readonly lines: string[];
}

/** The sections of a Markdown text, each with the line of its heading. */
function sectionsOf(text: string): Section[] {
  const sections: Section[] = [{ level: 0, line: 1, lines: [] }];
  let fenced = false;
  for (const [index, line] of text.split('\n').entries()) {
    if (/^\s*```/.test(line)) fenced = !fenced;
    const heading = fenced ? null : /^(#{1,6}) /.exec(line);
    if (heading) sections.push({ level: heading[1]?.length ?? 1, line: index + 1, lines: [] });
    sections.at(-1)?.lines.push(line);
  }
  return sections;
}

/** Commands in code, inline or fenced. */
function commandsOf({ lines }: Section): string[] {
  const text = lines.join('\n');
  const fences = [...text.matchAll(/^\s*```[^\n]*\n([\s\S]*?)^\s*```/gm)].flatMap(([, code = '']) => code.split('\n'));
  const inline = [...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
  return [...fences, ...inline].map((code) => code.trim()).filter((code) => program.test(code));
}

/** What a command or comment names and the checkout lacks; null if all of it is there. */
export function missing(command: string, root: string, scripts: ReadonlySet<string>): string | null {
  const [, script] = /^npm run ([\w:-]+)/.exec(command) ?? [];
  if (script !== undefined && !scripts.has(script)) return `package.json has no script ${script}`;
  const words = command.split(/\s+/);
  const paths = words.filter(
    (word, at) => /^(?:[\w.-]+\/)+[\w.-]+\.\w+$/.test(word) || (at === 0 && /\.(?:py|mjs)$/.test(word)),
  );
  const lost = paths.find((path) => !['.', ...scriptFolders].some((folder) => existsSync(join(root, folder, path))));
  return lost === undefined ? null : `${lost} does not exist`;
}

/** Sentences and table rows of a section that claim a difference with a figure; code, links and comments are left out. */
export function claimsOf({ lines }: { readonly lines: readonly string[] }): string[] {
  const prose = lines
    .join('\n')
    .replace(/^\s*```[\s\S]*?^\s*```/gm, '')
    .replace(/<!--[\s\S]*?-->/g, '')
    .replace(/`[^`\n]*`/g, 'code')
    // The direction of a metric claims nothing.
    .replace(/\b(?:lower|higher|less|more) is better\b/g, '')
    .replace(/\]\([^)]*\)/g, ']');
  const blocks = prose.split(/\n\s*\n|\n(?=\s*[-*|#>]|\s*\d+\. )/);
  return blocks
    .flatMap((block) => block.replace(/\s+/g, ' ').split(/(?<=[.!?])\s+(?=\S)/))
    .map((sentence) => sentence.trim())
    .filter((sentence) => comparative.test(sentence) && figure.test(sentence));
}

/** Problems of one document, as `line: sentence`. */
export function lintClaims(text: string, root: string, scripts: ReadonlySet<string>): string[] {
  const problems: string[] = [];
  const covering: { level: number }[] = [];
  for (const section of sectionsOf(text)) {
    while ((covering.at(-1)?.level ?? -1) >= section.level) covering.pop();
    // A comment shown as code is an example.
    for (const [, claim = ''] of section.lines
      .join('\n')
      .replace(/`<!--[^`]*`/g, '')
      .matchAll(comment)) {
      const [kind = '', ...rest] = claim.split(/\s+/);
      const words = rest.join(' ');
      const problem =
        kind === 'none'
          ? words.length < 12 && 'a claim of none needs a reason'
          : kind === 'command'
            ? (!program.test(words) && `"${words}" is not a command`) || missing(words, root, scripts)
            : kind === 'search'
              ? (!/^searches\/[\w.-]+\.yaml nodes( [\w-]+)+$/.test(words) &&
                  `"${words}" names no search file and nodes`) ||
                missing(words, root, scripts)
              : `"${kind}" is none of command, search, none`;
      if (problem) problems.push(`${section.line}: ${problem}`);
      else covering.push({ level: section.level });
    }
    const commands = commandsOf(section);
    const claims = claimsOf(section);
    if (claims.length === 0 || covering.length > 0) continue;
    const lost = commands.map((command) => missing(command, root, scripts));
    if (lost.includes(null)) continue;
    const why = lost.find((each) => each !== null) ?? 'its section names no command';
    problems.push(...claims.map((claim) => `${section.line}: ${why}: ${claim.slice(0, 160)}`));
  }
  return problems;
}
