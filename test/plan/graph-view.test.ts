import { describe, expect, it } from "vitest";
import { formatSvg } from "../../src/plan/graph-svg.ts";
import { formatDot, formatMermaid, formatTree, viewGraph } from "../../src/plan/graph-view.ts";
import { readGraph } from "../../src/plan/order.ts";
import { hostWith, member } from "../bed/members.ts";
import { run } from "../bed/run.ts";

const members = [
  member("etcd", { provides: ["kv/etcd"] }),
  member("flanneld", { requires: ["kv/etcd"], before: ["runtime"] }),
  member("alone"),
];
const states: Readonly<Record<string, string>> = { "etcd.service": "active", "flanneld.service": "failed" };
const host = hostWith({ "docker.service": "" });
const view = (...chosen: readonly string[]) =>
  viewGraph(readGraph(members, host, false), members, chosen, (unit) => states[unit] ?? "inactive");

describe("a graph of services", () => {
  it("as an indented list", () => {
    expect(formatTree(view())).toEqual([
      "alone.service (inactive)",
      "docker.service (inactive)",
      "  after flanneld.service (failed)",
      "    after, wants, upholds etcd.service (active)",
    ]);
  });

  it("of one container is what it needs and what needs it", () => {
    expect(view("alone.service").nodes.map(({ unit }) => unit)).toEqual(["alone.service"]);
    expect(view("etcd.service").nodes.map(({ unit }) => unit)).toEqual([
      "etcd.service",
      "flanneld.service",
      "docker.service",
    ]);
  });

  it("as an indented list ends where it leads back", () => {
    const round = [member("a", { requires: ["b"] }), member("b", { requires: ["a"] })];
    const lines = formatTree(viewGraph(readGraph(round, hostWith(), false), round, [], () => "active"));
    expect(lines).toEqual([
      "a.service (active)",
      "  after, wants, upholds b.service (active)",
      "    after, wants, upholds a.service (active) ...",
    ]);
  });

  it("in the language of Graphviz, in which a quote ends no name", () => {
    const [, ...rest] = formatDot({ nodes: [{ unit: 'a"\\b', container: null, state: "active" }], edges: [] });
    expect(rest).toEqual(['  "a\\"\\\\b" [shape=ellipse, style=filled, fillcolor="#c8e6c9"];', "}"]);
    expect(formatDot(view())).toContain(
      '  "flanneld.service" -> "etcd.service" [label="after, wants, upholds", style=dashed];',
    );
  });

  it("in the language of Mermaid", () => {
    expect(formatMermaid(view("etcd.service"))).toEqual([
      "flowchart BT",
      '  n0["etcd.service"]',
      '  n1["flanneld.service"]',
      '  n2(["docker.service"])',
      '  n1 -.->|"after, wants, upholds"| n0',
      '  n2 -.->|"after"| n1',
      "  style n0 fill:#c8e6c9",
      "  style n1 fill:#ffcdd2",
      "  style n2 fill:#eeeeee",
    ]);
  });

  it("as a picture that is well-formed XML, with every unit and edge in it, what starts first on top", async () => {
    const svg = formatSvg({
      ...view(),
      nodes: [...view().nodes, { unit: "<&>.service", container: null, state: "unknown" }],
    }).join("\n");
    const script =
      "import sys, xml.dom.minidom as m; d = m.parseString(sys.argv[1]); print([(t.firstChild.data, float(t.getAttribute('y'))) for t in d.getElementsByTagName('text')], len(d.getElementsByTagName('path')))";
    const said = await run("python3", "-c", script, svg);
    const height = (unit: string): number => Number(new RegExp(`\\('${unit}', ([0-9.]+)\\)`).exec(said)?.[1]);
    expect(height("etcd.service")).toBeLessThan(height("flanneld.service"));
    expect(height("flanneld.service")).toBeLessThan(height("docker.service"));
    expect(said).toContain("<&>.service");
    expect(said.trim().endsWith(" 3")).toBe(true);
  });
});
