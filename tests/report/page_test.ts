import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { reportPage } from "../../src/report/page.ts";
import { readReport } from "../../src/report/report_data.ts";
import { block, HOUR_MS, NOW_MS, scan, withFile, write } from "./scanned.ts";

const BAD = `</script><script>alert(1)</script><!--"'&\x1b[2J`;

function pageOf(fill: (path: string) => void): string {
  let page = "";
  withFile((path) => {
    write(path, 0, []);
    fill(path);
    page = reportPage(readReport(path, NOW_MS - 24 * HOUR_MS, NOW_MS));
  });
  return page;
}

function fill(path: string): void {
  write(path, 1, ["tcp/23", "udp/53"], [
    scan(0),
    scan(0, { source: BAD, kind: BAD, tool: BAD, samplePorts: [BAD] }),
  ], 1);
  block(path, { "192.0.2.9": HOUR_MS, [BAD]: undefined }, BAD);
}

/** What stands between the tags of a kind. */
function contents(page: string, tag: string): string[] {
  return [...page.matchAll(new RegExp(`<${tag}(?: [^>]*)?>(.*?)</${tag}>`, "gs"))]
    .map(([, text]) => text);
}

Deno.test("reportPage() takes whatever the file holds for text", () => {
  const page = pageOf(fill);
  const [json, ...scripts] = contents(page, "script");
  assert.equal(scripts.length, 2);
  const { charts } = JSON.parse(json);
  const names = charts.find(({ id }: { id: string }) => id === "tools").names;
  assert.deepEqual(names.toSorted(), [BAD, "nmap SYN"]);
  assert.ok(!json.includes("<"));
  const [body] = contents(page, "body");
  const markup = body.replaceAll(/<script.*?<\/script>/gs, "");
  assert.ok(!markup.includes("alert(1)</script>") && !markup.includes("<!--"));
  assert.ok(
    markup.includes(
      "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&lt;!--&quot;&#39;&amp;\\x1b[2J",
    ),
  );
});

Deno.test("reportPage() allows its own scripts and styles by their hashes, and nothing else", () => {
  const page = pageOf(fill);
  const [, policy] = /Content-Security-Policy" content="([^"]*)"/.exec(page)!;
  const hash = (text: string) =>
    `'sha256-${createHash("sha256").update(text).digest("base64")}'`.replaceAll("'", "&#39;");
  const allowed = (texts: string[]) => texts.map(hash).join(" ");
  assert.equal(
    policy,
    `default-src &#39;none&#39;; script-src ${allowed(contents(page, "script").slice(1))}; ` +
      `style-src ${
        allowed(contents(page, "style"))
      }; base-uri &#39;none&#39;; form-action &#39;none&#39;`,
  );
  // Every attribute that would load something.
  assert.doesNotMatch(
    page.replaceAll(/<(script|style).*?<\/\1>/gs, ""),
    /\s(src|href|style|on\w+)=/,
  );
  assert.ok(page.length < 150_000, `${page.length}`);
});

Deno.test("reportPage() has every number of its charts in a table", () => {
  const page = pageOf(fill);
  const sections = contents(page, "section");
  assert.deepEqual(sections.map((text) => contents(text, "h2")[0]), [
    "Probes over time",
    "Blocks over time",
    "Top sources",
    "Top ports",
    "Packets",
    "Tools",
    "Kinds of scan",
    "Last scans",
    "Blocked now",
  ]);
  for (const text of sections) assert.equal(contents(text, "table").length, 1);
  assert.match(sections[3], /<th scope="row">tcp\/23<\/th><td class="number" [^>]*>1<\/td>/);
});

Deno.test("reportPage() about nothing says so, and runs nothing", () => {
  const page = pageOf(() => {});
  assert.match(page, /Nobody has scanned this host in that time/);
  assert.equal(contents(page, "script").length, 1);
  assert.match(page, /script-src &#39;none&#39;/);
});
