import type { Database } from 'better-sqlite3';
import { PrerequisiteError, TerminalError } from '../domain/errors.ts';
import type { EvaluationResult } from '../domain/evaluation.ts';
import type { AgentName, EvaluationKey, SearchId, WorkerId } from '../domain/ids.ts';
import { isToken, tokenDigest } from '../platform/index.ts';
import { silenceLimitMs } from './ensemble.ts';

/** Refused results beyond this are not recorded, because their sender controls the number. */
const maxRefusals = 10_000;

interface Claim {
  readonly key: EvaluationKey;
  readonly worker: WorkerId;
  readonly attempt: number;
}

/**
 * Ownership of agents and claims.
 *
 * Role: binds and recognises tokens. Non-role: what their owners may do. Call all methods inside a transaction.
 *
 * HOL-1  A claim permanently belongs to the token that made it.
 * HOL-2  An agent of a search belongs to the first token that joins as it. Another token may take over only after the owner
 *        has been silent for `silenceLimitMs`, after which no other agent waits for it (HOR-2).
 */
export function holdings(db: Database) {
  const claim = db.prepare<[string, string, number], { token: string }>(
    'SELECT token FROM claims WHERE key = ? AND worker = ? AND attempt = ?',
  );
  const insertClaim = db.prepare('INSERT INTO claims (key, worker, attempt, token) VALUES (?, ?, ?, ?)');
  const holder = db.prepare<[string, string], { token: string }>(
    'SELECT token FROM agent_holders WHERE search = ? AND agent = ?',
  );
  const setHolder = db.prepare('INSERT OR REPLACE INTO agent_holders (search, agent, token, at) VALUES (?, ?, ?, ?)');
  const callerOf = db.prepare<[string, string], { agent: AgentName }>(
    'SELECT agent FROM calls WHERE search = ? AND id = ?',
  );
  const countRefusals = db.prepare<[], { n: number }>('SELECT count(*) AS n FROM refusals');
  const insertRefusal = db.prepare(
    'INSERT OR IGNORE INTO refusals (key, worker, attempt, reason, at) VALUES (@key, @worker, @attempt, @reason, @now)',
  );
  /** When each owner was last heard. In memory only: a new process starts the wait again. */
  const heard = new Map<string, number>();

  const required = (token: string | undefined, who: string): string => {
    if (token !== undefined) return token;
    throw new TerminalError('unproven', `a message of ${who} has no token`);
  };

  return {
    /** @throws TerminalError `unproven`, `claim-held`. */
    bindClaim({ key, worker, attempt }: Claim, token: string | undefined): void {
      const proof = required(token, worker);
      const owner = claim.get(key, worker, attempt);
      if (!owner) insertClaim.run(key, worker, attempt, tokenDigest(proof));
      else if (!isToken(proof, owner.token)) {
        throw new TerminalError('claim-held', `training ${attempt} of ${worker} is claimed by another process`);
      }
    },

    holdsClaim({ key, worker, attempt }: Claim, token: string | undefined): boolean {
      const owner = claim.get(key, worker, attempt);
      return owner !== undefined && isToken(token, owner.token);
    },

    /** @throws TerminalError `unproven`; PrerequisiteError `agent-held` while another process holds the agent. */
    joinAs(search: SearchId, agent: AgentName, token: string | undefined, now: number): void {
      const proof = required(token, agent);
      const slot = `${search} ${agent}`;
      const owner = holder.get(search, agent);
      const isHolder = owner !== undefined && isToken(proof, owner.token);
      if (owner && !isHolder) {
        const silentSince = heard.get(slot) ?? now;
        heard.set(slot, silentSince);
        if (now - silentSince < silenceLimitMs) {
          throw new PrerequisiteError(
            'agent-held',
            `"${agent}" of "${search}" is run by another process`,
            `stop that process, or use its --home; another may take over after ${silenceLimitMs / 60_000} minutes of silence`,
          );
        }
      }
      if (!isHolder) setHolder.run(search, agent, tokenDigest(proof), now);
      heard.set(slot, now);
    },

    /** @throws TerminalError `unproven`, `not-the-agent`. */
    speaksAs(search: SearchId, agent: AgentName, token: string | undefined, now: number): void {
      const proof = required(token, agent);
      const owner = holder.get(search, agent);
      if (!owner || !isToken(proof, owner.token)) {
        throw new TerminalError('not-the-agent', `"${agent}" of "${search}" is run by another process`);
      }
      heard.set(`${search} ${agent}`, now);
    },

    /** The agent that made a call; undefined for an unknown call. */
    callerOf: (search: SearchId, call: string): AgentName | undefined => callerOf.get(search, call)?.agent,

    /** Records that a result was refused. */
    refuse({ key, worker, attempt }: EvaluationResult, reason: 'unheld' | 'unreadable', now: number): void {
      if ((countRefusals.get()?.n ?? 0) < maxRefusals) insertRefusal.run({ key, worker, attempt, reason, now });
    },
  };
}
