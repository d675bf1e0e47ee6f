import { comesBeforeNetwork, type Phase } from "../contract/phase.ts";
import { runtimeUnits } from "./members.ts";
import type { DeploymentRequest } from "./request.ts";
import { allValues, parseUnit } from "./unit-file.ts";

/** When at boot the service of a deployment is to start. */
export function phaseOf({ phase, contract }: Pick<DeploymentRequest, "phase" | "contract">): Phase {
  return phase ?? contract.manifest.phase ?? "normal";
}

interface PhaseLines {
  readonly unit: readonly string[];
  /** What pulls the service in beside what its image says, so that it is up where only this much of the host is. */
  readonly wantedBy?: string;
}

const tmpfiles = "systemd-tmpfiles-setup.service";
const alone = ["DefaultDependencies=no", "Conflicts=shutdown.target"];

/**
 * A unit with what its phase asks for. Without default dependencies it is stopped before file systems go, as any service is,
 * and its directories are there before it starts. `sources` are the paths of the host it uses: mounts below them come first.
 */
export function withPhase(unit: string, text: string, phase: Phase, sources: readonly string[]): string {
  if (phase === "normal") return text;
  const { unit: lines, wantedBy } = linesOf(phase, unit);
  const installed = allValues(parseUnit(text, unit), "Install", "WantedBy").flatMap((value) => value.split(/\s+/));
  const mounts = [...new Set(sources)].filter(mayBeMounted).map(quote);
  const added = [
    `# Added by keelson for the phase ${phase}.`,
    "[Unit]",
    ...lines,
    ...(mounts.length === 0 ? [] : [`RequiresMountsFor=${mounts.join(" ")}`]),
    ...(wantedBy === undefined || installed.length === 0 || installed.includes(wantedBy)
      ? []
      : ["[Install]", `WantedBy=${wantedBy}`]),
  ];
  return `${text.trimEnd()}\n\n${added.join("\n")}\n`;
}

function linesOf(phase: Exclude<Phase, "normal">, unit: string): PhaseLines {
  switch (phase) {
    case "early":
      return {
        unit: [...alone, `After=${tmpfiles}`, "Before=sysinit.target shutdown.target"],
        wantedBy: "sysinit.target",
      };
    case "basic":
      return {
        unit: [
          ...alone,
          "Requires=sysinit.target",
          "After=sysinit.target",
          "Before=sockets.target basic.target shutdown.target",
        ],
        wantedBy: "basic.target",
      };
    case "pre-network":
      return {
        unit: [...alone, `After=${tmpfiles}`, "Wants=network-pre.target", "Before=network-pre.target shutdown.target"],
      };
    case "pre-runtime":
      return { unit: [`Before=${runtimeUnits.filter((other) => other !== unit).join(" ")}`] };
  }
}

/** The kernel's own file systems and /run are there from the beginning. */
function mayBeMounted(path: string): boolean {
  return path.startsWith("/") && !/^\/(?:proc|sys|dev|run)(?:\/|$)/.test(path) && !/[\u0000-\u001f\u007f]/.test(path);
}

function quote(path: string): string {
  const literal = path.replaceAll("%", "%%");
  return /^[\w./:@%+,=-]+$/.test(literal) ? literal : `"${literal.replace(/["\\]/g, "\\$&")}"`;
}

const network = new Set(["network.target", "network-online.target", "remote-fs.target"]);
const online = /^(?:network-online\.target|.*-wait-online\.service)$/;

/** An edge of the graph of units. */
interface Lead {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
}

/**
 * How a service of a phase without a network would wait for it or bring it up, as units of which each leads to the next;
 * undefined when it does not.
 */
export function waitsForNetwork(unit: string, phase: Phase, edges: readonly Lead[]): readonly string[] | undefined {
  if (!comesBeforeNetwork(phase)) return undefined;
  const pulled = edges.find(({ from, to, kind }) => from === unit && kind !== "after" && online.test(to));
  if (pulled !== undefined) return [unit, pulled.to];
  const paths = new Map<string, readonly string[]>([[unit, [unit]]]);
  for (const [at, path] of paths) {
    if (network.has(at) || online.test(at)) return path;
    for (const { from, to, kind } of edges) {
      if (from === at && kind === "after" && !paths.has(to)) paths.set(to, [...path, to]);
    }
  }
  return undefined;
}
