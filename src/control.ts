/**
 * What a running program answers on its control socket.
 *
 * @module
 */
import type { Config } from "./config/config.ts";
import { type Fault, formatFault } from "./config/fault.ts";
import { contains, type Network, parseNetwork } from "./config/network.ts";
import { ControlError } from "./daemon/control_server.ts";
import { MOST_REASON_CHARACTERS } from "./limits.ts";
import { formatAddress } from "./packet/address.ts";
import type { Blocks } from "./response/blocks.ts";
import { escapeControls } from "./text.ts";

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
  const asked = (typeof request === "object" ? request : undefined) as
    | Record<string, unknown>
    | null
    | undefined;
  switch (asked?.command) {
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
    default:
      throw new ControlError("there is no such command");
  }
}

async function block(
  { host, seconds, why }: Record<string, unknown>,
  { view, log }: ControlSubject,
): Promise<unknown> {
  const now = view();
  const blocks = blocksOf(now);
  const network = typeof host === "string" ? parseNetwork(host) : undefined;
  if (!network || network.prefix !== network.address.length * 8) {
    throw new ControlError("host: an address is needed");
  }
  const timed = seconds === undefined || Number.isSafeInteger(seconds) && (seconds as number) >= 0;
  if (!timed) throw new ControlError("seconds: a whole number is needed");
  const address = textOf(network);
  const spared = now.reasonToSpare(address);
  if (spared !== undefined) {
    throw new ControlError(`${address} ${spared}: LOCKOUT_GUARD never blocks it`);
  }
  const reason = typeof why === "string" && why !== ""
    ? escapeControls(why.slice(0, MOST_REASON_CHARACTERS))
    : "by hand";
  const result = await blocks.block(address, reason, seconds as number | undefined);
  if ("failure" in result) throw new ControlError(result.failure);
  log(`Host ${address} has been blocked by hand`);
  return { blocked: result.record };
}

function unblock(
  { networks, all }: Record<string, unknown>,
  { view, log }: ControlSubject,
): unknown {
  const blocks = blocksOf(view());
  const wanted = all === true
    ? undefined
    : (Array.isArray(networks) ? networks : []).map((text) => {
      const network = parseNetwork(String(text));
      if (!network) {
        throw new ControlError(`networks: ${JSON.stringify(text)} is no address or CIDR`);
      }
      return network;
    });
  const lifted = blocks.unblock(({ host }) => {
    const blocked = parseNetwork(host)!;
    // A network that is blocked as a whole is lifted for any host in it.
    return wanted?.some((one) => contains(one, blocked) || contains(blocked, one)) ?? true;
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

/** The address of a network that is one host, as events write it. */
function textOf({ address }: Network): string {
  return formatAddress(address.length === 4 ? 4 : 6, address);
}
