import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineReader, OutputLog } from '../../src/platform/processes.ts';

describe('lines', () => {
  it('are the same however the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat({ max: 7 })), (texts, cuts) => {
        const lines = texts.map((text) => text.replaceAll('\n', ' ')).filter((text) => text.trim() !== '');
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        const seen: string[] = [];
        const reader = new LineReader(1000, (line) => seen.push(line));
        let at = 0;
        for (const cut of cuts) {
          reader.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        reader.push(bytes.subarray(at));
        expect(seen).toEqual(lines);
      }),
    );
  });

  it('without an end are handed over once and cost no more memory', () => {
    const seen: string[] = [];
    const reader = new LineReader(100, (line) => seen.push(line));
    for (let chunk = 0; chunk < 50; chunk++) reader.push(Buffer.from('x'.repeat(30)));
    reader.push(Buffer.from('\nlater\n'));
    expect(seen).toEqual(['x'.repeat(120)]);
  });
});

describe('the log of a child', () => {
  it('keeps beginning and end and counts what it drops', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary-ascii', maxLength: 40 }), { maxLength: 60 }), (chunks) => {
        const log = new OutputLog(100);
        for (const chunk of chunks) log.push(Buffer.from(chunk));
        const whole = chunks.join('');
        const expected =
          whole.length <= 100
            ? whole
            : `${whole.slice(0, 50)}\n[${whole.length - 100} bytes dropped]\n${whole.slice(-50)}`;
        expect(log.text()).toBe(expected);
      }),
    );
  });

  it('tells the last lines that say something', () => {
    const log = new OutputLog();
    log.push(Buffer.from('one\n\n  two \r\n\u001b[1mthree\u001b[0m\n\n'));
    expect(log.lastLines(2, 100)).toBe('two | three');
    expect(log.lastLines(9, 7)).toBe('… three');
    expect(new OutputLog().lastLines(5, 100)).toBe('');
  });
});
