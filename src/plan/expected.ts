import type { Deployment, FileContent, HostFile } from "./deployment.ts";
import { textState } from "./file-state.ts";
import { probeFile } from "./readiness.ts";
import { unitFilesOf } from "./triggers.ts";

/** What has to stand at a path of the host. */
export type ExpectedFile =
  | {
      readonly kind: "file";
      readonly path: string;
      /** Absent where it does not matter. */
      readonly mode?: number;
      readonly sha256: string;
      readonly content: FileContent;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string };

/** Beside the tree of a deployment, in its `directory`. */
export function deployedFiles(deployment: Deployment, directory: string): readonly ExpectedFile[] {
  const { config, rootfs, hostFiles, service } = deployment;
  const probe = service?.probe;
  return [
    { kind: "file", path: `${directory}/config.json`, ...textState(config), mode: 0o600 },
    ...(probe === undefined
      ? []
      : [{ kind: "file", path: `${directory}/${probeFile}`, ...textState(probe), mode: 0o600 } as const]),
    ...(rootfs === undefined ? [] : [{ kind: "symlink", path: `${directory}/rootfs`, target: rootfs } as const]),
    ...hostFiles.flatMap((file) => keptFile(file, directory)),
  ];
}

/** What stageDeployment keeps of a host file; while that is on the host, it is the one other place that has the content. */
function keptFile(file: HostFile, directory: string): readonly ExpectedFile[] {
  if (file.kind !== "file" || file.content.kind !== "path" || !file.content.path.startsWith(`${directory}/`)) return [];
  const { content, path, sha256 } = file;
  return [{ kind: "file", path: content.path, sha256, content: { kind: "path", path } }];
}

/** Where the host uses the deployment that is current: its unit, the links that enable it, tmpfiles lines, host files. */
export function installedFiles({ service, tmpfiles, hostFiles }: Deployment): readonly ExpectedFile[] {
  const units = unitFilesOf(service);
  const texts = [...(tmpfiles === undefined ? [] : [tmpfiles]), ...units];
  const links = service?.enabled ? units.flatMap((unit) => unit.links) : [];
  return [
    ...texts.map(({ path, text }) => ({ kind: "file", path, ...textState(text) }) as const),
    ...links.map(({ path, target }) => ({ kind: "symlink", path, target }) as const),
    ...hostFiles.filter(({ foreign }) => !foreign).map(({ foreign: _, ...file }) => file),
  ];
}
