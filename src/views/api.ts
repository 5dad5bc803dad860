import type * as z from 'zod';
import type * as detail from './apiDetail.ts';
import type * as page from './apiDetail.ts';
import type * as home from './apiHome.ts';
import type * as search from './apiSearch.ts';

/**
 * Types of everything that the dashboard's HTTP API answers, from the schemas that the server checks its own answers with. No
 * code: a browser imports these with `import type`.
 */

/** `GET /api/labs` */
export type Labs = z.infer<typeof home.labsSchema>;
/** `GET /api/searches` */
export type Searches = z.infer<typeof search.searchesSchema>;
export type SearchRow = z.infer<typeof search.searchRow>;
export type Best = NonNullable<SearchRow['best']>;
/** `GET /api/searches/:id` */
export type Overview = z.infer<typeof search.overviewSchema>;
export type OverviewAgent = Overview['agents'][number];
export type Ruling = Overview['rulings'][number];
/** `GET /api/searches/:id/nodes` */
export type Nodes = z.infer<typeof search.nodesSchema>;
export type NodeRow = z.infer<typeof search.nodeRow>;
/** `GET /api/searches/:id/points` */
export type Points = z.infer<typeof search.pointsSchema>;
/** `GET /api/searches/:id/nodes/:node` */
export type NodeDetail = z.infer<typeof detail.nodeSchema>;
export type Candidate = NodeDetail['candidate'];
export type Mention = NodeDetail['parents'][number];
export type RungDetail = NodeDetail['rungs'][number];
export type EvaluationDetail = RungDetail['evaluations'][number];
export type Call = NodeDetail['attempt']['calls'][number];
export type Round = NodeDetail['attempt']['rounds'][number];
export type Reading = NodeDetail['attempt']['readings'][number];
/** `GET /api/searches/:id/agents/:agent` */
export type AgentDetail = z.infer<typeof detail.agentSchema>;
/** `GET /api/searches/:id/literature` */
export type Literature = z.infer<typeof detail.literatureSchema>;
/** `GET /api/searches/:id/sections/:group` */
export type Sections = z.infer<typeof page.sectionsSchema>;
export type SectionGroup = (typeof page.sectionGroups)[number];
/** `GET /api/studies` and `GET /api/studies/:id` */
export type Studies = z.infer<typeof home.studiesSchema>;
export type StudyDetail = z.infer<typeof home.studySchema>;
export type StudyFigures = z.infer<typeof home.studyFigures>;
/** `GET /api/scales/:id` */
export type ScaleDetail = z.infer<typeof home.scaleSchema>;
export type ScaleFigures = z.infer<typeof home.scaleFigures>;
/** `GET /api/workers` */
export type Workers = z.infer<typeof home.workersSchema>;
/** Data of the event `changed` of `GET /api/events` */
export type Changed = z.infer<typeof home.changedSchema>;
/** `POST /api/searches/:id/commands`, and its answer */
export type CommandBody = z.infer<typeof home.commandSchema>;
export type CommandReply = z.infer<typeof home.commandReplySchema>;
/** Every answer with a status of 400 and above */
export type Problem = z.infer<typeof home.problemSchema>;

/** A text cut at a limit: `more` characters are missing, and `raw` is where the whole can be had, below the API's root. */
export type LongText = z.infer<typeof search.longText>;
export type Interval = z.infer<typeof search.interval>;
export type RungName = z.infer<typeof search.rungNameSchema>;
export type NodeStatusName = z.infer<typeof search.statusSchema>;
export type OperatorName = z.infer<typeof search.operatorSchema>;
