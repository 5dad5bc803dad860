import { createHash } from 'node:crypto';
import { deviation, mean } from 'd3-array';
import { beforeAll, describe, expect, it } from 'vitest';
import { runLengthText } from '../../src/domain/architecture.ts';
import { reportHtml } from '../../src/report/index.ts';
import type { ReportData } from '../../src/views/index.ts';
import { barren, fixture } from './fixture.ts';
import { hostile, partsOf, rowsOf, sectionIds, sectionOf, skeleton, tagsOf } from './page.ts';

/** Puts a text before everything in the data that an agent, a file or a machine could have written. */
function tainted(data: ReportData, mark: string): ReportData {
  const taint = (text: string) => mark + text;
  const { aggregation } = data;
  return {
    ...data,
    search: {
      ...data.search,
      id: taint(data.search.id),
      task: taint(data.search.task),
      metric: taint(data.search.metric),
      profile: taint(data.search.profile),
    },
    agents: data.agents.map((agent) => ({
      ...agent,
      name: taint(agent.name),
      model: taint(agent.model),
      scaffold: taint(agent.scaffold),
      end: { code: 'failed', reason: taint('the provider is away') },
    })),
    nodes: data.nodes.map((node) => ({
      ...node,
      id: taint(node.id),
      agent: taint(node.agent),
      name: node.name === null ? null : taint(node.name),
      candidate: taint(node.candidate),
      reason: node.reason === null ? null : taint(node.reason),
      message: node.message === null ? null : taint(node.message),
    })),
    aggregation: aggregation && {
      ...aggregation,
      byAgent: new Map([...aggregation.byAgent].map(([agent, pattern]) => [taint(agent), pattern])),
    },
    extrapolations: data.extrapolations.map((each) => ({ ...each, label: taint(each.label) })),
    provenance: {
      airaVersion: taint(data.provenance.airaVersion),
      taskVersion: taint(data.provenance.taskVersion),
      evaluator: taint(data.provenance.evaluator),
      machine: data.provenance.machine.map(({ fact, value }) => ({ fact: taint(fact), value: taint(value) })),
      startedAt: taint(data.provenance.startedAt),
      searchFile: taint(data.provenance.searchFile),
      commands: data.provenance.commands.map(taint),
    },
  };
}

describe('untrusted text', () => {
  const data = fixture({ attempts: 8 });

  it('adds no tag and no attribute to the page', async () => {
    // Not a name: a candidate that is no architecture, as those of the payloads.
    const harmless = skeleton(await reportHtml(tainted(data, '?: ')));
    for (const payload of hostile) {
      expect(skeleton(await reportHtml(tainted(data, payload))), payload).toEqual(harmless);
    }
  });

  it('is shown, not dropped', async () => {
    const { body } = partsOf(await reportHtml(tainted(data, '<b>&"\'')));
    expect(body).toContain("&lt;b>&amp;&quot;'quickstart-7");
  });
});

