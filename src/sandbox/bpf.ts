/**
 * The part of classic BPF that a seccomp filter needs: load a word of `struct seccomp_data`, compare, return.
 *
 * Encoding: `struct sock_filter { u16 code; u8 jt; u8 jf; u32 k; }`, little endian on both processors that are served
 * (linux/filter.h). Jumps are written with labels and resolved here, since a distance that is off by one silently permits.
 */
import { TerminalError } from '../domain/errors.ts';

export type Instruction =
  | { readonly op: 'load'; readonly offset: number }
  | {
      readonly op: 'jump';
      /** What is asked of the loaded word: equal, at least, or any bit in common. */
      readonly test: 'equal' | 'atLeast' | 'anyBit';
      readonly value: number;
      /** Labels to go to; the next instruction where one is left out. */
      readonly yes?: string;
      readonly no?: string;
    }
  | { readonly op: 'return'; readonly value: number }
  | { readonly op: 'label'; readonly name: string };

export const load = (offset: number): Instruction => ({ op: 'load', offset });
export const returns = (value: number): Instruction => ({ op: 'return', value });
export const label = (name: string): Instruction => ({ op: 'label', name });
export const jump = (
  test: 'equal' | 'atLeast' | 'anyBit',
  value: number,
  to: { readonly yes?: string; readonly no?: string },
): Instruction => ({ op: 'jump', test, value, ...to });

/** BPF_LD|BPF_W|BPF_ABS, BPF_RET|BPF_K, and BPF_JMP|BPF_K with JEQ, JGE and JSET. */
const codes = { load: 0x20, return: 0x06, equal: 0x15, atLeast: 0x35, anyBit: 0x45 } as const;
export const opcodes = codes;
export const instructionBytes = 8;
const furthestJump = 255;
/** BPF_MAXINSNS of the kernel. */
const longestProgram = 4096;

/** @throws TerminalError `bpf` for an unknown or backward label, a jump too far, or a program too long for the kernel. */
export function assemble(program: readonly Instruction[]): Buffer {
  const places = new Map<string, number>();
  let length = 0;
  for (const instruction of program) {
    if (instruction.op === 'label') places.set(instruction.name, length);
    else length += 1;
  }
  if (length > longestProgram) throw new TerminalError('bpf', `a filter of ${length} instructions is too long`);
  const bytes = Buffer.alloc(length * instructionBytes);
  let index = 0;
  const distance = (name: string | undefined): number => {
    if (name === undefined) return 0;
    const place = places.get(name);
    const steps = place === undefined ? -1 : place - index - 1;
    if (steps < 0 || steps > furthestJump) throw new TerminalError('bpf', `no jump of a filter can reach "${name}"`);
    return steps;
  };
  const put = (code: number, yes: number, no: number, value: number): void => {
    const at = index * instructionBytes;
    bytes.writeUInt16LE(code, at);
    bytes.writeUInt8(yes, at + 2);
    bytes.writeUInt8(no, at + 3);
    bytes.writeUInt32LE(value >>> 0, at + 4);
    index += 1;
  };
  for (const instruction of program) {
    if (instruction.op === 'load') put(codes.load, 0, 0, instruction.offset);
    else if (instruction.op === 'return') put(codes.return, 0, 0, instruction.value);
    else if (instruction.op === 'jump') {
      put(codes[instruction.test], distance(instruction.yes), distance(instruction.no), instruction.value);
    }
  }
  return bytes;
}
