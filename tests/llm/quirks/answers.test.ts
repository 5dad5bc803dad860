/** Answers in forms that the documentation of the formats does not show, and connections that are slow but alive. */
import { describe } from 'vitest';
import {
  chat,
  chatUsage,
  chunk,
  data,
  done,
  messages,
  named,
  response,
  type Serve,
  status,
  stream,
} from '../../support/llm-server/raw.ts';
import { answer, failsOnce, good, type Quirk, reads, testQuirks, whole } from './quirk.ts';

const usage = { input: 50, output: 7, estimated: 0 };
const estimated = { ledger: { estimated: 1 } };

/** A whole JSON document where a stream was requested. */
const document = (format: Quirk['format'], value: object): Quirk => ({
  ...{ name: 'whole JSON instead of a stream', format, gives: answer, outcomes: ['complete'], ledger: usage },
  serve: (to) => status(to, 200, value),
});

const forms: Quirk[] = [
  document('chat', {
    id: 'c',
    object: 'chat.completion',
    model: 'm',
    choices: [{ index: 0, message: { role: 'assistant', content: good }, finish_reason: 'stop' }],
    usage: chatUsage,
  }),
  document('messages', {
    id: 'm',
    type: 'message',
    role: 'assistant',
    model: 'm',
    content: [{ type: 'text', text: good }],
    stop_reason: 'end_turn',
    usage: { input_tokens: 50, output_tokens: 7 },
  }),
  document('responses', response(good)),
  reads('chat', 'no finish_reason before [DONE]', [chunk({ content: good }), done]),
  failsOnce('chat', 'neither finish_reason nor [DONE]', 'dropped', (to) => stream(to, [chunk({ content: '{"o' })])),
  reads('chat', 'a finish_reason of its own', chat(good, 'eos_token')),
  reads('chat', 'MAX_TOKENS', chat('{"on', 'MAX_TOKENS'), {
    gives: { outcome: 'truncated' },
    outcomes: ['truncated'],
  }),
  reads('chat', 'content as a list of parts', [
    chunk({
      content: [
        { type: 'thinking', thinking: 'hm' },
        { type: 'text', text: good },
      ],
    }),
    chunk({}, 'stop'),
    done,
  ]),
  reads('chat', 'usage null', chat(good, 'stop', null), estimated),
  reads('chat', 'usage of nulls', chat(good, 'stop', { prompt_tokens: null, completion_tokens: null }), estimated),
  reads(
    'chat',
    'usage as text, with a cost',
    chat(good, 'stop', { ...chatUsage, prompt_tokens: '50', cost: '0.0123' }),
    {
      gives: { ...answer, dollars: 0.0123 },
      ledger: { input: 50, dollars: 0.0123, estimated: 0 },
    },
  ),
  reads(
    'messages',
    'no usage',
    messages(good, 'end_turn', {}, {}).map((each) => each.replace('"input_tokens":50,"output_tokens":1', '')),
    estimated,
  ),
  reads('messages', 'no message_stop', whole.messages.slice(0, -1)),
  reads('chat', 'CRLF, a byte order mark and events without a space', [
    '\uFEFF',
    ...whole.chat.map((each) => each.replace('data: ', 'data:').replaceAll('\n', '\r\n')),
  ]),
  reads('chat', 'an empty first chunk (Azure)', [
    data({ id: '', object: '', model: '', choices: [], prompt_filter_results: [] }),
    ...whole.chat,
  ]),
  reads('chat', 'a thought that never ends', chat('<think>and so on', 'length'), {
    gives: { text: '', outcome: 'truncated' },
    outcomes: ['truncated'],
  }),
];

/** Gives a sign of life every 300 ms and answers after 2.1 s, where silence is limited to 1.5 s. */
const alive =
  (sign: string, pieces: readonly string[]): Serve =>
  async (to) => {
    to.writeHead(200, { 'content-type': 'text/event-stream' });
    for (let beat = 0; beat < 7; beat++) {
      to.write(sign);
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    to.end(pieces.join(''));
  };
const slow = (format: Quirk['format'], name: string, sign: string): Quirk => ({
  ...{ format, name, serve: alive(sign, whole[format]), gives: answer, outcomes: ['complete'] },
});

const signsOfLife: Quirk[] = [
  slow('chat', 'comments while it thinks', ': OPENROUTER PROCESSING\n\n'),
  slow('messages', 'pings while it thinks', named({ type: 'ping' })),
  slow('responses', 'comments while it thinks', ': keep-alive\n\n'),
  failsOnce('chat', 'real silence', 'timeout', (to) => {
    to.writeHead(200, { 'content-type': 'text/event-stream' });
  }),
];

describe('forms', () => testQuirks(forms));
/** Short enough to wait for; everything else has the limits of the field, so that a busy machine cannot exceed them. */
describe('signs of life', () => testQuirks(signsOfLife, { silenceMs: 1500, totalMs: 60_000 }));
