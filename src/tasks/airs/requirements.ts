import * as z from 'zod';
import type { AirsMetadata } from './metadata.ts';
import { askTasks, type ScriptHost } from './scripts.ts';

/** Projects whose module is called otherwise; the rest are called like their project, with underscores. */
const modules: Readonly<Record<string, string>> = {
  'scikit-learn': 'sklearn',
  pyyaml: 'yaml',
  pillow: 'PIL',
  'opencv-python': 'cv2',
  beautifulsoup4: 'bs4',
  'rouge-score': 'rouge_score',
  'python-dateutil': 'dateutil',
  'torch-geometric': 'torch_geometric',
  'huggingface-hub': 'huggingface_hub',
  'tree-sitter': 'tree_sitter',
  'faiss-cpu': 'faiss',
  'tensorflow-text': 'tensorflow_text',
};

const projectOf = (requirement: string): string => /^[A-Za-z0-9._-]+/.exec(requirement)?.[0]?.toLowerCase() ?? '';

/** The module that a requirement is imported by. */
export const moduleOf = (requirement: string): string => {
  const project = projectOf(requirement);
  return modules[project] ?? project.replaceAll('-', '_').replaceAll('.', '_');
};

/** One sentence with a remedy about what of these requirements this Python lacks; null when all is there. */
export async function missingRequirements(requirements: readonly string[], host: ScriptHost): Promise<string | null> {
  const unique = [...new Set(requirements)];
  const asked = await askTasks(z.array(z.string()), ['modules', ...unique.map(moduleOf)], host);
  if ('problem' in asked) return asked.problem;
  const lacking = unique.filter((requirement) => asked.answer.includes(moduleOf(requirement)));
  if (lacking.length === 0) return null;
  const quoted = lacking.map((each) => (/[<>=!~]/.test(each) ? `'${each}'` : each)).join(' ');
  return `package ${lacking.join(', ')} missing; install with \`${host.python} -m pip install ${quoted}\`, or name another Python in AIRA_PYTHON`;
}

/** What preparing and scoring need. */
export const scorerRequirements = (metadata: AirsMetadata): string[] => [
  ...(metadata.prepare_code_python_requirements ?? []),
  ...metadata.evaluate_container_python_requirements,
];
