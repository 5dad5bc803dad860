/** A client over HTTP that submits once, says so, and then waits to be killed. Arguments: address, file of the token, candidate. */
import { readFileSync } from 'node:fs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [url = '', file = '', candidate = ''] = process.argv.slice(2);
const headers = { authorization: `Bearer ${readFileSync(file, 'utf8').trim()}` };
const client = new Client({ name: 'mortal', version: '1' });
await client.connect(new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } }));
const reasons = { change: 'a start', hypothesis: 'it mixes' };
const submission = { key: 'first', view: 'v1', operator: 'draft', candidate, ...reasons };
await client.callTool({ name: 'get_view', arguments: {} });
const { content } = await client.callTool({ name: 'submit_candidate', arguments: submission });
process.stdout.write(`${content[0].text}\n`);
setInterval(() => {}, 1000);
