import type { ReportData } from '../data.ts';
import { html, type Markup } from '../markup.ts';
import { section } from '../table.ts';

/** What made these figures, and how to make them again. */
export function provenanceSection(data: ReportData): Markup {
  const { airaVersion, taskVersion, evaluator, machine, startedAt, searchFile, commands } = data.provenance;
  const facts = [
    { fact: 'Aira', value: airaVersion },
    { fact: 'task version', value: taskVersion },
    { fact: 'evaluator', value: evaluator },
    { fact: 'search seed', value: String(data.search.seed) },
    { fact: 'begun', value: startedAt },
    ...machine,
  ];
  return section(
    'provenance',
    'Provenance',
    html`<dl class="sources">${facts.map(({ fact, value }) => html`<dt>${fact}</dt><dd><code>${value}</code></dd>`)}</dl>
<h3>To repeat it</h3>
<pre>${commands.join('\n')}</pre>
<h3>Search file</h3>
<pre>${searchFile}</pre>`,
  );
}
