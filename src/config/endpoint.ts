/**
 * Where something listens, as the configuration writes it: `127.0.0.1:9187`, `[::1]:9187`.
 *
 * @module
 */
import { quote } from "../text.ts";
import { parseAddress } from "./network.ts";

/** An address of this host, and a port. */
export interface Endpoint {
  /** IPv4 or IPv6, without brackets. */
  host: string;
  port: number;
}

/** Reads an address and a port; names are refused, as they may stand for any address tomorrow. */
export function parseEndpoint(text: string): { endpoint: Endpoint } | { fault: string } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain ?? "";
  const address = parseAddress(host);
  const port = Number(digits);
  if (
    !address || (bracketed === undefined) !== (address.length === 4) || port < 1 || port > 65535
  ) {
    return {
      fault:
        `Cannot use ${quote(text)}: write an address and a port, such as "127.0.0.1:9187" or ` +
        `"[::1]:9187"`,
    };
  }
  return { endpoint: { host, port } };
}

/** {@link parseEndpoint}'s text again, which is also how Deno's permissions name it. */
export function formatEndpoint({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether only this host itself can reach it (RFC 1122, section 3.2.1.3; RFC 4291, section 2.5.3). */
export function isLoopback({ host }: Pick<Endpoint, "host">): boolean {
  const address = parseAddress(host);
  if (address?.length === 4) return address[0] === 127;
  return address?.every((byte, i) => byte === (i === 15 ? 1 : 0)) ?? false;
}
