import assert from "node:assert/strict";
import { stripVTControlCharacters } from "node:util";
import { readReport } from "../../src/report/report_data.ts";
import { grouped, reportText } from "../../src/report/report_text.ts";
import { PLAIN, type Style } from "../../src/terminal/style.ts";
import { escapeControls } from "../../src/text.ts";
import { block, HOUR_MS, NOW_MS, scan, withFile, write } from "./scanned.ts";

/** The text of a file that `fill` has filled. */
function textOf(fill: (path: string) => void, style: Style = PLAIN): string {
  let text = "";
  withFile((path) => {
    write(path, 0, []);
    fill(path);
    text = reportText(readReport(path, NOW_MS - 3 * HOUR_MS, NOW_MS), style);
  });
  return text;
}

function fill(path: string): void {
  write(path, 1, ["tcp/23", "tcp/23", "tcp/22", "udp/53"], [
    scan(1000, { blocked: true, ports: 1234, packets: 1_234_567 }),
    scan(2000, { source: "2001:db8::9", kind: "sweep", tool: "zmap", samplePorts: ["udp/53"] }),
  ], 1);
  block(path, { "192.0.2.9": 60_000 });
}

Deno.test("reportText() says why there are probes and no sources, as long as no scan is over", () => {
  const text = textOf((path) => write(path, 0, ["tcp/23"]));
  assert.match(
    text,
    /^1 probe .*\nNo scan is over yet: who it was is told when a source has been /m,
  );
  assert.doesNotMatch(textOf(fill), /No scan is over yet/);
  assert.doesNotMatch(textOf(() => {}), /No scan is over yet/);
});

Deno.test("reportText() has a column of pings when there were some", () => {
  const text = textOf((path) => write(path, 0, ["tcp/23", "icmp", "icmp"]));
  assert.match(text, /^3 probes \(1 TCP, 0 UDP, 2 ICMP\); /m);
  assert.match(text, /^FROM +TCP +UDP +ICMP +BLOCKS$/m);
  assert.match(text, /^\d{4}-\d\d-\d\d \d\d:\d\d +1 +2 +#+$/m);
  assert.match(text, /^ICMP echo request +2/m);
  assert.doesNotMatch(text, /of other ports/);
});

Deno.test("reportText() in a pipe is aligned, and nothing but text", () => {
  const text = textOf(fill);
  const lines = text.split("\n").map((line) =>
    line.replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d/g, "WHEN")
  );
  assert.deepEqual(lines, [
    "Portsentry report, WHEN to WHEN",
    "4 probes (3 TCP, 1 UDP); 2 scans by 2 sources; 1 host blocked, 1 now",
    "",
    "Timeline",
    "FROM              TCP  UDP  BLOCKS",
    "WHEN",
    "WHEN",
    "WHEN    3    1       1  ########################################",
    "WHEN",
    "",
    "Top sources",
    "SOURCE       KIND      TOOL        PACKETS  PORTS  HOSTS  SCANS  BLOCKED  AGO",
    "192.0.2.9    vertical  nmap SYN  1,234,567  1,234      1      1  yes       1s",
    "2001:db8::9  sweep     zmap            100     50      1      1  no        2s",
    "",
    "Top ports",
    "PORT    PROBES",
    "tcp/23       2  ########################################",
    "tcp/22       1  ####################",
    "udp/53       1  ####################",
    "",
    "Tools",
    "TOOL      SCANS    PACKETS",
    "nmap SYN      1  1,234,567  ########################################",
    "zmap          1        100  ########################################",
    "",
    "Kinds of scan",
    "KIND      SCANS    PACKETS",
    "vertical      1  1,234,567  ########################################",
    "sweep         1        100  ########################################",
    "",
    "Packets",
    "TYPE                 PROBES",
    "TCP SYN/Normal scan       3  ########################################",
    "UDP                       1  #############",
    "",
    "Last scans",
    "AGO  SOURCE       KIND      TOOL        PACKETS  TOOK  BLOCKED  PORTS",
    " 1s  192.0.2.9    vertical  nmap SYN  1,234,567    1m  yes      tcp/22 tcp/23 …",
    " 2s  2001:db8::9  sweep     zmap            100    1m  no       udp/53 …",
    "",
    "Blocked now",
    "HOST       SINCE             ENDS   TIMES  REASON",
    "192.0.2.9  WHEN  in 1m      1  TCP port 23",
    "",
  ]);
});

Deno.test("reportText() says so when nobody has come", () => {
  assert.match(textOf(() => {}), /^Portsentry report, .*\nNobody has scanned .*\n$/);
});

Deno.test("reportText() keeps to the width of the terminal", () => {
  for (const width of [1, 20, 40, 60, 80, 100, 200]) {
    const text = textOf(fill, { colours: true, width, bar: "█" });
    for (const line of stripVTControlCharacters(text).split("\n")) {
      assert.ok([...line].length <= width, `${width}: ${line}`);
    }
  }
});

Deno.test("reportText() has colours where they are wanted alone", () => {
  const style = { width: 80, bar: "█" };
  assert.ok(textOf(fill, { ...style, colours: true }).includes("\x1b[31myes\x1b[39m"));
  assert.ok(!textOf(fill, { ...style, colours: false }).includes("\x1b"));
});

Deno.test("reportText() shows what the file holds, and obeys nothing of it", () => {
  const bad = "\x1b[2J\x07\r\n\x9b31m\u2028";
  const text = textOf((path) => {
    write(path, 0, [], [scan(0, { source: bad, tool: bad, kind: bad, samplePorts: [bad] })]);
    block(path, { [bad]: undefined }, bad);
  }, { colours: false, width: 1000, bar: "█" });
  for (const line of text.split("\n")) assert.equal(escapeControls(line), line);
  assert.ok(text.includes("\\x1b[2J\\x07\\x0d\\x0a\\x9b31m\\u2028"));
  assert.equal(text.split("\n").filter((line) => line.includes("\\x1b")).length, 5);
});

Deno.test("grouped() parts thousands", () => {
  assert.deepEqual([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
});
