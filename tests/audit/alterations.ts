/**
 * Alterations of an archive by raw SQL, each with the invariants it must break. Long because it is one table: what is missing
 * from it is seen only when it is read as a whole.
 */
const first = (table: string, where: string) => `(SELECT min(rowid) FROM ${table} WHERE ${where})`;
const keyOf = (node: string, rung = 'screen') =>
  `(SELECT key FROM evaluation_requests WHERE node = '${node}' AND rung = '${rung}' LIMIT 1)`;
const identityOf = (node: string) => `(SELECT identity FROM jobs WHERE key = ${keyOf(node)})`;
const confirmingAt = `(SELECT at FROM phases WHERE phase = 'confirming')`;
const testScore = '(SELECT score FROM test_scores ORDER BY key LIMIT 1)';

/** The drafts of an agent made worthless wherever their scores stand: only what the agent did then still tells. */
const drafts = `(SELECT key FROM evaluation_requests WHERE node IN ('climber-1', 'climber-2') AND rung = 'screen')`;
const forged = `
  UPDATE outbox SET body = json_set(body, '$.validation', 0.0)
    WHERE json_extract(body, '$.validation') IN (SELECT validation FROM evaluations WHERE key IN ${drafts});
  UPDATE evaluations SET validation = 0, measurement = json_set(measurement, '$.validation', 0.0) WHERE key IN ${drafts};
  UPDATE deliveries SET validation = 0 WHERE key IN ${drafts}`;

