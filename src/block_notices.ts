/**
 * From a block to its notification: with the source's name, where names are asked for.
 *
 * @module
 */
import type { ScanEvent } from "./event/scan_event.ts";
import type { BlockDetails, Notifier } from "./notify/notifier.ts";
import type { HostNames } from "./response/host_names.ts";

/**
 * Notifies of a block, when its name is known or has not come in time.
 *
 * @param names undefined without RESOLVE_HOST
 */
export function notifyOfBlock(
  event: ScanEvent,
  details: BlockDetails,
  notifier: Notifier | undefined,
  names: HostNames | undefined,
): void {
  if (!notifier) return;
  const name = names?.nameOf(event.source) ?? event.source;
  if (typeof name === "string") notifier.blocked(event, name, details);
  else name.then((name) => notifier.blocked(event, name, details));
}
