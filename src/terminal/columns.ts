/**
 * Tables for people: aligned, cut to the width there is, with colours.
 *
 * @module
 */
import cliTruncate from "cli-truncate";
import stringWidth from "string-width";
import { escapeControls } from "../text.ts";
import { type Colour, paint, type Style } from "./style.ts";

/** What all cells of a column have in common. */
export interface Column {
  title: string;
  /** Numbers stand at the right. */
  right?: boolean;
  /** Gives way when the table is too wide: text that may be long. */
  shrinks?: boolean;
  /** To so many characters at least, when it shrinks. */
  least?: number;
  colour?: Colour;
}

/** A cell: its text, or that with a colour of its own. */
export type Cell = string | { text: string; colour: Colour | undefined };

const GAP = 2;
const LEAST_COLUMN = 8;

/**
 * A table as lines: the titles, when there is one, and the rows. Control characters in cells are
 * escaped, and no line is wider than the style allows.
 */
export function columns(
  style: Style,
  heads: readonly Column[],
  rows: readonly (readonly Cell[])[],
): string[] {
  const texts = rows.map((row) => row.map((cell) => escapeControls(textOf(cell))));
  const widths = heads.map(({ title }, i) =>
    texts.reduce((most, row) => Math.max(most, stringWidth(row[i] ?? "")), stringWidth(title))
  );
  shrink(widths, heads, style.width);
  const line = (cells: readonly string[], colourOf: (i: number) => Colour | undefined) => {
    let used = 0;
    let text = "";
    for (const [i, head] of heads.entries()) {
      const room = Math.min(widths[i], style.width - used);
      // Half a number tells a wrong one.
      if (room <= 0 || (room < widths[i] && i > 0 && !head.shrinks)) break;
      const cell = cut(cells[i] ?? "", room);
      const blanks = " ".repeat(room - stringWidth(cell));
      const painted = paint(style, colourOf(i), cell);
      text += (head.right ? blanks + painted : painted + blanks) + " ".repeat(GAP);
      used += room + GAP;
    }
    return text.trimEnd();
  };
  const titled = heads.some(({ title }) => title !== "");
  return [
    ...(titled ? [line(heads.map(({ title }) => title), () => "dim")] : []),
    ...texts.map((cells, y) => line(cells, (i) => colourOf(rows[y][i]) ?? heads[i].colour)),
  ];
}

/** `text` in so many columns, with an ellipsis when it is longer. */
export function cut(text: string, width: number): string {
  return width === Infinity ? text : cliTruncate(text, width);
}

/** Takes from the widest of the columns that may shrink until all of them fit. */
function shrink(widths: number[], heads: readonly Column[], width: number): void {
  const sum = widths.reduce((all, one) => all + one, GAP * (widths.length - 1));
  for (let excess = sum - width; excess > 0; excess--) {
    let widest = -1;
    for (const [i, { shrinks, least = LEAST_COLUMN }] of heads.entries()) {
      if (shrinks && widths[i] > least && (widest < 0 || widths[i] > widths[widest])) {
        widest = i;
      }
    }
    if (widest < 0) return;
    widths[widest]--;
  }
}

function textOf(cell: Cell): string {
  return typeof cell === "string" ? cell : cell.text;
}

function colourOf(cell: Cell | undefined): Colour | undefined {
  return typeof cell === "object" ? cell.colour : undefined;
}