/** Each line alters a sound archive behind the ledger's back; exactly the named invariants must then be broken. */
export const alterations: [what: string, sql: string, broken: string[], saying: RegExp][] = [
  // I1
  [
    'a job that was never to be published',
    `DELETE FROM outbox WHERE seq = ${first('outbox', `kind = 'job'`)}`,
    ['I1'],
    /no outbox row for its epoch 1/,
  ],
  [
    'a job told otherwise than decided',
    `UPDATE outbox SET body = json_set(body, '$.timeoutSeconds', 1) WHERE seq = ${first('outbox', `kind = 'job'`)}`,
    ['I1'],
    /differs between outbox and ledger/,
  ],
  [
    'a publication that nobody decided',
    `INSERT INTO outbox (kind, message_id, body, created_at) VALUES ('job', '${'f'.repeat(64)}:1', '{}', 1)`,
    ['I1'],
    /has job ffffffffffff, epoch 1, which is not in the ledger/,
  ],
  [
    'a publication before its commit',
    `UPDATE outbox SET sent_at = created_at - 1 WHERE seq = 3`,
    ['I1'],
    /outbox row 3 was published before/,
  ],
  [
    'an epoch without its row',
    `UPDATE jobs SET epoch = 2 WHERE key = ${keyOf('chance-1')}`,
    ['I1'],
    /no outbox row for its epoch 2 of 2/,
  ],
  [
    'an evaluation that vanished',
    `DELETE FROM evaluations WHERE key = ${keyOf('chance-5')}`,
    ['I1', 'I3'],
    /was counted, but has no evaluation/,
  ],
  [
    'a job that vanished',
    `DELETE FROM jobs WHERE key = ${keyOf('chance-5')}`,
    ['I1', 'I2', 'I3'],
    /refers to a missing row of jobs/,
  ],
  [
    'an announcement that vanished',
    `DELETE FROM outbox WHERE seq = ${first('outbox', `json_extract(body, '$.kind') = 'node-evaluated'`)}`,
    ['I1'],
    /was never announced/,
  ],
  ['a deleted last row', `DELETE FROM test_reads`, ['I1'], /test_reads has 0 rows, but 1 were written/],
  [
    'a value beyond its range',
    `UPDATE evaluations SET seconds = -1 WHERE key = ${keyOf('chance-5')}`,
    ['I1'],
    /1 row of evaluations with a value out of range/,
  ],
  // I2
  [
    'a job that is another training',
    `UPDATE jobs SET body = json_set(body, '$.seed', 77) WHERE key = ${keyOf('chance-1')}`,
    ['I2', 'I10'],
    /should have the key/,
  ],
  [
    'a job with other settings',
    `UPDATE jobs SET body = json_set(body, '$.settings.steps', 9) WHERE key = ${keyOf('chance-1')}`,
    ['I2', 'I10'],
    /is not the training that this node needs/,
  ],
  [
    'two evaluations of one key',
    `CREATE TABLE e AS SELECT * FROM evaluations; INSERT INTO e SELECT * FROM e LIMIT 1; DROP TABLE evaluations; ALTER TABLE e RENAME TO evaluations; CREATE TABLE t AS SELECT * FROM test_scores; DROP TABLE test_scores; ALTER TABLE t RENAME TO test_scores`,
    ['I1', 'I2'],
    /was evaluated 2 times/,
  ],
  [
    'two payers of one training',
    `DROP INDEX evaluation_requests_paid_once; UPDATE evaluation_requests SET saved = 0 WHERE saved = 1`,
    ['I1', 'I2'],
    /2 nodes paid for/,
  ],
  [
    'a training that nobody paid',
    `UPDATE evaluation_requests SET saved = 1 WHERE node = 'chance-2' AND rung = 'screen'`,
    ['I2'],
    /0 nodes paid for/,
  ],
  [
    'a result that was counted twice',
    `UPDATE deliveries SET verdict = 'counted' WHERE verdict = 'surplus'`,
    ['I2'],
    /a second result for \w+ was counted/,
  ],
  // I3
  [
    'a score that nobody measured',
    `UPDATE evaluations SET validation = 0.99 WHERE key = ${keyOf('climber-6')}`,
    ['I3'],
    /differs from what cpu-1-w0a delivered/,
  ],
  [
    'a measurement that nobody announced',
    `UPDATE evaluations SET validation = 0.99, measurement = json_set(measurement, '$.validation', 0.99) WHERE key = ${keyOf('climber-6')}; UPDATE deliveries SET validation = 0.99 WHERE key = ${keyOf('climber-6')}`,
    ['I3'],
    /climber-6 on screen with seed 1 was announced with/,
  ],
  [
    'another evaluator',
    `UPDATE evaluations SET evaluator = 'torch-ffffffffffff' WHERE key = ${keyOf('chance-1')}`,
    ['I3'],
    /is by evaluator torch-ffffffffffff/,
  ],
  [
    'a worker that claimed nothing',
    `UPDATE attempts SET worker = 'cpu-9-w0a' WHERE key = ${keyOf('chance-1')}`,
    ['I3', 'I8'],
    /which never claimed the job/,
  ],
  [
    'an agent that judges',
    `UPDATE evaluations SET worker = 'chance' WHERE key = ${keyOf('chance-1')}; UPDATE deliveries SET worker = 'chance' WHERE key = ${keyOf('chance-1')}; UPDATE attempts SET worker = 'chance' WHERE key = ${keyOf('chance-1')}`,
    ['I3'],
    /which is an agent/,
  ],
  [
    'a place for scores among proposals',
    `ALTER TABLE nodes ADD COLUMN score REAL; UPDATE nodes SET score = 1 WHERE id = 'chance-1'`,
    ['I1', 'I3'],
    /nodes have a column "score"/,
  ],
  [
    'a score among the reasons',
    `UPDATE nodes SET rationale = json_set(rationale, '$.score', 1) WHERE id = 'chance-1'`,
    ['I3', 'I5'],
    /the rationale of chance-1 has more/,
  ],
  // I4
  [
    'a test score for a screening',
    `INSERT INTO test_scores VALUES (${keyOf('chance-1')}, 0.123456789, '{}')`,
    ['I4'],
    /a training of the screen rung, has a test score/,
  ],
  [
    'a test score in the open measurement',
    `UPDATE evaluations SET measurement = json_set(measurement, '$.tasks.recall.test', 0.5) WHERE key = ${keyOf('chance-1')}`,
    ['I4'],
    /the public measurement of \w+ contains a test score/,
  ],
  [
    'a test score in a rationale',
    `UPDATE nodes SET rationale = json_set(rationale, '$.change', 'because ' || printf('%.7f', ${testScore})) WHERE id = 'climber-6'`,
    ['I4'],
    /a test score occurs in the rationale of climber-6/,
  ],
  [
    'a test score in an announcement',
    `UPDATE outbox SET body = json_set(body, '$.seconds', ${testScore}) WHERE seq = ${first('outbox', `json_extract(body, '$.kind') = 'node-evaluated'`)}`,
    ['I4'],
    /a test score occurs in outbox row \d+ \(event\)/,
  ],
  [
    'a test score in a job',
    `UPDATE jobs SET body = json_set(body, '$.timeoutSeconds', ${testScore})`,
    ['I4'],
    /a test score occurs in job/,
  ],
  [
    'a look during the search',
    `UPDATE test_reads SET at = ${confirmingAt}`,
    ['I4'],
    /read while the search was confirming/,
  ],
  ['a look for another purpose', `UPDATE test_reads SET purpose = 'promotion'`, ['I4'], /read for "promotion"/],
  [
    'a final before screening was over',
    `UPDATE evaluation_requests SET at = ${confirmingAt} - 1 WHERE rung = 'final' AND node NOT LIKE 'reference%'`,
    ['I4'],
    /was requested before the end of screening/,
  ],
  [
    'a proposal after it was over',
    `UPDATE nodes SET created_at = ${confirmingAt} + 1 WHERE id = 'chance-5'`,
    ['I4'],
    /chance-5 was proposed after the end of screening/,
  ],
  // I5
  [
    'another operator',
    `UPDATE nodes SET origin = 'draft' WHERE id = 'climber-6'`,
    ['I5'],
    /climber-6 was recorded with operator draft, now improve/,
  ],
  [
    'another parent',
    `UPDATE parents SET parent = CASE parent WHEN 'climber-1' THEN 'climber-2' ELSE 'climber-1' END WHERE node = 'climber-6'`,
    ['I5'],
    /climber-6 was recorded with parents/,
  ],
  [
    'another expectation',
    `UPDATE nodes SET rationale = json_set(rationale, '$.expected', 0.5) WHERE id = 'climber-6'`,
    ['I5'],
    /expectation 0.5, now null/,
  ],
  [
    'another seed',
    `UPDATE searches SET spec = json_set(spec, '$.seed', 2)`,
    ['I5'],
    /chance-1 was recorded with candidate/,
  ],
  [
    'another name',
    `UPDATE nodes SET id = 'chance-0' WHERE id = 'chance-5'; UPDATE evaluation_requests SET node = 'chance-0' WHERE node = 'chance-5'; UPDATE outbox SET body = json_set(body, '$.node', 'chance-0') WHERE json_extract(body, '$.node') = 'chance-5'`,
    ['I5'],
    /attempt 5 of chance has the id chance-0/,
  ],
  [
    'another reference',
    `UPDATE searches SET spec = json_set(spec, '$.references[0].candidate', 'M M M M')`,
    ['I5'],
    /reference-sandwich-1 is not the reference/,
  ],
  ['a score forged in every place', forged, ['I5'], /climber-\d was recorded with/],
  // I6
  [
    'a second measurement that differs',
    `UPDATE deliveries SET validation = validation + 1e-12 WHERE verdict = 'surplus'`,
    ['I6'],
    /counted [\d.]+, but cpu-2-w0a measured/,
  ],
  [
    'a second training that diverged',
    `UPDATE deliveries SET validation = NULL, status = 'failed', reason = 'nan', message = 'x' WHERE verdict = 'surplus'`,
    ['I6'],
    /ended as nan in one training and scored in another/,
  ],
  // I7
  [
    'a key in a rationale',
    `UPDATE nodes SET rationale = json_set(rationale, '$.choice', 'sk-ant-api03-AbCdEfGh0123456789') WHERE id = 'chance-1'`,
    ['I7'],
    /an Anthropic key occurs in nodes.rationale, in 1 row/,
  ],
  [
    'a private key in a search file',
    `UPDATE searches SET source = '-----BEGIN OPENSSH PRIVATE KEY-----'`,
    ['I7'],
    /a private key occurs in searches.source/,
  ],
  // I8
  [
    'an attempt that is missing',
    `UPDATE nodes SET ordinal = 7 WHERE id = 'climber-6'; UPDATE nodes SET id = 'climber-7' WHERE id = 'climber-6'; UPDATE evaluation_requests SET node = 'climber-7' WHERE node = 'climber-6'; UPDATE parents SET node = 'climber-7' WHERE node = 'climber-6'; UPDATE outbox SET body = json_set(body, '$.node', 'climber-7') WHERE json_extract(body, '$.node') = 'climber-6'`,
    ['I5', 'I8'],
    /climber lacks attempt 6/,
  ],
  [
    'a refusal without a reason',
    `UPDATE nodes SET verdict = 'rejected' WHERE id = 'climber-6'`,
    ['I1', 'I8'],
    /climber-6 was refused without a reason/,
  ],
  [
    'a failure without a reason code',
    `UPDATE evaluations SET reason = 'whim' WHERE status = 'failed'`,
    ['I5', 'I8'],
    /failed for "whim", which is not a reason code/,
  ],
  [
    'a failure without a message',
    `UPDATE evaluations SET message = '' WHERE status = 'failed'`,
    ['I8'],
    /without a message/,
  ],
  [
    'a training that was never begun',
    `DELETE FROM attempts WHERE key = ${keyOf('chance-2')}`,
    ['I1', 'I3', 'I8'],
    /no start of that training is recorded/,
  ],
  [
    'an end before its beginning',
    `UPDATE attempts SET at = at + 100000 WHERE key = ${keyOf('chance-2')}`,
    ['I3', 'I8'],
    /ended before it started/,
  ],
  [
    'an acceptance without an evaluation',
    `DELETE FROM evaluation_requests WHERE node = 'islander-6'`,
    ['I1', 'I2', 'I3', 'I8'],
    /islander-6 was accepted, but its evaluation was not requested/,
  ],
  // I9
  [
    'an agent beyond its share',
    `UPDATE searches SET spec = json_set(spec, '$.agents[0].evaluations', 4)`,
    ['I9'],
    /chance had 5 proposals accepted, limit 4/,
  ],
  [
    'a search beyond its budget',
    `UPDATE searches SET spec = json_set(spec, '$.budget.evaluations', 16)`,
    ['I9'],
    /17 proposals accepted, and the search has 16/,
  ],
  [
    'trainings after the wall time',
    `UPDATE searches SET spec = json_set(spec, '$.budget.minutes', 0.2)`,
    ['I9'],
    /attempt 1 at \w+ on cpu-1-w0a started [\d.]+ s after the wall time was used/,
  ],
  [
    'a search that went on and on',
    `UPDATE sessions SET seen_at = seen_at + 3600000`,
    ['I9'],
    /lasted [\d.]+ s longer than its 10 minutes/,
  ],
  [
    'device seconds beyond the limit',
    `UPDATE searches SET spec = json_set(spec, '$.budget.deviceSeconds', 20)`,
    ['I9'],
    /was requested when 2\d\.0 of 20 device seconds were used or reserved/,
  ],
  // I10
  [
    'other data among the parts of an identity',
    `UPDATE identities SET components = json_set(components, '$.data.dclm', '${'a'.repeat(64)}') WHERE digest = ${identityOf('chance-1')}`,
    ['I10'],
    /identity \w+ of evaluation \w+ is not the digest of its recorded components/,
  ],
  [
    'an identity without its parts',
    `UPDATE identities SET components = '{}' WHERE digest = ${identityOf('chance-1')}`,
    ['I10'],
    /has identity \w+, whose components are not recorded/,
  ],
  [
    'the identity of another rung',
    `UPDATE jobs SET identity = (SELECT identity FROM jobs WHERE json_extract(body, '$.rung') = 'final' LIMIT 1) WHERE key = ${keyOf('chance-1')}`,
    ['I10'],
    /has identity \w+, but its job has other components/,
  ],
  [
    'a score of unknown data',
    `UPDATE jobs SET identity = NULL WHERE key = ${keyOf('chance-1')}`,
    ['I10'],
    /has no identity, although its job has data and a task directory/,
  ],
  [
    'a job with other data than its key',
    `UPDATE jobs SET body = json_set(body, '$.content.data.dclm', '${'a'.repeat(64)}') WHERE key = ${keyOf('chance-1')}`,
    ['I2', 'I10'],
    /has identity \w+, but its job has other components/,
  ],
  [
    'a total that its rows do not give',
    `UPDATE rung_totals SET seconds = seconds - 1 WHERE rung = 'screen'; DELETE FROM rung_scores WHERE agent = 'chance' AND ordinal = 1`,
    ['I2'],
    /the total seconds of the rung screen is [\d.]+, its rows give [\d.]+[\s\S]*the total mean of the score screen chance-1 is missing/,
  ],
];
