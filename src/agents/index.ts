export { createModel, type LocalModel, type Proposal, type ProposalInput, type PythonSetting } from './models/index.ts';
export { type Decision, type Scaffold, scaffoldFor } from './scaffolds/scaffold.ts';
export { type Thinker, type Thought, think } from './think.ts';
