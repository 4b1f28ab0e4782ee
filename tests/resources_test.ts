import assert from "node:assert/strict";
import { Poller } from "../ffi/epoll.ts";
import { type Config, defaultConfig } from "../src/config/config.ts";
import { StartError } from "../src/config/fault.ts";
import { Logger } from "../src/log/logger.ts";
import { abandonResources, openResources, type Resources } from "../src/resources.ts";
import type { Blockade } from "../src/response/blockade.ts";

/** Opens what a configuration asks for beside a firewall that is in force, in vain. */
function openInVain(settings: (folder: string) => Partial<Config>): { reasserted: number } {
  const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
  const poller = new Poller();
  let reasserted = 0;
  // Whoever changes it throws.
  const blockade = Object.freeze({ serves: () => true, reassert: () => reasserted++ });
  const old: Resources = { blockade: blockade as unknown as Blockade };
  const config: Config = {
    ...defaultConfig("portsentry.conf"),
    firewall: "nftables",
    stateFile: `${folder}/state.db`,
    controlSocket: `${folder}/control.sock`,
    ...settings(folder),
  };
  try {
    const opened = openResources(config, old, {
      isService: () => true,
      poller,
      subject: {} as never,
      measure: () => [],
      version: "1.0",
      notices: { sent: 0, lost: 0 },
      stored: { lost: 0 },
      onLost: () => {},
      log: new Logger({ verbose: false, debug: false, outputs: [] }),
    });
    assert.equal(opened.blockade, old.blockade);
    abandonResources(opened, old);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
  } finally {
    poller.close();
    Deno.removeSync(folder, { recursive: true });
  }
  return { reasserted };
}

Deno.test("openResources() changes nothing of a firewall that serves on: its guard is that of before", () => {
  assert.deepEqual(openInVain(() => ({ lockoutGuard: false })), { reasserted: 0 });
});

Deno.test("abandonResources() makes no table anew that nobody else has used", () => {
  assert.deepEqual(openInVain((folder) => ({ historyFile: folder })), { reasserted: 0 });
});
