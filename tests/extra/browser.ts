/**
 * Debian's Chromium without a screen, through its DevTools protocol on loopback.
 *
 * @module
 */
import assert from "node:assert/strict";

// What would look for news in the network is off.
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--hide-scrollbars",
  "--remote-debugging-port=0",
];
const START_MS = 30_000;
const ANSWER_MS = 30_000;

/** How a page is looked at. */
export interface View {
  width: number;
  height?: number;
  dark?: boolean;
  /** Device pixels for a CSS pixel. */
  scale?: number;
}

/** A browser with one page; it is ended, and its folder removed, after `await using`. */
export class Browser implements AsyncDisposable {
  /** URLs that the page has got, and what it or the browser has complained about. */
  readonly loaded: string[] = [];
  readonly complaints: string[] = [];
  readonly #waiting = new Map<number, (answer: Record<string, unknown>) => void>();
  #last = 0;
  #onLoad = () => {};

  private constructor(
    readonly folder: string,
    readonly child: Deno.ChildProcess,
    readonly socket: WebSocket,
  ) {
    socket.onmessage = ({ data }) => this.#take(JSON.parse(data));
  }

  static async start(): Promise<Browser> {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-browser-" });
    const child = new Deno.Command("chromium", {
      args: [...FLAGS, `--user-data-dir=${folder}`, "about:blank"],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const socket = new WebSocket(await pageAddress(folder));
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    const browser = new Browser(folder, child, socket);
    for (const domain of ["Page", "Network", "Log", "Runtime"]) {
      await browser.call(`${domain}.enable`);
    }
    return browser;
  }

  /** Opens a file, and waits until its charts are drawn. */
  async open(path: string, { width, height = 900, dark = false, scale = 1 }: View): Promise<void> {
    await this.call("Emulation.setDeviceMetricsOverride", {
      width,
      height,
      deviceScaleFactor: scale,
      mobile: width < 500,
    });
    const features = [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }];
    await this.call("Emulation.setEmulatedMedia", { features });
    const loaded = new Promise<void>((resolve) => this.#onLoad = resolve);
    await this.call("Page.navigate", { url: `file://${path}` });
    await loaded;
    await this.evaluate(
      "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))",
    );
  }

  /** What an expression comes to in the page; a promise is waited for. */
  async evaluate(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    }) as { result: { value: unknown }; exceptionDetails?: unknown };
    assert.equal(exceptionDetails, undefined);
    return result.value;
  }

  /** A picture of the page: all of it, or as much of it as `height` says. */
  async picture(height?: number): Promise<Uint8Array<ArrayBuffer>> {
    const { cssContentSize } = await this.call("Page.getLayoutMetrics") as {
      cssContentSize: { width: number; height: number };
    };
    const clip = { x: 0, y: 0, scale: 1, ...cssContentSize, ...(height && { height }) };
    const { data } = await this.call("Page.captureScreenshot", {
      captureBeyondViewport: true,
      clip,
    }) as { data: string };
    return Uint8Array.fromBase64(data);
  }

  async call(method: string, params: object = {}): Promise<Record<string, unknown>> {
    const id = ++this.#last;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const answer = new Promise<Record<string, unknown>>((resolve, reject) => {
      this.#waiting.set(id, resolve);
      timer = setTimeout(() => reject(new Error(`${method}: no answer`)), ANSWER_MS);
    });
    this.socket.send(JSON.stringify({ id, method, params }));
    const { result, error } = await answer.finally(() => clearTimeout(timer));
    assert.equal(error, undefined, method);
    return result as Record<string, unknown>;
  }

  // deno-lint-ignore no-explicit-any -- of many shapes
  #take(message: any): void {
    const { id, method, params } = message;
    if (id !== undefined) this.#waiting.get(id)?.(message);
    else if (method === "Page.loadEventFired") this.#onLoad();
    else if (method === "Network.responseReceived") this.loaded.push(params.response.url);
    else if (method === "Log.entryAdded") this.complaints.push(params.entry.text);
    else if (method === "Runtime.exceptionThrown") {
      this.complaints.push(JSON.stringify(params.exceptionDetails));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.socket.onclose = resolve);
    this.socket.send(JSON.stringify({ id: 0, method: "Browser.close" }));
    await Promise.all([closed, this.child.status]);
    await Deno.remove(this.folder, { recursive: true });
  }
}

/** Where the only page takes commands. */
async function pageAddress(folder: string): Promise<string> {
  const deadline = performance.now() + START_MS;
  for (;;) {
    try {
      const [port] = Deno.readTextFileSync(`${folder}/DevToolsActivePort`).split("\n");
      const targets = await (await fetch(`http://127.0.0.1:${port}/json`)).json();
      const page = targets.find(({ type }: { type: string }) => type === "page");
      if (page) return page.webSocketDebuggerUrl;
    } catch (error) {
      if (performance.now() > deadline) throw error;
    }
    assert.ok(performance.now() < deadline, "chromium has no page");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
