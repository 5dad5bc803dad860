import { useEffect, useState } from 'preact/hooks';
import type { Candidate, Mention, NodeDetail } from '../../../src/views/api.ts';
import { Blocks } from '../document/blocks.tsx';
import { changedLines, Diff, FileHead, languageOf, RawContext, Text } from '../parts/code.tsx';
import { counted, date, dollars, duration, scoreText, short } from '../parts/format.ts';
import { Loaded, Tag } from '../parts/frame.tsx';
import { NodeLink } from '../parts/links.tsx';
import { Legend, Strip } from '../parts/strip.tsx';
import { Table } from '../parts/table.tsx';
import { useData } from '../state/data.ts';
import { accessToken, go, parsePlace, setQuery, usePlace } from '../state/location.ts';
import { indexOfNode, nodeId, usePoints } from '../state/points.ts';
import { type SearchView, useScope } from '../state/scope.ts';
import { AttemptSections } from './attempt.tsx';
import { Form, ProposeForm, Said, useCommand, whyOf } from './commands.tsx';
import { Evaluations } from './evaluations.tsx';
import { LinkedBlocks } from './sections.tsx';

/** One node from what it is to what it cost. */
export function NodeView({ node, ...view }: SearchView & { node: string }) {
  const { id, path, overview } = view;
  const { lab } = useScope();
  const data = useData<NodeDetail>(
    `${path}/nodes/${encodeURIComponent(node)}`,
    (change) => change.search === id && (change.all || change.nodes.includes(node) || change.kinds.includes('ruling')),
  );
  const { points } = usePoints(path, id, overview.search.lowerIsBetter);
  // j and k go to the node before and after it in the search.
  useEffect(() => {
    if (!points) return;
    const move = (event: KeyboardEvent) => {
      if (event.target instanceof HTMLElement && /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
      if (event.ctrlKey || event.metaKey || (event.key !== 'j' && event.key !== 'k')) return;
      const present = parsePlace(location.hash).parts.at(-1) ?? node;
      const next = indexOfNode(points, present) + (event.key === 'j' ? 1 : -1);
      if (next >= 0 && next < points.count) {
        go([...(lab === null ? [] : ['labs', lab]), 'searches', id, 'nodes', nodeId(points, next)]);
      }
    };
    addEventListener('keydown', move);
    return () => removeEventListener('keydown', move);
  }, [points, node, id, lab]);
  return (
    <Loaded data={data} lines={16}>
      {(detail) => (
        <RawContext.Provider value={path}>
          <Detail {...view} detail={detail} />
        </RawContext.Provider>
      )}
    </Loaded>
  );
}

function Detail({ detail, ...view }: SearchView & { detail: NodeDetail }) {
  const { id, overview } = view;
  const { link } = useScope();
  const { node, rationale } = detail;
  const { thought } = detail.attempt;
  const screen = node.scores.screen;
  const parent = detail.parents[0];
  const effect =
    screen !== null && parent?.score !== null && parent?.score !== undefined
      ? (screen - parent.score) * (detail.lowerIsBetter ? -1 : 1)
      : null;
  return (
    <>
      <p class="crumbs">
        <a href={link(['searches', id, 'nodes'])}>nodes</a> / attempt {node.attempt} of{' '}
        <a href={link(['searches', id, 'agents', node.agent])}>{node.agent}</a>
      </p>
      <div class="head">
        <h1>{node.name ?? node.id}</h1>
        <Tag kind={node.status} />
        {node.cached && <Tag kind="cached" />}
        {node.vetoed && <Tag kind="vetoed" />}
        <span class="soft">{node.operator}</span>
        <a class="soft" href={link(['searches', id, 'tree'], { node: node.id })}>
          in the tree
        </a>
      </div>
      <dl class="figures">
        {(['screen', 'confirm', 'final'] as const)
          .filter((rung) => node.scores[rung] !== null || rung === 'screen')
          .map((rung) => (
            <div key={rung}>
              <dt>
                {detail.metric}, {rung}
              </dt>
              <dd>
                {scoreText(node.scores[rung])}
                {rung === 'screen' && effect !== null && (
                  <small class={effect > 0 ? 'good' : ''}>
                    {effect === 0
                      ? 'even with'
                      : `${scoreText(Math.abs(effect))} ${effect > 0 ? 'better' : 'worse'} than`}{' '}
                    its parent
                  </small>
                )}
                {rung === 'screen' && rationale.expected !== null && (
                  <small>expected {scoreText(rationale.expected)}</small>
                )}
              </dd>
            </div>
          ))}
        <div>
          <dt>parameters</dt>
          <dd>
            {short(node.parameters)}
            <small>{short(node.flops)} FLOPs</small>
          </dd>
        </div>
        <div>
          <dt>training</dt>
          <dd>
            {duration(node.durationMs)}
            <small>proposed {date(node.proposedAt)}</small>
          </dd>
        </div>
        <div>
          <dt>language models</dt>
          <dd>
            {dollars(node.costUsd)}
            <small>
              {thought && thought.place > 1 ? (
                <>
                  charged to <NodeLink search={id} node={thought.node} />
                </>
              ) : (
                counted(detail.attempt.calls.length, 'call')
              )}
            </small>
          </dd>
        </div>
      </dl>
      {detail.message && (
        <>
          <h2>Why it was refused</h2>
          <Text long={detail.message} name={`${node.id}-message.txt`} />
        </>
      )}
      <TakePart {...view} detail={detail} />
      <CandidateSection {...view} detail={detail} />
      <h2>Why</h2>
      <dl class="facts">
        <dt>choice</dt>
        <dd>
          {rationale.choice.text || '–'}
          {rationale.choice.more > 0 && '…'}
        </dd>
        {thought && (
          <>
            <dt>thought</dt>
            <dd>
              candidate {thought.place} of {thought.of} from one thought
              {thought.place > 1 && (
                <>
                  , that of <NodeLink search={id} node={thought.node} />
                </>
              )}
            </dd>
          </>
        )}
        <dt>change</dt>
        <dd>
          {rationale.change.text || '–'}
          {rationale.change.more > 0 && '…'}
        </dd>
        {rationale.hypothesis && (
          <>
            <dt>hypothesis</dt>
            <dd>{rationale.hypothesis.text}</dd>
          </>
        )}
        {rationale.evidence.length > 0 && (
          <>
            <dt>evidence</dt>
            <dd>
              {rationale.evidence.map((each, at) => (
                <span key={each}>
                  {at > 0 && ', '}
                  <Evidence id={id} evidence={each} />
                </span>
              ))}
            </dd>
          </>
        )}
        {detail.lesson && (
          <>
            <dt>lesson</dt>
            <dd>{detail.lesson.text}</dd>
          </>
        )}
      </dl>
      {detail.fullSize && (
        <details>
          <summary>At 350M, 1B and 3B parameters: layers, parameters, FLOPs and cache</summary>
          <LinkedBlocks id={id}>
            <Blocks blocks={detail.fullSize.blocks} />
          </LinkedBlocks>
        </details>
      )}
      <div class="columns">
        <Mentions title="Parents" mentions={detail.parents} id={id} />
        <Mentions title="Children" mentions={detail.children} id={id} />
      </div>
      <Evaluations detail={detail} metric={overview.search.metric} />
      <AttemptSections detail={detail} />
    </>
  );
}

/** A node that an attempt cites, `walker-3` or `archive:walker-3`, or a work. */
function Evidence({ id, evidence }: { id: string; evidence: string }) {
  const node = evidence.replace(/^archive:/, '');
  if (node.includes(':')) return evidence;
  return (
    <NodeLink search={id} node={node}>
      {evidence}
    </NodeLink>
  );
}

function Mentions({ title, mentions, id }: { title: string; mentions: readonly Mention[]; id: string }) {
  if (mentions.length === 0) return null;
  return (
    <section>
      <h2>{title}</h2>
      <Table
        box={null}
        rows={mentions.slice(0, 50)}
        keyOf={({ node }) => node}
        columns={[
          { names: true, cell: ({ node }) => <NodeLink search={id} node={node} /> },
          { cell: ({ operator }) => operator },
          { cell: ({ status }) => <Tag kind={status} /> },
          { number: true, cell: ({ score }) => scoreText(score) },
        ]}
      />
      {mentions.length > 50 && <p class="note">50 of {mentions.length}.</p>}
    </section>
  );
}

/** Texts to compare, by file name. */
function textsOf(candidate: Candidate): ReadonlyMap<string, string> {
  if (candidate.kind === 'program') return new Map(candidate.files.map(({ name, text }) => [name, text]));
  if (candidate.kind === 'stack') return new Map([['layers', candidate.layers.join('\n')]]);
  return new Map([['candidate', candidate.text.text]]);
}

function CandidateSection({ detail, overview }: SearchView & { detail: NodeDetail }) {
  const { query } = usePlace();
  const { candidate, bases } = detail;
  const base = bases.find(({ of }) => of === query.diff) ?? null;
  const all = query.all === '1';
  const choices = [{ of: '', name: 'whole' }, ...bases.map(({ of, node }) => ({ of, name: `diff to ${of} ${node}` }))];
  const before = base ? textsOf(base.candidate) : null;
  return (
    <>
      <h2>Candidate</h2>
      {candidate.kind === 'stack' && (
        <>
          <div class="scroll">
            <Strip layers={candidate.layers} />
          </div>
          <FileHead long={candidate.text} name={`${detail.node.id}.txt`}>
            <code>{candidate.short}</code>
          </FileHead>
          <Legend primitives={overview.goal.primitives} />
        </>
      )}
      {bases.length > 0 && (
        <div class="controls">
          {choices.map(({ of, name }) => (
            <button
              key={of}
              type="button"
              aria-pressed={(base?.of ?? '') === of}
              onClick={() => setQuery({ diff: of })}
            >
              {name}
            </button>
          ))}
          {base && candidate.kind !== 'stack' && (
            <button type="button" aria-pressed={all} onClick={() => setQuery({ all: all ? '' : '1' })}>
              all lines
            </button>
          )}
        </div>
      )}
      {candidate.kind === 'stack' && base?.candidate.kind === 'stack' && (
        <LayerChanges of={base.of} node={base.node} from={base.candidate.layers} to={candidate.layers} />
      )}
      {before && candidate.kind !== 'stack'
        ? [...new Set([...textsOf(candidate).keys(), ...before.keys()])].map((name) => {
            const from = before.get(name) ?? '';
            const to = textsOf(candidate).get(name) ?? '';
            if (candidate.kind === 'program' && from === to) return null;
            const { added, removed } = changedLines(from, to);
            return (
              <section key={name}>
                <h3>
                  {name}{' '}
                  <small>
                    <span class="good">+{added}</span> <span class="bad">−{removed}</span>
                  </small>
                </h3>
                <Diff from={from} to={to} language={languageOf(name)} all={all} />
              </section>
            );
          })
        : candidate.kind === 'program'
          ? candidate.files.map((file) => (
              <Text key={file.name} long={file} name={file.name} language={languageOf(file.name)} />
            ))
          : candidate.kind === 'text' && <Text long={candidate.text} name={`${detail.node.id}.txt`} />}
    </>
  );
}

/** A stack next to another: both strips, and each layer that differs. Stacks of one task have one depth. */
function LayerChanges({
  of,
  node,
  from,
  to,
}: {
  of: string;
  node: string;
  from: readonly string[];
  to: readonly string[];
}) {
  const depth = Math.max(from.length, to.length);
  const changed = Array.from({ length: depth }, (_, layer) => layer).filter((layer) => from[layer] !== to[layer]);
  return (
    <div class="diff">
      <p class="note">
        {of} {node}
      </p>
      <div class="scroll">
        <Strip layers={from} />
      </div>
      {changed.length === 0 ? (
        <p class="note">The same layers.</p>
      ) : (
        <ul class="legend" aria-label="layers that differ, counted from 0 at the input">
          {changed.map((layer) => (
            <li key={layer}>
              layer {layer}: {from[layer] ? <Strip layers={[from[layer]]} small /> : 'none'} →{' '}
              {to[layer] ? <Strip layers={[to[layer]]} small /> : 'none'}
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

/** Veto this branch, or propose a variation of this candidate. */
function TakePart({ detail, overview, path }: SearchView & { detail: NodeDetail }) {
  const { busy, said, error, send } = useCommand(path);
  const [open, setOpen] = useState<'veto' | 'propose' | null>(null);
  const { status } = overview.search;
  if (accessToken() === null || (status !== 'running' && status !== 'paused')) return null;
  const { node, candidate } = detail;
  const text =
    candidate.kind === 'stack'
      ? candidate.short
      : candidate.kind === 'program'
        ? JSON.stringify(Object.fromEntries(candidate.files.map((file) => [file.name, file.text])), null, 1)
        : candidate.text.text;
  return (
    <section aria-label="commands">
      <div class="controls">
        <button type="button" disabled={busy || node.vetoed} onClick={() => setOpen('veto')}>
          {node.vetoed ? 'vetoed' : 'veto this branch'}
        </button>
        <button type="button" disabled={busy} onClick={() => setOpen('propose')}>
          propose a variation
        </button>
      </div>
      <Said said={said} error={error} />
      {open === 'veto' && (
        <Form
          title={`Veto ${node.id}`}
          verb="veto"
          onClose={() => setOpen(null)}
          onSubmit={(data) => send({ kind: 'veto', node: node.id, ...whyOf(data) })}
        >
          <p class="note">No agent takes it or a descendant as a parent any more. What was measured stays.</p>
          <label>
            why
            <input name="why" />
          </label>
        </Form>
      )}
      {open === 'propose' && (
        <ProposeForm of={{ node: node.id, candidate: text }} send={send} onClose={() => setOpen(null)} />
      )}
    </section>
  );
}
