import type { World } from './world.mjs';

export interface WorldServer {
  readonly url: string;
  readonly port: number;
  readonly token: string;
  readonly requests: readonly {
    readonly method: string;
    readonly path: string;
    readonly lastEventId: string | undefined;
  }[];
  answerOf(parts: readonly string[], query: Readonly<Record<string, string>>): unknown;
  changed(world: World, nodes: readonly string[], kinds?: readonly string[], all?: boolean): void;
  close(): Promise<void>;
}

export function serveWorlds(
  worlds: readonly World[],
  options?: { readonly port?: number; readonly token?: string; readonly pages?: string; readonly heartbeatMs?: number },
): Promise<WorldServer>;
