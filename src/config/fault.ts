/**
 * Faults in what the user wrote: data, not exceptions, so that all of a file can be told at once.
 *
 * @module
 */

/** One fault, and where it stands. */
export interface Fault {
  /** A file, an option, or the program's name. */
  where: string;
  /** Line in that file, from 1; 0 when the fault is about the file as a whole. */
  line: number;
  /** What is wrong, with the offending text, and what to write instead. */
  message: string;
}

/** `portsentry.conf:12: Cannot parse …`, without an end of line. */
export function formatFault({ where, line, message }: Fault): string {
  return line > 0 ? `${where}:${line}: ${message}` : `${where}: ${message}`;
}

/** The start cannot go on; `faults` are what the user has to mend. */
export class StartError extends Error {
  override name = "StartError";
  constructor(readonly faults: Fault[]) {
    super(faults.map(formatFault).join("\n"));
  }
}
