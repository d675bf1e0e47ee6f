import type { BootRow } from "./boot-times.ts";

const font = 13;
/** Of a character, in parts of the font's size: there is no font to measure with. */
const characterWidth = 0.62;
const margin = 12;
const rowHeight = 24;
const barHeight = 14;
const chartWidth = 720;

/** How long each part of a start took, by its colour. */
const parts = [
  ["queued", "released", "#e0e0e0", "queued"],
  ["released", "ready", "#fff59d", "starting"],
] as const;
const upColour = "#c8e6c9";

/** A chart of the boot, a bar a unit. https://www.w3.org/TR/SVG2/ */
export function formatBootSvg(rows: readonly BootRow[]): readonly string[] {
  const moments = rows.flatMap(({ queued, released, runtime, ready }) => [queued, released, runtime, ready]);
  const end = Math.max(1, ...moments.filter((moment) => moment !== null)) * 1.05;
  const labels = Math.max(0, ...rows.map(({ unit }) => unit.length)) * font * characterWidth + margin;
  const left = round(margin + labels);
  const x = (time: number): number => round(left + (time / end) * chartWidth);
  const [width, height] = [round(left + chartWidth + margin), margin * 2 + rowHeight * (rows.length + 1)];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="${font}">`,
    ...axis(end, x, height),
    ...rows.flatMap((row, index) => drawRow(row, margin + rowHeight * (index + 1), left, x, end)),
    "</svg>",
  ];
}

function drawRow(row: BootRow, top: number, left: number, x: (time: number) => number, end: number): readonly string[] {
  const middle = top + barHeight - 3;
  const weight = row.container === null ? "" : ' font-weight="bold"';
  const bars = parts.flatMap(([from, to, fill, what]) => {
    const begin = row[from];
    const stop = row[to] ?? (begin === row.released && row.ready === null ? end : null);
    return begin === null || stop === null ? [] : bar(begin, stop, fill, `${row.unit} ${what}`);
  });
  function bar(from: number, to: number, fill: string, title: string): readonly string[] {
    const size = `width="${round(Math.max(1, x(to) - x(from)))}" height="${barHeight}"`;
    const rect = `<rect x="${x(from)}" y="${top}" ${size} fill="${fill}" stroke="#9e9e9e" stroke-width="0.5">`;
    return [`${rect}<title>${escaped(title)} ${seconds(from)} to ${seconds(to)}</title></rect>`];
  }
  const up = row.ready !== null && row.state === "active" ? bar(row.ready, end, upColour, `${row.unit} up`) : [];
  const mark =
    row.runtime === null
      ? []
      : [`<path d="M${x(row.runtime)} ${top} v${barHeight}" stroke="#d84315" stroke-width="2"/>`];
  return [
    `<text x="${left - margin / 2}" y="${middle}" text-anchor="end"${weight}>${escaped(row.unit)}</text>`,
    ...bars,
    ...up,
    ...mark,
  ];
}

/** About eight lines, at round numbers of milliseconds. */
function axis(end: number, x: (time: number) => number, height: number): readonly string[] {
  const rough = 10 ** Math.floor(Math.log10(end / 4));
  const step = [1, 2, 5, 10].map((factor) => factor * rough).find((each) => end / each <= 8) ?? end;
  const lines: string[] = [];
  for (let time = 0; time <= end; time += step) {
    lines.push(
      `<path d="M${x(time)} ${margin + font + 4} V${height - margin}" stroke="#eeeeee"/>`,
      `<text x="${x(time)}" y="${margin + font}" text-anchor="middle" fill="#616161">${seconds(time)}</text>`,
    );
  }
  return lines;
}

/** A moment as people read it. */
export function seconds(milliseconds: number): string {
  return `${(milliseconds / 1000).toFixed(3)}s`;
}

function escaped(text: string): string {
  return text.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
