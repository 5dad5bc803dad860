/** Failures, in the forms in which servers and the proxies before them report them, and refusals by policy. */
import { describe, expect } from 'vitest';
import { chat, chunk, data, messages, named, response, status, stream } from '../../support/llm-server/raw.ts';
import { canaries } from '../support.ts';
import { claudeSays, failsOnce, type Quirk, reads, refuses, rejected, says, testQuirks, whole } from './quirk.ts';

/** The ledger says why the first call failed. */
const stating = (words: string) => ({ failure: { message: expect.stringContaining(words) } });
const page = { 'content-type': 'text/html' };
const refused = (text: string) => ({ gives: { outcome: 'refused', text }, outcomes: ['refused'] });

const failures: Quirk[] = [
  failsOnce(
    'chat',
    '429 with retry-after',
    'busy',
    (to) => status(to, 429, says('slow down'), { 'retry-after': '7' }),
    { waits: ([wait]) => expect(wait).toBeGreaterThanOrEqual(7000) },
  ),
  failsOnce('messages', '429 without retry-after', 'busy', (to) => status(to, 429, '')),
  failsOnce('messages', '529', 'busy', (to) => status(to, 529, claudeSays('Overloaded', 'overloaded_error'))),
  failsOnce(
    'chat',
    '502 with a page',
    'unavailable',
    (to) => status(to, 502, '<html><body><h1>502 Bad Gateway</h1></body></html>', page),
    stating(': 502 Bad Gateway'),
  ),
  failsOnce('chat', '200 with a page', 'unavailable', (to) => status(to, 200, '<html>log in</html>', page)),
  failsOnce(
    'chat',
    '200 with an error',
    'busy',
    (to) => status(to, 200, { error: { code: 429, message: 'rate limited upstream' } }),
    stating('rate limited upstream'),
  ),
  failsOnce(
    'chat',
    'an error in the middle (OpenRouter)',
    'unavailable',
    (to) =>
      stream(to, [
        chunk({ content: '{"o' }),
        data({
          error: { code: 502, message: 'upstream died' },
          choices: [{ index: 0, delta: {}, finish_reason: 'error' }],
        }),
      ]),
    stating('upstream died'),
  ),
  failsOnce('messages', 'an error in the middle', 'busy', (to) =>
    stream(to, [...whole.messages.slice(0, 3), named(claudeSays('Overloaded', 'overloaded_error'))]),
  ),
  reads(
    'responses',
    'an invalid prompt in the middle is not asked again',
    [
      named({
        type: 'response.failed',
        response: {
          ...response(''),
          status: 'failed',
          error: { code: 'invalid_prompt', message: 'flagged by policy' },
        },
      }),
    ],
    {
      gives: { ...rejected, message: expect.stringContaining('invalid_prompt flagged by policy') },
      outcomes: ['rejected'],
    },
  ),
  failsOnce(
    'responses',
    'an error event says what it is',
    'unavailable',
    (to) => stream(to, [named({ type: 'error', code: 'server_error', message: 'it broke', param: null })]),
    stating('server_error it broke'),
  ),
  failsOnce('messages', 'a stream cut after half', 'dropped', (to) => stream(to, whole.messages.slice(0, 3))),
  failsOnce('chat', 'broken JSON in an event', 'dropped', (to) =>
    stream(to, [chunk({ content: '{"o' }), 'data: {"choices": [{"del\n\n']),
  ),
  refuses('chat', 'a key in its error', () => true, says(`bad key ${canaries.compatible}`), {
    code: 401,
    gives: { ...rejected, message: expect.not.stringContaining(canaries.compatible) },
    outcomes: ['rejected'],
  }),
];

const policies: Quirk[] = [
  reads(
    'messages',
    'a refusal with its category',
    messages('', 'refusal', {
      stop_details: {
        type: 'refusal',
        category: 'frontier_llm',
        explanation: 'Benign machine learning work can also trigger this.',
      },
    }),
    {
      ...refused('frontier_llm: Benign machine learning work can also trigger this.'),
      ledger: { message: 'frontier_llm: Benign machine learning work can also trigger this.' },
    },
  ),
  reads('chat', 'a filter', chat('', 'content_filter'), refused('content_filter')),
  reads(
    'responses',
    'a filter',
    [
      named({
        type: 'response.incomplete',
        response: response('', { status: 'incomplete', incomplete_details: { reason: 'content_filter' } }),
      }),
    ],
    refused('content_filter'),
  ),
];

describe('failures', () => testQuirks(failures));
describe('refusals by policy', () => testQuirks(policies));
