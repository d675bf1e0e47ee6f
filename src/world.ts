import { randomUUID } from "node:crypto";
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { KeelsonError } from "./errors.ts";
import { type InstalledContainer, readContainers } from "./host/deployments.ts";
import { openFacts } from "./host/facts.ts";
import { type HostRoot, openRoot } from "./host/root.ts";
import { runAsSweeper, runAsWriter, type WriterPlaces } from "./host/session.ts";
import { openSystemd, type Systemd } from "./host/systemd.ts";
import type { TransactionHost } from "./host/transaction.ts";
import { readUserPlaces, refuseStranger } from "./host/user.ts";
import { watchUnits } from "./host/watch.ts";
import type { Reference } from "./image/reference.ts";
import type { Registries } from "./image/registries.ts";
import type { Verified } from "./image/verified.ts";
import type { Output } from "./output.ts";
import type { HostFacts } from "./plan/facts.ts";
import { hostPlaces, type Places } from "./plan/places.ts";
import type { DefaultTemplates } from "./plan/request.ts";
import { readSettings, type Settings } from "./settings.ts";
import { openSource } from "./source/open.ts";
import { type SourceOptions, standardTiming } from "./source/options.ts";
import { readRegistries, writeChosenAlias } from "./source/registries-files.ts";
import type { ImageSource } from "./source/source.ts";
import type { Subject } from "./source/trust.ts";
import type { TrustPlaces } from "./source/trust-files.ts";
import { openImageStore } from "./store/image-store.ts";
import { type StorePaths, storePaths } from "./store/store.ts";

/** Everything a command may touch. */
export interface World {
  readonly root: HostRoot;
  /** The directory given with --root, or `/`. */
  readonly rootPath: string;
  /** Where everything is put, for the host or for one of its users. */
  readonly places: Places;
  readonly settings: Settings;
  readonly output: Output;
  readonly systemd: Systemd;
  readonly paths: StorePaths;
  /** The keelson executable, as units and templates of the host name it. */
  readonly keelson: string;
  /** Wait for another keelson that changes the root instead of failing. */
  readonly wait: boolean;
  /** Aborted when a person or the system asks keelson to stop. */
  readonly signal: AbortSignal;
  now(): Date;
  uuid(): string;
  /** A directory outside the host's root for what is thrown away. */
  scratch(): string;
  source(reference: Reference, tlsVerify: boolean): ImageSource;
  /** What registries.conf says, read once. */
  registries(): Promise<Registries>;
  /** Keeps what a person chose for a short name: `host/repository`. */
  rememberAlias(name: string, repository: string): Promise<void>;
  /** What policy.json says of an image; throws E_POLICY when it is not let in. See judgeImage. */
  judge(subject: Subject): Promise<Verified>;
  /** Where policy.json and registries.d are. */
  readonly trustPlaces: TrustPlaces;
  /** How registries and files are dealt with. */
  sourceOptions(tlsVerify: boolean): SourceOptions;
  /** All of standard input, as text. */
  input(): Promise<string>;
  templates(): DefaultTemplates;
  close(): Promise<void>;
}

export interface WorldOptions {
  readonly root: string;
  /** For the user who runs keelson instead of for the host. */
  readonly user: boolean;
  readonly wait: boolean;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly version: string;
  /** The directory with keelson's own unit-templates. */
  readonly home: string;
  readonly keelson: string;
}

/** What transactions of this world act on. */
export function transactionHost(world: World): TransactionHost {
  const { root, systemd, settings } = world;
  const { stateDirectory } = settings;
  return {
    root,
    systemd,
    journal: `${stateDirectory}/journal/transaction`,
    deployments: `${stateDirectory}/deployments`,
    repository: `${stateDirectory}/repo`,
    watch: (changes) => watchUnits(changes, systemd, world.signal),
  };
}

/** Runs `action` as the one writer of this world's root: see runAsWriter. */
export function asWriter<T>(world: World, verb: string, action: () => Promise<T>): Promise<T> {
  return runAsWriter(verb, writerPlaces(world, verb), action);
}

/** Like asWriter, for what sweeps by itself: see runAsSweeper. */
export function asSweeper<T>(world: World, verb: string, action: () => Promise<T>): Promise<T> {
  return runAsSweeper(verb, writerPlaces(world, verb), action);
}

function writerPlaces(world: World, verb: string): WriterPlaces {
  refuseStranger(world.places, verb);
  const { paths, wait, signal, output, settings } = world;
  return { paths, host: transactionHost(world), wait, signal, keep: settings.keep, say: output.message };
}

/** Throws E_USAGE where the root is another than this host's: no program of that is executed. */
export function hereOnly({ root }: World, verb: string): void {
  if (root.prefix === "") return;
  throw new KeelsonError("E_USAGE", `keelson ${verb} acts on this host, not on the one below ${root.prefix}`, {
    hint: "Leave out --root, or run keelson on the booted host.",
  });
}

