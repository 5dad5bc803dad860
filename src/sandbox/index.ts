export { openSandbox, type ProbeOptions, probeSandbox } from './probe.ts';
export { Sandbox, type SandboxOptions, SandboxStartError } from './sandbox.ts';
export {
  box,
  type OutputFile,
  outputFolder,
  type ReadOnlyMount,
  type SandboxEnd,
  type SandboxLimits,
  type SandboxResult,
  type SandboxSpec,
  type StrangeEntry,
} from './spec.ts';
export { describeSandbox, type SandboxCapability } from './systemRoot.ts';
