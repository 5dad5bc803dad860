import type { NodeDetail } from '../../src/views/api.ts';
import type { World } from './world.mjs';

export function nodeDetail(world: World, id: string): NodeDetail | null;