/** Throws E_USAGE for what only root can do, or only the host has, of a command that a user may ask for containers of their own. */
export function asRootOnly({ places }: World, verb: string): void {
  if (places.user === undefined) return;
  throw new KeelsonError("E_USAGE", `keelson ${verb} is for the containers of the host, not for those of a user`, {
    hint: "Leave out --user, and run it as root.",
  });
}

/** The host as planning sees it, with the containers that are installed, or with these instead. */
export function hostFacts(
  { root, settings, keelson, paths, places }: World,
  containers: readonly InstalledContainer[] = readContainers(paths.deployments),
): HostFacts {
  return openFacts(root, settings.stateDirectory, keelson, containers, places);
}

/** The real world. Reads settings; opens nothing else before it is used. Throws E_USAGE, E_SETTINGS. */
export function openWorld(options: WorldOptions): World {
  const rootPath = realRoot(options.root);
  const root = openRoot(rootPath);
  const places = options.user ? readUserPlaces(options.root, process.env) : hostPlaces;
  const settings = readSettings(root.prefix, environmentOf(places), places);
  const chosen = root.path(`${places.cache}/containers/short-name-aliases.conf`);
  const trustPlaces = { prefix: root.prefix, home: settings.home };
  let systemd: Systemd | undefined;
  const registries = openRegistries(root, settings, chosen);
  const sourceOptions = (tlsVerify: boolean): SourceOptions => ({
    ...steadyOptions(settings, root, options),
    tlsVerify: tlsVerify && settings.tlsVerify,
    registries,
  });
  return {
    root,
    rootPath,
    places,
    settings,
    output: options.output,
    paths: storePaths(root.path(settings.stateDirectory)),
    keelson: programOnHost(options.keelson, root),
    wait: options.wait,
    signal: options.signal,
    get systemd() {
      systemd ??= openSystemd(rootPath, places);
      return systemd;
    },
    now: () => new Date(),
    uuid: () => randomUUID(),
    scratch: () => tmpdir(),
    source: (reference, tlsVerify) => openSource(reference, sourceOptions(tlsVerify)),
    judge: async (subject) => {
      const { judge } = await import("./source/trust.ts");
      return judge(subject, trustPlaces, sourceOptions(subject.tlsVerify));
    },
    trustPlaces,
    registries,
    rememberAlias: (name, repository) => writeChosenAlias(chosen, name, repository),
    sourceOptions,
    input: () => text(process.stdin),
    templates: () => readTemplates(join(options.home, "unit-templates")),
    close: async () => systemd?.close(),
  };
}

function environmentOf({ user }: Places): NodeJS.ProcessEnv {
  return user === undefined ? process.env : { ...process.env, HOME: user.home };
}

function openRegistries(root: HostRoot, { home }: Settings, chosen: string): World["registries"] {
  const places = { system: root.path("/etc/containers"), own: join(home, ".config/containers"), chosen };
  let read: Promise<Registries> | undefined;
  return () => {
    read ??= readRegistries(places);
    return read;
  };
}

/** What holds for every source of a world. */
function steadyOptions(
  settings: Settings,
  root: HostRoot,
  { version, signal }: WorldOptions,
): Omit<SourceOptions, "tlsVerify"> {
  const own = join(settings.home, ".config/containers/certs.d");
  return {
    authFiles: settings.authFiles,
    cacheDirectory: tmpdir(),
    userAgent: `keelson/${version}`,
    dockerHost: settings.dockerHost,
    store: openImageStore(storePaths(root.path(settings.stateDirectory))),
    hostFiles: { prefix: root.prefix, home: settings.home },
    helperEnvironment: settings.helperEnvironment,
    certificates: [own, root.path("/etc/containers/certs.d"), root.path("/etc/docker/certs.d")],
    proxies: settings.proxies,
    timing: {
      ...standardTiming,
      connect: 1000 * settings.connectTimeout,
      idle: 1000 * settings.idleTimeout,
      longestWait: 1000 * settings.retryWait,
    },
    limits: settings.documentLimits,
    tries: settings.tries,
    redirects: settings.redirects,
    ca: settings.caFiles.map((file) => readFileSync(file, "utf8")),
    signal,
  };
}

/** A program below the root is named as the host that becomes of it will name it. */
function programOnHost(program: string, root: HostRoot): string {
  const path = existsSync(program) ? realpathSync(program) : program;
  const inside = root.pathOnHost(path);
  return inside === path ? program : inside;
}

function realRoot(root: string): string {
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory()) return realpathSync(root);
  throw new KeelsonError("E_USAGE", `--root ${root} is not a directory`, {
    hint: "Make the directory first, or leave out --root.",
  });
}

function readTemplates(directory: string): DefaultTemplates {
  const names = new Set(readdirSync(directory));
  const read = (name: string): DefaultTemplates["unit"] => {
    if (!names.has(name)) throw new Error(`${directory} has no ${name}`);
    return { kind: "handlebars", name: `unit-templates/${name}`, text: readFileSync(join(directory, name), "utf8") };
  };
  return { unit: read("service.hbs"), config: read("config.json.hbs"), tmpfiles: read("tmpfiles.hbs") };
}
