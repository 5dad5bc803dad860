// Loaded before a program: its calendar shows the hours that a file says more than the machine's. Monotonic time is unchanged,
// as on a machine whose clock is set.
import { readFileSync } from 'node:fs';

const file = process.env.AIRA_TEST_CLOCK ?? '';
let aheadMs = 0;
const read = () => {
  try {
    aheadMs = Number(readFileSync(file, 'utf8')) * 3_600_000;
  } catch {
    // No jump so far.
  }
};
read();
setInterval(read, 100).unref();

const RealDate = Date;
globalThis.Date = class extends RealDate {
  constructor(...given) {
    if (given.length === 0) super(RealDate.now() + aheadMs);
    else super(...given);
  }
  static now() {
    return RealDate.now() + aheadMs;
  }
};
