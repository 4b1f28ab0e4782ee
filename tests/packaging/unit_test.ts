import assert from "node:assert/strict";
import { ROOT, systemdAnalyze, unitSettings } from "../packages/debian.ts";

const UNIT = `${ROOT}/packaging/systemd/portsentry.service`;
const MOST_EXPOSURE = 2.0;

Deno.test("the unit is exposed by 2.0 at most", async () => {
  const { stdout } = await systemdAnalyze(["security", "--no-pager", "--offline=true", UNIT]);
  const exposure = Number(
    /Overall exposure level for portsentry\.service: (\d+\.\d+)/.exec(stdout)?.[1],
  );
  assert.ok(exposure <= MOST_EXPOSURE, stdout);
});

Deno.test("systemd finds no fault with the unit, nor with the drop-in for root", async () => {
  const folder = Deno.makeTempDirSync();
  try {
    // The program and its manual are not installed here.
    const text = Deno.readTextFileSync(UNIT).replace("/usr/sbin/portsentry\n", "/bin/true\n")
      .replace(/^Documentation=.*\n/m, "");
    Deno.writeTextFileSync(`${folder}/portsentry.service`, text);
    Deno.mkdirSync(`${folder}/portsentry.service.d`);
    Deno.copyFileSync(
      `${ROOT}/packaging/systemd/portsentry-root.conf`,
      `${folder}/portsentry.service.d/root.conf`,
    );
    const { stderr } = await systemdAnalyze([
      "verify",
      "--no-pager",
      `${folder}/portsentry.service`,
    ]);
    assert.deepEqual(stderr.split("\n").filter((line) => line.includes("portsentry")), []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});

Deno.test("the unit tells of itself by the datagrams that the program sends", () => {
  const settings = unitSettings();
  assert.deepEqual(settings.get("Type"), ["notify"]);
  assert.equal(settings.get("MemoryDenyWriteExecute"), undefined); // V8 would not start
});
