import * as z from 'zod';
import { quoted } from '../agents/index.ts';
import { claimText, type Insight, statedInsightSchema } from '../domain/ideas.ts';
import { fileNameSchema } from '../domain/program.ts';
import { pageOf } from './answers.ts';
import type { Outsider } from './outsider.ts';

/** Bytes of an answer that insights may take. */
export const insightBytes = 6_000;

/** A candidate as clients give it: a text of layers, or an object of file names and texts. */
export const candidateArgument = z.union([z.string().min(1).max(380_000), z.record(fileNameSchema, z.string())]);

export const candidateText = (candidate: z.output<typeof candidateArgument>): string =>
  typeof candidate === 'string' ? candidate : JSON.stringify(candidate);

/** Arguments of the tools about ideas. */
export const ideaArguments = {
  claim_idea: z.strictObject({
    candidate: candidateArgument.describe('the candidate that you think of, whole and in the form of get_task'),
  }),
  post_insight: z.strictObject({
    hypothesis: statedInsightSchema.shape.hypothesis,
    verdict: statedInsightSchema.shape.verdict,
    evidence: statedInsightSchema.shape.evidence,
    supersedes: statedInsightSchema.shape.supersedes,
  }),
} as const;

export const ideaDescriptions = {
  claim_idea:
    'Call before you submit: whether another agent is at nearly the same candidate. granted: yours until the lease is over or you submit; taken or known: think of another one.',
  post_insight:
    'Writes what your results changed in what is known of the task, for later attempts and searches: a hypothesis, the verdict, the nodes it rests on.',
} as const;

/** What these tools answer. */
export function ideaHandlers(outsider: Outsider) {
  return {
    async claim_idea({ candidate }: z.output<(typeof ideaArguments)['claim_idea']>): Promise<object> {
      const reply = await outsider.claim(candidateText(candidate));
      if (reply.state === 'granted') {
        return { state: reply.state, lease_seconds: Math.floor(reply.leaseSeconds), next: 'submit_candidate' };
      }
      // Scores of others are shown as far as the view shows them.
      const node = reply.node === null ? undefined : outsider.node(reply.node);
      const fitness = node?.fitness ?? null;
      const next = 'think of another candidate, or submit it all the same';
      return { ...reply, message: claimText(reply), ...(fitness === null ? {} : { fitness }), next };
    },

    async post_insight(insight: z.output<(typeof ideaArguments)['post_insight']>): Promise<object> {
      return { id: await outsider.postInsight(insight) };
    },
  };
}

/** Insights of a view as data, as many as fit. */
export function insightForms(insights: readonly Insight[]) {
  const forms = insights.map(({ id, agent, hypothesis, verdict, evidence }) => ({
    id,
    agent,
    verdict,
    evidence,
    hypothesis: quoted(id, hypothesis, 600),
  }));
  return pageOf(forms, 0, insightBytes).items;
}
