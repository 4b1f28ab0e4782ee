import assert from "node:assert/strict";
import { parseConfigFile } from "../../src/config/config_file.ts";
import { parseIgnoreFile } from "../../src/config/ignore_file.ts";
import { KEYS } from "../../src/config/keys.ts";
import { loadSettings } from "../../src/config/load.ts";

Deno.test("the shipped configuration is good, and its ignore file too", () => {
  const file = new URL("../../packaging/portsentry.conf", import.meta.url).pathname;
  const { config, warnings } = loadSettings(file);
  assert.deepEqual(warnings, []);
  assert.equal(config.blockTcp, 0);
  assert.equal(config.blockUdp, 0);
});

Deno.test("the shipped files' examples behind a # are good, too", () => {
  const text = (name: string) =>
    Deno.readTextFileSync(new URL(`../../packaging/${name}`, import.meta.url));
  const settings = [...text("portsentry.conf").matchAll(/^#([A-Z_\d]+=".*)$/gm)];
  assert.ok(settings.length >= 15);
  for (const [, setting] of settings) {
    assert.deepEqual(parseConfigFile(`TCP_PORTS="1"\n${setting}`, "c").faults, [], setting);
  }
  const sources = [...text("portsentry.ignore").matchAll(/^#(\S.*)$/gm)];
  assert.ok(sources.length >= 5);
  for (const [, source] of sources) assert.ok("ignore" in parseIgnoreFile(source, "i"), source);
});

Deno.test("the shipped configuration explains every key", () => {
  const text = Deno.readTextFileSync(new URL("../../packaging/portsentry.conf", import.meta.url));
  for (const key of KEYS.keys()) assert.match(text, new RegExp(`^#?${key}=`, "m"), key);
});
