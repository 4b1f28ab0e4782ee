import assert from "node:assert/strict";

const SCRIPT = new URL("../../src/log/local_time.ts", import.meta.url).href;

/** The time zone is the process's, so each is asked in a process of its own. */
async function inZone(zone: string, timeMs: number): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", `import { formatLocalTime as f } from "${SCRIPT}"; console.log(f(${timeMs}))`],
    env: { TZ: zone },
  }).output();
  return new TextDecoder().decode(stdout).trim();
}

const TIME = Date.UTC(2026, 10, 22, 18, 21, 14, 160);
const ZONES: [zone: string, text: string][] = [
  ["UTC", "2026-11-22T18:21:14.160+0000"],
  ["Asia/Kolkata", "2026-11-22T23:51:14.160+0530"],
  ["America/St_Johns", "2026-11-22T14:51:14.160-0330"],
  ["Pacific/Kiritimati", "2026-11-23T08:21:14.160+1400"],
];

for (const [zone, text] of ZONES) {
  Deno.test(`formatLocalTime() in ${zone}`, async () => {
    assert.equal(await inZone(zone, TIME), text);
  });
}
