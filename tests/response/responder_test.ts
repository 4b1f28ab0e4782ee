import assert from "node:assert/strict";
import { BlockMode, defaultConfig } from "../../src/config/config.ts";
import type { ScanEvent } from "../../src/event/scan_event.ts";
import { COMMANDS_AT_ONCE } from "../../src/limits.ts";
import { Logger } from "../../src/log/logger.ts";
import type { CommandRunner } from "../../src/response/command.ts";
import { HostsDeny } from "../../src/response/hosts_deny.ts";
import { Responder } from "../../src/response/responder.ts";

function event(host: number): ScanEvent {
  const source = `198.18.0.${host}`;
  return { source, protocol: "TCP", port: 7 } as ScanEvent;
}

Deno.test("Responder: hosts that wait when BLOCK_TCP is set to 0 are not blocked any more", async () => {
  const started: string[] = [];
  const ends: (() => void)[] = [];
  const commands = {
    run(command: string) {
      started.push(command);
      return new Promise((resolve) => ends.push(() => resolve(undefined)));
    },
  } as unknown as CommandRunner;
  const config = {
    ...defaultConfig("portsentry.conf"),
    blockTcp: BlockMode.Block,
    killRoute: "block $TARGET$",
  };
  const log = new Logger({ verbose: false, debug: false, outputs: [] });
  const parts = { config, blocked: undefined, hostsDeny: new HostsDeny(), commands, log };
  const responder = new Responder(parts);
  const outcomes = Array.from(
    { length: COMMANDS_AT_ONCE + 1 },
    (_, i) => responder.respond(event(i)),
  );
  assert.equal(started.length, COMMANDS_AT_ONCE);
  responder.reconfigure({ config: { ...config, blockTcp: BlockMode.LogOnly }, blocked: undefined });
  for (const end of ends) end();
  assert.deepEqual((await Promise.all(outcomes)).at(-1), "not blocked");
  assert.equal(started.length, COMMANDS_AT_ONCE);
});
