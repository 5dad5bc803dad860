// What another user of the machine tries against a running lab, with nothing but Node: its text is handed to a process with
// that user's rights. Prints one JSON object.
import { accessSync, constants, readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

const { port, home } = JSON.parse(process.argv.at(-1) ?? '{}');

/** Says everything at once, as whoever is shown; answers what the server says until it is silent or closes. */
function talk(shown) {
  const lines = [
    `CONNECT ${JSON.stringify({ verbose: false, pedantic: false, lang: 'outsider', version: '1', ...shown })}`,
    ...['SUB > 1', 'SUB aira.archive.> 2', 'SUB aira.result 3', 'SUB _INBOX.> 4', 'SUB $JS.> 5'],
    ...['aira.work.cpu', 'aira.result', 'aira.event.outsider.phase-changed', 'aira.archive.search-phase'].map(
      (subject) => `PUB ${subject} mine 2\r\n{}`,
    ),
    ...['STREAM.NAMES', 'STREAM.DELETE.RESULTS', 'STREAM.MSG.GET.RESULTS'].map(
      (verb) => `PUB $JS.API.${verb} mine 2\r\n{}`,
    ),
    'PING',
  ];
  return new Promise((resolve) => {
    let said = '';
    const socket = connect(port, '127.0.0.1');
    const end = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(said);
    };
    const timer = setTimeout(end, 3000);
    socket.on('error', end).on('close', end);
    socket.on('data', (bytes) => {
      if (said === '') socket.write(`${lines.join('\r\n')}\r\n`);
      said += bytes.toString('latin1');
    });
  });
}

const attempt = (action) => {
  try {
    const found = action();
    return { ok: true, found };
  } catch (thrown) {
    return { ok: false, code: thrown.code };
  }
};

const files = [
  ...['archive.db', 'archive.db-wal', 'nats/nats.conf', 'nats/jetstream', 'credentials', 'credentials/archive.nk'],
  ...['credentials/worker.nk', 'credentials/sealing.pem', 'calls', 'thoughts.db', 'reports', '.'],
];
const isReadable = (path) => accessSync(path, constants.R_OK);

/** Secrets on command lines, which everybody may read, and environments that let themselves be read. */
const processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
const read = (pid, what) => {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'latin1');
  } catch {
    return '';
  }
};

const report = {
  uid: process.getuid?.(),
  said: {},
  readable: files.filter((file) => attempt(() => isReadable(join(home, file))).ok),
  seedsInArguments: processes.filter((pid) => /\bSU[A-Z2-7]{56}\b/.test(read(pid, 'cmdline'))),
  seedsInEnvironments: processes.filter((pid) => /\bSU[A-Z2-7]{56}\b/.test(read(pid, 'environ'))),
};
const guesses = {
  nobody: {},
  password: { user: 'aira', pass: 'aira' },
  token: { auth_token: 'aira' },
  nkey: { nkey: `U${'A'.repeat(55)}`, sig: 'AAAA' },
};
for (const [name, shown] of Object.entries(guesses)) report.said[name] = await talk(shown);
process.stdout.write(JSON.stringify(report));
