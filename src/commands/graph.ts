import { readCurrent } from "../host/deployments.ts";
import { formatDot, formatMermaid, formatTree, type GraphView, viewGraph } from "../plan/graph-view.ts";
import { membersOf } from "../plan/members.ts";
import { readGraph } from "../plan/order.ts";
import { hostFacts, type World } from "../world.ts";

export interface GraphRequest {
  /** Of containers; all when empty. */
  readonly names: readonly string[];
  readonly format: "text" | "dot" | "mermaid" | "svg";
}

/** Shows what starts after what and what pulls what in, with the states of the units. */
export async function graph(world: World, { names, format }: GraphRequest): Promise<void> {
  const facts = hostFacts(world);
  const members = membersOf(facts.installed);
  const chosen = names.flatMap((name) => readCurrent(world.paths.deployments, name).service?.unit ?? []);
  const whole = readGraph(members, facts, false);
  const states = world.systemd.running ? await world.systemd.states(whole.units) : undefined;
  const view = viewGraph(whole, members, chosen, (unit) => states?.get(unit)?.activeState ?? "unknown");
  world.output.answer(view, await linesOf(view, format));
}

async function linesOf(view: GraphView, format: GraphRequest["format"]): Promise<readonly string[]> {
  switch (format) {
    case "text":
      return formatTree(view);
    case "dot":
      return formatDot(view);
    case "mermaid":
      return formatMermaid(view);
    case "svg": {
      const { formatSvg } = await import("../plan/graph-svg.ts");
      return formatSvg(view);
    }
  }
}
