/**
 * What a terminal can show, or a pipe: colours, widths, bars.
 *
 * @module
 */
import { styleText } from "node:util";
import { readSystemFile } from "../../ffi/libc.ts";
import { DEFAULT_COLUMNS } from "../limits.ts";

/** How text is to look where it goes. */
export interface Style {
  /** Whether they may be written: to a terminal that obeys, and never with NO_COLOR. */
  colours: boolean;
  /** Columns that there are; Infinity in a pipe, whose reader cuts what it likes. */
  width: number;
  /** What bars are made of. */
  bar: string;
}

/** Plain text, for files and pipes. */
export const PLAIN: Style = { colours: false, width: Infinity, bar: "#" };

export type Colour = "bold" | "dim" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan";

/** The style of the standard output as it is now: a terminal may change its size. */
export function outputStyle(): Style {
  if (!Deno.stdout.isTerminal()) return PLAIN;
  return { colours: !Deno.noColor && obeys(), width: terminalSize().columns, bar: "█" };
}

/**
 * Whether the standard output is a terminal that obeys escape sequences: one that is dumb, or of which
 * nobody knows what it is, would show them.
 */
export function obeys(): boolean {
  return Deno.stdout.isTerminal() && !["", "dumb"].includes(terminalName());
}

/** TERM, for which the program has no permission to ask Deno. */
function terminalName(): string {
  return name ??= /(?:^|\0)TERM=([^\0]*)/.exec(readSystemFile("/proc/self/environ"))?.[1] ?? "";
}

let name: string | undefined;

/** Columns and rows of the terminal; those of an old one when it does not tell. */
export function terminalSize(): { columns: number; rows: number } {
  try {
    const { columns, rows } = Deno.consoleSize();
    if (columns > 0 && rows > 0) return { columns, rows };
  } catch {
    // It has no size, as a serial line.
  }
  return { columns: DEFAULT_COLUMNS, rows: 24 };
}

/** `text` in a colour, where colours are. */
export function paint(style: Style, colour: Colour | undefined, text: string): string {
  if (!style.colours || colour === undefined || text === "") return text;
  return styleText(colour, text, { validateStream: false });
}

/** A bar for a part of the most there is; what is there at all is never shown as nothing. */
export function bar(style: Style, part: number, most: number, columns: number): string {
  if (part <= 0 || most <= 0 || columns <= 0) return "";
  return style.bar.repeat(Math.max(1, Math.round(part / most * columns)));
}
