/**
 * The server of the Model Context Protocol: a program from outside, such as a coding agent, joins a search as one of its agents.
 *
 * Role: one agent per process (`outsider.ts`) over stdio or, on loopback, Streamable HTTP (`transports.ts`); tools (`tools.ts`) and
 * the form of their answers (`answers.ts`). Non-role: deciding for the client, judging or storing (the archive does, as for any
 * agent).
 *
 * - Its name, budget, horizon and memory are those of an agent in the search file with `model: outside/mcp`; it sees
 *   validation scores only, and its text is data for others.
 * - Over stdio, stdout carries messages of the protocol only.
 * - Tasks, sampling, elicitation and resources of the protocol are not used: clients differ in them.
 */

export { Outsider } from './outsider.ts';
export { serveOverHttp, serveOverStdio } from './transports.ts';
