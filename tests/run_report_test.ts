import assert from "node:assert/strict";
import { RunReport } from "../src/run_report.ts";

Deno.test("RunReport.top() says of a host that a command has blocked that it is blocked", () => {
  const sources = () => ["192.0.2.8", "192.0.2.9"].map((name) => ({ name, note: "nmap" }));
  const lately = { rate: () => 0, sources, ports: () => [], blocks: () => [] };
  const report = new RunReport(
    {
      options: { mode: "stealth", method: "raw" },
      pipeline: { counters: {}, lately },
      // Without BLOCKED_FILE they alone remember it.
      scans: { isBlocked: (source: string) => source === "192.0.2.9" },
      now: () => ({ resources: {}, watched: undefined }),
    } as unknown as ConstructorParameters<typeof RunReport>[0],
  );
  const shown = report.top().sources as { name: string; blocked: boolean }[];
  assert.deepEqual(shown.map(({ blocked }) => blocked), [false, true]);
});
