import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type GetRequest, requestedWaitMs, retryAfterMs } from '../../src/literature/client.ts';
import { ResponseCache } from '../../src/literature/responseCache.ts';
import { clientOf, json, ManualTime, service } from './support.ts';

const rate = { burst: 1, everyMs: 3000 };
const hour = 3_600_000;
const asking = (url: string, more: Partial<GetRequest> = {}): GetRequest => ({
  url: new URL(url),
  rate,
  ttlMs: hour,
  check: () => {},
  ...more,
});

describe('the client', () => {
  it('says who it is, and asks a host no faster than it may (LIT-2)', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, (_, response) => json(response, 'yes'));
    const { client } = clientOf(time);
    const begin = time.now();
    const answers = ['a', 'b', 'c'].map((path) => client.get(asking(`${url}/${path}`)));
    await time.drive(Promise.all(answers));
    expect(asked.map(({ path, at }) => [path, at - begin])).toEqual([
      ['/a', 0],
      ['/b', 3000],
      ['/c', 6000],
    ]);
    expect(asked[0]?.headers['user-agent']).toBe('aira/test (+https://example.org)');
  });

  it('asks once for equal questions, at once and later, until the answer is old (LIT-1)', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, (_, response) => json(response, 'yes'));
    const { client } = clientOf(time);
    const twins = await time.drive(
      Promise.all([client.get(asking(`${url}/?a=1&b=2`)), client.get(asking(`${url}/?b=2&a=1#part`))]),
    );
    expect(twins.map(({ from }) => from)).toEqual(['network', 'network']);
    expect((await client.get(asking(`${url}/?a=1&b=2`))).from).toBe('cache');
    expect(asked).toHaveLength(1);
    time.advance(hour);
    expect((await time.drive(client.get(asking(`${url}/?a=1&b=2`)))).from).toBe('network');
    expect(asked).toHaveLength(2);
  });

  it('renews an old answer by its ETag', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, ({ headers }, response) => {
      if (headers['if-none-match'] === '"v1"') response.writeHead(304).end();
      else json(response, { fact: 1 }, { etag: '"v1"' });
    });
    const { client } = clientOf(time);
    const first = await time.drive(client.get(asking(url)));
    time.advance(2 * hour);
    const second = await time.drive(client.get(asking(url)));
    expect(asked[1]?.headers['if-none-match']).toBe('"v1"');
    expect(second.body).toBe(first.body);
    expect(Date.parse(second.retrievedAt) - Date.parse(first.retrievedAt)).toBe(2 * hour);
    expect((await client.get(asking(url))).from).toBe('cache');
    expect(asked).toHaveLength(2);
  });

  it('keeps nothing that is not in the format of its service (LIT-5)', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, (_, response, nth) => json(response, nth === 1 ? 'busy page' : 'fine'));
    const { client } = clientOf(time);
    const check = (body: string) => {
      if (body !== '"fine"') throw new Error(`not fine: ${body}`);
    };
    await expect(time.drive(client.get(asking(url, { check })))).rejects.toThrow('not fine');
    expect((await time.drive(client.get(asking(url, { check })))).from).toBe('network');
    expect((await client.get(asking(url, { check }))).from).toBe('cache');
    // A stricter reader rejects what a laxer one cached.
    const stricter = () => {
      throw new Error('too lax');
    };
    await expect(time.drive(client.get(asking(url, { check: stricter })))).rejects.toThrow('too lax');
    expect(asked).toHaveLength(3);
  });

  it('waits as a 429 requests, and so do all other requests to that host (LIT-3)', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, (_, response, nth) => {
      if (nth === 1) response.writeHead(429, { 'retry-after': '11' }).end();
      else json(response, nth);
    });
    const { client } = clientOf(time);
    const begin = time.now();
    const both = [client.get(asking(`${url}/first`)), client.get(asking(`${url}/second`))];
    const [first, second] = await time.drive(Promise.all(both));
    expect([first?.body, second?.body]).toEqual(['2', '3']);
    expect(asked.map(({ path, at }) => [path, at - begin])).toEqual([
      ['/first', 0],
      ['/first', 11_000],
      ['/second', 14_000],
    ]);
  });

  it('fails for a host that requests too long a wait, and for one that keeps failing (LIT-3)', async () => {
    const time = new ManualTime();
    const busy = await service(time, (_, response) => response.writeHead(429, { 'retry-after': '86400' }).end());
    const broken = await service(time, (_, response) => response.writeHead(503).end());
    const { client } = clientOf(time);
    await expect(time.drive(client.get(asking(busy.url)))).rejects.toMatchObject({
      code: 'literature-busy',
      retryAfterMs: 60_000,
    });
    await expect(time.drive(client.get(asking(broken.url)))).rejects.toMatchObject({ code: 'literature-busy' });
    expect([busy.asked.length, broken.asked.length]).toEqual([1, 3]);
    // The next request waits as long as the host requested.
    const before = time.now();
    await expect(time.drive(client.get(asking(`${busy.url}/next`)))).rejects.toMatchObject({ code: 'literature-busy' });
    expect((busy.asked[1]?.at ?? 0) - before).toBe(60_000 - (before - (busy.asked[0]?.at ?? 0)));
    // Longer than the backoff of one and two seconds: the rate of the host holds for repetitions, too.
    const waits = broken.asked.slice(1).map(({ at }, nth) => at - (broken.asked[nth]?.at ?? 0));
    for (const wait of waits) expect(wait).toBeGreaterThanOrEqual(3000);
  });

  it('takes a refusal for an answer, once', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, (_, response) => response.writeHead(403).end('no'));
    const { client } = clientOf(time);
    await expect(time.drive(client.get(asking(url)))).rejects.toMatchObject({
      code: 'literature-refused',
      status: 403,
    });
    expect(asked).toHaveLength(1);
  });

  it('serves an old answer where there is no new one', async () => {
    const time = new ManualTime();
    let works = true;
    const { url } = await service(time, (_, response) =>
      works ? json(response, 'old') : response.writeHead(500).end(),
    );
    const { client } = clientOf(time);
    await time.drive(client.get(asking(url)));
    works = false;
    time.advance(2 * hour);
    expect(await time.drive(client.get(asking(url)))).toMatchObject({ body: '"old"', from: 'stale-cache' });
  });

  it('times out a request, and does not ask the host again for a while (LIT-4)', async () => {
    const time = new ManualTime();
    let arrived = () => {};
    const here = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { url, asked } = await service(time, (_, response, nth) => {
      arrived();
      if (nth > 1) json(response, 'late');
    });
    const { client, lines } = clientOf(time);
    const slow = client.get(asking(url));
    await here;
    time.advance(20_000);
    await expect(slow).rejects.toMatchObject({ code: 'literature-offline' });
    await expect(client.get(asking(`${url}/other`))).rejects.toMatchObject({ code: 'literature-offline' });
    expect(asked).toHaveLength(1);
    expect(lines).toHaveLength(1);
    time.advance(60_000);
    expect((await time.drive(client.get(asking(url)))).body).toBe('"late"');
  });

  it('ends a request whose body never ends', async () => {
    const time = new ManualTime();
    let sent = () => {};
    const begun = new Promise<void>((resolve) => {
      sent = resolve;
    });
    const { url } = await service(time, (_, response) => {
      response.writeHead(200).write('{"half":');
      sent();
    });
    const { client } = clientOf(time);
    const half = client.get(asking(url));
    await begun;
    time.advance(20_000);
    await expect(half).rejects.toMatchObject({ code: 'literature-offline' });
  });

  it('refuses an answer that is too large', async () => {
    const time = new ManualTime();
    const { url } = await service(time, (_, response) => response.writeHead(200).end('x'.repeat(5 * 1024 * 1024)));
    const { client } = clientOf(time);
    await expect(time.drive(client.get(asking(url)))).rejects.toMatchObject({ code: 'literature-malformed' });
  });

  it('without a network says so in one line and reads the cache (LIT-4)', async () => {
    const time = new ManualTime();
    const { client, lines } = clientOf(time);
    for (const path of ['a', 'b', 'c']) {
      await expect(time.drive(client.get(asking(`http://127.0.0.1:9/${path}`)))).rejects.toMatchObject({
        code: 'literature-offline',
      });
    }
    expect(lines.map(({ msg }) => msg)).toEqual([
      'no literature service is reachable; continuing with the corpus and the cache',
    ]);
  });

  it('sends no request in offline mode (LIT-4)', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, (_, response) => json(response, 'seen'));
    const online = clientOf(time);
    await time.drive(online.client.get(asking(url)));
    const cache = new ResponseCache(online.directory);
    const { client, lines } = clientOf(time, { offline: true, cache });
    time.advance(1000 * hour);
    expect(await client.get(asking(url))).toMatchObject({ body: '"seen"', from: 'stale-cache' });
    await expect(client.get(asking(`${url}/else`))).rejects.toMatchObject({ code: 'literature-offline' });
    expect([asked.length, lines.length]).toEqual([1, 1]);
  });

  it('keeps keys out of the cache, messages, logs and other hosts (LIT-6)', async () => {
    const time = new ManualTime();
    const key = 'sk-canary-1234';
    const other = await service(time, (_, response) => json(response, 'stolen'));
    const { url, asked } = await service(time, ({ path }, response) => {
      if (path === '/moved') response.writeHead(302, { location: other.url }).end();
      else if (path === '/echo') response.writeHead(400).end(key);
      else json(response, 'fine');
    });
    const { client, lines, directory } = clientOf(time);
    const secrets = { secretHeaders: { 'x-api-key': key }, secretQuery: { api_key: key } };
    await time.drive(client.get(asking(`${url}/fine`, secrets)));
    expect([asked[0]?.headers['x-api-key'], asked[0]?.query.get('api_key')]).toEqual([key, key]);
    const failures = [];
    for (const target of [`${url}/moved`, `${url}/echo`, 'http://127.0.0.1:9/gone']) {
      failures.push(await time.drive(client.get(asking(target, secrets))).catch((error: Error) => error));
    }
    expect(failures.every((failure) => failure instanceof Error)).toBe(true);
    expect(other.asked).toHaveLength(0);
    const told = failures.map((failure) => `${(failure as Error).stack} ${(failure as Error).cause}`).join();
    const kept = readdirSync(directory)
      .map((name) => readFileSync(join(directory, name), 'utf8'))
      .join();
    expect(kept).toContain('fine');
    expect(told + kept + JSON.stringify(lines)).not.toContain('canary');
  });

  it('leaves a caller who gives up, and serves those who wait for the same', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, (_, response) => json(response, 'yes'));
    const { client } = clientOf(time);
    const impatient = new AbortController();
    const given = client.get(asking(url, { signal: impatient.signal }));
    const patient = client.get(asking(url));
    impatient.abort(new Error('enough'));
    await expect(given).rejects.toThrow('enough');
    expect((await time.drive(patient)).body).toBe('"yes"');
    expect(asked).toHaveLength(1);
  });

  it('closed, gives up what is under way', async () => {
    const time = new ManualTime();
    let arrived = () => {};
    const here = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { url } = await service(time, () => arrived());
    const { client, lines } = clientOf(time);
    const [under, queued] = [client.get(asking(`${url}/a`)), client.get(asking(`${url}/b`))];
    await here;
    client.close();
    await expect(under).rejects.toMatchObject({ code: 'literature-closed' });
    await expect(queued).rejects.toMatchObject({ code: 'literature-closed' });
    expect(lines).toHaveLength(0);
  });
});

