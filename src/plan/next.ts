import type { Contract } from "../contract/contract.ts";
import { planHostFiles } from "../contract/host-files.ts";
import { latin1Of } from "../contract/host-path.ts";
import { renderConfig, renderTmpfiles, type Template } from "../contract/template.ts";
import { planValues, type Values } from "../contract/values.ts";
import { printable } from "../errors.ts";
import type { ImageConfig } from "../image/config.ts";
import { type PlannedConfig, planConfig } from "./config.ts";
import { type DefaultTemplates, defaultValues } from "./defaults.ts";
import type { DeployedImage, DeployedService, DeployedTmpfiles, Deployment, MadeDirectory } from "./deployment.ts";
import type { HostFacts } from "./facts.ts";
import { hostActionsOf } from "./host-actions.ts";
import { missingParents, type PlannedHostFiles, placeHostFiles } from "./host-files.ts";
import { madeBy, parseTmpfiles, type TmpfilesLine, tmpfilesForBinds } from "./tmpfiles.ts";
import { type ExecPlaces, type Launch, launchOf, planExecLines, planUnit } from "./unit.ts";
import { installLinks } from "./unit-links.ts";
import type { UserIds } from "./user.ts";

export interface DeploymentRequest {
  readonly name: string;
  readonly generation: number;
  /** RFC 3339. */
  readonly created: string;
  readonly image: DeployedImage;
  readonly imageConfig: ImageConfig;
  readonly contract: Contract;
  readonly set: ReadonlyMap<string, string>;
  /** A random UUID, for the variable of that name. */
  readonly uuid: string;
  readonly runtime: { readonly path: string; readonly name: string };
  readonly enabled: boolean;
  readonly keepExisting: boolean;
  readonly rootfs?: string;
  /** The image's `User`, looked up in its own passwd and group. */
  readonly user: UserIds;
  /** Whether a path of the image's tree is a regular file. */
  readonly isFileInImage: (path: string) => boolean;
  /** The unit, config.json and tmpfiles templates for an image that brings none. */
  readonly defaults: DefaultTemplates;
}

const unitDirectory = "/etc/systemd/system";
const tmpfilesDirectory = "/etc/tmpfiles.d";

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
  const config = planBundle(request, values, launch, facts);
  const hostFiles = placeHostFiles(planHostFiles(contract, values), request, facts);
  const service = contract.manifest.noContainerService
    ? undefined
    : planService(request, unitTemplate, values, launch, places, facts);
  const tmpfilesText = planTmpfiles(request, values, config, facts);
  const lines = parseTmpfiles(tmpfilesText.text, tmpfilesText.name);
  const tmpfiles = lines.length === 0 ? undefined : deployedTmpfiles(name, tmpfilesText.text, lines, facts);
  const actions = hostActionsOf(service?.directives ?? [], Object.values(exec), lines, hostFiles.files);
  return {
    schema: 1,
    name,
    generation: request.generation,
    created: request.created,
    image: request.image,
    runtime: request.runtime.path,
    set: Object.fromEntries(request.set),
    values: Object.fromEntries([...values].map(([key, { value }]) => [key, value])),
    ...(service === undefined ? {} : { service: service.deployed }),
    config: config.text,
    ...(tmpfiles === undefined ? {} : { tmpfiles }),
    hostFiles: hostFiles.files,
    madeDirectories: directoriesOf(hostFiles, tmpfiles, facts),
    hostActions: actions,
    warnings: [...config.warnings, ...tmpfilesText.warnings, ...secretWarnings(request, service?.deployed)],
    ...(request.rootfs === undefined ? {} : { rootfs: request.rootfs }),
  };
}

function execPlaces(request: DeploymentRequest, facts: HostFacts): ExecPlaces {
  const { name } = request;
  const runDirectory = request.set.get("RUN_DIRECTORY") ?? "/run";
  return {
    name,
    runtime: request.runtime.path,
    destdir: `${facts.deployments}/${name}/current`,
    pidFile: request.set.get("PIDFILE") ?? `${runDirectory}/container-${name}.pid`,
    stopSignal: request.imageConfig.stopSignal ?? "SIGTERM",
  };
}

