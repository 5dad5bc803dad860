// A program on another machine that tries what it may not, with the key that it was given or none. Reads one JSON object from
// its arguments; prints what the server let it do, as JSON.
import { readFileSync } from 'node:fs';
import { connect, nkeyAuthenticator } from 'nats';

const { url, nkey, ca, publishes, subscribes, stay } = JSON.parse(process.argv.at(-1) ?? '{}');
const print = (report) => process.stdout.write(`${JSON.stringify(report)}\n`);

const lines = nkey ? readFileSync(nkey, 'utf8').split('\n') : [];
const seed = lines.find((line) => line.startsWith('SU'));
try {
  const nc = await connect({
    ...{ servers: url, reconnect: false, timeout: 4000 },
    ...(ca === undefined ? {} : { tls: ca === '' ? {} : { ca: readFileSync(ca, 'utf8') } }),
    ...(seed ? { authenticator: nkeyAuthenticator(new TextEncoder().encode(seed)) } : {}),
  });
  const refused = new Set();
  void (async () => {
    for await (const { permissionContext: context } of nc.status()) {
      if (context) refused.add(`${context.operation} ${context.subject}`);
    }
  })();
  const heard = [];
  for (const subject of subscribes ?? []) {
    nc.subscribe(subject, { callback: (error, message) => void (error ?? heard.push(message.subject)) });
  }
  for (const subject of publishes ?? []) nc.publish(subject, '{}');
  await nc.flush();
  await nc.flush();
  print({ connected: true, refused: [...refused].sort() });
  if (stay) {
    const closed = await nc.closed();
    print({ closed: closed?.message ?? 'closed' });
  } else await nc.close();
} catch (thrown) {
  print({ connected: false, code: thrown.code, message: thrown.message });
}
