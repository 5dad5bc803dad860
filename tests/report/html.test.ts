import { deviation, mean } from 'd3-array';
import { describe, expect, it } from 'vitest';
import { runLengthText } from '../../src/domain/architecture.ts';
import { reportHtml } from '../../src/report/index.ts';
import { html } from '../../src/report/markup.ts';
import type { ReportData } from '../../src/views/index.ts';
import { barren, fixture } from './fixture.ts';

/** A tag as a browser would begin one: `<` and a letter, slash, exclamation or question mark. */
const tags = (page: string): string[] => page.match(/<[a-z/!?][^>]*>/gi) ?? [];

/** Tag and attribute names in order, without any value: what the page is built of. */
const skeleton = (page: string): string[] =>
  tags(page).map((tag) => {
    const name = /^<[/!]?[a-z]+/i.exec(tag)?.[0];
    return [name, ...[...tag.matchAll(/\s([a-z-]+)="/gi)].map(([, attribute]) => attribute)].join(' ');
  });

const textOf = (markup: string): string =>
  markup
    .replace(/<title>.*?<\/title>/gs, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();

const sectionOf = (page: string, id: string): string => {
  const found = new RegExp(`<section id="${id}">.*?</section>`, 's').exec(page);
  if (!found) throw new Error(`the page has no section ${id}`);
  return found[0];
};

const rowsOf = (markup: string): string[] => (markup.match(/<tr>.*?<\/tr>/gs) ?? []).map(textOf);

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
  const payloads = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "'><svg onload=alert(1)>",
    '</title><script>alert(1)</script>',
    '</style><script>alert(1)</script>',
    '</pre></code></svg><iframe srcdoc="<script>alert(1)</script>">',
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)' autofocus='",
    '<a href="javascript:alert(1)">x</a>',
    '<!--', // a comment that would swallow the page
    '--><script>alert(1)</script>',
    '<![CDATA[<script>alert(1)</script>]]>',
    '<style>*{background:url(https://example.org/)}</style>',
    '<meta http-equiv="refresh" content="0;url=https://example.org/">',
    '<base href="https://example.org/">',
    '&lt;script&gt;alert(1)&lt;/script&gt;',
    '`$\u007balert(1)}`',
    '<scr\u0000ipt>alert(1)</scr\u0000ipt>',
    '\u202e\u2066<b>reversed',
    '<math><mtext></p><style><img src=x onerror=alert(1)>',
  ];
  const data = fixture({ attempts: 8 });
  const harmless = skeleton(reportHtml(tainted(data, 'x')));

  it.each(payloads)('adds no tag and no attribute to the page: %j', (payload) => {
    const page = reportHtml(tainted(data, payload));
    expect(skeleton(page)).toEqual(harmless);
    expect(page).not.toMatch(/(?![\t\n])[\p{Cc}\p{Bidi_Control}]/u);
  });

  it('is shown, not dropped', () => {
    const page = reportHtml(tainted(data, '<b>&"\''));
    expect(page).toContain('&lt;b&gt;&amp;&quot;&#39;quickstart-7');
  });

  it('escapes every value that is not markup itself, whatever stands around it', () => {
    const inner = html`<i title="${'"x'}">${['<', html`<b>${'&'}</b>`, null, false, 0]}</i>`;
    expect(inner.text).toBe('<i title="&quot;x">&lt;<b>&amp;</b>0</i>');
  });
});

describe('the page', () => {
  const data = fixture();
  const page = reportHtml(data);

  it('asks nothing of anybody: no script, no link, no address, nothing loaded', () => {
    for (const each of [page, reportHtml(barren())]) {
      expect(each).not.toMatch(/<(script|link|img|iframe|object|embed|form|a|base|video|audio|use|image)\b/i);
      expect(each).not.toMatch(/https?:|url\(|@import|\s(src|href|on[a-z]+)=/i);
      expect(each).toContain(`content="default-src 'none'; style-src 'unsafe-inline'`);
    }
  });

  it('closes every element that it opens, in order', () => {
    const empty = new Set(['meta', 'br', 'wbr']);
    for (const each of [page, reportHtml(barren()), reportHtml(fixture({ agents: 13, attempts: 6 }))]) {
      const open: string[] = [];
      for (const tag of tags(each)) {
        const [, slash, name] = /^<(\/?)([a-z0-9]+)/i.exec(tag) ?? [];
        if (!name || tag.endsWith('/>') || empty.has(name)) continue;
        if (slash) expect(open.pop()).toBe(name);
        else open.push(name);
      }
      expect(open).toEqual([]);
    }
  });

  it('draws only finite numbers', () => {
    for (const each of [page, reportHtml(barren()), reportHtml(fixture({ agents: 1, attempts: 1, failures: 0 }))]) {
      expect(each).not.toMatch(/NaN|Infinity|undefined|\[object/);
    }
  });

  it('has all its sections for any data', () => {
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
      const found = [...reportHtml(each).matchAll(/<section id="([a-z]+)">/g)].map(([, id]) => id);
      expect(found).toEqual(ids);
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
      .replace(/<header>.*<\/header>/s, '');
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

  it('gives every agent a line of its own colour and dash, as many as can be read', () => {
    const lines = (from: ReportData) => {
      const paths = sectionOf(reportHtml(from), 'progress').match(/<path class="line [^>]*>/g) ?? [];
      return paths.map((path) => path.replace(/ d="[^"]*"/, ''));
    };
    expect(new Set(lines(data)).size).toBe(4);
    const many = lines(fixture({ agents: 13, attempts: 6, failures: 0 }));
    expect(many.filter((line) => line.includes('behind'))).toHaveLength(3);
    expect(new Set(many.filter((line) => !line.includes('behind'))).size).toBe(10);
  });

  it('is the same for the same data', () => {
    expect(reportHtml(fixture())).toBe(page);
  });
});
