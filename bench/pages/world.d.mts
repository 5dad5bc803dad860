import type { CommandBody, CommandReply } from '../../src/views/api.ts';

export interface WorldOptions {
  readonly nodes?: number;
  readonly agents?: number;
  readonly seed?: number;
  readonly id?: string;
  readonly design?: boolean;
  readonly hostile?: boolean;
  readonly lower?: boolean;
  readonly finished?: boolean;
}

export interface WorldNode {
  readonly id: string;
  readonly index: number;
  readonly agent: string;
  readonly operator: string;
  readonly parent: number;
  readonly status: string;
  readonly layers: readonly string[];
  readonly score: number | null;
}

export class World {
  constructor(options?: WorldOptions);
  readonly id: string;
  readonly nodes: readonly WorldNode[];
  readonly agents: readonly string[];
  readonly sequence: number;
  readonly vetoed: ReadonlySet<string>;
  grow(count: number): string[];
  finish(): void;
  best(): WorldNode | null;
  command(body: CommandBody): CommandReply;
}
