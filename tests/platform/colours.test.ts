import { describe, expect, it } from 'vitest';
import { coloursFor } from '../../src/platform/text.ts';

const terminal = { isTTY: true };

describe('colours', () => {
  it.each([
    { where: 'a terminal', stream: terminal, environment: {}, coloured: true },
    { where: 'a pipe', stream: {}, environment: {}, coloured: false },
    // The package itself colours every log where CI is set; a program that reads our output would get escapes.
    { where: 'a pipe of a build server', stream: {}, environment: { CI: 'true' }, coloured: false },
    { where: 'a terminal that knows none', stream: terminal, environment: { TERM: 'dumb' }, coloured: false },
    { where: 'a terminal with NO_COLOR', stream: terminal, environment: { NO_COLOR: '1' }, coloured: false },
    { where: 'a terminal with an empty NO_COLOR', stream: terminal, environment: { NO_COLOR: '' }, coloured: true },
    { where: 'a pipe with FORCE_COLOR', stream: {}, environment: { FORCE_COLOR: '1' }, coloured: true },
    {
      where: 'both variables',
      stream: terminal,
      environment: { FORCE_COLOR: '1', NO_COLOR: '1' },
      coloured: false,
    },
  ])('$where: $coloured', ({ stream, environment, coloured }) => {
    expect(coloursFor(stream, environment).red('x')).toBe(coloured ? '\u001b[31mx\u001b[39m' : 'x');
  });
});