function valuesOf(
  request: DeploymentRequest,
  facts: HostFacts,
  places: ExecPlaces,
  exec: ReturnType<typeof planExecLines>,
): Values {
  const values = planValues(request.contract.manifest, request.set, {
    ...places,
    ...exec,
    keelson: facts.keelson,
    imageName: request.image.reference,
    imageId: request.image.id,
    hostUid: 0,
    hostGid: 0,
    runDirectory: "/run",
    confDirectory: "/etc",
    stateDirectory: "/var/lib",
    capabilities: facts.capabilities,
    uuid: request.uuid,
  });
  return new Map([
    ...values,
    ...defaultValues(request, places.stopSignal, String(values.get("STATE_DIRECTORY")?.value)),
  ]);
}

function planBundle(request: DeploymentRequest, values: Values, launch: Launch, facts: HostFacts): PlannedConfig {
  const template = request.contract.config ?? request.defaults.config;
  const { rootfs } = request;
  return planConfig(
    renderConfig(template, values),
    {
      name: template.name,
      ...(launch === "none" ? {} : { cgroupsPath: cgroupsPath(request) }),
      ...(rootfs === undefined ? {} : { rootfs }),
    },
    facts,
  );
}

/**
 * Inside the unit's own cgroup, so that limits and `systemctl status` cover the container. runc takes a relative path
 * from the parent of the cgroup it runs in, which is right whatever Slice= an administrator gives the unit.
 */
function cgroupsPath(request: DeploymentRequest): string {
  const own = `${request.name}.service/container`;
  return request.runtime.name === "crun" ? `/system.slice/${own}` : own;
}

function planService(
  request: DeploymentRequest,
  template: Template,
  values: Values,
  launch: Launch,
  places: ExecPlaces,
  facts: HostFacts,
): { readonly deployed: DeployedService; readonly directives: ReturnType<typeof planUnit>["directives"] } {
  const unit = `${request.name}.service`;
  const planned = planUnit(template, values, launch, planExecLines(launch, places), places, facts.state);
  const path = `${unitDirectory}/${unit}`;
  const links = installLinks(unit, planned.text);
  return {
    deployed: { unit, path, text: planned.text, enabled: request.enabled, links },
    directives: planned.directives,
  };
}

interface TmpfilesText {
  readonly name: string;
  readonly text: string;
  readonly warnings: readonly string[];
}

function planTmpfiles(
  request: DeploymentRequest,
  values: Values,
  config: PlannedConfig,
  facts: HostFacts,
): TmpfilesText {
  const template =
    request.contract.tmpfiles ?? (request.contract.config === undefined ? request.defaults.tmpfiles : undefined);
  if (template !== undefined) return { name: template.name, text: renderTmpfiles(template, values), warnings: [] };
  const absent = config.binds.filter(({ source }) => facts.at(facts.resolve(latin1Of(source))).kind === "missing");
  const files = absent.filter(({ destination }) => request.isFileInImage(destination));
  return {
    name: `${request.name}.conf`,
    text: tmpfilesForBinds(
      absent.filter((bind) => !files.includes(bind)),
      config.uid,
      config.gid,
    ),
    warnings: files.map(({ source }) => `${printable(source)} is bound into the container and does not exist`),
  };
}

function deployedTmpfiles(
  name: string,
  text: string,
  lines: readonly TmpfilesLine[],
  facts: HostFacts,
): DeployedTmpfiles {
  const declared = madeBy(lines).map((path) => facts.resolve(latin1Of(path)));
  const made = new Map<string, MadeDirectory>();
  for (const path of declared) {
    for (const directory of missingParents(`${path}/.`, facts)) made.set(directory.path, directory);
  }
  const path = `${tmpfilesDirectory}/keelson-${name}.conf`;
  return { path, text, declared, made: [...made.values()].sort((a, b) => (a.path < b.path ? -1 : 1)) };
}

/** The directories of host files, and those above keelson's own files. */
function directoriesOf(
  hostFiles: PlannedHostFiles,
  tmpfiles: DeployedTmpfiles | undefined,
  facts: HostFacts,
): readonly MadeDirectory[] {
  const own = [`${unitDirectory}/x`, ...(tmpfiles === undefined ? [] : [tmpfiles.path])];
  const all = [...own.flatMap((path) => missingParents(path, facts)), ...hostFiles.directories];
  const byPath = new Map(all.map((directory) => [directory.path, directory]));
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

function secretWarnings(request: DeploymentRequest, service: DeployedService | undefined): readonly string[] {
  return [...request.set]
    .filter(([key, value]) => /PASS|TOKEN|SECRET|KEY/i.test(key) && value.length > 3 && service?.text.includes(value))
    .map(([key]) => `the value of ${key} stands in the unit file, which everybody on this host can read`);
}
