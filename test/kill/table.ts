import { formatTable } from "../../src/output.ts";
import type { Tally } from "../bed/sweep.ts";

/** What sweeps came to: each is said when it is over, and all of them in the end. */
export interface Table {
  /** Notes a sweep; what is broken. */
  add(cells: readonly string[], tally: Tally): readonly string[];
  print(): void;
}

/** `headings` are those of the cells that `add` is given. */
export function openTable(headings: readonly string[]): Table {
  const rows: (readonly string[])[] = [];
  const all = [...headings, "points", "old", "new", "broken"];
  const show = (lines: readonly string[]): void => void process.stdout.write(`${lines.join("\n")}\n`);
  return {
    add(cells, { points, old, new: done, broken }) {
      const row = [...cells, String(points), String(old), String(done), String(broken.length)];
      rows.push(row);
      show([...formatTable(all, [row]), ...broken]);
      return broken;
    },
    print: () => show(["", ...formatTable(all, rows)]),
  };
}
