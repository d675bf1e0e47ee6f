import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { base } from "../boot/payloads.ts";
import type { LayerFiles } from "./layer-files.ts";

/** The examples whose programs come from the network alone. */
export const kubernetes = [
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kube-proxy",
  "kubelet",
] as const;

export type KubernetesName = (typeof kubernetes)[number];

const examples = join(import.meta.dirname, "../../examples");

/** The image of an example as its Containerfile makes it, with a shell script in place of the program and of Debian. */
export function standIn(name: KubernetesName, script: string): LayerFiles {
  const text = readFileSync(join(examples, name, "Containerfile"), "utf8");
  const directories = / mkdir -p ([^&\n]*)/.exec(text)?.[1]?.trim().split(" ") ?? [];
  const files = / touch ([^&\n]*)/.exec(text)?.[1]?.trim().split(" ") ?? [];
  return {
    ...base("exit 1"),
    ...Object.fromEntries(directories.map((path) => [path.slice(1), { kind: "directory" as const }])),
    ...Object.fromEntries(files.map((path) => [path.slice(1), ""])),
    "bin/sh": { kind: "symlink", target: "busybox" },
    [`usr/bin/${name}`]: { kind: "file", content: `#!/bin/sh\n${script}\n`, mode: 0o755 },
    ...exportsOf(name),
  };
}

function exportsOf(name: string): LayerFiles {
  const from = join(examples, name);
  const paths = readdirSync(join(from, "exports"), { recursive: true, encoding: "utf8" });
  const files = paths.map((path) => join("exports", path)).filter((path) => statSync(join(from, path)).isFile());
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(from, path))]));
}
