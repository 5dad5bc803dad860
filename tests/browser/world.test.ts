/** The stand-in server of the browser tests and the benchmark answers what the real one may answer: each by its schema. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serveWorlds, type WorldServer } from '../../bench/pages/server.mjs';
import { World } from '../../bench/pages/world.mjs';
import { agentSchema, literatureSchema, nodeSchema, sectionsSchema } from '../../src/views/apiDetail.ts';
import {
  changedSchema,
  commandReplySchema,
  labsSchema,
  scaleSchema,
  studiesSchema,
  studySchema,
  workersSchema,
} from '../../src/views/apiHome.ts';
import { nodesSchema, overviewSchema, pointsSchema, searchesSchema } from '../../src/views/apiSearch.ts';

const compose = new World({ nodes: 200 });
const design = new World({ id: 'writer-2', design: true, nodes: 60, seed: 3, hostile: true });
const finished = new World({ id: 'done-1', nodes: 90, seed: 4, finished: true });
let server: WorldServer;
beforeAll(async () => {
  server = await serveWorlds([compose, design, finished]);
});
afterAll(() => server.close());

describe.each([compose, design, finished])('the search $id', (world) => {
  const node = (status: string) =>
    world.nodes.find((each) => each.status === status && each.operator !== 'reference')?.id ?? '';
  it.each([
    ['searches', searchesSchema],
    [`searches/${world.id}`, overviewSchema],
    [`searches/${world.id}/nodes?sort=score&limit=200`, nodesSchema],
    [`searches/${world.id}/points`, pointsSchema],
    [`searches/${world.id}/points?after=20`, pointsSchema],
    [`searches/${world.id}/nodes/${node('evaluated')}`, nodeSchema],
    [`searches/${world.id}/nodes/${node('failed')}`, nodeSchema],
    [`searches/${world.id}/agents/climber`, agentSchema],
    [`searches/${world.id}/literature`, literatureSchema],
    [`searches/${world.id}/sections/claims`, sectionsSchema],
    [`searches/${world.id}/sections/patterns`, sectionsSchema],
  ] as const)('answers %s', async (path, schema) => {
    const answer = await fetch(`${server.url}api/${path}`);
    expect(answer.status).toBe(200);
    schema.parse(await answer.json());
  });
});

it.each([
  ['labs', labsSchema],
  ['studies', studiesSchema],
  ['studies/memory', studySchema],
  ['scales/hold', scaleSchema],
  ['workers', workersSchema],
] as const)('answers %s', async (path, schema) => {
  schema.parse(await (await fetch(`${server.url}api/${path}`)).json());
});

it('announces changes and answers commands in the form of the contract', async () => {
  const events = await fetch(`${server.url}api/events`);
  const reader = (events.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  await reader.read();
  const body = { kind: 'veto', idempotencyKey: '0123456789', node: compose.nodes[5]?.id };
  const path = `${server.url}api/searches/${compose.id}/commands`;
  const post = (token: string) =>
    fetch(path, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: JSON.stringify(body) });
  expect((await post('wrong')).status).toBe(401);
  commandReplySchema.parse(await (await post(server.token)).json());
  const { value = '' } = await reader.read();
  changedSchema.parse(JSON.parse(/^data: (.*)$/m.exec(value)?.[1] ?? ''));
  await reader.cancel();
});
