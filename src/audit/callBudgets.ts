import type { Spend } from '../domain/call.ts';
import { counted, type Inquiry } from './finding.ts';
import type { Subject } from './subject.ts';

/** Sums of many floats differ by their order. */
const rounding = 1e-9;

interface Limits {
  readonly dollars?: number | undefined;
  readonly tokens?: number | undefined;
}

function compare(inquiry: Inquiry, whose: string, { dollars, tokens }: Limits, spend: Spend): void {
  if (dollars !== undefined && spend.dollars > dollars + rounding) {
    inquiry.broken(`${whose} spent $${spend.dollars} on calls of language models, of $${dollars}`);
  }
  if (tokens !== undefined && spend.tokens > tokens) {
    inquiry.broken(`${whose} used ${spend.tokens} tokens of language models, of ${tokens}`);
  }
}

/** Dollars and tokens of the search and of each agent: what was settled, and what was reserved and is not settled yet. */
export function checkCalls({ reader, search, spec }: Subject, inquiry: Inquiry): void {
  const calls = reader.calls.of(search);
  compare(inquiry, 'the search', spec.budget, reader.calls.spend(search));
  for (const agent of spec.agents) compare(inquiry, agent.name, agent, reader.calls.spend(search, agent.name));
  const over = calls.filter(({ dollars, reservedDollars }) => (dollars ?? 0) > reservedDollars + rounding);
  inquiry.none(
    over,
    ({ id, dollars, reservedDollars }) => `call ${id} cost $${dollars}, and $${reservedDollars} were reserved for it`,
    `${counted(calls.length, 'call')} of language models, none dearer than what was reserved before it`,
  );
}