describe('Retry-After', () => {
  const now = Date.UTC(2026, 10, 20);
  it.each<[string | null, number | null]>([
    ['0', 0],
    ['7', 7000],
    ['86400', 60_000],
    [new Date(now + 5000).toUTCString(), 5000],
    [new Date(now - 5000).toUTCString(), 0],
    ['soon', null],
    ['-5', null],
    [null, null],
  ])('%s is %s ms', (header, wanted) => {
    expect(retryAfterMs(header, now)).toBe(wanted);
  });

  it('may be said by a count that is renewed at a time, as GitHub does', () => {
    const reset = String(now / 1000 + 30);
    expect(requestedWaitMs(new Headers({ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset }), now)).toBe(
      30_000,
    );
    expect(requestedWaitMs(new Headers({ 'x-ratelimit-remaining': '3', 'x-ratelimit-reset': reset }), now)).toBeNull();
  });
});

describe('the cache on disk', () => {
  it('takes a damaged or foreign entry for none (CAC-2)', async () => {
    const time = new ManualTime();
    const { url, asked } = await service(time, (_, response) => json(response, 'yes'));
    const { client, directory } = clientOf(time);
    await time.drive(client.get(asking(url)));
    for (const damage of ['', '{"version":1', '{"version":2,"key":"x"}', '[]']) {
      for (const name of readdirSync(directory)) writeFileSync(join(directory, name), damage);
      time.advance(rate.everyMs);
      expect((await time.drive(client.get(asking(url)))).from).toBe('network');
    }
    expect(asked).toHaveLength(5);
  });

  it('costs nothing but requests where it cannot write (CAC-2)', async () => {
    const time = new ManualTime();
    const { url } = await service(time, (_, response) => json(response, 'yes'));
    const { client } = clientOf(time, { cache: new ResponseCache('/dev/null/nowhere') });
    expect((await time.drive(client.get(asking(url)))).body).toBe('"yes"');
  });

  it('drops the oldest answers when it has grown too large', () => {
    const time = new ManualTime();
    const { directory } = clientOf(time);
    const cache = new ResponseCache(directory, 50_000);
    const entry = (nth: number) => ({
      key: `k${nth}`,
      retrievedAt: nth,
      etag: null,
      lastModified: null,
      body: 'x'.repeat(1000),
    });
    for (let nth = 0; nth < 129; nth++) cache.write(entry(nth));
    expect(readdirSync(directory).length).toBeLessThanOrEqual(50);
    expect(cache.read('k128')?.body).toHaveLength(1000);
  });
});