describe('the page', () => {
  const data = fixture();
  let page: string;
  beforeAll(async () => {
    page = await reportHtml(data);
  });

  it('asks nothing of anybody: no link, no address, nothing loaded, and only its own script and style', async () => {
    for (const each of [page, await reportHtml(barren())]) {
      const { head, body, style, script } = partsOf(each);
      expect(head + body).not.toMatch(/<(script|link|img|iframe|object|embed|form|base|video|audio|use|image)\b/i);
      expect(body).not.toMatch(/https?:|url\(|@import|\s(src|style|on[a-z]+)=/i);
      expect([...body.matchAll(/\shref="(?!#)/g)]).toEqual([]);
      expect(style).not.toMatch(/url\(|@import/);
      const hash = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
      expect(head).toContain(
        `content="default-src 'none'; script-src ${hash(script)}; style-src ${hash(style)}; base-uri 'none'; form-action 'none'"`,
      );
    }
  });

  it('closes every element that it opens, in order', async () => {
    const empty = new Set(['meta', 'br', 'wbr']);
    for (const each of [page, await reportHtml(barren()), await reportHtml(fixture({ agents: 13, attempts: 6 }))]) {
      const open: string[] = [];
      for (const tag of tagsOf(partsOf(each).body)) {
        const [, slash, name] = /^<(\/?)([a-z0-9]+)/i.exec(tag) ?? [];
        if (!name || tag.endsWith('/>') || empty.has(name)) continue;
        if (slash) expect(open.pop()).toBe(name);
        else open.push(name);
      }
      expect(open).toEqual([]);
    }
  });

  it('draws only finite numbers', async () => {
    for (const each of [
      page,
      await reportHtml(barren()),
      await reportHtml(fixture({ agents: 1, attempts: 1, failures: 0 })),
    ]) {
      const { body, islands } = partsOf(each);
      expect(body + JSON.stringify(islands)).not.toMatch(/NaN|Infinity|undefined|\[object/);
    }
  });

  it('has all its sections for any data', async () => {
    const ids = [
      'progress',
      'leaderboard',
      'references',
      'rungs',
      'aggregation',
      'extrapolation',
      'test',
      'budget',
      'agents',
      'memory',
      'failures',
      'claims',
      'provenance',
    ];
    for (const each of [data, barren(), fixture({ references: false, finalSeeds: 0 })]) {
      expect(sectionIds(await reportHtml(each))).toEqual(ids);
    }
  });

  it('prints the means of the final rung, best first, with the error from the pooled noise', () => {
    const final = data.nodes
      .map(({ id, name, validation }) => ({ name: name ?? id, scores: validation.final.map(({ score }) => score) }))
      .filter(({ scores }) => scores.length > 0)
      .sort((a, b) => (mean(b.scores) ?? 0) - (mean(a.scores) ?? 0));
    expect(final).toHaveLength(8);
    const squares = final.reduce((sum, { scores }) => sum + (scores.length - 1) * (deviation(scores) ?? 0) ** 2, 0);
    const sd = Math.sqrt(squares / final.reduce((sum, { scores }) => sum + scores.length - 1, 0));
    const rows = rowsOf(sectionOf(page, 'leaderboard')).filter((row) => /^\d/.test(row));
    for (const [index, { name, scores }] of final.entries()) {
      expect(rows[index]).toMatch(new RegExp(`^${index + 1} ${name} `));
      expect(rows[index]).toContain(`${mean(scores)?.toFixed(4)} ± ${(sd / 2).toFixed(4)} 4`);
    }
  });

  it('keeps test figures in their own section, in the record of claims and in the sentence at the head', () => {
    const tested = data.nodes.filter(({ test }) => test.length > 0);
    expect(tested).toHaveLength(8);
    const elsewhere = ['test', 'claims']
      .reduce((rest, id) => rest.replace(sectionOf(page, id), ''), page)
      .replace(/<header>.*<\/header>/s, '')
      .replace(/<script.*<\/script>/s, '');
    for (const { test } of tested) {
      const figure = (mean(test, ({ score }) => score) ?? 0).toFixed(4);
      expect(sectionOf(page, 'test')).toContain(figure);
      expect(elsewhere).not.toContain(figure);
    }
  });

  it('prints what each agent did', () => {
    const rows = rowsOf(sectionOf(page, 'agents'));
    for (const { name } of data.agents) {
      const own = data.nodes.filter(({ agent }) => agent === name);
      const of = (status: string) => own.filter((node) => node.status === status).length;
      const screen = own.flatMap(({ validation }) => validation.screen.map(({ score }) => score));
      const row = rows.find((each) => each.startsWith(name));
      expect(row).toContain(
        ` ${own.length} ${of('evaluated')} ${own.filter(({ saved }) => saved).length} ${of('failed')} ${of('rejected')} ${of('duplicate')} ${Math.max(...screen).toFixed(4)} ${mean(screen)?.toFixed(4)} `,
      );
    }
  });

  it('prints the patterns, their votes and the extrapolations', () => {
    const aggregation = sectionOf(page, 'aggregation');
    for (const pattern of data.aggregation?.patterns ?? []) {
      expect(aggregation).toContain(`<code>${runLengthText(pattern.architecture)}</code>`);
      for (const [layer, { votes, voters }] of pattern.layers.entries()) {
        if ((votes.Mb ?? 0) > 0) expect(aggregation).toContain(`layer ${layer}: Mamba-2 ${votes.Mb} of ${voters}`);
      }
    }
    const rows = rowsOf(sectionOf(page, 'extrapolation')).slice(1);
    const expected = data.extrapolations.flatMap((each) => each.rows);
    expect(rows).toHaveLength(3 * 4 + 4);
    for (const [index, each] of expected.entries()) {
      const { architecture, layers, parameters, overTarget, trainingFlopsPerToken, cacheBytes } = each;
      const over = `${overTarget < 0 ? '−' : '[+]'}${Math.abs(100 * overTarget).toFixed(1)} %`;
      if (each.reference) expect(rows[index]).toMatch(new RegExp(`^${each.reference} `));
      expect(rows[index]).toMatch(
        new RegExp(
          `${architecture.length} ${layers.M} ${layers.mA} ${layers.Mb} ${(parameters / 1e6).toFixed(1)} ${over} ${(trainingFlopsPerToken / 1e9).toFixed(2)} ${(cacheBytes / 2 ** 20).toFixed(1)}$`,
        ),
      );
    }
  });

  it('names every reason for which an attempt gave no score, with its number', () => {
    const lost = data.nodes.filter(({ status }) => status !== 'evaluated');
    const rows = rowsOf(sectionOf(page, 'failures'));
    for (const reason of new Set(lost.map((node) => node.reason))) {
      const n = lost.filter((node) => node.reason === reason).length;
      expect(rows.some((row) => row.startsWith(`${reason} ${n} `))).toBe(true);
    }
  });

  it('gives every agent a line of its own colour and dash, as many as can be read', async () => {
    const linesOf = async (from: ReportData) => {
      const charts = partsOf(await reportHtml(from)).islands.map(([, props]) => props);
      const progress = charts.find(({ labelX }) => labelX === "the agent's own evaluations");
      return progress?.lines as { name: string; style: number; faint?: true; values: (number | null)[] }[];
    };
    const lines = await linesOf(data);
    expect(new Set(lines.map(({ style }) => style)).size).toBe(4);
    for (const { name, values } of lines) {
      const own = data.nodes.filter(({ agent }) => agent === name);
      const best = Math.max(...own.flatMap(({ validation }) => validation.screen.map(({ score }) => score)));
      expect(values.findLast((value) => value !== null)).toBe(best);
    }
    const many = await linesOf(fixture({ agents: 13, attempts: 6, failures: 0 }));
    expect(many.filter(({ faint }) => faint)).toHaveLength(3);
    expect(new Set(many.filter(({ faint }) => !faint).map(({ style }) => style)).size).toBe(10);
  });

  it('is the same for the same data', async () => {
    expect(await reportHtml(fixture())).toBe(page);
  });

  it('stays small', () => {
    expect(Buffer.byteLength(page)).toBeLessThan(400_000);
  });
});
