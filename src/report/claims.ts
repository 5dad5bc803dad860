import { claimRecord, type ReportData } from '../views/index.ts';
import { html, type Markup, section } from './markup.ts';

/** The record of a report's claims on its page (I11); `readClaims` of views reads it back. */

/** The record, for people and for `aira audit`. */
export function claimSection(data: ReportData): Markup {
  const record = claimRecord(data);
  return section(
    'claims',
    'Claims',
    html`<p class="note">Sentences, verdicts and intervals of this page, with nodes and seeds. <code>aira audit ${data.search.id}</code> derives them from the archive again and compares.</p>
<details><summary>${record.comparisons.length} comparisons as JSON</summary><pre class="claim-record">${JSON.stringify(record)}</pre></details>`,
  );
}
