export { type Corpus, type CorpusNote, corpusDirectory, loadCorpus } from './corpus.ts';
export { LiteratureClient } from './http/client.ts';
export { ResponseCache } from './http/responseCache.ts';
export { defaultReadingBudget, type Lesson, Library, type ReadingBudget } from './library.ts';
export { arxivSource } from './sources/arxiv.ts';
export { githubCodeSource } from './sources/githubCode.ts';
export { openAlexSource } from './sources/openAlex.ts';
export { semanticScholarSource } from './sources/semanticScholar.ts';
export type { OnlineSource } from './sources/source.ts';
