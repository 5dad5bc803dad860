import type { Nodes, Points } from '../../src/views/api.ts';
import type { World } from './world.mjs';

export function nodesPage(world: World, query: Readonly<Record<string, string>>): Nodes;
export function pointsAfter(world: World, sequence: number): Points;
