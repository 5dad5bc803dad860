/** Programs travel outside JSON: reasons in JSON, each file or change in a fenced block that names it. */
import { describe, expect, it } from 'vitest';
import { programForms, withFencedPrograms } from '../../../src/agents/operators/programAnswers.ts';
import { readLeniently } from '../../../src/llm/chat.ts';

const reasons = { hypothesis: 'h', change: 'c', expected_fitness: null, evidence: [] };
const json = `\`\`\`json\n${JSON.stringify(reasons)}\n\`\`\``;
const program = 'def build():\n    """\n    ```python\n    example()\n    ```\n    """\n    return "\\n{}"\n';
const read = (operator: keyof typeof programForms, text: string) =>
  readLeniently(withFencedPrograms(text), programForms[operator].schema);

describe('an answer with fenced programs', () => {
  it('gives whole files, with fences and escapes of their own inside', () => {
    const text = `I change one thing.\n\n${json}\n\n\`\`\`\`python model.py\n${program}\`\`\`\`\n\nand\n\`\`\`toml ./config.toml\nbatch = 8\n\`\`\`\n`;
    const files = [
      { name: 'model.py', text: program },
      { name: 'config.toml', text: 'batch = 8\n' },
    ];
    for (const operator of ['draft', 'improve'] as const) {
      expect(read(operator, text)).toMatchObject({ ok: true, value: { ...reasons, files, edits: null } });
    }
  });

  it('gives edits, several in a block', () => {
    const change = (search: string, replace: string) =>
      `<<<<<<< SEARCH\n${search}\n=======\n${replace}\n>>>>>>> REPLACE\n`;
    const text = `${JSON.stringify(reasons)}\n\`\`\`\`edit model.py\n${change('a = 1', 'a = 2\nb = 3')}${change('  c', '')}\`\`\`\``;
    // The reasons may be without a fence, but then something must precede them.
    expect(read('improve', `Here:\n${text}`)).toMatchObject({
      ok: true,
      value: {
        files: null,
        edits: [
          { file: 'model.py', search: 'a = 1', replace: 'a = 2\nb = 3' },
          { file: 'model.py', search: '  c', replace: '' },
        ],
      },
    });
  });

  it('is refused with what is missing', () => {
    expect(
      read('draft', `${json}\n\`\`\`edit model.py\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n\`\`\``),
    ).toMatchObject({ ok: false, problem: expect.stringContaining('files') });
    expect(read('draft', '```python model.py\na = 1\n```').ok).toBe(false);
  });

  it('may still be one JSON object, as of older recordings', () => {
    const text = JSON.stringify({ ...reasons, files: [{ name: 'model.py', text: '```\nx\n```' }] });
    expect(withFencedPrograms(text)).toBe(text);
    expect(read('draft', text).ok).toBe(true);
  });
});
