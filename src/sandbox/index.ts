export { openSandbox, probeSandbox } from './probe.ts';
export { Sandbox, type SandboxOptions } from './sandbox.ts';
export {
  box,
  outputFolder,
  type ReadOnlyMount,
  type SandboxEnd,
  type SandboxResult,
  type SandboxSpec,
} from './spec.ts';
export { describeSandbox, type SandboxCapability } from './systemRoot.ts';
