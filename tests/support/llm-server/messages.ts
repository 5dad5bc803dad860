import * as z from 'zod';
import {
  type Asked,
  answered,
  called,
  callId,
  event,
  halves,
  jsonSchema,
  message,
  plain,
  prefixesOf,
  type Said,
  say,
  sealed,
  type Turn,
  thought,
  turns,
} from './asked.ts';

const mark = z.strictObject({ type: z.literal('ephemeral') }).optional();
const textBlock = z.strictObject({ type: z.literal('text'), text: z.string().min(1), cache_control: mark });
const useBlock = z.strictObject({
  type: z.literal('tool_use'),
  id: z.string(),
  name: z.string(),
  input: z.record(z.string(), z.unknown()),
});
const thoughtBlock = z.strictObject({
  type: z.literal('thinking'),
  thinking: z.string(),
  signature: z.literal(sealed),
});
const resultBlock = z.strictObject({
  type: z.literal('tool_result'),
  tool_use_id: z.string(),
  content: z.string(),
  is_error: z.literal(true).optional(),
  cache_control: mark,
});

const messagesBody = z.strictObject({
  model: z.string(),
  system: z.array(
    z.strictObject({
      type: z.literal('text'),
      text: z.string(),
      cache_control: mark,
    }),
  ),
  messages: z
    .array(
      z.union([
        message,
        z.strictObject({
          role: z.literal('assistant'),
          content: z.array(z.union([textBlock, useBlock, thoughtBlock])).min(1),
        }),
        z.strictObject({ role: z.literal('user'), content: z.array(z.union([resultBlock, textBlock])).min(1) }),
      ]),
    )
    .min(1),
  max_tokens: z.int().positive(),
  stream: z.literal(true),
  tools: z.array(z.strictObject({ name: z.string(), description: z.string(), input_schema: jsonSchema })).optional(),
  tool_choice: z.strictObject({ type: z.enum(['auto', 'none']) }).optional(),
  thinking: z.strictObject({ type: z.literal('adaptive'), display: z.literal('summarized') }).optional(),
  output_config: z
    .strictObject({
      effort: z.string().optional(),
      format: z.strictObject({ type: z.literal('json_schema'), schema: jsonSchema }).optional(),
    })
    .optional(),
});

/** @throws when the body is not what the real server would take. */
export function messagesAsked(body: unknown): Asked {
  const { model, system, messages, max_tokens, output_config, tools, tool_choice, thinking } = messagesBody.parse(body);
  const parts = messages.flatMap(({ role, content }): Turn[] => {
    if (typeof content === 'string') return [say(role, content)];
    let thoughts = 0;
    let tail = '';
    if (role === 'user' && content.every((block) => block.type === 'text')) {
      return [say('user', content.map((block) => (block.type === 'text' ? block.text : '')).join('\n\n'))];
    }
    const all = content.map((block, index): Turn | null => {
      if (block.type === 'text' && role === 'assistant') return say('assistant', block.text);
      // The changing line behind the last result.
      if (block.type === 'text') {
        if (index < content.length - 1 || index === 0) throw new Error('text may only follow the results');
        tail = `\n\n${block.text}`;
        return null;
      }
      if (block.type === 'tool_use') {
        return called([{ id: block.id, name: block.name, arguments: JSON.stringify(block.input) }]);
      }
      if (block.type === 'tool_result') {
        return answered({ id: block.tool_use_id, text: block.content, failed: block.is_error === true });
      }
      thoughts++;
      return null;
    });
    if (role === 'assistant' && thoughts !== 1) throw new Error('a call came without the thought before it');
    const turns = all.filter((turn) => turn !== null);
    return turns.map((turn, index) => (index === turns.length - 1 ? { ...turn, text: turn.text + tail } : turn));
  });
  if (parts.some(({ calls }) => calls) && tools === undefined)
    throw new Error('calls need the tools they were made of');
  const blocks: object[] = [...system];
  for (const { content } of messages) blocks.push(...(typeof content === 'string' ? [{ text: content }] : content));
  const prefixes = prefixesOf(
    blocks.map((block) => {
      const {
        text,
        content,
        cache_control: mark,
      } = block as { text?: string; content?: string; cache_control?: object };
      return { text: text ?? content ?? JSON.stringify(block), marked: mark !== undefined };
    }),
  );
  if (prefixes.length > 4) throw new Error('a maximum of 4 blocks with cache_control may be provided');
  return {
    ...{ ...plain, format: 'messages', model, messages: turns(parts), cacheMarked: prefixes.length > 0, prefixes },
    system: system.map((block) => block.text).join('\n'),
    ...{ maxTokens: max_tokens, schemaName: output_config?.format ? 'format' : null },
    effort: output_config?.effort ?? null,
    summary: thinking !== undefined,
    ...{ tools: tools?.map(({ name }) => name) ?? [], toolsOpen: tools !== undefined && tool_choice?.type === 'auto' },
  };
}

/** The answer as pieces of a server-sent event stream. */
export function messagesEvents({ model, messages, summary }: Asked, { text, calls, finish, usage }: Said): string[] {
  const stop =
    calls.length > 0 ? 'tool_use' : { complete: 'end_turn', truncated: 'max_tokens', refused: 'refusal' }[finish];
  const counted = {
    input_tokens: usage.input - usage.cached - usage.written,
    cache_read_input_tokens: usage.cached,
    cache_creation_input_tokens: usage.written,
  };
  const started = { id: 'msg_1', type: 'message', role: 'assistant', model, content: [], stop_reason: null };
  return [
    event('message_start', { message: { ...started, usage: { ...counted, output_tokens: 1 } } }),
    ...(calls.length > 0 || summary
      ? [
          event('content_block_start', { index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } }),
          event('content_block_delta', { index: 0, delta: { type: 'thinking_delta', thinking: thought } }),
          event('content_block_delta', { index: 0, delta: { type: 'signature_delta', signature: sealed } }),
          event('content_block_stop', { index: 0 }),
        ]
      : []),
    event('content_block_start', { index: 1, content_block: { type: 'text', text: '' } }),
    event('ping', {}),
    ...halves(text).map((half) =>
      event('content_block_delta', { index: 1, delta: { type: 'text_delta', text: half } }),
    ),
    event('content_block_stop', { index: 1 }),
    ...calls.flatMap(({ name, arguments: given }, index) => [
      event('content_block_start', {
        index: index + 2,
        content_block: { type: 'tool_use', id: callId(10 * messages.length + index), name, input: {} },
      }),
      ...halves(given).map((half) =>
        event('content_block_delta', { index: index + 2, delta: { type: 'input_json_delta', partial_json: half } }),
      ),
      event('content_block_stop', { index: index + 2 }),
    ]),
    event('message_delta', {
      delta: { stop_reason: stop, stop_sequence: null },
      usage: { ...counted, output_tokens: usage.output },
    }),
    event('message_stop', {}),
  ];
}

/** An error inside a stream that began well. */
export function messagesError(): string {
  return event('error', { error: { type: 'overloaded_error', message: 'Overloaded' } });
}
