import type { Exports, HostfsEntry } from "../../src/contract/exports.ts";
import type { Template } from "../../src/contract/template.ts";
import type { HostValues, Value, Values } from "../../src/contract/values.ts";
import { KeelsonError } from "../../src/errors.ts";
import type { Json } from "../../src/image/json.ts";

/** An image's /exports with these control files and host files. */
export function exportsOf(controls: Readonly<Record<string, string>>, hostfs: readonly HostfsEntry[] = []): Exports {
  return { controls: new Map(Object.entries(controls)), hostfs };
}

/** A host file with this content; its digest is not of interest. */
export function fileOf(path: string, content = "", mode = 0o644): HostfsEntry & { readonly kind: "file" } {
  return { kind: "file", path, mode, size: content.length, sha256: "0".repeat(64), text: () => content };
}

export function directoryOf(path: string, mode = 0o755): HostfsEntry {
  return { kind: "directory", path, mode };
}

export function stringTemplate(text: string, name = "/exports/x.template"): Template {
  return { kind: "string-template", name, text };
}

export function handlebarsTemplate(text: string, name = "/exports/x.hbs"): Template {
  return { kind: "handlebars", name, text };
}

/** Values of one origin. */
export function valuesOf(values: Readonly<Record<string, Json>>, origin: Value["origin"] = "set"): Values {
  return new Map(Object.entries(values).map(([name, value]) => [name, { value, origin }]));
}

/** The error that `act` throws; a plain Error when it throws none or another kind. */
export function errorOf(act: () => unknown): KeelsonError {
  try {
    act();
  } catch (error) {
    if (error instanceof KeelsonError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

export const host: HostValues = {
  name: "etcd",
  destdir: "/var/lib/keelson/deployments/etcd/current",
  runtime: "/usr/bin/runc",
  keelson: "/usr/bin/keelson",
  imageName: "registry.example/etcd:latest",
  imageId: "sha256:00",
  hostUid: 0,
  hostGid: 0,
  runDirectory: "/run",
  confDirectory: "/etc",
  stateDirectory: "/var/lib",
  capabilities: ["CAP_CHOWN", "CAP_KILL"],
  uuid: "8c6f4c52-6c9e-4a3e-9d3c-3a3c1de1a001",
  instance: "",
  execStart: "/usr/bin/runc run 'etcd'",
  execStop: "/usr/bin/runc kill 'etcd'",
  execStartPre: "",
  execStopPost: "",
  pidFile: "/run/container-etcd.pid",
};
