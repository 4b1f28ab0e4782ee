/**
 * What may be asked on the control socket: a JSON object that was read, to a request without a fault.
 *
 * @module
 */
import { formatDuration } from "./config/duration.ts";
import { type Network, parseNetwork } from "./config/network.ts";
import { ControlError } from "./daemon/control_server.ts";
import { MOST_DURATION_S, MOST_REASON_CHARACTERS } from "./limits.ts";
import { formatBytes } from "./packet/address.ts";
import { escapeControls } from "./text.ts";

/** A request that can be done as it stands. */
export type ControlRequest =
  | { command: "status" | "top" | "blocked" | "reload" }
  | {
    command: "block";
    /** An address as events write it. */
    host: string;
    /** How long; undefined goes by the configuration. */
    seconds: number | undefined;
    /** One line, for people. */
    reason: string;
  }
  | { command: "unblock"; networks: Network[] | "all" };

/**
 * Reads a request.
 *
 * @param request whatever JSON there was
 * @throws {ControlError} in words for the client
 */
export function parseRequest(request: unknown): ControlRequest {
  const asked = (typeof request === "object" ? request : undefined) as
    | Record<string, unknown>
    | null
    | undefined;
  const command = asked?.command;
  switch (command) {
    case "status":
    case "top":
    case "blocked":
    case "reload":
      return { command };
    case "block":
      return parseBlock(asked!);
    case "unblock":
      return parseUnblock(asked!);
    default:
      throw new ControlError("there is no such command");
  }
}

function parseBlock({ host, seconds, why }: Record<string, unknown>): ControlRequest {
  const network = typeof host === "string" ? parseNetwork(host) : undefined;
  if (!network || network.prefix !== network.address.length * 8) {
    throw new ControlError("host: an address is needed");
  }
  if (seconds !== undefined && !isTime(seconds)) {
    const most = formatDuration(MOST_DURATION_S);
    throw new ControlError(`seconds: a whole number is needed, ${most} at most`);
  }
  const reason = typeof why === "string" && why !== ""
    ? escapeControls(why.slice(0, MOST_REASON_CHARACTERS))
    : "by hand";
  return { command: "block", host: formatBytes(network.address), seconds, reason };
}

function parseUnblock({ networks, all }: Record<string, unknown>): ControlRequest {
  if (all === true) return { command: "unblock", networks: "all" };
  if (!Array.isArray(networks)) throw new ControlError("networks: a list is needed");
  const parsed = networks.map((text: unknown) => {
    const network = typeof text === "string" ? parseNetwork(text) : undefined;
    if (network) return network;
    throw new ControlError(`networks: ${JSON.stringify(text)} is no address or CIDR`);
  });
  return { command: "unblock", networks: parsed };
}

/** As the command line takes it: a time that ends after all dates is none. */
function isTime(seconds: unknown): seconds is number {
  return Number.isSafeInteger(seconds) && (seconds as number) >= 0 &&
    (seconds as number) <= MOST_DURATION_S;
}
