import { graphlib, layout } from "@dagrejs/dagre";
import { fillOf, type GraphEdge, type GraphView, styleOf } from "./graph-view.ts";

const font = 13;
/** Of a character, in parts of the font's size: there is no font to measure with. */
const characterWidth = 0.62;
const margin = 12;
const dashes = { solid: "", dashed: ' stroke-dasharray="6 3"', dotted: ' stroke-dasharray="1 3"' } as const;

interface Point {
  readonly x: number;
  readonly y: number;
}

/** A picture by itself: what starts first stands on top. https://www.w3.org/TR/SVG2/ */
export function formatSvg(view: GraphView): readonly string[] {
  const graph = new graphlib.Graph();
  graph.setGraph({ rankdir: "BT", marginx: margin, marginy: margin, nodesep: 40, ranksep: 50 });
  for (const { unit, state } of view.nodes) {
    const width = Math.max(unit.length, state.length) * font * characterWidth + 20;
    graph.setNode(unit, { width, height: 40 });
  }
  for (const { from, to, kinds } of view.edges) {
    const width = kinds.join(", ").length * font * characterWidth;
    graph.setEdge(from, to, { width, height: font, labelpos: "c" });
  }
  layout(graph);
  const { width = 0, height = 0 } = graph.graph();
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" height="${round(height)}" font-family="sans-serif" font-size="${font}">`,
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto"><path d="M0 0 L8 4 L0 8 z"/></marker></defs>',
    ...view.edges.flatMap((edge) => drawEdge(edge, graph.edge(edge.from, edge.to))),
    ...view.nodes.flatMap(({ unit, container, state }) => drawNode(unit, container, state, graph.node(unit))),
    "</svg>",
  ];
}

function drawNode(
  unit: string,
  container: string | null,
  state: string,
  place: Point & { readonly width: number; readonly height: number },
): readonly string[] {
  const [x, y] = [place.x - place.width / 2, place.y - place.height / 2];
  const corner = container === null ? place.height / 2 : 3;
  const size = `width="${round(place.width)}" height="${round(place.height)}" rx="${round(corner)}"`;
  return [
    `<rect x="${round(x)}" y="${round(y)}" ${size} fill="${fillOf(state)}" stroke="#424242"/>`,
    text(unit, place.x, place.y - 3),
    text(state, place.x, place.y + font, ' fill="#616161"'),
  ];
}

function drawEdge(
  edge: GraphEdge,
  { points, x, y }: { readonly points: readonly Point[]; readonly x?: number; readonly y?: number },
): readonly string[] {
  const path = points.map((point, index) => `${index === 0 ? "M" : "L"}${round(point.x)} ${round(point.y)}`).join(" ");
  const line = `<path d="${path}" fill="none" stroke="#424242"${dashes[styleOf(edge)]} marker-end="url(#arrow)"/>`;
  return x === undefined || y === undefined ? [line] : [line, text(edge.kinds.join(", "), x, y, ' fill="#616161"')];
}

function text(content: string, x: number, y: number, more = ""): string {
  const escaped = content.replace(/[<>&]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="middle"${more}>${escaped}</text>`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
