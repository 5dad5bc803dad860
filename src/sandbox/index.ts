/**
 * Sandbox: runs one untrusted program per call.
 *
 * Role: `sandbox.ts` runs a program and tests the sandbox when a worker starts, `launcher.ts` owns deadline, streams and the kill,
 * `launchSpec.ts` states what `gpu-workers/aira_sandbox/launcher.py` does, `systemRoot.ts` what a program sees, `seccomp.ts`
 * what it may call. Non-role: what the program is for, what its output means. `docs/sandbox.md` says what it protects against;
 * `npm run attack` tests it.
 */

export { openSandbox, probeSandbox, Sandbox, type SandboxOptions } from './sandbox.ts';
export {
  box,
  outputFolder,
  type ReadOnlyMount,
  type SandboxEnd,
  type SandboxResult,
  type SandboxSpec,
} from './spec.ts';
export { describeSandbox, type SandboxCapability } from './systemRoot.ts';
