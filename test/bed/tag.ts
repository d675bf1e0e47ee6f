import { readFileSync } from "node:fs";
import { readlink } from "node:fs/promises";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";
import { push, type TestImage } from "./images.ts";
import { type Answer, checkStore, type Host, makeHost } from "./journey.ts";
import { startRegistry, type TestRegistry } from "./registry.ts";
import type { Snapshot } from "./snapshot.ts";

/** What tests look at in the answer of an update or rollback. */
interface SwitchAnswer extends Answer {
  readonly updated?: boolean;
  readonly generation: number;
  readonly set: Readonly<Record<string, string>>;
}

/** Container foo on a host of its own. */
export interface Installed {
  readonly host: Host;
  /** `keelson update foo ARGS...`, which has to succeed. */
  update(...args: readonly string[]): Promise<SwitchAnswer>;
  /** `keelson rollback foo ARGS...`, which has to succeed. */
  rollback(...args: readonly string[]): Promise<SwitchAnswer>;
  /** The environment in config.json, by name. */
  environment(): Readonly<Record<string, string>>;
  /** The number of the current deployment. */
  generation(): Promise<number>;
}

export interface TagBed {
  readonly registry: TestRegistry;
  /** `HOST:PORT/etcd:latest` */
  readonly tag: string;
  /** Pushes an image to the tag, or to another one. */
  publish(image: TestImage, to?: string): Promise<void>;
  /**
   * Installs what is under the tag with these options. When the test is over, foo is uninstalled, and the root has to be
   * as it was before.
   */
  installed(...options: readonly string[]): Promise<Installed>;
  /** The same on a host that something is done to first. */
  installedWith(prepare: (host: Host) => Promise<void>, ...options: readonly string[]): Promise<Installed>;
}

/** Every command that meets the registry needs it. */
export const insecure = "--tls-verify=false";
/** Where the deployments of foo are. */
export const deployments = "/var/lib/keelson/deployments/foo";

/** A registry with one tag for images that follow one another, for all tests of a file. */
export function openTag(): TagBed {
  let registry: TestRegistry | undefined;
  beforeAll(async () => {
    registry = await startRegistry();
  });
  afterAll(() => registry?.stop());
  const bed: TagBed = {
    get registry() {
      if (registry === undefined) throw new Error("the registry is not up yet");
      return registry;
    },
    get tag() {
      return `${bed.registry.host}/etcd:latest`;
    },
    publish: (image, to = bed.tag) => push(image.reference, to),
    installed: (...options) => bed.installedWith(async () => {}, ...options),
    async installedWith(prepare, ...options) {
      const host = await makeHost();
      await prepare(host);
      const before = await host.snapshot();
      await host.answer("install", insecure, "--name", "foo", ...options, bed.tag);
      onTestFinished(() => leavesNothing(host, before));
      return installedOn(host);
    },
  };
  return bed;
}

function installedOn(host: Host): Installed {
  return {
    host,
    update: (...args) => host.answer("update", insecure, "foo", ...args),
    rollback: (...args) => host.answer("rollback", "foo", ...args),
    environment() {
      const config = JSON.parse(readFileSync(host.path(`${deployments}/current/config.json`), "utf8"));
      const lines: readonly string[] = config.process.env;
      return Object.fromEntries(lines.map((line) => [line.split("=")[0], line.slice(line.indexOf("=") + 1)]));
    },
    generation: async () => Number(await readlink(host.path(`${deployments}/current`))),
  };
}

async function leavesNothing(host: Host, before: Snapshot): Promise<void> {
  await checkStore(host.root);
  await host.answer("uninstall", "foo");
  expect(await host.snapshot()).toEqual(before);
}
