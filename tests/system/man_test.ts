import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { run } from "./network.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PAGES: [file: string, head: RegExp, text: RegExp][] = [
  ["portsentry.8", /^PORTSENTRY\(8\)/, /^ +-c path, --configfile=path$/m],
  ["portsentry.conf.8", /^PORTSENTRY\.CONF\(8\)/, /^ +TCP_PORTS="ports", UDP_PORTS="ports"$/m],
];

Deno.test("make man makes pages that man shows and mandoc finds nothing wrong with", async () => {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-man-" });
  try {
    await run([`${ROOT}tools/man.sh`, folder]);
    assert.deepEqual(
      [...Deno.readDirSync(folder)].map(({ name }) => name).sort(),
      PAGES.map(([file]) => file),
    );
    for (const [file, head, text] of PAGES) {
      const page = `${folder}/${file}`;
      const { stdout: faults } = await run(["mandoc", "-T", "lint", "-W", "warning", page], {
        mayFail: true,
      });
      assert.equal(faults, "");
      const env = { MANWIDTH: "100", MANPAGER: "cat", LC_ALL: "C.UTF-8" };
      const shown = await run(["man", "-l", "--warnings", page], { env });
      assert.equal(shown.stderr, "");
      assert.match(shown.stdout, head);
      assert.match(shown.stdout, text);
      // What looks like a hyphen has to be the one that a shell takes.
      assert.doesNotMatch(shown.stdout, /[\u2010-\u2015][a-z]/);
    }
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
