/**
 * Why the kernel's firewall cannot be used, for the person who starts the program.
 *
 * @module
 */
import { SystemError } from "../../ffi/libc.ts";

const EPERM = 1; // <asm-generic/errno-base.h>
const EINVAL = 22;
const EMSGSIZE = 90; // <asm-generic/errno.h>
const EPROTONOSUPPORT = 93;

/** The kernel's firewall cannot be used: the message says what to do about it. */
export class FirewallError extends Error {
  override name = "FirewallError";
}

/** What the kernel's refusal of a first question means. */
export function refusal({ errno, message }: SystemError): FirewallError {
  if (errno === EPERM) {
    return new FirewallError(
      "this run may not change the kernel's firewall: run it as root, or give it CAP_NET_ADMIN",
    );
  }
  // Without netfilter there is no such socket; without nf_tables nobody there who understands.
  if (errno === EINVAL || errno === EPROTONOSUPPORT) {
    return new FirewallError(
      "this kernel has no nf_tables: load it (modprobe nf_tables), or block with KILL_ROUTE",
    );
  }
  return new FirewallError(`the kernel's firewall cannot be used: ${message}`);
}

/** In a container with users of its own a transaction is bounded by net.core.wmem_max of the host. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof SystemError && error.errno === EMSGSIZE;
}
