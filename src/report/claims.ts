import { type ClaimRecord, claimRecordSchema, type WrittenClaims } from '../domain/claim.ts';
import { claimRecord, oneLine, type ReportData, rowText } from '../views/index.ts';
import { html, type Markup, section } from './markup.ts';

/** The record of a report's claims on its page, and the same read back from a page (I11). */

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

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#96': '`' };

/** The text of a piece of a page: without tags, entities resolved. */
const textOf = (markup: string): string =>
  markup.replace(/<[^>]*>/g, '').replace(/&(amp|lt|gt|quot|#39|#96);/g, (_, name: string) => entities[name] ?? '');

/** Reads the claims of a page that {@link claimSection} and the tables wrote. Never throws. */
export function readClaims(page: string): WrittenClaims {
  const all = (pattern: RegExp) => [...page.matchAll(pattern)].map(([, inside = '']) => inside);
  const [json] = all(/<pre class="claim-record">([^<]*)<\/pre>/g);
  return {
    record: parsed(json === undefined ? null : textOf(json)),
    sentences: all(/<p class="claim">([\s\S]*?)<\/p>/g).map((each) => oneLine(textOf(each))),
    rows: all(/<tr class="contest">([\s\S]*?)<\/tr>/g).map((row) =>
      rowText([...row.matchAll(/<td[^>]*>([\s\S]*?)<\/td>/g)].map(([, cell = '']) => textOf(cell))),
    ),
  };
}

function parsed(json: string | null): ClaimRecord | null {
  if (json === null) return null;
  try {
    const result = claimRecordSchema.safeParse(JSON.parse(json));
    return result.success ? result.data : null;
  } catch (thrown) {
    if (thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}
