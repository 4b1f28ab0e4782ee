/**
 * What a running program answers on its control socket.
 *
 * @module
 */
import type { Config } from "./config/config.ts";
import { type Fault, formatFault } from "./config/fault.ts";
import { contains, parseNetwork } from "./config/network.ts";
import { type ControlRequest, parseRequest } from "./control_request.ts";
import { ControlError } from "./daemon/control_server.ts";
import type { Blocks } from "./response/blocks.ts";

/** What there is to ask about; looked at anew for each request, as a reload may change all of it. */
export interface ControlView {
  config: Config;
  /** Undefined without FIREWALL. */
  blocks: Blocks | undefined;
  /** Why a host is never blocked; undefined when it may be. */
  reasonToSpare: (host: string) => string | undefined;
}

/** A running program, as its control socket shows it. */
export interface ControlSubject {
  view(): ControlView;
  /** The answer to `status`. */
  status(): Record<string, unknown>;
  /** The answer to `top`. */
  top(): Record<string, unknown>;
  /** Reads the configuration again; the faults that prevented it. */
  reload(): Fault[];
  /** Takes what was done by hand. */
  log: (text: string) => void;
}

/**
 * Does what a request asks.
 *
 * @throws {ControlError} in words for the client
 */
export async function answer(request: unknown, subject: ControlSubject): Promise<unknown> {
  const asked = parseRequest(request);
  switch (asked.command) {
    case "status":
      return subject.status();
    case "top":
      return subject.top();
    case "blocked":
      return { blocked: blocksOf(subject.view()).list() };
    case "block":
      return await block(asked, subject);
    case "unblock":
      return unblock(asked, subject);
    case "reload": {
      const faults = subject.reload();
      return { reloaded: faults.length === 0, faults: faults.map(formatFault) };
    }
  }
}

async function block(
  { host, seconds, reason }: ControlRequest & { command: "block" },
  { view, log }: ControlSubject,
): Promise<unknown> {
  const now = view();
  const blocks = blocksOf(now);
  const spared = now.reasonToSpare(host);
  if (spared !== undefined) {
    throw new ControlError(`${host} ${spared}: LOCKOUT_GUARD never blocks it`);
  }
  const result = await blocks.block(host, reason, seconds);
  if ("failure" in result) throw new ControlError(result.failure);
  log(`Host ${host} has been blocked by hand`);
  return { blocked: result.record };
}

function unblock(
  { networks }: ControlRequest & { command: "unblock" },
  { view, log }: ControlSubject,
): unknown {
  const lifted = blocksOf(view()).unblock(({ host }) => {
    const blocked = parseNetwork(host)!;
    // A network that is blocked as a whole is lifted for any host in it.
    return networks === "all" ||
      networks.some((one) => contains(one, blocked) || contains(blocked, one));
  });
  for (const { host } of lifted) log(`Host ${host} has been unblocked by hand`);
  return { unblocked: lifted };
}

function blocksOf({ config, blocks }: ControlView): Blocks {
  if (blocks) return blocks;
  throw new ControlError(
    config.dryRun && config.firewall !== undefined
      ? "DRY_RUN is set: nobody is blocked, and blocks from before last until their time is over"
      : `this portsentry has no firewall of its own: set FIREWALL="nftables" in ${config.file}`,
  );
}
