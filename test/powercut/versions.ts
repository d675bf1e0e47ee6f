import { randomBytes } from "node:crypto";
import { cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { builtExamples } from "../bed/examples.ts";
import { type LayerFiles, packLayer } from "../bed/layer-files.ts";
import { run } from "../bed/run.ts";

export const versionNames = ["v1", "v2"] as const;
export type Version = (typeof versionNames)[number];

/** The links that enable each, below /etc/systemd/system. */
export const enabledBy: Readonly<Record<Version, string>> = {
  v1: "multi-user.target.wants/etcd.service",
  v2: "graphical.target.wants/etcd.service multi-user.target.wants/etcd.service",
};

const exports = join(import.meta.dirname, "../../examples/etcd/exports");

/**
 * Writes two images of the same etcd to `directory`, an OCI layout each, named after the version. Everything that
 * keelson puts in place for a service says which it is: root filesystem, config.json, unit and the links that enable it,
 * tmpfiles lines, a host file.
 */
export async function writeVersions(directory: string): Promise<void> {
  const { etcd } = await builtExamples();
  for (const version of versionNames) {
    const layout = join(directory, version);
    await cp(etcd.layout, layout, { recursive: true });
    const scratch = await mkdtemp(join(tmpdir(), "keelson-version-"));
    try {
      const archive = join(scratch, "layer.tar");
      await packLayer(await layerOf(version), archive);
      await run("umoci", "raw", "add-layer", "--image", `${layout}:latest`, archive);
      await run("umoci", "config", "--image", `${layout}:latest`, "--config.label", `version=${version}`);
    } finally {
      await rm(scratch, { recursive: true });
    }
  }
}

/** Enough files that unpacking them, checking them out and removing them again takes its time. */
async function layerOf(version: Version): Promise<LayerFiles> {
  const read = (name: string): Promise<string> => readFile(join(exports, name), "utf8");
  const unit = await read("service.template");
  const targets = enabledBy[version].replaceAll(/\.wants\/\S+/g, "");
  const pages = Array.from({ length: 60 }, (_, index) => [`usr/share/etcd/pages/${index}`, `${version} ${index}\n`]);
  return {
    "usr/share/etcd/version": `${version}\n`,
    "usr/share/etcd/large": randomBytes(2 * 1024 * 1024),
    ...Object.fromEntries(pages),
    "exports/hostfs/etc/etcd/version": `${version}\n`,
    "exports/tmpfiles.template": `# ${version}\n${await read("tmpfiles.template")}`,
    "exports/service.template": replaced(
      replaced(unit, "Description=Etcd Server", `Description=Etcd Server ${version}`),
      "WantedBy=multi-user.target",
      `WantedBy=${targets}`,
    ),
    "exports/config.json.template": replaced(
      await read("config.json.template"),
      '"ETCDCTL_API=3",',
      `"ETCDCTL_API=3", "VERSION_HERE=${version}",`,
    ),
  };
}

function replaced(text: string, from: string, to: string): string {
  if (!text.includes(from)) throw new Error(`${from} is no longer in the example`);
  return text.replace(from, to);
}
