import { exitCodes } from './fail.ts';

/**
 * The first Ctrl-C (or SIGTERM) asks for a gentle end, the second one ends at once: nothing that was recorded is lost
 * either way.
 */
export function onInterrupt(gently: () => void): { readonly code: () => number | null; dispose(): void } {
  let received: NodeJS.Signals | null = null;
  const statusOf = (signal: NodeJS.Signals) => (signal === 'SIGINT' ? exitCodes.interrupted : exitCodes.terminated);
  const handle = (signal: NodeJS.Signals): void => {
    if (received !== null) process.exit(statusOf(signal));
    received = signal;
    gently();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return {
    code: () => (received === null ? null : statusOf(received)),
    dispose() {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
    },
  };
}
