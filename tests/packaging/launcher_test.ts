/** How an installed program starts: what the launcher of the packages makes of it. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { makeBundle } from "../system/bundle.ts";
import { run } from "../system/network.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

Deno.test("the launcher of the packages prints nothing on a terminal but what the program does", async () => {
  using bundle = await makeBundle();
  const folder = Deno.makeTempDirSync();
  Deno.symlinkSync(bundle.deno, `${folder}/portsentry`);
  Deno.symlinkSync(bundle.script, `${folder}/portsentry.js`);
  const parts = [`${ROOT}tools/permissions.sh`, `${ROOT}packaging/launcher.sh`];
  const launcher = parts.map((path) => Deno.readTextFileSync(path)).join("");
  Deno.writeTextFileSync(`${folder}/launcher`, launcher.replaceAll("@FOLDER@", folder));
  const { stdout } = await run(["script", "-qefc", `sh ${folder}/launcher -V`, "/dev/null"]);
  assert.match(stdout, /^Portsentry \d\S+ \([^\n]*\)\r\n$/);
  Deno.removeSync(folder, { recursive: true });
});
