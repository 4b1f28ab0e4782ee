import assert from "node:assert/strict";
import { BlockMode, defaultConfig } from "../../src/config/config.ts";
import type { ScanEvent } from "../../src/event/scan_event.ts";
import { COMMANDS_AT_ONCE, COMMANDS_PER_TURN, RESPONSE_QUEUE } from "../../src/limits.ts";
import { Logger } from "../../src/log/logger.ts";
import type { CommandRunner } from "../../src/response/command.ts";
import { HostsDeny } from "../../src/response/hosts_deny.ts";
import { Responder } from "../../src/response/responder.ts";

function event(host: number): ScanEvent {
  const source = `198.18.${host >> 8}.${host & 255}`;
  return { source, protocol: "TCP", port: 7 } as ScanEvent;
}

/** Commands that run until the test ends them. */
class HeldCommands {
  readonly started: string[] = [];
  readonly ends: (() => void)[] = [];

  run(command: string): Promise<undefined> {
    this.started.push(command);
    return new Promise((resolve) => this.ends.push(() => resolve(undefined)));
  }

  prepare(): void {}

  close(): void {
    for (const end of this.ends) end();
  }
}

function responderWith(held: HeldCommands, onBlocked: (event: ScanEvent) => void = () => {}) {
  const config = {
    ...defaultConfig("portsentry.conf"),
    blockTcp: BlockMode.Block,
    killRoute: "block $TARGET$",
  };
  const responder = new Responder({
    config,
    blocked: undefined,
    blocks: undefined,
    hostsDeny: new HostsDeny(),
    commands: held as unknown as CommandRunner,
    onBlocked,
    onLasting: () => {},
    onDryRun: () => {},
    log: new Logger({ verbose: false, debug: false, outputs: [] }),
  });
  return { config, responder };
}

/** Waits until so many commands run, and sees that there are no more. */
async function untilStarted(held: HeldCommands, count: number): Promise<void> {
  for (let turns = 0; turns < count && held.started.length < count; turns++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(held.started.length, count);
}

Deno.test("Responder: hosts that wait when BLOCK_TCP is set to 0 are not blocked any more", async () => {
  const held = new HeldCommands();
  const { config, responder } = responderWith(held);
  const outcomes = Array.from(
    { length: COMMANDS_AT_ONCE + 1 },
    (_, i) => responder.respond(event(i)),
  );
  await untilStarted(held, COMMANDS_AT_ONCE);
  responder.reconfigure({
    config: { ...config, blockTcp: BlockMode.LogOnly },
    blocked: undefined,
    blocks: undefined,
  });
  for (const end of held.ends) end();
  assert.deepEqual((await Promise.all(outcomes)).at(-1), "not blocked");
  assert.equal(held.started.length, COMMANDS_AT_ONCE);
});

Deno.test("Responder starts a few commands at once, and the next ones behind what waits for its turn", async () => {
  const held = new HeldCommands();
  const { responder } = responderWith(held);
  const outcomes = Array.from(
    { length: 2 * COMMANDS_PER_TURN },
    (_, i) => responder.respond(event(i)),
  );
  assert.equal(held.started.length, COMMANDS_PER_TURN);
  let hadItsTurn = 0;
  setTimeout(() => hadItsTurn = held.started.length, 0);
  await untilStarted(held, 2 * COMMANDS_PER_TURN);
  assert.ok(hadItsTurn > 0);
  for (const end of held.ends) end();
  assert.deepEqual(new Set(await Promise.all(outcomes)), new Set(["blocked"]));
});

Deno.test("Responder tells of each block once, however many events have asked for it", async () => {
  const held = new HeldCommands();
  const blocked: string[] = [];
  const { config, responder } = responderWith(held, ({ source }) => blocked.push(source));
  const outcomes = [event(1), event(2), event(1), event(1)].map((one) => responder.respond(one));
  for (const end of held.ends) end();
  await Promise.all(outcomes);
  assert.deepEqual(blocked, [event(1).source, event(2).source]);
  // A command that is no block, and one for a configuration that does not block any more.
  responder.reconfigure({
    config: { ...config, blockTcp: BlockMode.RunCommand, killRunCmd: "tell $TARGET$" },
    blocked: undefined,
    blocks: undefined,
  });
  const told = responder.respond(event(3));
  held.ends.at(-1)!();
  assert.equal(await told, "blocked");
  assert.equal(blocked.length, 2);
});

Deno.test("Responder: more hosts than may wait are not acted on, told at once, and counted", async () => {
  const held = new HeldCommands();
  const { responder } = responderWith(held);
  const most = COMMANDS_AT_ONCE + RESPONSE_QUEUE;
  const outcomes = Array.from({ length: most }, (_, i) => responder.respond(event(i)));
  assert.equal(responder.notRun, 0);
  assert.equal(responder.respond(event(most)), "not blocked");
  assert.equal(responder.notRun, 1);
  await untilStarted(held, COMMANDS_AT_ONCE);
  // An event of a host whose turn is still to come is none too many: it shares the outcome.
  assert.ok(responder.respond(event(0)) instanceof Promise);
  responder.close();
  assert.deepEqual(new Set(await Promise.all(outcomes)), new Set(["not blocked"]));
  assert.equal(held.started.length, COMMANDS_AT_ONCE);
});
