/** The prose and the names of the project stay with the terms of docs/glossary.md: the page that lists banned words is the list. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const page = readFileSync('docs/glossary.md', 'utf8');
const [, section = ''] = page.split('## Banned words');
const banned = [...section.matchAll(/^\| `([^`]+)`(?: \(allowed: ([^)]+)\))? \|/gm)].map(([, word = '', allowed]) => ({
  word,
  allowed: allowed?.split(', ') ?? [],
}));

/** Checksummed text, the glossary itself, and the vocabulary of generated stories. */
const exempt =
  /^(gpu-workers\/aira_workers\/text\/stories\.py|src\/memory\/migrationsFrom|docs\/glossary\.md|docs\/data\/)/;
const below = (folder: string): string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => `${folder}/${path}`);
const files = [
  ...['src', 'pages/src', 'docs', 'gpu-workers'].flatMap(below),
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
].filter(
  (path) =>
    /\.(tsx?|md|py|hpp|cpp)$/.test(path) &&
    !exempt.test(path) &&
    !/^gpu-workers\/(tests|scripts)\/|\/(\.|__pycache__)/.test(path),
);

/** Lines with the word, without those that a remark of the table allows. Words in backticks are quotations. */
function uses({ word, allowed }: (typeof banned)[number]): string[] {
  const form = new RegExp(`(?<![\\w-])${word}(?![\\w-])`, 'i');
  return files.flatMap((path) =>
    readFileSync(path, 'utf8')
      .split('\n')
      .flatMap((line, at) => {
        const text = allowed.reduce((rest, phrase) => rest.replaceAll(new RegExp(phrase, 'gi'), ''), line);
        return form.test(text.replaceAll(/`[^`]*`/g, '')) || (/\.tsx?$/.test(path) && form.test(text))
          ? [`${path}:${at + 1}: ${line.trim()}`]
          : [];
      }),
  );
}

describe('banned words', () => {
  it('are listed', () => {
    expect(banned.length).toBeGreaterThan(30);
  });

  it.each(banned.map((row) => [row.word, row] as const))('"%s" is used nowhere', (_, row) => {
    expect(uses(row)).toEqual([]);
  });
});

describe('the glossary', () => {
  const [terms = ''] = page.split('## Banned words');
  const rows = [...terms.matchAll(/^\| (?!term|---)(.+?) \| .* \| (.*) \|$/gm)];

  it('has at most sixty terms, each once', () => {
    const names = rows.map(([, name]) => name);
    expect(names.length).toBeGreaterThan(40);
    expect(names.length).toBeLessThanOrEqual(60);
    expect(new Set(names).size).toBe(names.length);
  });

  it('points to files and folders that exist', () => {
    const paths = rows.flatMap(([, , where = '']) =>
      [...where.matchAll(/`((?:src|gpu-workers|docs|tasks|tables|corpus)[^`*]*)`/g)].map(([, path = '']) => path),
    );
    expect(paths.length).toBeGreaterThan(40);
    expect(paths.filter((path) => !existsSync(path))).toEqual([]);
  });
});
