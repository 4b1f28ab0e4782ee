/**
 * Text from outside, made fit for a line that a person or a log parser reads.
 *
 * @module
 */

/** `text` as one line that a terminal can show: control characters become `\x1b` and the like. */
export function escapeControls(text: string): string {
  // deno-lint-ignore no-control-regex -- these are what is looked for
  return text.replaceAll(/[\x00-\x1f\x7f-\x9f\u2028\u2029]/g, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}

/**
 * `value` as JSON in one line. Besides what has to be, everything is escaped in its texts that a terminal
 * obeys or that somebody takes for an end of line.
 */
export function jsonText(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\x7f-\x9f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** `text` as it may stand in a message: quoted, cut at 80 units, control characters escaped. */
export function quote(text: string): string {
  return `"${escapeControls(text.length > 80 ? text.slice(0, 79) + "…" : text)}"`;
}

/** Rows of cells as lines with the columns aligned, two blanks between them; controls are escaped. */
export function table(cells: readonly (readonly string[])[]): string {
  const rows = cells.map((row) => row.map(escapeControls));
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  return rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd() + "\n")
    .join("");
}
