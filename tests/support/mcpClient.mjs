/** A client that asks for a view, says so, and then waits to be killed. Arguments: the program of the server and its arguments. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

const [program, ...args] = process.argv.slice(2);
const { PATH = '', HOME = '' } = process.env;
const client = new Client({ name: 'mortal', version: '1' });
const env = { PATH, HOME, AIRA_ACK_WAIT_SECONDS: '3' };
await client.connect(new StdioClientTransport({ command: process.execPath, args: [program, ...args], env }));
const { content } = await client.callTool({ name: 'get_view', arguments: {} });
process.stdout.write(`${content[0].text}\n`);
setInterval(() => {}, 1000);
