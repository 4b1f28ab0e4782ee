/**
 * The program bundled into one file, beside a Deno, where every user can read both: what another user
 * than root can go on with, wherever the sources and Deno's cache are.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { run } from "./network.ts";
import type { Bundle } from "./program.ts";

const ENTRY = fileURLToPath(new URL("../../tools/entry.ts", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Bundles the program; both files are gone after `using`. */
export async function makeBundle(): Promise<Bundle & Disposable> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-bundle-" });
  Deno.chmodSync(folder, 0o755);
  const [deno, script] = [`${folder}/deno`, `${folder}/portsentry.js`];
  await Deno.copyFile(Deno.execPath(), deno);
  Deno.chmodSync(deno, 0o755);
  const options = ["--quiet", "--platform=deno", `--output=${script}`];
  await run([Deno.execPath(), "bundle", ...options, "--config", `${ROOT}deno.json`, ENTRY]);
  Deno.chmodSync(script, 0o644);
  return {
    deno,
    script,
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}
