import type { BenchImage } from "./images.ts";
import { type Run, type Spread, spreadOf } from "./measure.ts";
import type { Measured, Update } from "./rows.ts";

/** One line of the table. */
export interface Row {
  readonly what: string;
  readonly against: string;
  readonly wall: string;
  readonly cpu: string;
  readonly peak: string;
}

type Figure = "wall" | "cpu";

/** Rows of `name` beside each other of its runs; ratios are taken run by run, as they were made in turn. */
export function compare(what: string, measured: Measured, name: string): readonly Row[] {
  const mine = measured[name] ?? [];
  return Object.entries(measured)
    .filter(([other]) => other !== name)
    .map(([against, theirs]) => ({
      what: `${what}, ${seconds(mine)}`,
      against: `${against}, ${seconds(theirs)}`,
      wall: shown(ratios(mine, theirs, "wall")),
      cpu: shown(ratios(mine, theirs, "cpu")),
      peak: `${megabytes(peakOf(mine))} / ${megabytes(peakOf(theirs))}`,
    }));
}

/** What an update costs, its bytes among it. */
export function compareUpdate(what: string, { runs, fetched, newLayer, disk, added }: Update): readonly Row[] {
  const bytes = { cpu: "", peak: "" };
  return [
    ...compare(what, runs, "update"),
    { what: "its bytes from the registry", against: "the new layer", wall: ratio(fetched / newLayer), ...bytes },
    {
      what: `it adds ${megabytes(added)} MB`,
      against: `v1, ${megabytes(disk)} MB`,
      wall: ratio(added / disk),
      ...bytes,
    },
  ];
}

export function imageLine({ size, compression, layerBytes }: BenchImage): string {
  return `${size} ${compression}: ${megabytes(layerBytes)} MB`;
}

/** As markdown. */
export function formatTable(rows: readonly Row[]): string {
  const head = ["what, median s", "against, median s", "wall", "CPU", "peak MB"];
  const lines = rows.map(({ what, against, wall, cpu, peak }) => [what, against, wall, cpu, peak]);
  return [head, head.map(() => "---"), ...lines].map((cells) => `| ${cells.join(" | ")} |\n`).join("");
}

function ratios(mine: readonly Run[], theirs: readonly Run[], figure: Figure): Spread {
  return spreadOf(mine.map((run, index) => run[figure] / (theirs[index]?.[figure] ?? Number.NaN)));
}

function seconds(runs: readonly Run[]): string {
  return spreadOf(runs.map(({ wall }) => wall)).median.toFixed(2);
}

function peakOf(runs: readonly Run[]): number {
  return Math.max(...runs.map(({ peak }) => peak));
}

function shown({ median, min, max }: Spread): string {
  return `${ratio(median)} (${ratio(min)}-${ratio(max)})`;
}

function ratio(value: number): string {
  return value.toFixed(2);
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0);
}
