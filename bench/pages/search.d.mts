import type { Nodes, Overview, Points } from '../../src/views/api.ts';
import type { World } from './world.mjs';

export function nodesPage(world: World, query: Readonly<Record<string, string>>): Nodes;
export function overview(world: World): Overview;
export function pointsAfter(world: World, sequence: number): Points;
