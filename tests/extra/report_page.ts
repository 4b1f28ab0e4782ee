/**
 * A report's page in Chromium, as people look at it. It is 400 MB large, so `make test-extra` runs this and
 * the suite does not: there tests/report/page_test.ts looks at the page's text.
 *
 * With PICTURES=folder it leaves a picture of each view there.
 */
import assert from "node:assert/strict";
import { readReport } from "../../src/report/report_data.ts";
import { reportPage } from "../../src/report/page.ts";
import { block, HOUR_MS, NOW_MS, scan, write } from "../report/scanned.ts";
import { Browser, type View } from "./browser.ts";

/** Runs in a page that takes it for markup, and not in one that takes it for text. */
const BAD =
  `</script><script>document.title="run"</script><img src=x onerror="document.title='run'">`;
const CHARTS = ["timeline", "blocks", "sources", "ports", "types", "tools", "kinds"];
const VIEWS: Record<string, View> = {
  light: { width: 1000 },
  dark: { width: 1000, dark: true },
  phone: { width: 360, height: 740, scale: 2 },
};

/** Writes a page about a day, with what an attacker would put into it. */
function writeReport(folder: string): string {
  const path = `${folder}/state.db`;
  for (let hour = 23; hour >= 0; hour--) {
    const ports = Array.from({ length: hour * 37 % 90 }, (_, i) => `${i % 5 ? "tcp" : "udp"}/${i}`);
    write(path, hour, ports, [], hour % 4);
  }
  const long = "2001:db8:1234:5678:9abc:def0:1111:2222";
  write(path, 0, [], [
    scan(1000),
    scan(2000, { source: long, kind: "sweep", tool: "zmap", packets: 77 }),
    scan(3000, { source: BAD, kind: BAD, tool: BAD, samplePorts: [BAD] }),
  ]);
  block(path, { [long]: HOUR_MS, [BAD]: undefined }, BAD);
  const page = `${folder}/report.html`;
  Deno.writeTextFileSync(page, reportPage(readReport(path, NOW_MS - 24 * HOUR_MS, NOW_MS)));
  return page;
}

async function withPage(use: (browser: Browser, page: string) => Promise<void>): Promise<void> {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  try {
    await using browser = await Browser.start();
    await use(browser, writeReport(folder));
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

/** How many different colours a chart's canvas has: one alone is an empty one. */
const colours = (id: string) =>
  `(() => {
    const canvas = document.querySelector("#${id} canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  })()`;

for (const [name, view] of Object.entries(VIEWS)) {
  Deno.test(`the report's page draws every chart, loads nothing and fits: ${name}`, async () => {
    await withPage(async (browser, page) => {
      await browser.open(page, view);
      for (const id of CHARTS) {
        assert.ok(Number(await browser.evaluate(colours(id))) > 5, `${id} is empty`);
      }
      assert.deepEqual(browser.complaints, []);
      assert.deepEqual(browser.loaded, [`file://${page}`]);
      assert.match(String(await browser.evaluate("document.title")), /^Portsentry report/);
      assert.equal(await browser.evaluate("document.querySelectorAll('img').length"), 0);
      // Also what is folded has to fit.
      await browser.evaluate(
        "for (const one of document.querySelectorAll('details')) one.open = true",
      );
      assert.equal(await browser.evaluate("document.documentElement.scrollWidth"), view.width);
      const wide = await browser.evaluate(
        `[...document.querySelectorAll("table, .chart, .uplot")]
          .filter((one) => one.getBoundingClientRect().right > innerWidth).length`,
      );
      assert.equal(wide, 0);
      const ground = await browser.evaluate("getComputedStyle(document.body).backgroundColor");
      assert.equal(ground, view.dark ? "rgb(16, 20, 24)" : "rgb(246, 247, 249)");
      const folder = Deno.env.get("PICTURES");
      if (folder) Deno.writeFileSync(`${folder}/${name}.png`, await browser.picture());
    });
  });
}

Deno.test("the report's page runs nothing but its own scripts, and loads nothing when told to", async () => {
  await withPage(async (browser, page) => {
    const text = Deno.readTextFileSync(page);
    // As if the escaping had failed: the policy holds by itself.
    Deno.writeTextFileSync(page, text.replace("<main", `${BAD}<main`));
    await browser.open(page, { width: 800 });
    assert.match(String(await browser.evaluate("document.title")), /^Portsentry report/);
    assert.deepEqual(browser.loaded, [`file://${page}`]);
    assert.ok(browser.complaints.length >= 2, String(browser.complaints));
    for (const complaint of browser.complaints) assert.match(complaint, /Content Security Policy/);
  });
});

Deno.test("the report's page follows a change of its width and of the colour scheme", async () => {
  await withPage(async (browser, page) => {
    await browser.open(page, { width: 1000 });
    const width = `document.querySelector("#timeline canvas").getBoundingClientRect().width`;
    const before = Number(await browser.evaluate(width));
    await browser.call("Emulation.setDeviceMetricsOverride", {
      width: 500,
      height: 900,
      deviceScaleFactor: 1,
      mobile: false,
    });
    const resized = `new Promise(done => { const look = () =>
      ${width} < ${before} ? done(${width}) : setTimeout(look, 20); look(); })`;
    assert.ok(Number(await browser.evaluate(resized)) < 500);
    const light = await browser.evaluate(
      `document.querySelector("#ports canvas").toDataURL()`,
    );
    const features = [{ name: "prefers-color-scheme", value: "dark" }];
    await browser.call("Emulation.setEmulatedMedia", { features });
    await browser.evaluate("new Promise(done => setTimeout(done, 100))");
    assert.notEqual(
      await browser.evaluate(`document.querySelector("#ports canvas").toDataURL()`),
      light,
    );
    assert.deepEqual(browser.complaints, []);
  });
});
