import type { Contract } from "../contract/contract.ts";
import { planHostFiles } from "../contract/host-files.ts";
import type { Phase } from "../contract/phase.ts";
import type { Relations } from "../contract/relations.ts";
import { renderConfig } from "../contract/template.ts";
import { planValues, type Values } from "../contract/values.ts";
import { type PlannedConfig, planConfig } from "./config.ts";
import { defaultValues } from "./defaults.ts";
import type { DeployedOverrides, DeployedService, DeployedTmpfiles, Deployment, MadeDirectory } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { hostActionsOf } from "./host-actions.ts";
import { missingParents, type PlannedHostFiles, placeHostFiles } from "./host-files.ts";
import { instanceOf } from "./name.ts";
import { phaseOf, withPhase } from "./phase.ts";
import { readinessScript, withReadiness } from "./readiness.ts";
import type { DeploymentRequest } from "./request.ts";
import { withStack } from "./stack.ts";
import { planState } from "./state.ts";
import { hasSocket, type PlannedTrigger, planTriggers, socketEnvironment } from "./triggers.ts";
import {
  cgroupsPathOf,
  type ExecPlaces,
  type Launch,
  launchOf,
  managerGroup,
  type PlannedUnit,
  planExecLines,
  planUnit,
} from "./unit.ts";
import { installLinks, refuseTakenLinks } from "./unit-links.ts";
import { refuseEarly, withRuntimeDirectories } from "./unit-user.ts";

/**
 * Renders and checks everything an image wants, against the host as `facts` has it. Nothing is written. Throws what the
 * contract, config, unit, tmpfiles and host files can be refused for.
 */
export function planDeployment(request: DeploymentRequest, facts: HostFacts): Deployment {
  const { contract, name } = request;
  const unitTemplate = contract.unit ?? request.defaults.unit;
  const launch = contract.manifest.noContainerService ? "none" : launchOf(unitTemplate);
  const places = execPlaces(request, facts);
  const exec = planExecLines(launch, places);
  const values = valuesOf(request, facts, places, exec);
  const hostFiles = placeHostFiles(planHostFiles(contract, values), request, facts);
  const unit = contract.manifest.noContainerService
    ? undefined
    : planUnit(unitTemplate, values, launch, exec, places, facts);
  const cgroupsPath = launch === "none" ? undefined : cgroupsPathOf(launch, places, unit?.directives ?? []);
  const triggers = planTriggers(request, values, facts);
  const environment = socketEnvironment(triggers, places.runtimeName);
  const config = planBundle(request, values, { cgroupsPath, environment }, facts);
  const state = planState(request, values, config, facts);
  const { tmpfiles } = state;
  const service = unit && planService(request, { unit, launch, places, triggers, config, tmpfiles }, facts);
  const directives = [...(unit?.directives ?? []), ...triggers.flatMap((trigger) => trigger.directives)];
  const actions = hostActionsOf(directives, Object.values(exec), state.lines, hostFiles.files);
  return {
    schema: 1,
    name,
    generation: request.generation,
    created: request.created,
    image: request.image,
    runtime: request.runtime.path,
    set: Object.fromEntries(request.set),
    ...(request.phase === undefined ? {} : { phase: request.phase }),
    ...(request.listen.length === 0 ? {} : { listen: request.listen }),
    values: Object.fromEntries([...values].map(([key, { value }]) => [key, value])),
    ...(service === undefined ? {} : { service }),
    config: config.text,
    ...(tmpfiles === undefined ? {} : { tmpfiles }),
    hostFiles: hostFiles.files,
    madeDirectories: directoriesOf(hostFiles, tmpfiles, facts),
    hostActions: actions,
    warnings: [
      ...noExportsWarnings(contract),
      ...config.warnings,
      ...state.warnings,
      ...secretWarnings(request, service),
    ],
    ...(request.overrides.length === 0 ? {} : { overrides: overridesOf(request, config) }),
    ...(request.rootfs === undefined ? {} : { rootfs: request.rootfs }),
    ...(request.stack === undefined ? {} : { stack: request.stack }),
  };
}

function overridesOf({ overrides }: DeploymentRequest, config: PlannedConfig): DeployedOverrides {
  return { lines: overrides.map(({ line }) => line), imageConfig: config.imageText };
}

function execPlaces(request: DeploymentRequest, facts: HostFacts): ExecPlaces {
  const { name } = request;
  const runDirectory = request.set.get("RUN_DIRECTORY") ?? facts.places.run;
  return {
    name,
    runtime: request.runtime.path,
    runtimeName: request.runtime.name,
    destdir: `${facts.deployments}/${name}/current`,
    runtimeState: `${facts.places.run}/${request.runtime.name}`,
    manager: managerGroup(facts.places),
    pidFile: request.set.get("PIDFILE") ?? `${runDirectory}/container-${name}.pid`,
    stopSignal: request.imageConfig.stopSignal ?? "SIGTERM",
    hasSocket: hasSocket(request),
  };
}

