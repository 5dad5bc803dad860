import { execFileSync } from 'node:child_process';

const ip = (...args: string[]): string =>
  execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Two machines with a cable between them: network namespaces with addresses of their own, on this machine. */
export interface Machines {
  readonly lab: { readonly address: string; readonly within: readonly string[] };
  readonly gpu: { readonly address: string; readonly within: readonly string[] };
  remove(): void;
}

/** Why none can be made here; null if they can. */
export function noNamespaces(): string | null {
  const name = `aira-try-${process.pid}`;
  try {
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return null;
  } catch (thrown) {
    return `this user cannot make network namespaces: ${(thrown as Error).message.split('\n').at(-2) ?? ''}`;
  }
}

export function twoMachines(): Machines {
  const [lab, gpu] = [`aira-lab-${process.pid}`, `aira-gpu-${process.pid}`];
  const machines = { [lab]: '10.213.0.1', [gpu]: '10.213.0.2' };
  const remove = () => {
    for (const name of [lab, gpu]) {
      try {
        ip('netns', 'del', name);
      } catch {
        // It was not made.
      }
    }
  };
  try {
    for (const name of [lab, gpu]) {
      ip('netns', 'add', name);
      ip('-n', name, 'link', 'set', 'lo', 'up');
    }
    ip('link', 'add', 'cable', 'netns', lab, 'type', 'veth', 'peer', 'name', 'cable', 'netns', gpu);
    for (const [name, address] of Object.entries(machines)) {
      ip('-n', name, 'address', 'add', `${address}/24`, 'dev', 'cable');
      ip('-n', name, 'link', 'set', 'cable', 'up');
    }
  } catch (thrown) {
    remove();
    throw thrown;
  }
  const machine = (name: string) => ({
    address: machines[name] as string,
    within: ['ip', 'netns', 'exec', name],
  });
  return { lab: machine(lab), gpu: machine(gpu), remove };
}
