import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Host } from "./journey.ts";
import { type LayerFiles, packLayer } from "./layer-files.ts";
import { run } from "./run.ts";

/** What a container was installed with. */
export interface AtomicInstall {
  readonly name: string;
  readonly image: string;
  /** All that is in the image, and below `exports` its templates. */
  readonly files: LayerFiles;
  /** Over those that atomic has for every container, and the image's defaults. */
  readonly values?: Readonly<Record<string, string>>;
  /** Of `info`, over what atomic writes. */
  readonly info?: Readonly<Record<string, unknown>>;
  readonly slot?: 0 | 1;
}

export const atomicDirectory = "/var/lib/containers/atomic";

/**
 * A container as `atomic install --system` of version 1.22 leaves it: a link to one of two directories with the tree, what it
 * rendered of the image's templates, and `info`; and on the host its unit, enabled, its tmpfiles and host files.
 */
export async function writeAtomic(host: Host, install: AtomicInstall): Promise<void> {
  const { name, image, files, slot = 0 } = install;
  const directory = `${atomicDirectory}/${name}.${slot}`;
  const rootfs = host.path(`${directory}/rootfs`);
  await unpack(files, rootfs);
  symlinkSync(directory, host.path(`${atomicDirectory}/${name}`));
  const exports = join(rootfs, "exports");
  const manifest = JSON.parse(readFileSync(join(exports, "manifest.json"), "utf8"));
  const values: Record<string, string> = {
    ...standardValues(name, directory),
    ...manifest.defaultValues,
    ...install.values,
  };
  const render = (file: string): string => substitute(readFileSync(join(exports, file), "utf8"), values);
  const unit = render("service.template");
  host.write(`${directory}/config.json`, render("config.json.template"));
  host.write(`${directory}/${name}.service`, unit);
  host.write(`/etc/systemd/system/${name}.service`, unit);
  const wants = host.path("/etc/systemd/system/multi-user.target.wants");
  mkdirSync(wants, { recursive: true });
  symlinkSync(`/etc/systemd/system/${name}.service`, join(wants, `${name}.service`));
  const names = readdirSync(exports);
  if (names.includes("tmpfiles.template")) {
    const tmpfiles = render("tmpfiles.template");
    host.write(`${directory}/tmpfiles-${name}.conf`, tmpfiles);
    host.write(`/etc/tmpfiles.d/${name}.conf`, tmpfiles);
  }
  const installed = names.includes("hostfs") ? copyHostFiles(host, join(exports, "hostfs"), manifest, values) : {};
  const info = {
    ...{ image, revision: "0".repeat(64), "ostree-commit": "1".repeat(64), created: 1_500_000_000, values },
    ...{
      "has-container-service": true,
      "installed-files": Object.keys(installed),
      "installed-files-checksum": installed,
    },
    ...{ "installed-files-template": manifest.installedFilesTemplate ?? [], "rename-installed-files": {} },
    ...{ "rpm-installed": null, "system-package": "no", remote: null, "use-links": true, runtime: "/usr/bin/runc" },
    ...install.info,
  };
  host.write(`${directory}/info`, `${JSON.stringify(info, undefined, 4)}\n`);
}

async function unpack(files: LayerFiles, rootfs: string): Promise<void> {
  mkdirSync(rootfs, { recursive: true });
  const archive = `${rootfs}.tar`;
  await packLayer(files, archive);
  await run("tar", "--xattrs", "--xattrs-include=*", "--same-owner", "-C", rootfs, "-xpf", archive);
  rmSync(archive);
}

function standardValues(name: string, directory: string): Readonly<Record<string, string>> {
  return {
    ...{ NAME: name, DESTDIR: directory, RUN_DIRECTORY: "/run", CONF_DIRECTORY: "/etc", STATE_DIRECTORY: "/var/lib" },
    ...{ PIDFILE: `/run/container-${name}.pid`, RUNTIME: "/usr/bin/runc", ATOMIC: "/usr/bin/atomic" },
    ...{ HOST_UID: "0", HOST_GID: "0", UUID: "7d1a4f4c-95a3-4a4c-8c5d-0a6f1c1e2d10", IMAGE_NAME: name, IMAGE_ID: "0" },
    ...{ ALL_PROCESS_CAPABILITIES: '"CAP_CHOWN",\n"CAP_KILL"', EXEC_STARTPRE: "", EXEC_STOPPOST: "" },
    EXEC_START: `/usr/bin/runc --systemd-cgroup run '${name}'`,
    EXEC_STOP: `/usr/bin/runc --systemd-cgroup kill '${name}'`,
  };
}

/** Where each file went, with the SHA-256 of what is there. */
function copyHostFiles(
  host: Host,
  hostfs: string,
  manifest: { readonly renameFiles?: Record<string, string>; readonly installedFilesTemplate?: readonly string[] },
  values: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const installed: Record<string, string> = {};
  const templates = (manifest.installedFilesTemplate ?? []).map((path) => substitute(path, values));
  for (const entry of readdirSync(hostfs, { recursive: true, encoding: "utf8" })) {
    const from = join(hostfs, entry);
    if (!statSync(from).isFile()) continue;
    const path = renamed(`/${entry}`, manifest.renameFiles ?? {}, values);
    mkdirSync(dirname(host.path(path)), { recursive: true });
    if (templates.includes(path)) host.write(path, substitute(readFileSync(from, "utf8"), values));
    else copyFileSync(from, host.path(path));
    chmodSync(host.path(path), statSync(from).mode & 0o7777);
    installed[path] = createHash("sha256")
      .update(readFileSync(host.path(path)))
      .digest("hex");
  }
  return installed;
}

function renamed(path: string, renames: Record<string, string>, values: Readonly<Record<string, string>>): string {
  const [from, to] = Object.entries(renames).find(([at]) => path === at || path.startsWith(`${at}/`)) ?? [];
  return from === undefined || to === undefined ? path : `${substitute(to, values)}${path.slice(from.length)}`;
}

/** Python's string.Template. */
function substitute(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(/\$(?:(\$)|(\w+)|\{(\w+)\})/g, (_, dollar, plain, braced) => {
    if (dollar !== undefined) return dollar;
    const value = values[plain ?? braced];
    if (value === undefined) throw new Error(`no value of ${plain ?? braced}`);
    return value;
  });
}