function valuesOf(
  request: DeploymentRequest,
  facts: HostFacts,
  places: ExecPlaces,
  exec: ReturnType<typeof planExecLines>,
): Values {
  const { user, run, conf, state } = facts.places;
  const values = planValues(request.contract.manifest, request.set, {
    ...places,
    ...exec,
    keelson: facts.keelson,
    imageName: request.image.reference,
    imageId: request.image.id,
    hostUid: user?.uid ?? 0,
    hostGid: user?.gid ?? 0,
    runDirectory: run,
    confDirectory: conf,
    stateDirectory: state,
    capabilities: facts.capabilities,
    uuid: request.uuid,
    instance: instanceOf(request.name),
  });
  return new Map([
    ...values,
    ...defaultValues(request, places.stopSignal, String(values.get("STATE_DIRECTORY")?.value)),
  ]);
}

function planBundle(
  request: DeploymentRequest,
  values: Values,
  { cgroupsPath, environment }: { readonly cgroupsPath: string | undefined; readonly environment: readonly string[] },
  facts: HostFacts,
): PlannedConfig {
  const template = request.contract.config ?? request.defaults.config;
  const { rootfs } = request;
  const { user } = facts.places;
  return planConfig(
    renderConfig(template, values),
    {
      name: template.name,
      ...(cgroupsPath === undefined ? {} : { cgroupsPath }),
      ...(rootfs === undefined ? {} : { rootfs }),
      writable: request.writable,
      overrides: request.overrides,
      environment,
      ...(user === undefined ? {} : { user }),
    },
    facts,
  );
}

/** What is planned of a service before the rest can be. */
interface ServiceParts {
  readonly unit: PlannedUnit;
  readonly launch: Launch;
  readonly places: ExecPlaces;
  readonly triggers: readonly PlannedTrigger[];
  readonly config: PlannedConfig;
  readonly tmpfiles: DeployedTmpfiles | undefined;
}

function planService(
  request: DeploymentRequest,
  { unit: planned, launch, places, triggers, config, tmpfiles }: ServiceParts,
  facts: HostFacts,
): DeployedService {
  const unit = `${request.name}.service`;
  const phase = phaseOf(request);
  refuseEarly(phase, facts.places);
  const sources = config.binds.map(({ source }) => source);
  const { ready } = request.contract.manifest;
  const awaited = ready === undefined ? planned.text : withReadiness(planned.text, ready, launch, places);
  const text = withRuntimeDirectories(withPhase(unit, awaited, phase, sources), tmpfiles, facts.places);
  const path = `${facts.places.units}/${unit}`;
  const links = installLinks(unit, text, facts.places);
  if (request.enabled) refuseTakenLinks(links, facts);
  const health = request.contract.manifest.health ?? request.imageConfig.healthcheck;
  const relations = withStack(relationsOf(request, phase), request.stack);
  return {
    unit,
    path,
    text,
    enabled: request.enabled,
    ...(health === undefined ? {} : { health }),
    ...(relations === undefined ? {} : { relations }),
    ...(ready === undefined ? {} : { probe: readinessScript(ready, places) }),
    ...(phase === "normal" ? {} : { phase }),
    links,
    ...(triggers.length === 0 ? {} : { triggers: triggers.map(({ deployed }) => deployed) }),
  };
}

/** What comes before the runtimes of a host comes before those of its containers, too. */
function relationsOf({ contract }: DeploymentRequest, phase: Phase): Relations | undefined {
  const { relations } = contract.manifest;
  if (phase !== "pre-runtime") return relations;
  const { provides = [], requires = [], before = [] } = relations ?? {};
  return { provides, requires, before: [...new Set([...before, "runtime"])] };
}

/** The directories of host files, and those above keelson's own files. */
function directoriesOf(
  hostFiles: PlannedHostFiles,
  tmpfiles: DeployedTmpfiles | undefined,
  facts: HostFacts,
): readonly MadeDirectory[] {
  const own = [`${facts.places.units}/x`, ...(tmpfiles === undefined ? [] : [tmpfiles.path])];
  const all = [...own.flatMap((path) => missingParents(path, facts)), ...hostFiles.directories];
  const byPath = new Map(all.map((directory) => [directory.path, directory]));
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** An image that was not made for this: what it gets may not be what it needs. */
function noExportsWarnings({ unit, config, manifest }: Contract): readonly string[] {
  if (unit !== undefined || config !== undefined || manifest.noContainerService) return [];
  return ["the image has no templates in /exports: its unit and config.json are keelson's defaults"];
}

function secretWarnings(request: DeploymentRequest, service: DeployedService | undefined): readonly string[] {
  return [...request.set]
    .filter(([key, value]) => /PASS|TOKEN|SECRET|KEY/i.test(key) && value.length > 3 && service?.text.includes(value))
    .map(([key]) => `the value of ${key} stands in the unit file, which everybody on this host can read`);
}
