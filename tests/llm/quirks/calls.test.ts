/** Calls of tools, in the forms in which servers send them and demand them back. */
import { describe, expect } from 'vitest';
import type { ChatRequest, ProviderState } from '../../../src/llm/chat.ts';
import { chat, chunk, done } from '../../support/llm-server/raw.ts';
import { answer, type Quirk, reads, refuses, says, testQuirks } from './quirk.ts';

const tools: ChatRequest['tools'] = [
  {
    name: 'look',
    description: 'Looks.',
    json: { type: 'object', properties: {}, required: [], additionalProperties: false },
  },
];

/** One piece of a call as a server sends it; undefined fields are absent. */
const call = (index: number | undefined, id: string | undefined, name: string | undefined, given: unknown) => ({
  ...{ index, id, type: 'function' },
  function: { name, arguments: given },
});
const pieces = (...calls: object[]) => [
  chunk({ role: 'assistant', content: null, tool_calls: calls }),
  chunk({}, 'tool_calls'),
  done,
];

/** A model that may call a tool. */
const calls = (name: string, stream: readonly string[], gives: object): Quirk =>
  reads('chat', name, stream, { given: { tools }, gives });
const called = (...expected: object[]) => ({ calls: expected.map((each) => expect.objectContaining(each)) });

/** A conversation after a call with these arguments and what the server gave with it. */
const after = (given: string, carried: readonly ProviderState[] = []): Partial<ChatRequest> => ({
  tools,
  messages: [
    { role: 'user', text: 'Say one.' },
    { role: 'assistant', text: '', calls: [{ id: 'c1', name: 'look', arguments: given }], carried },
    { role: 'tools', results: [{ id: 'c1', text: 'Nothing.', failed: false }] },
  ],
});

function isJson(text = ''): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const received: Quirk[] = [
  calls('parallel calls with one id', pieces(call(0, 'x', 'look', '{"a":1}'), call(1, 'x', 'look', '{"a":2}')), {
    calls: [
      { id: 'x', name: 'look', arguments: '{"a":1}' },
      { id: 'x-1', name: 'look', arguments: '{"a":2}' },
    ],
  }),
  calls(
    'parallel calls with one index',
    pieces(call(0, 'x', 'look', '{"a":1}'), call(0, 'y', 'look', '{"a":2}')),
    called({ id: 'x', arguments: '{"a":1}' }, { id: 'y', arguments: '{"a":2}' }),
  ),
  calls(
    'calls without an index, in pieces',
    pieces(
      call(undefined, 'x', 'look', '{"a"'),
      call(undefined, undefined, undefined, ':1}'),
      call(undefined, 'y', 'look', '{}'),
    ),
    called({ id: 'x', arguments: '{"a":1}' }, { id: 'y' }),
  ),
  calls('arguments as an object', pieces(call(0, 'x', 'look', { a: 1 })), called({ arguments: '{"a":1}' })),
  calls(
    'a call as text',
    chat('<tool_call>\n{"name": "look", "arguments": {"a": 1}}\n</tool_call>'),
    called({ name: 'look', arguments: '{"a":1}' }),
  ),
  calls(
    'reasoning_content is carried',
    [
      chunk({ reasoning_content: 'I must ' }),
      chunk({ reasoning_content: 'look.', tool_calls: [call(0, 'x', 'look', '{}')] }),
      chunk({}, 'stop'),
      done,
    ],
    { carried: [{ field: 'reasoning_content', text: 'I must look.' }] },
  ),
];

const returned: Quirk[] = [
  refuses(
    'chat',
    'broken arguments, which are never sent back',
    ({ messages }) => !isJson(messages?.[2]?.tool_calls?.[0]?.function.arguments),
    says('Failed to parse tool call arguments as JSON'),
    { code: 500, given: after('{"query": "half'), gives: answer, outcomes: ['complete'] },
  ),
  refuses(
    'chat',
    'reasoning_content that must come back with its calls (DeepSeek, Kimi)',
    ({ messages }) => messages?.[2]?.reasoning_content !== 'I must look.',
    says('Missing reasoning_content field in the assistant message'),
    { given: after('{}', [{ field: 'reasoning_content', text: 'I must look.' }]), outcomes: ['complete'] },
  ),
  refuses(
    'chat',
    'reasoning that must not come back',
    ({ messages }) => messages?.[2]?.reasoning,
    says("messages.2: unknown field 'reasoning_content' or 'reasoning'"),
    { given: after('{}', [{ field: 'reasoning', text: 'hm' }]) },
  ),
];

describe('calls that a server sends', () => testQuirks(received));
describe('calls that a server gets back', () => testQuirks(returned));
