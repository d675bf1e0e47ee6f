import { comesBeforeNetwork } from "../contract/phase.ts";
import { renderUnit } from "../contract/template.ts";
import type { Values } from "../contract/values.ts";
import { KeelsonError } from "../errors.ts";
import type { DeployedService, DeployedTrigger } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { phaseOf } from "./phase.ts";
import type { DeploymentRequest } from "./request.ts";
import { type Directive, lastValue, parseUnit } from "./unit-file.ts";
import { installLinks, refuseTakenLinks } from "./unit-links.ts";
import { forManager } from "./unit-user.ts";

/** A socket or timer, and what its lines are. */
export interface PlannedTrigger {
  readonly deployed: DeployedTrigger;
  readonly directives: readonly Directive[];
}

/**
 * The units that start the service of a deployment when there is a connection, or it is time: the image's socket or timer, or
 * the socket that --listen asks for. Throws E_UNIT, E_NAME_TAKEN, and what rendering does.
 */
export function planTriggers(request: DeploymentRequest, values: Values, facts: HostFacts): readonly PlannedTrigger[] {
  const { contract, listen } = request;
  if (contract.manifest.noContainerService) return [];
  const planned: PlannedTrigger[] = [];
  if (contract.socket !== undefined || listen.length > 0) {
    const own = contract.socket === undefined ? plainSocket(request.name) : renderUnit(contract.socket, values);
    planned.push(trigger("socket", request, withAddresses(own, listen), facts));
  }
  if (contract.timer !== undefined) planned.push(trigger("timer", request, renderUnit(contract.timer, values), facts));
  return planned;
}

/**
 * What the container has to be told of its sockets: crun hands them over and says for whom they are, but not how many. Of
 * runc nothing is missing.
 */
export function socketEnvironment(triggers: readonly PlannedTrigger[], runtimeName: string): readonly string[] {
  const listens = triggers.flatMap(({ directives }) => directives.filter(({ key }) => key.startsWith("Listen")));
  const count = listens.slice(listens.findLastIndex(({ value }) => value === "") + 1).length;
  return runtimeName === "crun" && count > 0 ? [`LISTEN_FDS=${count}`] : [];
}

/** Whether a request leads to a service that a socket starts. */
export function hasSocket({ contract, listen }: Pick<DeploymentRequest, "contract" | "listen">): boolean {
  return contract.socket !== undefined || listen.length > 0;
}

/** The unit files of a service: its own, and those of what starts it. */
export function unitFilesOf(
  service: DeployedService | undefined,
): readonly Pick<DeployedService, "unit" | "path" | "text" | "links">[] {
  return service === undefined ? [] : [service, ...(service.triggers ?? [])];
}

function plainSocket(name: string): string {
  return `[Unit]\nDescription=Socket of ${name}\n\n[Socket]\n\n[Install]\nWantedBy=sockets.target\n`;
}

/** An empty address forgets those before it. */
function withAddresses(text: string, listen: readonly string[]): string {
  if (listen.length === 0) return text;
  const lines = ["ListenStream=", ...listen.map((address) => `ListenStream=${address}`)];
  return `${text.trimEnd()}\n\n# Added by keelson, as --listen says.\n[Socket]\n${lines.join("\n")}\n`;
}

/** It starts before the service does, so it cannot come later in the boot. */
const withoutDefaults = `# Added by keelson for the phase of its service.
[Unit]
DefaultDependencies=no
Conflicts=shutdown.target
Before=shutdown.target
`;

function trigger(kind: "socket" | "timer", request: DeploymentRequest, own: string, facts: HostFacts): PlannedTrigger {
  const { name, enabled } = request;
  const unit = `${name}.${kind}`;
  const text = forManager(
    comesBeforeNetwork(phaseOf(request)) ? `${own.trimEnd()}\n\n${withoutDefaults}` : own,
    facts.places,
  );
  const path = `${facts.places.units}/${unit}`;
  const directives = parseUnit(text, unit);
  if (/^(?:yes|true|on|1|y|t)$/i.test(lastValue(directives, "Socket", "Accept") ?? "no")) {
    throw new KeelsonError(
      "E_UNIT",
      `${unit}: Accept=yes would start an instance for each connection, which ${name} is not`,
      {
        hint: "Leave Accept= out: the container is given the listening socket.",
      },
    );
  }
  if (facts.unitText(unit) !== undefined && facts.ownerOf(path) !== name) {
    throw new KeelsonError("E_NAME_TAKEN", `${unit} already exists and is not keelson's`, {
      hint: "Choose another --name; keelson never takes the place of a unit of the host.",
    });
  }
  const links = installLinks(unit, text, facts.places);
  if (enabled) refuseTakenLinks(links, facts);
  return { deployed: { kind, unit, path, text, links }, directives };
}
