import { structuredPatch } from 'diff';
import bash from 'highlight.js/lib/languages/bash';
import cpp from 'highlight.js/lib/languages/cpp';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import yaml from 'highlight.js/lib/languages/yaml';
import { createLowlight } from 'lowlight';
import type { ComponentChildren } from 'preact';
import { createContext } from 'preact';
import { useContext, useMemo, useState } from 'preact/hooks';
import type { LongText } from '../../../src/views/api.ts';
import { type ApiError, getText } from '../state/client.ts';
import { whole } from './format.ts';
import { Failure } from './frame.tsx';

/** Programs, prompts, answers, errors and their differences: always text nodes, never markup. */
const highlighter = createLowlight({ bash, cpp, json, python, yaml });
/** Longer texts are shown without colours, so that a page never stalls on one. */
const longestColoured = 120_000;
const longestColouredLine = 5_000;

const languages: Readonly<Record<string, string>> = {
  py: 'python',
  json: 'json',
  yaml: 'yaml',
  yml: 'yaml',
  cpp: 'cpp',
  hpp: 'cpp',
  cu: 'cpp',
  sh: 'bash',
};

export const languageOf = (name: string): string | null =>
  languages[name.split('.').pop()?.toLowerCase() ?? ''] ?? null;

interface Token {
  readonly type: string;
  readonly value?: string;
  readonly properties?: { readonly className?: unknown };
  readonly children?: readonly Token[];
}

function tokens(nodes: readonly Token[]): ComponentChildren {
  return nodes.map((node, index) =>
    node.type === 'text' ? (
      node.value
    ) : (
      <span
        key={index}
        class={Array.isArray(node.properties?.className) ? node.properties.className.join(' ') : undefined}
      >
        {tokens(node.children ?? [])}
      </span>
    ),
  );
}

function coloured(text: string, language: string | null): ComponentChildren {
  if (language === null || text.length > longestColoured) return text;
  if (text.split('\n').some((line) => line.length > longestColouredLine)) return text;
  return tokens(highlighter.highlight(language, text).children as unknown as readonly Token[]);
}

export function Code({ text, language = null }: { text: string; language?: string | null }) {
  const body = useMemo(() => coloured(text, language), [text, language]);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled by keys
    <pre class="code" tabIndex={0}>
      {body}
    </pre>
  );
}

/** What a text lacks, and where to get it. */
function Missing({ long }: { long: LongText }) {
  if (long.more === 0) return null;
  return <p class="note">… {whole(long.more)} more characters; copy or download has them all.</p>;
}

/** Path of the search, below which the whole of a text is (`LongText.raw`). */
export const RawContext = createContext('');

/** A text of any length with buttons for the whole of it. */
export function Text({
  long,
  name,
  language = null,
  bare = false,
}: {
  long: LongText;
  name: string;
  language?: string | null;
  bare?: boolean;
}) {
  return (
    <>
      {!bare && <FileHead long={long} name={name} />}
      <Code text={long.text} language={language} />
      <Missing long={long} />
    </>
  );
}

export function FileHead({ long, name, children }: { long: LongText; name: string; children?: ComponentChildren }) {
  const [done, setDone] = useState('');
  const [error, setError] = useState<ApiError | null>(null);
  const base = useContext(RawContext);
  const whole = () =>
    long.more > 0 && long.raw !== null ? getText(`${base}/${long.raw}`) : Promise.resolve(long.text);
  const act = async (deed: (text: string) => void | Promise<void>, word: string) => {
    try {
      await deed(await whole());
      setDone(word);
      setError(null);
      setTimeout(() => setDone(''), 1500);
    } catch (thrown) {
      setError(thrown as ApiError);
    }
  };
  const save = (text: string) => {
    const address = URL.createObjectURL(new Blob([text], { type: 'text/plain' }));
    const anchor = document.createElement('a');
    anchor.href = address;
    anchor.download = name.replaceAll(/[^A-Za-z0-9._-]/g, '_');
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(address), 10_000);
  };
  return (
    <div class="filehead">
      <h3>{name}</h3>
      {children}
      <span class="end">
        <span class="soft" role="status">
          {done}
        </span>
        <button type="button" onClick={() => void act((text) => navigator.clipboard.writeText(text), 'copied')}>
          copy
        </button>
        <button type="button" onClick={() => void act(save, 'saved')}>
          download
        </button>
      </span>
      {error && <Failure error={error} />}
    </div>
  );
}

const contextLines = 4;

/** What changed between two texts, by lines; `whole` shows the unchanged ones too. */
export function Diff({
  from,
  to,
  language,
  all = false,
}: {
  from: string;
  to: string;
  language: string | null;
  all?: boolean;
}) {
  const patch = useMemo(
    () => structuredPatch('', '', from, to, undefined, undefined, { context: all ? 1e6 : contextLines, timeout: 2000 }),
    [from, to, all],
  );
  if (from === to) return <p class="note">The same text.</p>;
  if (!patch)
    return <p class="note">Too different for a comparison within two seconds; copy both files to compare them.</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a long text is scrolled by keys
    <pre class="code diff" tabIndex={0}>
      {patch.hunks.map(({ oldStart, newStart, lines }) => (
        <span key={`${oldStart}-${newStart}`}>
          {!all && <span class="line hunk">line {newStart}</span>}
          {lines.map((line, index) => {
            const sign = line[0] ?? ' ';
            if (sign === '\\') return null;
            const kind = sign === '+' ? 'added' : sign === '-' ? 'removed' : '';
            return (
              <span key={index} class={`line ${kind}`}>
                <span class="sign">{sign === '-' ? '−' : sign}</span>
                {coloured(line.slice(1), language)}
              </span>
            );
          })}
        </span>
      ))}
    </pre>
  );
}

/** Lines added and removed. */
export function changedLines(from: string, to: string): { added: number; removed: number } {
  const patch = structuredPatch('', '', from, to, undefined, undefined, { context: 0, timeout: 1000 });
  const lines = patch?.hunks.flatMap((hunk) => hunk.lines) ?? [];
  return {
    added: lines.filter((line) => line.startsWith('+')).length,
    removed: lines.filter((line) => line.startsWith('-')).length,
  };
}
