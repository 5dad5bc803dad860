import { instructionBytes, opcodes } from '../../src/sandbox/seccomp.ts';

/** What a program asks of the kernel: `struct seccomp_data` without the instruction pointer. */
export interface SystemCall {
  readonly architecture: number;
  readonly number: number;
  readonly arguments?: readonly number[];
}

/** The kernel's side of a filter: runs it on a call and answers the word that it returns (linux/bpf_common.h). */
export function judge(filter: Buffer, call: SystemCall): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number, 0);
  data.writeUInt32LE(call.architecture, 4);
  for (const [index, value] of (call.arguments ?? []).entries()) data.writeUInt32LE(value >>> 0, 16 + 8 * index);
  let word = 0;
  for (let at = 0; at < filter.length / instructionBytes; ) {
    const start = at * instructionBytes;
    const code = filter.readUInt16LE(start);
    const value = filter.readUInt32LE(start + 4);
    const test: Record<number, boolean> = {
      [opcodes.equal]: word === value,
      [opcodes.atLeast]: word >= value,
      [opcodes.anyBit]: (word & value) !== 0,
    };
    at += 1;
    if (code === opcodes.return) return value;
    if (code === opcodes.load) word = data.readUInt32LE(value);
    else if (code in test) at += filter.readUInt8(start + (test[code] ? 2 : 3));
    else throw new Error(`no such instruction: ${code}`);
  }
  throw new Error('the filter ended without a verdict');
}
