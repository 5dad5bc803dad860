export { openSandbox, type ProbeOptions, probeSandbox } from './probe.ts';
export { Sandbox, type SandboxOptions, SandboxStartError } from './sandbox.ts';
export {
  box,
  type OutputFile,
  outputFolder,
  type ReadOnlyMount,
  type RejectedEntry,
  type SandboxEnd,
  type SandboxLimits,
  type SandboxResult,
  type SandboxSpec,
} from './spec.ts';
export { describeSandbox, type SandboxCapability } from './systemRoot.ts';
