import type { Member } from "./members.ts";
import type { Edge, UnitGraph } from "./order.ts";

/** A graph of units as people look at it. */
export interface GraphView {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
}

export interface GraphNode {
  readonly unit: string;
  /** null for a unit of the host. */
  readonly container: string | null;
  /** `active`, `failed`, ..., as systemd says; `unknown` where it does not run. */
  readonly state: string;
}

/** All that leads from one unit to another. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly kinds: readonly Edge["kind"][];
}

/**
 * What leads from and to the units `chosen`, or all units when there are none, however far; without what systemd adds to
 * every service by itself.
 */
export function viewGraph(
  graph: UnitGraph,
  members: readonly Member[],
  chosen: readonly string[],
  stateOf: (unit: string) => string,
): GraphView {
  const edges = graph.edges.filter(({ implied }) => !implied);
  const reached = chosen.length === 0 ? new Set(graph.units) : reachedFrom(chosen, edges);
  const shown = edges.filter(({ from, to }) => reached.has(from) && reached.has(to));
  const containers = new Map(members.map(({ unit, name }) => [unit, name]));
  const joined = new Set(shown.flatMap(({ from, to }) => [from, to]));
  const units = graph.units.filter((unit) => reached.has(unit) && (containers.has(unit) || joined.has(unit)));
  const kinds = new Map<string, GraphEdge>();
  for (const { from, to, kind } of shown) {
    const key = `${from} ${to}`;
    kinds.set(key, { from, to, kinds: [...(kinds.get(key)?.kinds ?? []), kind] });
  }
  return {
    nodes: units.map((unit) => ({ unit, container: containers.get(unit) ?? null, state: stateOf(unit) })),
    edges: [...kinds.values()],
  };
}

/** Both ways: what a unit needs, and what needs it. */
function reachedFrom(chosen: readonly string[], edges: readonly Edge[]): ReadonlySet<string> {
  const follow = (from: "from" | "to", to: "from" | "to"): ReadonlySet<string> => {
    const seen = new Set(chosen);
    for (const unit of seen) {
      for (const edge of edges) if (edge[from] === unit) seen.add(edge[to]);
    }
    return seen;
  };
  return new Set([...follow("from", "to"), ...follow("to", "from")]);
}

/** An indented list: below each unit those it leads to. A unit is unfolded once. */
export function formatTree({ nodes, edges }: GraphView): readonly string[] {
  const lines: string[] = [];
  const unfolded = new Set<string>();
  const byUnit = new Map(nodes.map((node) => [node.unit, node]));
  const show = (unit: string, depth: number, kinds: string): void => {
    const below = edges.filter(({ from }) => from === unit);
    const again = unfolded.has(unit) && below.length > 0;
    const state = byUnit.get(unit)?.state ?? "unknown";
    lines.push(`${"  ".repeat(depth)}${kinds}${unit} (${state})${again ? " ..." : ""}`);
    if (unfolded.has(unit)) return;
    unfolded.add(unit);
    for (const edge of below) show(edge.to, depth + 1, `${edge.kinds.join(", ")} `);
  };
  const roots = nodes.filter(({ unit }) => !edges.some(({ to }) => to === unit));
  for (const { unit } of [...roots, ...nodes]) if (!unfolded.has(unit)) show(unit, 0, "");
  return lines;
}

const fills: Readonly<Record<string, string>> = {
  active: "#c8e6c9",
  activating: "#fff9c4",
  reloading: "#fff9c4",
  deactivating: "#fff9c4",
  failed: "#ffcdd2",
};

/** The colour that a state is shown in; that of what is not up, or not known, is grey. */
export function fillOf(state: string): string {
  return fills[state] ?? "#eeeeee";
}

/** How an edge is drawn: a requirement is firm, a wish is dashed, an order dotted. */
export function styleOf({ kinds }: GraphEdge): "solid" | "dashed" | "dotted" {
  if (kinds.includes("requires")) return "solid";
  return kinds.some((kind) => kind !== "after") ? "dashed" : "dotted";
}

/** The language of Graphviz. https://graphviz.org/doc/info/lang.html */
export function formatDot({ nodes, edges }: GraphView): readonly string[] {
  const quoted = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
  return [
    "digraph keelson {",
    ...nodes.map(({ unit, container, state }) => {
      const shape = container === null ? "ellipse" : "box";
      return `  ${quoted(unit)} [shape=${shape}, style=filled, fillcolor=${quoted(fillOf(state))}];`;
    }),
    ...edges.map((edge) => {
      const label = quoted(edge.kinds.join(", "));
      return `  ${quoted(edge.from)} -> ${quoted(edge.to)} [label=${label}, style=${styleOf(edge)}];`;
    }),
    "}",
  ];
}

/** A flowchart of Mermaid. https://mermaid.js.org/syntax/flowchart.html */
export function formatMermaid({ nodes, edges }: GraphView): readonly string[] {
  const ids = new Map(nodes.map(({ unit }, index) => [unit, `n${index}`]));
  const quoted = (text: string): string => `"${text.replace(/["#]/g, (sign) => (sign === '"' ? "#quot;" : "#35;"))}"`;
  const arrows = { solid: "-->", dashed: "-.->", dotted: "-.->" } as const;
  return [
    "flowchart BT",
    ...nodes.map(({ unit, container }) => {
      const text = quoted(unit);
      return `  ${ids.get(unit)}${container === null ? `([${text}])` : `[${text}]`}`;
    }),
    ...edges.map((edge) => {
      const label = quoted(edge.kinds.join(", "));
      return `  ${ids.get(edge.from)} ${arrows[styleOf(edge)]}|${label}| ${ids.get(edge.to)}`;
    }),
    ...nodes.map(({ unit, state }) => `  style ${ids.get(unit)} fill:${fillOf(state)}`),
  ];
}
