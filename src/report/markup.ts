/**
 * Markup that no text can break: what is put into a template is escaped, unless it is markup already.
 *
 * @module
 */
import { escapeControls } from "../text.ts";

/** Markup, as distinct from text. */
export class Html {
  constructor(readonly text: string) {}
}

const ENTITIES: Record<string, string> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** A template of markup: strings in it are text, whatever they hold, in elements and in attributes. */
export function piece(strings: TemplateStringsArray, ...values: (Html | string)[]): Html {
  let text = strings[0];
  values.forEach((value, i) => {
    text += (value instanceof Html ? value.text : escape(value)) + strings[i + 1];
  });
  return new Html(text);
}

/** What is markup, a style or a script as it stands: never anything from outside. */
export function markup(text: string): Html {
  return new Html(text);
}

export function join(parts: readonly Html[]): Html {
  return new Html(parts.map(({ text }) => text).join(""));
}

/** What all cells of a column have in common. */
export interface Head {
  title: string;
  number?: boolean;
  /** Stays on one line. */
  word?: boolean;
  /** Needs a line for itself where there is no room. */
  long?: boolean;
}

/** A cell of a class. */
export function cell(text: string, kind: string): Html {
  return piece`<span class="${kind}">${text}</span>`;
}

/** Columns up to which a table fits on a phone. */
const FEW = 3;

/** A table whose first column names its rows. */
export function table(
  heads: readonly Head[],
  rows: readonly (readonly (Html | string)[])[],
): Html {
  const many = heads.length > FEW;
  // Where rows are shown as lists, the roles keep it a table for whoever hears it.
  const role = (name: string) => markup(many ? ` role="${name}"` : "");
  const kind = ({ number, word, long }: Head) =>
    markup(number ? ' class="number"' : word ? ' class="word"' : long ? ' class="long"' : "");
  const head = heads.map((one) =>
    piece`<th scope="col"${role("columnheader")}${kind(one)}>${one.title}</th>`
  );
  const body = rows.map((row) => {
    const cells = row.map((value, i) =>
      i === 0
        ? piece`<th scope="row"${role("rowheader")}>${value}</th>`
        : piece`<td${role("cell")}${kind(heads[i])} data-title="${heads[i].title}">${value}</td>`
    );
    return piece`<tr${role("row")}>${join(cells)}</tr>\n`;
  });
  return piece`<table${markup(many ? ' class="many"' : "")}${role("table")}>
<thead${role("rowgroup")}><tr${role("row")}>${join(head)}</tr></thead>
<tbody${role("rowgroup")}>
${join(body)}</tbody></table>`;
}

function escape(text: string): string {
  return escapeControls(text).replaceAll(/[&<>"']/g, (character) => ENTITIES[character]);
}
