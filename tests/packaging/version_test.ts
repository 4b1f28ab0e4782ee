import assert from "node:assert/strict";
import manifest from "../../deno.json" with { type: "json" };
import { ROOT } from "../packages/debian.ts";

Deno.test("the packages have the version of deno.json", () => {
  const deb = Deno.readTextFileSync(`${ROOT}/packaging/deb/changelog`);
  const rpm = Deno.readTextFileSync(`${ROOT}/packaging/rpm/portsentry.spec`);
  assert.equal(/^portsentry \(1:(.*)-\d+\)/.exec(deb)?.[1], manifest.version);
  assert.equal(/^%changelog\n\* .* - (.*)-\d+$/m.exec(rpm)?.[1], manifest.version);
});
